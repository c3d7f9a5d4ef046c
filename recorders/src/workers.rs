//! `workers`: how many workers a master has, misses and waits for. A test that lost a worker measures with fewer users.
//!
//! Hand-written rather than derived: one event sets three series, and makes a record only if a count has changed.

use ltel_core::Timestamp;
use ltel_core::event::Workers;
use ltel_core::prelude::*;

/// The name of the records of changes.
pub const CHANGED: &str = "locust.tl.event.workers";

const WORKERS: InstrumentSpec = InstrumentSpec::new(
    "workers",
    InstrumentKind::Gauge,
    "{worker}",
    "Workers by state: connected, missing (Locust has not heard of them for a while), expected (the master waits for so many).",
)
.named("locust.workers");

/// How many workers the master of a test has, as Locust counts them.
///
/// The label `state` is `connected`, `missing` or `expected`; there is no series `expected` if the master waits for no workers
/// (`--expect-workers`). There is a record at the first count and at each change, of severity warning where more are missing
/// than before. A test without a master has neither.
#[derive(Debug)]
pub struct WorkersRecorder {
    workers: Gauge<u64>,
    last: Option<Counts>,
}

/// What a master has said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    connected: u64,
    missing: u64,
    expected: Option<u64>,
}

impl Recorder for WorkersRecorder {
    type Options = NoOptions;

    const SPEC: &'static Spec = &Spec {
        name: "workers",
        description: "How many workers the master of a test has, misses and waits for.",
        scope: crate::SCOPE,
        events: &[EventKind::Workers],
        per: Per::Source,
        labels: &["state"],
        instruments: &[WORKERS],
        records: &[RecordSpec {
            name: CHANGED,
            description: "The workers of a test have changed; of severity warning if more are missing.",
            fields: &["connected", "missing", "expected"],
        }],
        spans: &[],
        needs: Needs::NONE,
    };

    fn build(_: &NoOptions, instruments: &mut Instruments<'_>) -> Self {
        Self { workers: instruments.gauge(&WORKERS), last: None }
    }

    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, NoOptions>) {
        match event {
            // Only a master counts workers: what another process says of them is not known.
            Event::Workers(workers) if cx.speaks_for_run() => self.workers(workers, cx),
            _ => {}
        }
    }
}

impl WorkersRecorder {
    fn workers(&mut self, event: &Workers, cx: &mut Context<'_, NoOptions>) {
        let counts = Counts { connected: event.connected, missing: event.missing, expected: event.expected };
        self.workers.set(cx.series([Label::Str("connected")]), counts.connected);
        self.workers.set(cx.series([Label::Str("missing")]), counts.missing);
        if let Some(expected) = counts.expected {
            self.workers.set(cx.series([Label::Str("expected")]), expected);
        }
        if self.last == Some(counts) {
            return;
        }
        let missed_before = self.last.map_or(0, |last| last.missing);
        self.last = Some(counts);
        let severity = if counts.missing > missed_before { Severity::Warning } else { Severity::Info };
        let mut record = Record::new(RecordKind::Event, CHANGED, Timestamp::from_secs(event.time))
            .severity(severity)
            .body(told(counts))
            .field("connected", counts.connected)
            .field("missing", counts.missing);
        if let Some(expected) = counts.expected {
            record = record.field("expected", expected);
        }
        cx.emit(record);
    }
}

/// For people: `2 of 3 workers are connected, 1 is missing`.
fn told(Counts { connected, missing, expected }: Counts) -> String {
    let of = expected.map_or_else(String::new, |expected| format!(" of {expected}"));
    let (workers, are) = if expected.unwrap_or(connected) == 1 { ("worker", "is") } else { ("workers", "are") };
    let missing = match missing {
        0 => String::new(),
        1 => ", 1 is missing".to_owned(),
        missing => format!(", {missing} are missing"),
    };
    format!("{connected}{of} {workers} {are} connected{missing}")
}
