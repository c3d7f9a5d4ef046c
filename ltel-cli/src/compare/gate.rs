//! Whether runs pass `--fail-above`. Only what could be judged passes.

use ltel_core::text::{printable, shortened};

use super::comparison::{Comparison, Line, Row};
use super::difference::{Difference, Verdict};
use super::{comparable, shown};
use crate::plural::counted;

// Endpoints that are named one by one.
const MOST_NAMED: usize = 20;

/// What `--fail-above` says of all runs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    /// Nothing is wrong as far as is known, but of one of the runs no figure could be judged.
    NotJudged,
}

impl Comparison {
    /// What `--fail-above` says; absent without it.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.options.fail_above?;
        Some(if !self.failures().is_empty() || !self.faults().is_empty() {
            Outcome::Failed
        } else if !self.not_judged().is_empty() {
            Outcome::NotJudged
        } else {
            Outcome::Passed
        })
    }

    /// Why runs do not pass, for stderr: a line each. Empty if they do.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let Some(most) = self.options.fail_above else { return Vec::new() };
        let worse = self.failures().into_iter().map(|(other, row, of, difference)| {
            format!(
                "surely worse by more than {most} %: {}: {} of {}: {} -> {}, {}, {}",
                printable(&self.others[other].run.name),
                of.quantity.title(),
                shortened(&row.endpoint.text(), 200),
                shown::value(of.quantity, of.baseline),
                shown::value(of.quantity, difference.value),
                shown::change(of.quantity, difference),
                difference.verdict.words(of.quantity),
            )
        });
        let not_judged = self.not_judged().into_iter().map(|index| {
            let name = printable(&self.others[index].run.name);
            format!("{name}: nothing could be judged: run both tests for longer, or with more requests")
        });
        worse.chain(self.faults()).chain(not_judged).collect()
    }

    /// What is surely worse by more than is allowed, with the index of its run.
    pub(super) fn failures(&self) -> Vec<(usize, &Row, &Line, &Difference)> {
        let Some(most) = self.options.fail_above else { return Vec::new() };
        let all = (0..self.others.len()).flat_map(|other| {
            self.differences(other).map(move |(row, line, difference)| (other, row, line, difference))
        });
        all.filter(|(_, _, line, difference)| difference.is_surely_worse_by(line.quantity, most)).collect()
    }

    /// What is missing in runs, so that good figures mean nothing. A sentence each.
    fn faults(&self) -> Vec<String> {
        let name = |name: &str| printable(name).to_string();
        let baseline = &self.baseline;
        let mut faults: Vec<String> = comparable::defects(&baseline.figures)
            .map(|what| format!("{}: the baseline {what}", name(&baseline.name)))
            .collect();
        for other in &self.others {
            let run = name(&other.run.name);
            faults.extend(comparable::defects(&other.run.figures).map(|what| format!("{run}: this run {what}")));
            // That says it of each endpoint.
            if other.run.figures.total.requests == 0 {
                continue;
            }
            let gone = other.gone.iter().take(MOST_NAMED).map(|gone| shortened(&gone.text(), 200).to_string());
            faults.extend(gone.map(|gone| format!("{run}: no request to {gone}, which the baseline has")));
            if other.gone.len() > MOST_NAMED {
                let more = counted((other.gone.len() - MOST_NAMED) as u64, "endpoints");
                faults.push(format!("{run}: no request to {more} more of the baseline"));
            }
        }
        faults
    }

    /// The runs that have requests, of which no figure could be told.
    fn not_judged(&self) -> Vec<usize> {
        let is_judged = |index: usize| self.count(index, |of| !matches!(of, Verdict::Unclear(_))) > 0;
        let has_requests = |index: usize| self.others[index].run.figures.total.requests > 0;
        (0..self.others.len()).filter(|&index| has_requests(index) && !is_judged(index)).collect()
    }
}
