//! `users`: how many users are running.

use ltel_core::prelude::*;

/// How many users are running.
#[derive(Debug, Recorder)]
#[recorder(
    on = Users,
    name = "users",
    // A master's count includes all its workers: a sum over all sources would count users twice.
    when = |_, _, cx| cx.speaks_for_run(),
    scope = "locust_telemetry",
)]
pub struct UsersRecorder {
    /// Running users of the run; of each worker if no master reports them.
    #[gauge(name = "locust.tl.user.metric.count", unit = "1", value = total)]
    count: Gauge<u64>,
}
