//! What a test is.

use std::time::Duration;

/// What Locust said of a test at its start. Each part is absent if Locust did not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestInfo {
    /// The host under test (`--host`).
    pub host: Option<String>,
    /// Users to spawn.
    pub users: Option<u64>,
    /// Users spawned per second.
    pub spawn_rate: Option<f64>,
    /// How long the test is to run.
    pub run_time: Option<Duration>,
    /// The locustfile's name without its folder and `.py`.
    pub locustfile: Option<String>,
    /// Names of the user classes.
    pub user_classes: Vec<String>,
    /// Locust's version.
    pub locust_version: Option<String>,
}
