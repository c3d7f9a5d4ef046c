//! `lifecycle`: when a test starts, has all its users, stops, or runs short of CPU.

use std::time::Duration;

use ltel_core::Timestamp;
use ltel_core::prelude::*;

const TEST_START: &str = "locust.tl.event.test.start";
const TEST_STOP: &str = "locust.tl.event.test.stop";
const SPAWN_COMPLETE: &str = "locust.tl.event.spawn.complete";
const CPU_WARNING: &str = "locust.tl.event.cpu.warning";

/// Locust's lifecycle events: a structured event each, and a counter of them.
#[derive(Debug)]
pub struct Lifecycle {
    events: Counter,
}

impl Recorder for Lifecycle {
    type Options = NoOptions;

    const SPEC: &'static Spec = &Spec {
        name: "lifecycle",
        description: "When a test starts, has all its users, stops, or runs short of CPU.",
        scope: crate::SCOPE,
        per: Per::Source,
        labels: &["event", "user_count"],
        instruments: &[InstrumentSpec::new("events", InstrumentKind::Counter, "1", "Lifecycle events of the test.")
            .named("locust.tl.event.test.events")],
        records: &[
            RecordSpec { name: TEST_START, description: "The test starts.", fields: &[] },
            RecordSpec {
                name: TEST_STOP,
                description: "The test has stopped; `end_time` is a second later, so that a dashboard's link covers the end.",
                fields: &["end_time"],
            },
            RecordSpec { name: SPAWN_COMPLETE, description: "All users are spawned.", fields: &["user_count"] },
            RecordSpec {
                name: CPU_WARNING,
                description: "A Locust process is short of CPU: its response times may be off.",
                fields: &["value", "unit"],
            },
        ],
        needs: Needs::NONE,
    };

    fn build(_: &NoOptions, instruments: &mut Instruments<'_>) -> Self {
        Self { events: instruments.counter(&Self::SPEC.instruments[0]) }
    }

    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, NoOptions>) {
        // Workers start and stop with their master, which speaks for the test.
        let speaks_for_test = cx.source().is_none_or(|s| s.source.coordinates());
        let at = Timestamp::from_secs(event.time());
        let record = |name| Record::new(RecordKind::Event, name, at);
        let (record, user_count) = match event {
            Event::TestStart(_) if speaks_for_test => (record(TEST_START), Label::Absent),
            Event::TestStop(_) if speaks_for_test => {
                let end = at + Duration::from_secs(1);
                (record(TEST_STOP).field("end_time", end.to_string()), Label::Absent)
            }
            Event::SpawningComplete(e) if speaks_for_test => {
                let count = i64::try_from(e.user_count).unwrap_or(i64::MAX);
                (record(SPAWN_COMPLETE).field("user_count", e.user_count), Label::Int(count))
            }
            Event::CpuWarning(e) => {
                (record(CPU_WARNING).field("value", e.cpu_usage).field("unit", "percent"), Label::Absent)
            }
            _ => return,
        };
        self.events.add(cx.series([Label::Str(&record.name), user_count]), 1);
        cx.emit(record);
    }
}
