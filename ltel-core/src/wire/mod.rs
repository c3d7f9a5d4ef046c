//! Protocol v2: the messages between the Locust plugin and ltel, as bytes and as types. Pure functions, no I/O.
//!
//! A client opens a connection, sends [`Hello`], and then frames that carry a sequence number
//! each; ltel sometimes answers with a [`Reply`]. There are two encodings of one schema, and
//! the first byte of a connection decides which one it uses ([`Encoding::detect`]).
//!
//! A row of requests is a list: `[start_time, request_type, name, response_time, response_length, status_code, error]`, in seconds,
//! milliseconds and bytes; `error` is null, or `[class, text]`. What is sent on demand follows, as far as there is any:
//! `ids, user_class, url, request_length, context`. `ids` are 25 or 33 bytes, as W3C Trace Context has them: 16 of the trace, 8 of
//! the span, 1 of flags (bit 0: sampled), and 8 of the span above it, if there is one. A row of tasks is
//! `[start_time, duration, user_class, name, ids, error]`, whose ids may be null.
//!
//! JSON lines have no bytes: there a row of requests has 8 fields, of which the last is a map of what is sent on demand (`url`,
//! `user_class`, `context`, `request_length`, `trace_id`, `span_id`, `parent_span_id`, `sampled`), and a row of tasks has three for
//! its ids, `trace_id, span_id, sampled`. Ids are hexadecimal digits there. MessagePack had the same rows in v1, and they are
//! still read.
//!
//! A batch of requests says when it was packed, and when the one before it was: `time` and `since`, in seconds since the epoch,
//! before its `rows`. Locust ignores the start time that an event gives, so it may have any value. One that is not
//! within a day of `time` is counted as wrong, and then the request has ended at `time`. A request was reported
//! ([`Request::reported_at`]) at its end, where that is between `since` and `time`, give or take a second (without `since`,
//! within five seconds of `time`); otherwise at `time`. Without `time`, that is when the frame arrived.
//!
//! A batch of values of the locustfile's own metrics (`measurements`) describes each of its metrics once, before its rows:
//! `metrics: [{name, kind, unit, description}]`, where `kind` is `counter`, `up_down_counter`, `gauge` or `histogram`, and `unit` and
//! `description` may be absent; at most 1,000. A row is `[metric, value, labels]`: the place of its metric in that list from 0, a
//! finite number, and a map from names to texts, numbers and bools, or null. All rows are of the frame's `time`. A row whose metric
//! has no name or an unknown kind, or whose value is not a finite number, is invalid: it is dropped and counted. Labels that are
//! wrong cost themselves alone.

mod framing;
mod parts;
mod msgpack;
mod json;
mod scan;
mod rows;
mod ids;
mod cells;
mod message;
mod measurements;
mod value;
mod bounds;
mod wrong;

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::clock::Timestamp;
use crate::event::{self, Measurement, Request, SingleEvent, Task, single_events};
use crate::source::Source;

use value::Value;

pub(crate) use bounds::cut_name;
pub use framing::{FrameError, Splitter};
pub use parts::Parts;
pub use wrong::WrongFields;

/// The version of the protocol that this crate speaks.
pub const PROTOCOL: u32 = 2;

/// The versions that it understands.
pub const PROTOCOLS: RangeInclusive<u32> = 1..=PROTOCOL;

/// How a connection writes its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A 4-byte big-endian length, then a MessagePack map. What the Python plugin sends.
    MessagePack,
    /// One JSON object per line. For people, tests and Locust workers in other languages.
    JsonLines,
}

impl Encoding {
    /// The encoding that a connection's first byte announces: no MessagePack frame is long enough for its
    /// length to begin with `{`.
    #[must_use]
    pub const fn detect(first: u8) -> Self {
        match first {
            b'{' => Self::JsonLines,
            _ => Self::MessagePack,
        }
    }

    /// Decodes one frame, without its length or its newline, that came `now`. Request rows borrow from `payload`.
    ///
    /// Decoding is by field. A field of the wrong type is absent, and counted in [`Decoded::wrong`]; so is a field that is
    /// null, uncounted. A fraction stands for the whole number before its point where a field is a count, MessagePack's
    /// bytes stand for a text, and invalid UTF-8 in a text is replaced. Fields that this protocol does not
    /// have are ignored.
    ///
    /// A text that is too long is cut, and ends with `…` and a hash of the whole text: ids, methods, classes of errors and keys
    /// after 256 bytes, names after 1 KiB, tracebacks after 16 KiB, others after 4 KiB. A request's context and a custom event's
    /// attributes have at most 128 values, the labels of a measurement 64 of at most 1 KiB, other lists and maps 10,000 entries.
    /// What was cut is counted.
    ///
    /// In JSON lines, a text with a wrong escape is read as far as possible, and if a row is not JSON, only that row is lost.
    pub fn decode(self, payload: &[u8], now: Timestamp) -> Result<Decoded<'_>, DecodeError> {
        self.parts(payload, now)?.whole()
    }

    /// Decodes one frame like [`Encoding::decode`], but its rows in parts of some thousands: decoded rows take far more memory
    /// than their bytes.
    pub fn parts(self, payload: &[u8], now: Timestamp) -> Result<Parts<'_>, DecodeError> {
        match self {
            Self::MessagePack => msgpack::parts(payload, now),
            Self::JsonLines => json::parts(payload, now),
        }
    }

    /// Encodes one frame, with its length or its newline. The inverse of [`Splitter::next_frame`] and
    /// [`Encoding::decode`].
    pub fn encode(self, frame: &Frame<'_>) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::MessagePack => msgpack::encode(frame),
            Self::JsonLines => json::encode(frame),
        }
    }

    /// Encodes an answer of ltel.
    pub fn encode_reply(self, reply: &Reply) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::MessagePack => msgpack::encode_any(reply),
            Self::JsonLines => json::encode_any(reply),
        }
    }

    /// Decodes an answer of ltel: for clients.
    pub fn decode_reply(self, payload: &[u8]) -> Result<Reply, DecodeError> {
        match self {
            Self::MessagePack => rmp_serde::from_slice(payload).map_err(|e| DecodeError::Malformed(e.to_string())),
            Self::JsonLines => serde_json::from_slice(payload).map_err(|e| DecodeError::Malformed(e.to_string())),
        }
    }
}

fn seq(seq: &Value<'_>, kind: &str, wrong: &mut WrongFields) -> Option<u64> {
    match seq {
        Value::Null => None,
        Value::Number(number) if let Some(number) = number.whole() => Some(number),
        _ => {
            wrong.count(message::name(kind, ["seq"]));
            None
        }
    }
}

/// Why a frame could not be decoded. The frame is lost, the connection goes on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are not valid in the encoding.
    #[error("malformed frame: {0}")]
    Malformed(String),
    /// The frame is a map, but its `type` is missing or not a string.
    #[error("frame without a `type`")]
    NoType,
    /// The `type` is not part of the protocol.
    #[error("unknown frame type `{kind}`")]
    UnknownType {
        /// The type.
        kind: String,
        /// The frame's number: the frame can still be acknowledged.
        seq: Option<u64>,
    },
}

/// Why a frame could not be written.
#[derive(Debug, Error)]
#[error("frame cannot be encoded: {0}")]
pub struct EncodeError(String);

/// A decoded frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded<'a> {
    /// The valid content.
    pub frame: Frame<'a>,
    /// The fields that were wrong.
    pub wrong: WrongFields,
}

/// One frame from a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame<'a> {
    /// Counted from 1 per `client_id`. People who type JSON may leave it out; then nothing is acknowledged.
    pub seq: Option<u64>,
    /// Its message.
    pub message: Message<'a>,
}

/// A message from a client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// Identifies the client. Always first.
    Hello(Hello),
    /// An event that travels in a frame of its own.
    Event(SingleEvent),
    /// A batch of requests.
    Requests(Rows<'a>),
    /// A batch of task executions, if a recorder needs them; with ids where tasks are traced. They are events: [`Done`] does not count them.
    Tasks(Vec<Task<'a>>),
    /// A batch of values of the locustfile's own metrics. They are events: [`Done`] does not count them.
    Measurements(Measurements<'a>),
    /// The source has sent everything of the run.
    Done(Done),
    /// The client is alive but has nothing else to send.
    Heartbeat,
}

impl Message<'_> {
    /// The frame's `type`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Event(event) => event.kind(),
            Self::Requests(_) => "requests",
            Self::Tasks(_) => "tasks",
            Self::Measurements(_) => "measurements",
            Self::Done(_) => "done",
            Self::Heartbeat => "heartbeat",
        }
    }

    /// Whether it is a batch of rows, which are decoded part by part.
    #[must_use]
    pub const fn has_rows(&self) -> bool {
        matches!(self, Self::Requests(_) | Self::Tasks(_) | Self::Measurements(_))
    }
}

macro_rules! from_events {
    ($($name:ident $kind:literal $doc:literal)*) => {$(
        impl From<event::$name> for Message<'_> {
            fn from(event: event::$name) -> Self {
                Self::Event(event.into())
            }
        }
    )*};
}
single_events!(from_events);

/// The first frame of each connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// One per process, kept over reconnects: sequence numbers belong to it.
    pub client_id: String,
    /// The Locust process.
    pub source: Source,
    /// Locust's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locust_version: Option<String>,
    /// The run that the process is in, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The test plan of that run, where the user gave one to Locust.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub testplan: Option<String>,
    /// The locustfile's name without its folder and `.py`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locustfile: Option<String>,
    /// From a worker, the `client_id` of its master, where that has the plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coordinator: Option<String>,
    /// The client sends a frame at least every this many seconds; absent if it may be silent for any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<f64>,
    /// When the test of that run started, in seconds since the epoch, as its `test_start` said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<f64>,
    /// The listener's token, if it requires one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
}

/// A secret. It is never logged.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A batch of requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows<'a> {
    /// When the source packed them, in seconds since the epoch; for encoding, where a request has its times already.
    pub time: Option<f64>,
    /// When it packed those before them; likewise.
    pub since: Option<f64>,
    /// The requests.
    pub rows: Vec<Request<'a>>,
    /// How many rows were invalid: not an array, or without method and name. They are counted as dropped, never
    /// ignored.
    pub invalid: u64,
}

/// A batch of values of the locustfile's own metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurements<'a> {
    /// The values. For encoding, all of one time.
    pub values: Vec<Measurement<'a>>,
    /// How many rows were invalid: not an array, without a finite value, or of a metric that the frame does not describe. They
    /// are counted as dropped, never ignored.
    pub invalid: u64,
}

impl<'a> Measurements<'a> {
    /// Adds a row, which was invalid if it is nothing.
    fn add(&mut self, row: Option<Measurement<'a>>) {
        match row {
            Some(value) => self.values.push(value),
            None => self.invalid += 1,
        }
    }
}

/// A source's report of its part of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Done {
    /// Seconds since the epoch.
    pub time: f64,
    /// The run that it is about; if absent, the source's current run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// Requests that Locust reported in this process, whether they were sent or not; if absent, those that ltel has counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<u64>,
    /// Those of them that the process dropped because its buffer was full.
    pub dropped: u64,
    /// Executions of tasks, values of the locustfile's metrics and other events that the process dropped because its buffer was
    /// full.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped_events: u64,
    /// From a master: the ids of all workers that took part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for it
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The data that the configured recorders need from Locust: Locust collects nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools)] // each is a switch of its own
pub struct Features {
    /// Seconds between `usage` frames; absent if ltel can measure the process itself.
    pub usage_interval: Option<f64>,
    /// Seconds between `users` frames.
    pub users_interval: f64,
    /// Send each request's full URL.
    pub url: bool,
    /// Send the class of the user that made a request.
    pub user_class: bool,
    /// Send each request's context.
    pub context: bool,
    /// Send the length of each request's body.
    pub request_length: bool,
    /// Send each execution of a task, also if tasks are not traced.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tasks: bool,
    /// Send the values of the locustfile's own metrics.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub measurements: bool,
    /// Send what is logged from this level on, by its number in Python: 10 for `DEBUG` to 50 for `CRITICAL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<u32>,
    /// Give requests trace ids, and send them; absent if no recorder needs traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceFeatures>,
}

/// Which requests send trace ids to ltel, and whether the system under test gets them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TraceFeatures {
    /// The part of all traces that is sampled, from 0 to 1.
    pub ratio: f64,
    /// Whether requests carry a `traceparent`, so that the system under test joins their trace.
    pub propagate: bool,
    /// Whether each execution of a task has a span, above those of its requests.
    pub tasks: bool,
    /// Whether failures are sent even if their trace is not sampled.
    pub keep_failures: bool,
    /// Requests that took more milliseconds than this are sent even if their trace is not sampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_slower_than_ms: Option<f64>,
}

impl TraceFeatures {
    /// The settings that satisfy both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            ratio: self.ratio.max(other.ratio),
            propagate: self.propagate || other.propagate,
            tasks: self.tasks || other.tasks,
            keep_failures: self.keep_failures || other.keep_failures,
            keep_slower_than_ms: match (self.keep_slower_than_ms, other.keep_slower_than_ms) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
        }
    }
}

impl Default for TraceFeatures {
    fn default() -> Self {
        Self { ratio: 1.0, propagate: true, tasks: false, keep_failures: false, keep_slower_than_ms: None }
    }
}

impl Default for Features {
    fn default() -> Self {
        Self {
            usage_interval: None,
            users_interval: 1.0,
            url: false,
            user_class: false,
            context: false,
            request_length: false,
            tasks: false,
            measurements: false,
            logs: None,
            trace: None,
        }
    }
}

/// A message from ltel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    /// The answer to [`Hello`].
    Welcome {
        /// The last frame of this client that ltel has processed; 0 for none.
        last_seq: u64,
        /// What to send.
        features: Features,
    },
    /// Every frame up to this one is processed.
    Ack {
        /// The last processed frame.
        seq: u64,
    },
    /// The test is to be stopped: a threshold is broken. Sent again after a reconnect; clients that do not know it go on.
    Stop {
        /// The run that is meant, as the client has named it.
        run_id: String,
        /// Why, as text for people.
        reason: String,
    },
    /// Why ltel closes the connection.
    Error {
        /// As text for people.
        message: String,
    },
}
