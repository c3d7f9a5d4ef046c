//! The events that are sent one by one, each in its own frame.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::trace::TraceContext;

/// Locust's `test_start`, from each process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TestStart {
    /// Seconds since the epoch.
    pub time: f64,
    /// The run that begins. The master makes it and Locust carries it to the workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The name of the test plan, if the user set one in Locust.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub testplan: Option<String>,
    /// The host under test (`--host`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Users to spawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// Users spawned per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spawn_rate: Option<f64>,
    /// The run time of the test, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_time: Option<f64>,
    /// Names of the user classes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user_classes: Vec<String>,
    /// The locustfile's name without its folder and `.py`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locustfile: Option<String>,
    /// Locust's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locust_version: Option<String>,
    /// From a worker, the `client_id` of its master ([`crate::wire::Hello`]), if the master has the plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coordinator: Option<String>,
}

/// Locust's `test_stop`, from each process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TestStop {
    /// Seconds since the epoch.
    pub time: f64,
}

/// Locust's `spawning_complete`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpawningComplete {
    /// Seconds since the epoch.
    pub time: f64,
    /// Users that are now running.
    pub user_count: u64,
}

/// Locust's `cpu_warning`: the process has used most of a core for a while, so its figures may be off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuWarning {
    /// Seconds since the epoch.
    pub time: f64,
    /// Percent of one core.
    pub cpu_usage: f64,
}

/// What a Locust process uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Seconds since the epoch.
    pub time: f64,
    /// Percent of one core.
    pub cpu_percent: f64,
    /// Resident memory in bytes.
    pub memory_bytes: u64,
    /// Bytes the host has sent over its network interfaces since it started.
    pub net_sent_bytes: u64,
    /// Bytes the host has received over its network interfaces since it started.
    pub net_recv_bytes: u64,
}

/// Running users by class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Users {
    /// Seconds since the epoch.
    pub time: f64,
    /// Users by the name of their class.
    pub counts: BTreeMap<String, u64>,
    /// From a master, Locust's ids of the workers that take part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

impl Users {
    /// Running users of all classes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().copied().fold(0, u64::saturating_add)
    }
}

/// Locust's `user_error`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserError {
    /// Seconds since the epoch.
    pub time: f64,
    /// The user's class.
    pub user: String,
    /// The exception, as `Class: text`.
    pub error: String,
    /// Python's traceback.
    pub traceback: String,
    /// The trace of the task that it ended, if tasks are traced: 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// That task's span: 16 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// Whether that trace is sampled.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sampled: bool,
}

impl UserError {
    /// The task that it ended, in its trace; absent if tasks are not traced or an id is not valid.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        TraceContext::from_hex(self.trace_id.as_deref()?, self.span_id.as_deref()?, None, self.sampled)
    }
}

/// Locust's statistics went back to zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResetStats {
    /// Seconds since the epoch.
    pub time: f64,
    /// From a master, the last report of each worker ([`ReportToMaster::number`]) that its statistics held before, by Locust's
    /// id of the worker. What a worker has counted since then comes with its next report, and is in the figures after the reset.
    /// Absent from older plugins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reports: Option<BTreeMap<String, u64>>,
}

/// A worker has reported its statistics to its master and starts counting from zero: every three seconds, and at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReportToMaster {
    /// Seconds since the epoch.
    pub time: f64,
    /// Counted from 1 in each run of the worker.
    pub number: u64,
}

/// A custom event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Custom {
    /// Seconds since the epoch.
    pub time: f64,
    /// What happened.
    pub name: String,
    /// Attributes that the user attached.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub attributes: serde_json::Map<String, serde_json::Value>,
    /// A number, if the event has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
}

/// How many workers a master has, as Locust counts them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workers {
    /// Seconds since the epoch.
    pub time: f64,
    /// Workers that are connected: ready, spawning or running.
    pub connected: u64,
    /// Workers that Locust has not heard of for a while.
    pub missing: u64,
    /// How many the master waits for before it starts a test (`--expect-workers`); absent if it does not wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
}

/// What Locust or the locustfile wrote to Python's logging.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// Seconds since the epoch.
    pub time: f64,
    /// The level's name, such as `WARNING`.
    pub level: String,
    /// The level's number in Python: 10 for `DEBUG` to 50 for `CRITICAL`.
    pub level_number: u64,
    /// The name of the logger.
    pub logger: String,
    /// The message.
    pub message: String,
    /// Python's traceback, if an exception was logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
    /// The path of the source file that logged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The function that logged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The class of the user that logged it, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_class: Option<String>,
    /// The trace of the task or request that was running, if there are traces: 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Its span: 16 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// Whether that trace is sampled.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sampled: bool,
    /// How many messages before this one were dropped because there were too many.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped: u64,
}

impl Log {
    /// The task or request that was running, in its trace; absent if there are no traces or an id is not valid.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        TraceContext::from_hex(self.trace_id.as_deref()?, self.span_id.as_deref()?, None, self.sampled)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for it
const fn is_zero(count: &u64) -> bool {
    *count == 0
}
