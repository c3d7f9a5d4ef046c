//! `ltel-cli compare`: what differs between runs, and whether it is more than noise.
//!
//! Documents become [`run`]s, a [`comparison`] sets them side by side, [`difference`] judges each figure by its [`interval`] and by the
//! [`noise`] of the two runs, [`comparable`] says what else was different, and the
//! [`gate`] lets runs pass or fail. The rest writes that down.

mod run;
mod comparable;
mod comparison;
mod difference;
mod gate;
mod noise;
mod interval;
mod shown;
mod text;
mod markdown;
mod json;
mod html;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;

pub(crate) use comparison::{Comparison, Options};
pub(crate) use gate::Outcome;
pub(crate) use run::Run;

use difference::{Quantity, Verdict, WIDEST};

use crate::plural::counted;

impl Comparison {
    /// As text within 80 columns, in colors if `color`. With the endpoints that do not differ if `all`.
    pub(crate) fn to_text(&self, color: bool, all: bool) -> String {
        text::render(self, color, all)
    }

    /// As Markdown.
    pub(crate) fn to_markdown(&self) -> String {
        markdown::render(self)
    }

    /// As JSON.
    pub(crate) fn to_json(&self) -> String {
        json::render(self)
    }

    /// As a page in one file.
    pub(crate) fn to_html(&self) -> askama::Result<String> {
        html::render(self)
    }
}

/// The comparison with a run in one sentence.
fn summary(comparison: &Comparison, index: usize) -> String {
    let all = comparison.count(index, |_| true);
    let kinds = [
        (Verdict::SurelyWorse, "surely worse"),
        (Verdict::MaybeWorse, "maybe worse"),
        (Verdict::SurelyBetter, "surely better"),
        (Verdict::MaybeBetter, "maybe better"),
    ];
    let found: Vec<String> = kinds
        .iter()
        .filter_map(|(verdict, words)| {
            let count = comparison.count(index, |of| of == *verdict);
            (count > 0).then(|| format!("{count} {words}"))
        })
        .collect();
    let unclear = comparison.count(index, |of| matches!(of, Verdict::Unclear(_)));
    let rest = match unclear {
        0 => String::new(),
        _ => format!("; {unclear} cannot be told"),
    };
    let figures = counted(all as u64, "figures");
    match (found.is_empty(), all - unclear) {
        (true, 0) => format!("nothing can be told about {figures}"),
        (true, told) if told == all => format!("no difference that matters in {figures}"),
        (true, told) => format!("no difference that matters in {told} of {figures}{rest}"),
        (false, _) => format!("of {figures}, {}{rest}", found.join(", ")),
    }
}

/// How verdicts came about, in sentences for people.
fn explanation(comparison: &Comparison) -> Vec<String> {
    let min = comparison.options.min_change;
    let points = |percent: f64| Quantity::FailureRatio.measure(percent) * 100.0;
    let mut sentences = vec![
        format!(
            "A change matters from {min} % on; of failures, from {} percentage points (pt) on. \"Surely\": beyond that with a \
             confidence of 99 %. \"Maybe\": it looks like that, and there is a change with a confidence of 95 %. No difference that \
             matters: neither, and no more than {} % or {} points can hide in it.",
            points(min),
            WIDEST * min,
            points(WIDEST * min),
        ),
        format!(
            "Both confidences are those of {} together: of each that has enough requests, or a failure, to differ. So many \
             figures give no more false alarms than one (Bonferroni). Bounds of percentiles are order statistics of all response \
             times; those of failures are Wilson's and Newcombe's.",
            counted(comparison.comparisons as u64, "figures")
        ),
        "Requests of one moment resemble each other: how much their figures scatter over time, between both runs, makes each of \
         them count less. What differs between one day and another, such as a busy machine, no single run shows: repeat a \
         surprising result."
            .to_owned(),
    ];
    if comparison.comparisons == 0 {
        sentences.truncate(1);
    }
    sentences
}
