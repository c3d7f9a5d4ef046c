//! `lifecycle`: when a test starts, has all its users, stops, or runs short of CPU.

use std::time::Duration;

use ltel_core::Timestamp;
use ltel_core::prelude::*;

const TEST_START: &str = "locust.tl.event.test.start";
const TEST_STOP: &str = "locust.tl.event.test.stop";
const SPAWN_COMPLETE: &str = "locust.tl.event.spawn.complete";
const CPU_WARNING: &str = "locust.tl.event.cpu.warning";

/// When a test starts, has all its users, stops, or runs short of CPU.
#[derive(Debug, Recorder)]
#[recorder(
    on = [TestStart, TestStop, SpawningComplete, CpuWarning],
    // Workers start and stop with their master, which reports for the test. Each process reports its own lack of CPU.
    when = |event, _, cx| cx.speaks_for_run() || matches!(event, Event::CpuWarning(_)),
    labels(event = |event| name(event), user_count = |event| user_count(event)),
    scope = "locust_telemetry",
)]
pub struct Lifecycle {
    /// Lifecycle events of the test.
    #[counter(name = "locust.tl.event.test.events")]
    events: Counter,

    /// The test starts: what it is, as far as Locust says it. `spawn_rate` is in users per second, `run_time` in seconds.
    #[record(
        on = TestStart,
        name = "locust.tl.event.test.start",
        fields(
            host,
            users,
            spawn_rate,
            run_time,
            locustfile,
            user_classes = |start| Some(&start.user_classes).filter(|classes| !classes.is_empty()),
            locust_version,
        ),
    )]
    test_start: Records,

    /// The test has stopped. `end_time` is a second later, so that a dashboard's link covers the end.
    #[record(
        on = TestStop,
        name = "locust.tl.event.test.stop",
        fields(end_time = |stop| Timestamp::from_secs(stop.time) + Duration::from_secs(1)),
    )]
    test_stop: Records,

    /// All users are spawned.
    #[record(on = SpawningComplete, name = "locust.tl.event.spawn.complete", fields(user_count))]
    spawn_complete: Records,

    /// A Locust process is short of CPU: its response times may be off.
    #[record(on = CpuWarning, name = "locust.tl.event.cpu.warning", fields(value = cpu_usage, unit = "percent"))]
    cpu_warning: Records,
}

fn name(event: &Event<'_>) -> &'static str {
    match event {
        Event::TestStart(_) => TEST_START,
        Event::TestStop(_) => TEST_STOP,
        Event::SpawningComplete(_) => SPAWN_COMPLETE,
        _ => CPU_WARNING,
    }
}

fn user_count(event: &Event<'_>) -> Option<u64> {
    match event {
        Event::SpawningComplete(spawned) => Some(spawned.user_count),
        _ => None,
    }
}
