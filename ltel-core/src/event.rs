//! What happens in a load test, as Locust tells it: one struct per event. The same structs travel on the
//! wire ([`crate::wire`]) and reach recorders as [`Event`].
//!
//! Times are seconds since the Unix epoch (Python's `time.time()`), response times are
//! milliseconds and sizes are bytes, as in Locust.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::trace::TraceContext;

/// An event as a recorder sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A source begins its part of a run.
    TestStart(&'a TestStart),
    /// A source has stopped its users.
    TestStop(&'a TestStop),
    /// All users are spawned.
    SpawningComplete(&'a SpawningComplete),
    /// The Locust process itself is short of CPU.
    CpuWarning(&'a CpuWarning),
    /// What the Locust process uses of its host.
    Usage(&'a Usage),
    /// How many users are running.
    Users(&'a Users),
    /// One request, or whatever a user reported as one.
    Request(&'a Request<'a>),
    /// One execution of a task, where tasks are traced ([`crate::wire::TraceFeatures::tasks`]).
    Task(&'a Task<'a>),
    /// An exception in user code, outside any request.
    UserError(&'a UserError),
    /// Locust set its statistics back to zero (`--reset-stats`, or the web UI's button).
    ResetStats(&'a ResetStats),
    /// A worker has reported its statistics to its master.
    ReportToMaster(&'a ReportToMaster),
    /// An event of the user's own (`ltel_locust.record` in a locustfile).
    Custom(&'a Custom),
}

impl Event<'_> {
    /// When it happened, by the source's clock, in seconds since the Unix epoch. Requests count when they are reported, tasks
    /// at their end.
    #[must_use]
    pub fn time(&self) -> f64 {
        match self {
            Self::TestStart(e) => e.time,
            Self::TestStop(e) => e.time,
            Self::SpawningComplete(e) => e.time,
            Self::CpuWarning(e) => e.time,
            Self::Usage(e) => e.time,
            Self::Users(e) => e.time,
            Self::Request(e) => e.reported_at,
            Self::Task(e) => e.end_time(),
            Self::UserError(e) => e.time,
            Self::ResetStats(e) => e.time,
            Self::ReportToMaster(e) => e.time,
            Self::Custom(e) => e.time,
        }
    }
}

/// Locust's `test_start`, from each process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TestStart {
    /// Seconds since the epoch.
    pub time: f64,
    /// The run that begins. The master makes it and Locust carries it to the workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The name of the test plan, where the user gave one to Locust.
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
    /// Seconds the test shall run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_time: Option<f64>,
    /// Names of the user classes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user_classes: Vec<String>,
    /// The locustfile's name without its folder and `.py`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locustfile: Option<String>,
    /// From a worker, the `client_id` of its master ([`crate::wire::Hello`]), where that has the plugin.
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

/// Locust's `cpu_warning`: the process has used most of a core for a while, its figures may be off.
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
        self.counts.values().sum()
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
    /// The trace of the task that it ended, where tasks are traced: 32 hexadecimal digits.
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
    /// The task that it ended, in its trace. Nothing where tasks are not traced, or the ids are none.
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

/// A worker has reported its statistics to its master, and begins to count anew: every three seconds, and at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReportToMaster {
    /// Seconds since the epoch.
    pub time: f64,
    /// Counted from 1 in each run of the worker.
    pub number: u64,
}

/// An event of the user's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Custom {
    /// Seconds since the epoch.
    pub time: f64,
    /// What happened.
    pub name: String,
    /// Whatever the user attached.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub attributes: serde_json::Map<String, serde_json::Value>,
    /// A number, where the event has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
}

/// A request's response time in milliseconds, or absent: Locust reports `None` for requests that have no
/// meaningful duration. Compared with a number, an absent time is neither less, equal nor greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResponseTime(Option<f64>);

impl ResponseTime {
    /// No response time.
    pub const ABSENT: Self = Self(None);

    /// A response time of so many milliseconds; absent if it is no finite number.
    #[must_use]
    pub fn from_ms(ms: f64) -> Self {
        Self(ms.is_finite().then_some(ms))
    }

    /// Milliseconds, where there is a time.
    #[must_use]
    pub const fn ms(self) -> Option<f64> {
        self.0
    }
}

impl PartialEq<f64> for ResponseTime {
    #[inline]
    fn eq(&self, other: &f64) -> bool {
        self.0.is_some_and(|ms| ms == *other)
    }
}

impl PartialOrd<f64> for ResponseTime {
    #[inline]
    fn partial_cmp(&self, other: &f64) -> Option<Ordering> {
        self.0.and_then(|ms| ms.partial_cmp(other))
    }
}

/// Why Locust counts a request as failed, or what ended a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError<'a> {
    /// The exception's class, such as `HTTPError`.
    pub class: Cow<'a, str>,
    /// The text that Locust's own statistics show (`StatsError.parse_error`).
    pub text: Cow<'a, str>,
}

/// One request: Locust's `request` event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request<'a> {
    /// When it began, in seconds since the epoch, as its event says: Locust itself never looks at that.
    pub start_time: f64,
    /// When Locust reported it and its statistics counted it, in seconds since the epoch by the process' own clock. It is its
    /// end where the source may have reported it then ([`crate::wire`]), and otherwise when the source packed it. Rates are
    /// computed from this.
    pub reported_at: f64,
    /// Locust's `request_type`: the HTTP method, or whatever a client of another protocol reports.
    pub method: Cow<'a, str>,
    /// The name under which Locust groups it: the path, unless the test names it.
    pub name: Cow<'a, str>,
    /// Milliseconds, where there is a time.
    pub response_time: ResponseTime,
    /// Bytes of the response's body.
    pub response_length: u64,
    /// The HTTP status; 0 or absent where no response came.
    pub status_code: Option<u16>,
    /// Present if and only if Locust counts a failure.
    pub error: Option<RequestError<'a>>,
    /// What some recorders ask for beyond that ([`crate::wire::Features`]).
    pub extra: Option<Box<Extra<'a>>>,
}

impl Request<'_> {
    /// When it ended, in seconds since the epoch.
    #[must_use]
    pub fn end_time(&self) -> f64 {
        self.start_time + self.response_time.ms().unwrap_or(0.0) / 1e3
    }

    /// [`Extra::url`], where a recorder asked for it.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.extra.as_ref()?.url.as_deref()
    }

    /// [`Extra::user_class`], where a recorder asked for it.
    #[must_use]
    pub fn user_class(&self) -> Option<&str> {
        self.extra.as_ref()?.user_class.as_deref()
    }

    /// [`Extra::context`], where a recorder asked for it and the locustfile gave one.
    #[must_use]
    pub fn context(&self) -> Option<&serde_json::Map<String, serde_json::Value>> {
        self.extra.as_ref().map(|extra| &extra.context).filter(|context| !context.is_empty())
    }

    /// [`Extra::request_length`], where a recorder asked for it and the client knows it.
    #[must_use]
    pub fn request_length(&self) -> Option<u64> {
        self.extra.as_ref()?.request_length
    }

    /// Its ids in its trace, where a recorder asked for traces and this request is one that it may want.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        let extra = self.extra.as_ref()?;
        let (trace_id, span_id) = (extra.trace_id.as_deref()?, extra.span_id.as_deref()?);
        TraceContext::from_hex(trace_id, span_id, extra.parent_span_id.as_deref(), extra.sampled)
    }
}

/// Details of a request that are sent only where a recorder asks for them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Extra<'a> {
    /// The full URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Cow<'a, str>>,
    /// The class of the user that made the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_class: Option<Cow<'a, str>>,
    /// The request's context, as the locustfile gave it (`context=`).
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub context: serde_json::Map<String, serde_json::Value>,
    /// Bytes of the request's body, 0 if it had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_length: Option<u64>,
    /// The trace it belongs to: 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Cow<'a, str>>,
    /// Its own span: 16 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<Cow<'a, str>>,
    /// The span above its own, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<Cow<'a, str>>,
    /// Whether its trace is sampled.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sampled: bool,
}

/// One execution of a task of a user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task<'a> {
    /// When it began, in seconds since the epoch.
    pub start_time: f64,
    /// Milliseconds.
    pub duration: f64,
    /// The user's class.
    pub user_class: Cow<'a, str>,
    /// The task's name, after that of its `TaskSet` if it is in one.
    pub name: Cow<'a, str>,
    /// Its span, above those of its requests.
    pub trace: Option<TraceContext>,
    /// The exception that ended it.
    pub error: Option<RequestError<'a>>,
}

impl Task<'_> {
    /// When it ended, in seconds since the epoch.
    #[must_use]
    pub fn end_time(&self) -> f64 {
        self.start_time + self.duration / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::nonminimal_bool, clippy::neg_cmp_op_on_partial_ord)] // the point of the test
    fn an_absent_time_compares_with_nothing() {
        let absent = ResponseTime::ABSENT;
        assert!(!(absent > 0.0) && !(absent < 0.0) && !(absent == 0.0) && !(absent >= 0.0));
        assert!(ResponseTime::from_ms(2.0) > 1.0);
        assert_eq!(ResponseTime::from_ms(f64::NAN), ResponseTime::ABSENT);
    }
}
