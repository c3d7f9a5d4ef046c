//! What went wrong in a test: broken thresholds, errors, exceptions, generators that were too busy.

use std::cmp::Reverse;
use std::fmt::Write as _;

use ltel_core::figures::RunFigures;

use super::Look;
use super::layout::{number, shown, table, text, words};
use crate::cli::numbers;
use crate::plural::counted;

/// How many kinds of errors, and of exceptions, are shown.
const SHOWN: usize = 10;

pub(super) const BROKEN: &str = "BROKEN";
pub(super) const PASSED: &str = "passed";

/// Each threshold, with its figure.
pub(super) fn thresholds(figures: &RunFigures, look: Look) -> Option<String> {
    let rows: Vec<_> = figures
        .thresholds
        .iter()
        .map(|judgement| {
            let mut figure = match (&judgement.actual, &judgement.reason) {
                (Some(actual), _) => actual.clone(),
                // The last line of the command has the rest.
                (None, Some(reason)) => reason.split("; ").next().unwrap_or_default().to_owned(),
                (None, None) => "-".to_owned(),
            };
            if let Some(endpoint) = judgement.endpoint.as_ref().filter(|endpoint| **endpoint != judgement.target) {
                let _ = write!(figure, " of {}", shown(endpoint));
            }
            if let Some(limit) = judgement.baseline_limit() {
                let _ = write!(figure, ", limit {limit}");
            }
            if judgement.aborted {
                figure.push_str(", aborted the test");
            }
            let verdict = if judgement.passed { PASSED } else { BROKEN };
            vec![verdict.to_owned(), shown(&judgement.check), shown(&judgement.target), figure]
        })
        .collect();
    let columns = [words(""), text("Threshold"), text("Of"), text("Figure")];
    (!rows.is_empty()).then(|| table(look.width, &columns, &rows))
}

/// The most frequent errors.
pub(super) fn errors(figures: &RunFigures, look: Look) -> Option<String> {
    let errors = figures.errors.iter();
    let rows =
        errors.map(|of| (of.occurrences, shown(&of.error), shown(format!("{} {}", of.method, of.name).trim_start())));
    most_frequent(rows.collect(), "errors", [text("Error"), text("At")], look)
}

/// The most frequent exceptions of user code. Locust does not print them at the end.
pub(super) fn exceptions(figures: &RunFigures, look: Look) -> Option<String> {
    let rows = figures.exceptions.iter().map(|of| (of.occurrences, shown(&of.error), shown(&of.user)));
    most_frequent(rows.collect(), "exceptions", [text("Exception in user code"), text("User")], look)
}

fn most_frequent(
    mut rows: Vec<(u64, String, String)>,
    what: &str,
    [problem, place]: [super::layout::Column; 2],
    look: Look,
) -> Option<String> {
    rows.sort_by_key(|(times, ..)| Reverse(*times));
    let rest = rows.split_off(rows.len().min(SHOWN));
    let mut rows: Vec<_> = rows.into_iter().map(|(times, what, at)| vec![times.to_string(), what, at]).collect();
    if !rest.is_empty() {
        let times: u64 = rest.iter().map(|(times, ..)| *times).fold(0, u64::saturating_add);
        rows.push(vec![times.to_string(), format!("{} more kinds of {what}", rest.len()), String::new()]);
    }
    (!rows.is_empty()).then(|| table(look.width, &[number("Times"), problem, place], &rows))
}

/// Generators that may have been the bottleneck: their figures are not the system's under test.
pub(super) fn busy_generators(figures: &RunFigures) -> Vec<String> {
    let busy: Vec<_> = figures.generators.iter().filter(|generator| generator.was_busy()).collect();
    let mut lines: Vec<_> = busy
        .iter()
        .take(SHOWN)
        .map(|generator| {
            let cpu = generator
                .max_cpu_percent
                .map(|cpu| format!("used up to {} % of a CPU core", numbers::number(Some(cpu))));
            let warned = (generator.cpu_warnings > 0)
                .then(|| format!("was warned of by Locust ({})", counted(generator.cpu_warnings, "times")));
            let why: Vec<_> = cpu.into_iter().chain(warned).collect();
            format!(
                "Locust process {} {}: response times may be its own delays",
                shown(&generator.label),
                why.join(" and ")
            )
        })
        .collect();
    if busy.len() > SHOWN {
        lines.push(format!("and {} more Locust processes were as busy", busy.len() - SHOWN));
    }
    lines
}
