//! Whether two runs can be compared: what was different about the tests themselves.

use std::time::Duration;

use ltel_core::figures::{AnnotationKind, GeneratorFigures, RunFigures, Stage, TestInfo};
use ltel_core::text;

// Of what a client sent; in characters.
const LONGEST: usize = 80;

/// What a reader must know of two runs before the figures. Text from clients is escaped.
pub(crate) fn remarks(from: &RunFigures, to: &RunFigures) -> Vec<String> {
    let mut remarks = tests(&from.test, &to.test);
    remarks.extend(durations(from, to));
    for (run, of) in [(from, "the baseline"), (to, "this run")] {
        remarks.extend(state(run).map(|what| format!("{of} {what}")));
    }
    remarks
}

fn tests(from: &TestInfo, to: &TestInfo) -> Vec<String> {
    let seconds = |time: Duration| humantime::format_duration(time).to_string();
    let classes = |test: &TestInfo| {
        let mut names = test.user_classes.clone();
        names.sort_unstable();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let number = |number: Option<f64>| number.map(|number| number.to_string());
    [
        ("users", from.users.map(|n| n.to_string()), to.users.map(|n| n.to_string())),
        ("users spawned per second", number(from.spawn_rate), number(to.spawn_rate)),
        ("run time", from.run_time.map(seconds), to.run_time.map(seconds)),
        ("host", from.host.clone(), to.host.clone()),
        ("user classes", classes(from), classes(to)),
        ("locustfile", from.locustfile.clone(), to.locustfile.clone()),
        ("version of Locust", from.locust_version.clone(), to.locust_version.clone()),
    ]
    .into_iter()
    .filter_map(|(what, from, to)| {
        // What Locust did not say cannot differ.
        let (from, to) = from.zip(to)?;
        let (shown_from, shown_to) = (text::shortened(&from, LONGEST), text::shortened(&to, LONGEST));
        (from != to).then(|| format!("{what}: {shown_from} in the baseline, {shown_to} in this run"))
    })
    .collect()
}

fn durations(from: &RunFigures, to: &RunFigures) -> Option<String> {
    // A test that ends by itself does not end at the same millisecond.
    const ALIKE: f64 = 1.1;
    let asked = from.test.run_time.is_some() && from.test.run_time != to.test.run_time && to.test.run_time.is_some();
    let (a, b) = (from.duration.as_secs_f64(), to.duration.as_secs_f64());
    // With different run times, that is said already.
    (!asked && a.max(b) > ALIKE * a.min(b) + 1.0)
        .then(|| format!("the tests lasted {a:.0} s in the baseline, {b:.0} s in this run"))
}

fn state(run: &RunFigures) -> impl Iterator<Item = String> {
    let busy = run.generators.iter().filter(|generator| generator.was_busy()).count();
    let percent = GeneratorFigures::BUSY_PERCENT;
    let busy = (busy > 0).then(|| {
        let processes = if busy == 1 { "process" } else { "processes" };
        format!("has {busy} Locust {processes} above {percent} % CPU: response times may be their own delays")
    });
    defects(run).map(ToOwned::to_owned).chain(busy)
}

/// Why the figures of a run are not those of the whole test.
pub(super) fn defects(run: &RunFigures) -> impl Iterator<Item = &'static str> {
    let aborted = run.annotations.iter().any(|of| of.kind == AnnotationKind::Abort);
    [
        (run.total.requests == 0).then_some("has no requests"),
        (run.stage == Stage::Running).then_some("was not over when its figures were taken"),
        (run.stage == Stage::Final { complete: false }).then_some("is incomplete: requests are missing"),
        aborted.then_some("was stopped by a broken threshold"),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests_of_remarks {
    use ltel_core::Timestamp;
    use ltel_core::figures::{Annotation, EndpointFigures};

    use super::*;

    fn run() -> RunFigures {
        RunFigures {
            stage: Stage::Final { complete: true },
            duration: Duration::from_mins(1),
            total: EndpointFigures { requests: 1, ..EndpointFigures::default() },
            test: TestInfo {
                host: Some("https://shop.example".to_owned()),
                users: Some(50),
                spawn_rate: Some(5.0),
                run_time: Some(Duration::from_mins(1)),
                locustfile: Some("shop".to_owned()),
                user_classes: vec!["Buyer".to_owned(), "Visitor".to_owned()],
                locust_version: Some("2.47.0".to_owned()),
            },
            ..RunFigures::default()
        }
    }

    #[test]
    fn the_same_test_needs_no_remark() {
        let mut again = run();
        again.test.user_classes.reverse();
        again.duration = Duration::from_millis(60_900);
        assert_eq!(remarks(&run(), &again), [""; 0]);
        // What was not said is not known to differ.
        let silent = RunFigures { test: TestInfo::default(), ..run() };
        assert_eq!(remarks(&run(), &silent), [""; 0]);
    }

    /// Scenario: two runs that differ in everything. Guarantees: each difference is said, and a hostile name is shown as text.
    #[test]
    fn what_differs_is_said() {
        let mut other = run();
        other.stage = Stage::Final { complete: false };
        other.duration = Duration::from_mins(10);
        other.annotations = vec![Annotation {
            time: Timestamp::default(),
            kind: AnnotationKind::Abort,
            source: None,
            text: String::new(),
        }];
        other.generators = vec![GeneratorFigures { cpu_warnings: 1, ..GeneratorFigures::default() }];
        other.test = TestInfo {
            host: Some("\u{1b}[31m<b>".to_owned()),
            users: Some(100),
            spawn_rate: Some(0.5),
            run_time: Some(Duration::from_mins(10)),
            locustfile: Some("api".to_owned()),
            user_classes: vec!["Buyer".to_owned()],
            locust_version: Some("2.32.10".to_owned()),
        };
        insta::assert_snapshot!(remarks(&run(), &other).join("\n"));
        other.test.run_time = None;
        other.stage = Stage::Running;
        let remarks = remarks(&run(), &other);
        assert!(
            remarks.contains(&"the tests lasted 60 s in the baseline, 600 s in this run".to_owned()),
            "{remarks:#?}"
        );
        assert!(remarks.contains(&"this run was not over when its figures were taken".to_owned()), "{remarks:#?}");
    }
}
