//! `users`: how many users are running.

use ltel_core::prelude::*;

/// How many users are running.
#[derive(Debug, Recorder)]
#[recorder(on = Users, scope = "locust_telemetry")]
pub struct Users {
    /// Running users; a master's are those of all its workers.
    #[gauge(name = "locust.tl.user.metric.count", unit = "1", value = total)]
    count: Gauge<u64>,
}
