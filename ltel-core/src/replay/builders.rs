//! Events to replay: one function per kind, and methods that set its details.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::event::ReplayEvent;
use crate::event::{
    CpuWarning, Custom, Extra, Log, Measurement, MeasurementKind, ReportToMaster, Request, RequestError, ResetStats,
    ResponseTime, SpawningComplete, Task, TestStart, TestStop, Usage, UserError, Users, Workers,
};
use crate::trace::TraceContext;

/// A successful request, without a response time, a status or a body.
///
/// ```
/// use ltel_core::replay::{Replay, request, worker};
/// # use ltel_core::prelude::*;
/// # /// Traffic.
/// # #[derive(Recorder)]
/// # #[recorder(on = Request)]
/// # struct Traffic {
/// #     /// Bytes.
/// #     #[histogram(unit = "By", value = response_length)]
/// #     size: Histogram,
/// # }
///
/// let paid = request("POST", "/pay").took_ms(120.0).status(200).bytes(512).user_class("Shopper");
/// let failed = request("POST", "/pay").took_ms(3000.0).status(503).failed("HTTPError", "503 Server Error");
/// let out = Replay::of::<Traffic>().event(paid).event(failed.from(worker(1))).finish();
/// assert_eq!(out.value("traffic.size", &[("source_id", "local")]), 512.0);
/// ```
#[must_use]
pub fn request(
    method: impl Into<Cow<'static, str>>,
    name: impl Into<Cow<'static, str>>,
) -> ReplayEvent<Request<'static>> {
    ReplayEvent::new(Request { method: method.into(), name: name.into(), ..Request::default() })
}

impl ReplayEvent<Request<'static>> {
    /// Its response time.
    #[must_use]
    pub fn took_ms(mut self, ms: f64) -> Self {
        self.event.response_time = ResponseTime::from_ms(ms);
        self
    }

    /// An exception was raised, of this class: Locust counts it as failed.
    #[must_use]
    pub fn raised(self, class: &'static str) -> Self {
        self.failed(class, class)
    }

    /// Locust counts it as failed, by an exception of this class and text.
    #[must_use]
    pub fn failed(mut self, class: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Self {
        self.event.error = Some(RequestError { class: class.into(), text: text.into() });
        self
    }

    /// The HTTP status of its response.
    #[must_use]
    pub const fn status(mut self, code: u16) -> Self {
        self.event.status_code = Some(code);
        self
    }

    /// The length of its response.
    #[must_use]
    pub const fn bytes(mut self, length: u64) -> Self {
        self.event.response_length = length;
        self
    }

    /// The length of its own body.
    #[must_use]
    pub fn sent_bytes(mut self, length: u64) -> Self {
        self.extra().request_length = Some(length);
        self
    }

    /// Its full URL.
    #[must_use]
    pub fn url(mut self, url: impl Into<Cow<'static, str>>) -> Self {
        self.extra().url = Some(url.into());
        self
    }

    /// The class of the user that made it.
    #[must_use]
    pub fn user_class(mut self, class: impl Into<Cow<'static, str>>) -> Self {
        self.extra().user_class = Some(class.into());
        self
    }

    /// One entry of the context that the locustfile gave it.
    #[must_use]
    pub fn context(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.extra().context.insert(key.to_owned(), value.into());
        self
    }

    /// Its trace context.
    #[must_use]
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.extra().trace = Some(trace);
        self
    }

    fn extra(&mut self) -> &mut Extra<'static> {
        self.event.extra.get_or_insert_default()
    }
}

/// One execution of a task by a user of this class, with a duration of zero.
#[must_use]
pub fn task(
    user_class: impl Into<Cow<'static, str>>,
    name: impl Into<Cow<'static, str>>,
) -> ReplayEvent<Task<'static>> {
    ReplayEvent::new(Task { user_class: user_class.into(), name: name.into(), ..Task::default() })
}

impl ReplayEvent<Task<'static>> {
    /// How long it took.
    #[must_use]
    pub const fn took_ms(mut self, ms: f64) -> Self {
        self.event.duration = ms;
        self
    }

    /// An exception of this class and text ended it.
    #[must_use]
    pub fn failed(mut self, class: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Self {
        self.event.error = Some(RequestError { class: class.into(), text: text.into() });
        self
    }

    /// Its span.
    #[must_use]
    pub const fn trace(mut self, trace: TraceContext) -> Self {
        self.event.trace = Some(trace);
        self
    }
}

/// A source begins its part of the run.
#[must_use]
pub fn test_start() -> ReplayEvent<TestStart> {
    ReplayEvent::new(TestStart::default())
}

impl ReplayEvent<TestStart> {
    /// The host under test.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.event.host = Some(host.to_owned());
        self
    }

    /// Users to spawn, and how many of them per second.
    #[must_use]
    pub const fn users(mut self, users: u64, spawn_rate: f64) -> Self {
        self.event.users = Some(users);
        self.event.spawn_rate = Some(spawn_rate);
        self
    }

    /// The run time of the test, in seconds.
    #[must_use]
    pub const fn run_time(mut self, secs: f64) -> Self {
        self.event.run_time = Some(secs);
        self
    }

    /// The names of its user classes.
    #[must_use]
    pub fn user_classes(mut self, classes: &[&str]) -> Self {
        self.event.user_classes = classes.iter().map(|&class| class.to_owned()).collect();
        self
    }

    /// The locustfile's name without its folder and `.py`.
    #[must_use]
    pub fn locustfile(mut self, name: &str) -> Self {
        self.event.locustfile = Some(name.to_owned());
        self
    }

    /// Locust's version.
    #[must_use]
    pub fn locust_version(mut self, version: &str) -> Self {
        self.event.locust_version = Some(version.to_owned());
        self
    }
}

/// A source has stopped its users.
#[must_use]
pub fn test_stop() -> ReplayEvent<TestStop> {
    ReplayEvent::new(TestStop::default())
}

/// All users are spawned: this number of them.
#[must_use]
pub fn spawning_complete(user_count: u64) -> ReplayEvent<SpawningComplete> {
    ReplayEvent::new(SpawningComplete { user_count, ..SpawningComplete::default() })
}

/// A Locust process is short of CPU, at this percentage of a core.
#[must_use]
pub fn cpu_warning(cpu_usage: f64) -> ReplayEvent<CpuWarning> {
    ReplayEvent::new(CpuWarning { cpu_usage, ..CpuWarning::default() })
}

/// The usage of a Locust process: zero, unless set.
#[must_use]
pub fn usage() -> ReplayEvent<Usage> {
    ReplayEvent::new(Usage::default())
}

impl ReplayEvent<Usage> {
    /// Percent of one core.
    #[must_use]
    pub const fn cpu(mut self, percent: f64) -> Self {
        self.event.cpu_percent = percent;
        self
    }

    /// Resident memory in bytes.
    #[must_use]
    pub const fn memory(mut self, bytes: u64) -> Self {
        self.event.memory_bytes = bytes;
        self
    }

    /// Bytes that the host has sent and received since it started.
    #[must_use]
    pub const fn network(mut self, sent: u64, received: u64) -> Self {
        self.event.net_sent_bytes = sent;
        self.event.net_recv_bytes = received;
        self
    }
}

/// The number of running users, by the name of their class.
#[must_use]
pub fn users(counts: &[(&str, u64)]) -> ReplayEvent<Users> {
    let counts = counts.iter().map(|&(class, count)| (class.to_owned(), count)).collect();
    ReplayEvent::new(Users { counts, ..Users::default() })
}

/// An exception in user code: the user's class and the exception as `Class: text`.
#[must_use]
pub fn user_error(user: &str, error: &str) -> ReplayEvent<UserError> {
    ReplayEvent::new(UserError { user: user.to_owned(), error: error.to_owned(), ..UserError::default() })
}

impl ReplayEvent<UserError> {
    /// Python's traceback.
    #[must_use]
    pub fn traceback(mut self, traceback: &str) -> Self {
        traceback.clone_into(&mut self.event.traceback);
        self
    }

    /// The span of the task that it ended.
    #[must_use]
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.event.trace_id = Some(trace.trace_id.to_string());
        self.event.span_id = Some(trace.span_id.to_string());
        self.event.sampled = trace.sampled;
        self
    }
}

/// Locust set its statistics back to zero.
#[must_use]
pub fn reset_stats() -> ReplayEvent<ResetStats> {
    ReplayEvent::new(ResetStats::default())
}

impl ReplayEvent<ResetStats> {
    /// From a master: the last report that it has received from this worker.
    #[must_use]
    pub fn after_report(mut self, worker: &str, number: u64) -> Self {
        self.event.reports.get_or_insert_default().insert(worker.to_owned(), number);
        self
    }
}

/// A worker reported its statistics to its master, for the `number`th time.
pub fn report_to_master(number: u64) -> ReplayEvent<ReportToMaster> {
    ReplayEvent::new(ReportToMaster { number, ..ReportToMaster::default() })
}

/// How many workers a master has.
#[must_use]
pub fn workers(connected: u64, missing: u64) -> ReplayEvent<Workers> {
    ReplayEvent::new(Workers { connected, missing, ..Workers::default() })
}

impl ReplayEvent<Workers> {
    /// How many the master waits for.
    #[must_use]
    pub const fn expected(mut self, expected: u64) -> Self {
        self.event.expected = Some(expected);
        self
    }
}

/// A message in Python's logging, with the name of its level: `WARNING`.
#[must_use]
pub fn log(level: &str, logger: &str, message: &str) -> ReplayEvent<Log> {
    let level_number = match level {
        "DEBUG" => 10,
        "INFO" => 20,
        "WARNING" => 30,
        "ERROR" => 40,
        "CRITICAL" => 50,
        _ => 0,
    };
    ReplayEvent::new(Log {
        level: level.to_owned(),
        level_number,
        logger: logger.to_owned(),
        message: message.to_owned(),
        ..Log::default()
    })
}

impl ReplayEvent<Log> {
    /// Python's traceback.
    #[must_use]
    pub fn traceback(mut self, traceback: &str) -> Self {
        self.event.traceback = Some(traceback.to_owned());
        self
    }

    /// The span of the task or request that was running.
    #[must_use]
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.event.trace_id = Some(trace.trace_id.to_string());
        self.event.span_id = Some(trace.span_id.to_string());
        self.event.sampled = trace.sampled;
        self
    }
}

/// A value of a metric of the locustfile.
#[must_use]
pub fn measurement(kind: MeasurementKind, name: &'static str, value: f64) -> ReplayEvent<Measurement<'static>> {
    ReplayEvent::new(Measurement { name: name.into(), kind, value, ..Measurement::default() })
}

impl ReplayEvent<Measurement<'static>> {
    /// The metric's unit.
    #[must_use]
    pub fn unit(mut self, unit: &'static str) -> Self {
        self.event.unit = unit.into();
        self
    }

    /// A label.
    #[must_use]
    pub fn label(mut self, name: &str, value: impl Into<Value>) -> Self {
        Arc::make_mut(&mut self.event.labels).insert(name.to_owned(), value.into());
        self
    }
}

/// A custom event.
///
/// ```
/// use ltel_core::replay::custom;
///
/// let sold = custom("sold").value(19.9).attribute("article", "book");
/// ```
#[must_use]
pub fn custom(name: &str) -> ReplayEvent<Custom> {
    ReplayEvent::new(Custom { name: name.to_owned(), ..Custom::default() })
}

impl ReplayEvent<Custom> {
    /// Its value.
    #[must_use]
    pub const fn value(mut self, value: f64) -> Self {
        self.event.value = Some(value);
        self
    }

    /// An attribute.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.event.attributes.insert(name.to_owned(), value.into());
        self
    }
}
