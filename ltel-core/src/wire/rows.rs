//! Rows of requests and of tasks, from their values. A row with wrong values still counts as a row: figures count rows.

use std::borrow::Cow;

use super::bounds::{self, Bounds, cut};
use super::ids;
use super::value::Value;
use super::wrong::WrongFields;
use crate::clock::Timestamp;
use crate::event::{Extra, Request, RequestError, ResponseTime, Task};
use crate::trace::TraceContext;

/// The required fields of a request's row: start time, method and name, of which the last two are the key of
/// Locust's statistics.
pub(super) const REQUEST_KEY: usize = 3;

/// The required fields of a task's row: start time, duration, user class and name.
pub(super) const TASK_KEY: usize = 4;

/// How many fields of a request's row are its own; what is sent on demand follows.
pub(super) const PLAIN: usize = 7;

/// How many fields the row of a task has in v1. In v2 it has fewer.
pub(super) const TASK_FIELDS: usize = 8;

const DAY: f64 = 86_400.0;

// How far the end of a request may be from the time when its frame was packed: clocks are coarse, and frames of a busy
// process are late.
const SLACK: f64 = 1.0;
const SLACK_WITHOUT_SINCE: f64 = 5.0;

/// When the rows of a frame were packed, and so when they may have been reported; in seconds since the epoch by the source's
/// clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    time: f64,
    from: f64,
    until: f64,
}

impl Packed {
    /// From a frame of this kind. Older plugins do not send it: then the rows were packed now.
    pub(super) fn new(kind: &str, time: Value<'_>, since: Value<'_>, now: Timestamp, wrong: &mut WrongFields) -> Self {
        let mut read = |value, name: &str| match value {
            Value::Null => None,
            Value::Number(number) if let Some(number) = number.float() => Some(number),
            _ => {
                wrong.count(format!("{kind}.{name}"));
                None
            }
        };
        let time = read(time, "time").unwrap_or_else(|| now.as_secs());
        match read(since, "since") {
            Some(since) => Self { time, from: since - SLACK, until: time + SLACK },
            None => Self { time, from: time - SLACK_WITHOUT_SINCE, until: time + SLACK_WITHOUT_SINCE },
        }
    }

    /// Whether a row packed at this time can have begun at that time.
    #[inline]
    pub(super) fn believes(self, start: f64) -> bool {
        (start - self.time).abs() <= DAY
    }

    /// The start of a request or task with this duration in milliseconds. Locust ignores the start time, so it may have any
    /// value: an impossible one is counted as wrong, and then the request has ended when it was packed.
    fn start(self, start: &Value<'_>, ms: f64, name: &'static str, wrong: &mut WrongFields) -> f64 {
        if let Value::Number(number) = start
            && let Some(start) = number.float()
            && self.believes(start)
        {
            return start;
        }
        wrong.count(name);
        self.time - ms / 1e3
    }

    /// When Locust reported a request that ended at this time.
    #[inline]
    pub(super) fn reported(self, end: f64) -> f64 {
        if self.from <= end && end <= self.until { end } else { self.time }
    }
}

/// A request without extras from the values of its row: start time, method, name, response time, response length, status code and
/// error.
pub(super) fn request<'a>(row: [Value<'a>; PLAIN], packed: Packed, wrong: &mut WrongFields) -> Request<'a> {
    let [start, method, name, time, length, status, error] = row;
    let response_time =
        float(&time, "requests.response_time", wrong).map_or(ResponseTime::ABSENT, ResponseTime::from_ms);
    let mut request = Request {
        start_time: packed.start(&start, response_time.ms().unwrap_or(0.0), "requests.start_time", wrong),
        reported_at: 0.0,
        method: key(method, bounds::ID, "requests.method", wrong),
        name: key(name, bounds::NAME, "requests.name", wrong),
        response_time,
        response_length: whole(&length, "requests.response_length", wrong).unwrap_or(0),
        status_code: status_code(&status, wrong),
        error: failure(error, "requests.error", wrong),
        extra: None,
    };
    request.reported_at = packed.reported(request.end_time());
    request
}

/// The ids of a task.
pub(super) enum Ids<'a> {
    /// They are read.
    Read(Option<TraceContext>),
    /// The fields of v1: trace id, span id, and whether it is sampled.
    Texts([Value<'a>; 3]),
}

/// A task from its ids, its error, and the other values of its row: start time, duration, user class and name.
pub(super) fn task<'a>(
    row: [Value<'a>; TASK_KEY],
    ids: Ids<'a>,
    error: Value<'a>,
    packed: Packed,
    wrong: &mut WrongFields,
) -> Task<'a> {
    let [start, duration, user_class, name] = row;
    let duration = float(&duration, "tasks.duration", wrong).unwrap_or(0.0);
    let trace = match ids {
        Ids::Read(trace) => trace,
        Ids::Texts([trace_id, span_id, sampled]) => ids::Texts {
            trace_id: ids::trace_id(&trace_id, "tasks.trace_id", wrong),
            span_id: ids::span_id(&span_id, "tasks.span_id", wrong),
            parent_span_id: None,
            sampled: flag(&sampled, "tasks.sampled", wrong),
        }
        .context(),
    };
    Task {
        start_time: packed.start(&start, duration, "tasks.start_time", wrong),
        duration,
        user_class: key(user_class, bounds::ID, "tasks.user_class", wrong),
        name: key(name, bounds::NAME, "tasks.name", wrong),
        trace,
        error: failure(error, "tasks.error", wrong),
    }
}

/// The map of extras of a request, as v1 and JSON lines have it.
pub(super) fn details<'a>(extra: Value<'a>, wrong: &mut WrongFields) -> Option<Box<Extra<'a>>> {
    let entries = match extra {
        Value::Null => return None,
        Value::Map(entries) => entries,
        _ => {
            wrong.count("requests.extra");
            return None;
        }
    };
    let (mut extra, mut ids) = (Box::<Extra<'a>>::default(), ids::Texts::default());
    for (key, value) in entries {
        match &*key {
            "url" => extra.url = text(value, bounds::TEXT, "requests.extra.url", wrong),
            "user_class" => extra.user_class = text(value, bounds::ID, "requests.extra.user_class", wrong),
            "context" => extra.context = context(value, "requests.extra.context", wrong),
            "request_length" => extra.request_length = whole(&value, "requests.extra.request_length", wrong),
            "trace_id" => ids.trace_id = ids::trace_id(&value, "requests.extra.trace_id", wrong),
            "span_id" => ids.span_id = ids::span_id(&value, "requests.extra.span_id", wrong),
            "parent_span_id" => ids.parent_span_id = ids::span_id(&value, "requests.extra.parent_span_id", wrong),
            "sampled" => ids.sampled = flag(&value, "requests.extra.sampled", wrong),
            _ => {}
        }
    }
    extra.trace = ids.context();
    Some(extra)
}

/// A request's context, from a field of this name.
pub(super) fn context(
    mut value: Value<'_>,
    name: &'static str,
    wrong: &mut WrongFields,
) -> serde_json::Map<String, serde_json::Value> {
    bounds::bound(&mut value, Bounds::USER, || name.to_owned(), wrong);
    let entries = match value {
        Value::Null => Vec::new(),
        Value::Map(entries) => entries,
        _ => {
            wrong.count(name);
            Vec::new()
        }
    };
    let mut context = serde_json::Map::with_capacity(entries.len());
    for (key, value) in entries {
        match value.read() {
            Ok(value) => drop(context.insert(key.into_owned(), value)),
            Err(_) => wrong.count(name),
        }
    }
    context
}

pub(super) fn float(value: &Value<'_>, name: &'static str, wrong: &mut WrongFields) -> Option<f64> {
    match value {
        Value::Null => None,
        Value::Number(number) if let Some(number) = number.float() => Some(number),
        _ => absent(name, wrong),
    }
}

pub(super) fn whole(value: &Value<'_>, name: &'static str, wrong: &mut WrongFields) -> Option<u64> {
    match value {
        Value::Null => None,
        Value::Number(number) if let Some(number) = number.whole() => Some(number),
        _ => absent(name, wrong),
    }
}

fn status_code(value: &Value<'_>, wrong: &mut WrongFields) -> Option<u16> {
    const NAME: &str = "requests.status_code";
    whole(value, NAME, wrong).and_then(|code| u16::try_from(code).ok().or_else(|| absent(NAME, wrong)))
}

fn flag(value: &Value<'_>, name: &'static str, wrong: &mut WrongFields) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        _ => absent(name, wrong).unwrap_or(false),
    }
}

pub(super) fn text<'a>(
    value: Value<'a>,
    limit: usize,
    name: &'static str,
    wrong: &mut WrongFields,
) -> Option<Cow<'a, str>> {
    match value {
        Value::Null => None,
        Value::Text(text) => Some(cut(text, limit, name, wrong)),
        _ => absent(name, wrong),
    }
}

/// A text that identifies rows: a value of another type is converted to text, so that different values stay distinct.
fn key<'a>(value: Value<'a>, limit: usize, name: &'static str, wrong: &mut WrongFields) -> Cow<'a, str> {
    match value {
        Value::Text(text) => cut(text, limit, name, wrong),
        other => {
            wrong.count(name);
            other.text().unwrap_or_default()
        }
    }
}

/// An error, as `[class, text]`. Anything but null means that Locust counts a failure.
fn failure<'a>(value: Value<'a>, name: &'static str, wrong: &mut WrongFields) -> Option<RequestError<'a>> {
    match value {
        Value::Null => None,
        Value::List(pair) => Some(match <[Value<'a>; 2]>::try_from(pair) {
            Ok([class, text]) => {
                RequestError { class: key(class, bounds::ID, name, wrong), text: key(text, bounds::TEXT, name, wrong) }
            }
            Err(_) => {
                wrong.count(name);
                RequestError { class: Cow::default(), text: Cow::default() }
            }
        }),
        other => {
            wrong.count(name);
            let text = other.text().map(|text| cut(text, bounds::TEXT, name, wrong)).unwrap_or_default();
            Some(RequestError { class: Cow::default(), text })
        }
    }
}

#[cold]
fn absent<T>(name: &'static str, wrong: &mut WrongFields) -> Option<T> {
    wrong.count(name);
    None
}
