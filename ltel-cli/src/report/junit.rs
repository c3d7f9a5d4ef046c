//! The thresholds of a run as `JUnit` XML, which every CI shows: a test case for each. One more says whether the figures are
//! complete, so that a run without thresholds has a case, too.

use std::time::Duration;

use ltel_core::text::shortened;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::Document;
use super::document::Threshold;

// In characters.
const LONGEST: usize = 400;

/// The report. A threshold that has passed says in its output by what figure. What XML cannot hold is escaped, as in a terminal.
pub(crate) fn junit(document: &Document) -> String {
    let testplan = shown(&document.run.testplan);
    let mut suite = TestSuite::new(if testplan.is_empty() { "load test" } else { &testplan });
    let duration = Duration::try_from_secs_f64(document.duration_seconds).unwrap_or_default();
    suite.set_time(duration);
    for (name, value) in [
        ("run_id", shown(&document.run.run_id)),
        ("begun", document.run.begun.to_string()),
        ("requests", document.total.requests.to_string()),
        ("failures", document.total.failures.to_string()),
    ] {
        suite.add_property(Property::new(name, value));
    }
    for (name, value) in document.run.labels() {
        suite.add_property(Property::new(shown(name), shown(&value)));
    }
    for threshold in &document.thresholds {
        suite.add_test_case(case(threshold));
    }
    suite.add_test_case(completeness(document));
    let mut report = Report::new("ltel");
    report.set_time(duration).add_test_suite(suite);
    // Writing to memory does not fail.
    report.to_string().unwrap_or_default()
}

fn case(threshold: &Threshold) -> TestCase {
    let status = if threshold.passed {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        // Where there is no figure, the sentence has the reason, which says so itself.
        let stopped = if threshold.aborted && threshold.actual.is_some() { "; it has stopped the test" } else { "" };
        status.set_message(format!("{}{stopped}", shown(&threshold.sentence))).set_type("threshold");
        status
    };
    let mut case = TestCase::new(format!("{}: {}", shown(&threshold.target), shown(&threshold.check)), status);
    case.set_classname("thresholds");
    if threshold.passed {
        case.set_system_out(shown(&threshold.sentence));
    }
    case
}

/// Not a failure: whether loss is one is for `--strict` to decide.
fn completeness(document: &Document) -> TestCase {
    let account = &document.account;
    let status = match document.complete {
        Some(true) => TestCaseStatus::success(),
        Some(false) => {
            let missing = account.dropped.values().copied().fold(0, u64::saturating_add);
            let open: Vec<_> = account.sources.iter().filter(|source| source.status != "done").collect();
            let open: Vec<_> =
                open.iter().map(|source| format!("{} is {}", shown(&source.label), shown(&source.status))).collect();
            let mut status = TestCaseStatus::skipped();
            let more = if open.is_empty() { String::new() } else { format!("; {}", open.join(", ")) };
            status.set_message(format!(
                "the figures are incomplete: {missing} of {} requests are missing{more}",
                account.sent
            ));
            status
        }
        None => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("the test is still running");
            status
        }
    };
    let mut case = TestCase::new("every request is in the figures", status);
    case.set_classname("figures");
    case
}

fn shown(text: &str) -> String {
    shortened(text, LONGEST).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// Guarantees: a broken threshold is a failure with its figure, and hostile names are text that XML can hold.
    #[test]
    fn thresholds_are_test_cases() {
        insta::assert_snapshot!(junit(&Document::of(&sample::hostile_run(), &sample::incomplete())));
        insta::assert_snapshot!(junit(&Document::of(&sample::run(), &sample::empty())));
    }
}
