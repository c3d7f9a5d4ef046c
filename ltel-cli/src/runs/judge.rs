//! Judges an active run by the thresholds of the configuration, and decides when its test must be stopped.

use std::sync::Arc;
use std::time::Duration;

use humantime::format_duration;
use ltel_core::figures::{Annotation, AnnotationKind, RunFigures, Stage};
use ltel_core::record::{Record, RecordKind, Severity};
use ltel_core::runs::{Run, RunInfo, SourceStatus};
use ltel_core::text::shortened;
use ltel_core::thresholds::Judgement;
use ltel_core::{Now, Timestamp};

use super::report;
use crate::config::Thresholds;
use crate::plural::counted;

// The longest reason that Locust's log, annotations and the plugin get, in characters.
const REASON: usize = 300;

// How long a test may go on after the order to stop, before people hear of it.
const PATIENCE: Duration = Duration::from_secs(10);

// The longest list of broken thresholds in a log line, in characters.
const LINE: usize = 2_000;

/// What is new about the end of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// It has to stop, for this reason.
    Stop(Arc<str>),
    /// It goes on though it was told to stop.
    GoesOn,
}

/// Judges one run.
#[derive(Debug)]
pub(super) struct Judge {
    thresholds: Arc<Thresholds>,
    begun: Now,
    // When its statistics were reset last, as far as is known, or begun; and what figures say when they begin.
    since: Duration,
    figures_begun: Timestamp,
    // Why the test has to stop, once it does.
    stop: Option<Arc<str>>,
    // When that was, unless it has been said that the test goes on.
    stopping_since: Option<Duration>,
    // By threshold, what it was like when it stopped the test.
    stopped_at: Vec<Option<String>>,
}

impl Judge {
    /// If there are thresholds.
    pub(super) fn of(thresholds: &Arc<Thresholds>, run: &RunInfo) -> Option<Self> {
        let count = thresholds.list.len();
        let judge = Self {
            thresholds: Arc::clone(thresholds),
            begun: run.begun,
            since: run.begun.steady,
            figures_begun: run.started.map_or(run.begun.wall, Timestamp::from_secs),
            stop: None,
            stopping_since: None,
            stopped_at: vec![None; count],
        };
        (count > 0).then_some(judge)
    }

    /// Whether a threshold may stop the test.
    pub(super) fn may_abort(&self) -> bool {
        self.stop.is_none() && self.thresholds.may_abort()
    }

    /// Why the test has to stop, if it does.
    pub(super) const fn stop(&self) -> Option<&Arc<str>> {
        self.stop.as_ref()
    }

    /// Judges figures of the running test. Returns what is new about its end.
    pub(super) fn look(&mut self, figures: &mut RunFigures, now: Now) -> Option<Order> {
        figures.thresholds = self.judged(figures);
        let is_over = is_over(figures);
        if self.stop.is_some() || is_over {
            if !is_over && self.stopping_since.is_some_and(|since| since.saturating_add(PATIENCE) <= now.steady) {
                self.stopping_since = None;
                return Some(Order::GoesOn);
            }
            return None;
        }
        // After a reset, counts begin at zero again.
        if figures.begun > self.figures_begun {
            self.since = now.steady;
        }
        self.figures_begun = figures.begun;
        let (elapsed, counted) = (now.since(self.begun), now.steady.saturating_sub(self.since));
        let mut why = Vec::new();
        for (index, threshold) in self.thresholds.list.iter().enumerate() {
            let judgement = &mut figures.thresholds[index];
            let is_due = threshold.abort_after.is_some_and(|after| after <= counted);
            // A figure that there is none of yet may still come: at the end, it will have been missing.
            if let (true, false, Some(actual)) = (is_due, judgement.passed, &judgement.actual) {
                let at = format_duration(Duration::from_secs(elapsed.as_secs()));
                self.stopped_at[index] = Some(format!("it was {actual} after {at}, which has stopped the test"));
                why.push(judgement.sentence());
            }
        }
        if why.is_empty() {
            return None;
        }
        self.mark(&mut figures.thresholds);
        let why: Arc<str> = shortened(&why.join("; "), REASON).to_string().into();
        self.stop = Some(Arc::clone(&why));
        self.stopping_since = Some(now.steady);
        Some(Order::Stop(why))
    }

    /// The final figures with the judgements on them. If there are none, since their recorder is one of those that panicked,
    /// no threshold has passed.
    pub(super) fn finish(
        &self,
        figures: Option<RunFigures>,
        panicked: &[(&str, &str)],
        run: &Run,
        now: Now,
    ) -> RunFigures {
        if let Some(figures) = figures {
            return RunFigures { thresholds: self.judged(&figures), ..figures };
        }
        let why = match panicked {
            [] => "there are no figures of this run".to_owned(),
            [(name, _), ..] => format!("there are no figures: recorder `{name}` panicked"),
        };
        let mut thresholds: Vec<_> =
            self.thresholds.list.iter().map(|threshold| threshold.without_figures(&why)).collect();
        self.mark(&mut thresholds);
        RunFigures {
            time: now.wall,
            stage: Stage::Final { complete: false },
            begun: run.info().begun.wall,
            account: run.account(),
            thresholds,
            ..RunFigures::default()
        }
    }

    fn judged(&self, figures: &RunFigures) -> Vec<Judgement> {
        let mut judgements = self.thresholds.judge(figures);
        self.mark(&mut judgements);
        judgements
    }

    /// What has stopped the test is broken, however the figures have changed since.
    fn mark(&self, judgements: &mut [Judgement]) {
        for (judgement, stopped_at) in judgements.iter_mut().zip(&self.stopped_at) {
            let Some(stopped_at) = stopped_at else { continue };
            (judgement.passed, judgement.aborted) = (false, true);
            let reasons = std::iter::once(stopped_at.clone()).chain(judgement.reason.take());
            judgement.reason = Some(reasons.collect::<Vec<_>>().join("; "));
        }
    }
}

/// Whether the test has ended: an order to stop would reach nobody.
fn is_over(figures: &RunFigures) -> bool {
    // Where no process speaks for the run, each worker stops by itself.
    let stops = |annotation: &Annotation| annotation.kind == AnnotationKind::Stop && annotation.source.is_none();
    figures.annotations.iter().any(stops)
        || figures.account.sources.iter().all(|source| source.status != SourceStatus::Open)
}

/// Says which thresholds a run has broken.
pub(super) fn log(judgements: &[Judgement], run: &RunInfo) {
    let (name, count) = (report::name(run), counted(judgements.len() as u64, "thresholds"));
    let broken: Vec<_> = judgements.iter().filter(|judgement| !judgement.passed).map(Judgement::sentence).collect();
    if broken.is_empty() {
        tracing::info!("{name}: {count} passed");
    } else {
        let of_all = match judgements {
            [_] => "its threshold is broken".to_owned(),
            _ => format!("{} of {count} broken", broken.len()),
        };
        tracing::error!("{name}: {of_all}: {}", shortened(&broken.join("; "), LINE));
    }
}

/// A judgement as a record.
pub(super) fn record(judgement: &Judgement, run: &Run, now: Now) -> Record {
    let severity = if judgement.passed { Severity::Info } else { Severity::Error };
    let mut record = Record::new(RecordKind::Event, "ltel.threshold", now.wall)
        .severity(severity)
        .body(judgement.sentence())
        .field("target", judgement.target.clone())
        .field("check", judgement.check.clone())
        .field("passed", judgement.passed)
        .field("quantity", judgement.quantity.clone())
        .field("operator", judgement.operator.clone());
    for (name, value) in [("actual", judgement.actual_value), ("limit", judgement.limit_value)] {
        if let Some(value) = value {
            record = record.field(name, value);
        }
    }
    record = record.field("unit", judgement.unit.as_str());
    for (name, text) in [("endpoint", &judgement.endpoint), ("reason", &judgement.reason)] {
        if let Some(text) = text {
            record = record.field(name, text.clone());
        }
    }
    record = record.field("aborted", judgement.aborted);
    record.source = run.coordinator().cloned();
    report::labelled(record, run.info())
}

#[cfg(test)]
mod tests {
    use ltel_core::runs::{RunAccount, SourceAccount};
    use ltel_core::thresholds::{Check, Target, Threshold};

    use super::*;

    const BEGUN: f64 = 1_700_000_000.0;

    fn now(secs: u64) -> Now {
        Now { wall: Timestamp::from_secs(BEGUN + secs as f64), steady: Duration::from_secs(secs) }
    }

    /// Figures of a running test that count so many requests since this second.
    fn figures(begun: u64, requests: u64) -> RunFigures {
        let source = SourceAccount {
            source: None,
            label: "local".to_owned(),
            status: SourceStatus::Open,
            sent: 0,
            recorded: 0,
            filtered: 0,
            dropped: std::collections::BTreeMap::new(),
        };
        let account = RunAccount { sources: vec![source], ..RunAccount::default() };
        let mut figures = RunFigures { begun: now(begun).wall, account, ..RunFigures::default() };
        figures.total.requests = requests;
        figures
    }

    /// Scenario: statistics are reset just before `after` is over. Guarantees: it is counted from the reset on.
    #[test]
    fn after_a_reset_a_test_has_as_long_as_after_its_start() {
        let threshold = Threshold {
            target: Target::new("all"),
            check: Check::parse("requests > 5").expect("a check"),
            abort_after: Some(Duration::from_secs(4)),
        };
        let thresholds = Arc::new(Thresholds { list: vec![threshold], baseline: None });
        let run = RunInfo { begun: now(0), ..RunInfo::default() };
        let judge = || Judge::of(&thresholds, &run).expect("thresholds");
        let stops =
            |judge: &mut Judge, begun, requests, at| judge.look(&mut figures(begun, requests), now(at)).is_some();

        let mut without_reset = judge();
        assert!(!stops(&mut without_reset, 0, 2, 3));
        assert!(stops(&mut without_reset, 0, 2, 4));
        let mut with_reset = judge();
        assert!(!stops(&mut with_reset, 0, 100, 2));
        assert!(!stops(&mut with_reset, 3, 2, 4));
        assert!(!stops(&mut with_reset, 3, 2, 7));
        assert!(stops(&mut with_reset, 3, 2, 8));
        let mut reset_before_the_first_look = judge();
        assert!(!stops(&mut reset_before_the_first_look, 3, 2, 4));
    }
}
