//! Events of a load test, as Locust reports them: one struct per event. The same structs travel on the
//! wire ([`crate::wire`]) and reach recorders as [`Event`].
//!
//! Times are seconds since the Unix epoch (Python's `time.time()`), response times are
//! milliseconds and sizes are bytes, as in Locust.

mod request;
mod measurement;
mod single;
mod log_level;
mod kind;
mod fields;

use serde::Serialize;

use crate::trace::TraceContext;

pub use self::fields::{Field, FieldType};
pub use self::kind::EventKind;
pub use self::log_level::LogLevel;
pub use self::measurement::{Measurement, MeasurementKind};
pub use self::request::{Extra, Request, RequestError, ResponseTime, Task};
pub use self::single::{
    CpuWarning, Custom, Log, ReportToMaster, ResetStats, SpawningComplete, TestStart, TestStop, Usage, UserError,
    Users, Workers,
};

/// The list of all events that are sent one by one: the struct, which is also the name of the variant; the `type` of its
/// frame; its description. Requests and tasks are sent in batches, and are added wherever this list is used.
///
/// `#[derive(Recorder)]` has its own list with the fields that it knows, since `ltel-macros` cannot depend on this
/// crate; `ltel-macros/src/tests.rs` compares it with [`Event::NAMES`].
macro_rules! single_events {
    ($with:ident) => {
        $with! {
            TestStart "test_start" "A source begins its part of a run."
            TestStop "test_stop" "A source has stopped its users."
            SpawningComplete "spawning_complete" "All users are spawned."
            CpuWarning "cpu_warning" "The Locust process itself is short of CPU."
            Usage "usage" "What the Locust process uses of its host."
            Users "users" "How many users are running."
            UserError "user_error" "An exception in user code, outside any request."
            ResetStats "reset_stats" "Locust set its statistics back to zero (`--reset-stats`, or the web UI's button)."
            ReportToMaster "report_to_master" "A worker has reported its statistics to its master."
            Custom "custom" "A custom event (`ltel_locust.record` in a locustfile)."
            Workers "workers" "How many workers a master has."
            Log "log" "What Locust or the locustfile wrote to Python's logging."
        }
    };
}
pub(crate) use single_events;

macro_rules! define_events {
    ($($name:ident $kind:literal $doc:literal)*) => {
        /// An event as a recorder sees it.
        #[derive(Clone, Copy, Debug)]
        #[non_exhaustive]
        pub enum Event<'a> {
            /// One request, or anything that a user reported as one.
            Request(&'a Request<'a>),
            /// One execution of a task, where a recorder needs tasks ([`crate::recorder::Needs::tasks`]).
            Task(&'a Task<'a>),
            /// One value of a metric of the locustfile, where a recorder needs them ([`crate::recorder::Needs::measurements`]).
            Measurement(&'a Measurement<'a>),
            $(
                #[doc = $doc]
                $name(&'a $name),
            )*
        }

        impl Event<'_> {
            /// The names of all events.
            pub const NAMES: &'static [&'static str] = &["Request", "Task", "Measurement", $(stringify!($name)),*];

            /// The trace context that it carries: that of its request or task.
            #[must_use]
            #[inline]
            pub fn trace(&self) -> Option<TraceContext> {
                match self {
                    Self::Request(request) => request.trace(),
                    Self::Task(task) => task.trace,
                    Self::UserError(error) => error.trace(),
                    Self::Log(log) => log.trace(),
                    _ => None,
                }
            }

            /// When it happened, by the source's clock, in seconds since the Unix epoch. Requests count when they are
            /// reported, tasks at their end.
            #[must_use]
            pub fn time(&self) -> f64 {
                match self {
                    Self::Request(request) => request.reported_at,
                    Self::Task(task) => task.end_time(),
                    Self::Measurement(measurement) => measurement.time,
                    $(Self::$name(event) => event.time,)*
                }
            }
        }

        /// An event that is sent in its own frame.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        #[non_exhaustive]
        pub enum SingleEvent {
            $(
                #[doc = $doc]
                $name($name),
            )*
        }

        impl SingleEvent {
            /// The `type` of its frame.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $kind,)*
                }
            }

            /// As recorders see it.
            #[must_use]
            pub const fn as_event(&self) -> Event<'_> {
                match self {
                    $(Self::$name(event) => Event::$name(event),)*
                }
            }

            pub(crate) const fn set_time(&mut self, secs: f64) {
                match self {
                    $(Self::$name(event) => event.time = secs,)*
                }
            }
        }

        $(
            impl From<$name> for SingleEvent {
                fn from(event: $name) -> Self {
                    Self::$name(event)
                }
            }
        )*
    };
}
single_events!(define_events);
