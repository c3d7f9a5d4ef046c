//! `tasks`: how long the tasks of users take, and how often they fail. Tasks need not be traced for it.

use ltel_core::prelude::*;
use ltel_core::schema;
use serde::Deserialize;
use serde::de::Deserializer;

use crate::buckets;

/// Upper bounds in s. A task is several requests and often a wait between them, so it is longer than one of them.
const SECONDS: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0];

/// How long the tasks of users take, and how often they fail, by task and user class.
#[derive(Debug, Recorder)]
#[recorder(on = Task, labels(task = name, user_class), options = Options, scope = "locust_telemetry")]
pub struct Tasks {
    /// Duration of the executions of a task, whether they fail or not.
    #[histogram(
        name = "locust.task.duration",
        unit = "s",
        value = |task| task.duration / 1e3,
        buckets = |options| &options.buckets,
    )]
    duration: Histogram,

    /// Executions of a task that an exception ended.
    #[counter(name = "locust.task.failures", unit = "{task}", when = |task| task.error.is_some())]
    failures: Counter,
}

/// Options of [`Tasks`].
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The upper bounds of durations in s, ascending.
    #[serde(default = "seconds", deserialize_with = "in_seconds")]
    #[schemars(with = "schema::Buckets")]
    pub buckets: Vec<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { buckets: seconds() }
    }
}

fn seconds() -> Vec<f64> {
    SECONDS.to_vec()
}

fn in_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    buckets::ascending(deserializer, "`[0.1, 1, 10, 60]` (upper bounds in s)")
}
