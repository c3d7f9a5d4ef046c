//! Rows of requests and of tasks, from their values. A row with wrong values still counts as a row: figures count rows.

use std::borrow::Cow;

use super::bounds::{self, Bounds, cut};
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

/// How many fields a row has, of requests and of tasks. More are ignored.
pub(super) const FIELDS: usize = 8;

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

/// A request from the values of its row: start time, method, name, response time, response length, status code, error, and
/// extras.
pub(super) fn request<'a>(row: [Value<'a>; FIELDS], packed: Packed, wrong: &mut WrongFields) -> Request<'a> {
    let [start, method, name, time, length, status, error, extra] = row;
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
        extra: details(extra, wrong),
    };
    request.reported_at = packed.reported(request.end_time());
    request
}

/// A task from the values of its row.
pub(super) fn task<'a>(row: [Value<'a>; FIELDS], packed: Packed, wrong: &mut WrongFields) -> Task<'a> {
    let [start, duration, user_class, name, trace_id, span_id, sampled, error] = row;
    let duration = float(&duration, "tasks.duration", wrong).unwrap_or(0.0);
    let trace_id = text(trace_id, bounds::ID, "tasks.trace_id", wrong).unwrap_or_default();
    let span_id = text(span_id, bounds::ID, "tasks.span_id", wrong).unwrap_or_default();
    let sampled = flag(&sampled, "tasks.sampled", wrong);
    Task {
        start_time: packed.start(&start, duration, "tasks.start_time", wrong),
        duration,
        user_class: key(user_class, bounds::ID, "tasks.user_class", wrong),
        name: key(name, bounds::NAME, "tasks.name", wrong),
        trace: TraceContext::from_hex(&trace_id, &span_id, None, sampled),
        error: failure(error, "tasks.error", wrong),
    }
}

/// The `extra` fields of a request.
pub(super) fn details<'a>(extra: Value<'a>, wrong: &mut WrongFields) -> Option<Box<Extra<'a>>> {
    let entries = match extra {
        Value::Null => return None,
        Value::Map(entries) => entries,
        _ => {
            wrong.count("requests.extra");
            return None;
        }
    };
    let mut extra = Box::<Extra<'a>>::default();
    for (key, value) in entries {
        match &*key {
            "url" => extra.url = text(value, bounds::TEXT, "requests.extra.url", wrong),
            "user_class" => extra.user_class = text(value, bounds::ID, "requests.extra.user_class", wrong),
            "context" => extra.context = context(value, wrong),
            "request_length" => extra.request_length = whole(&value, "requests.extra.request_length", wrong),
            "trace_id" => extra.trace_id = text(value, bounds::ID, "requests.extra.trace_id", wrong),
            "span_id" => extra.span_id = text(value, bounds::ID, "requests.extra.span_id", wrong),
            "parent_span_id" => extra.parent_span_id = text(value, bounds::ID, "requests.extra.parent_span_id", wrong),
            "sampled" => extra.sampled = flag(&value, "requests.extra.sampled", wrong),
            _ => {}
        }
    }
    Some(extra)
}

fn context(mut value: Value<'_>, wrong: &mut WrongFields) -> serde_json::Map<String, serde_json::Value> {
    const NAME: &str = "requests.extra.context";
    bounds::bound(&mut value, Bounds::USER, || NAME.to_owned(), wrong);
    let entries = match value {
        Value::Null => Vec::new(),
        Value::Map(entries) => entries,
        _ => {
            wrong.count(NAME);
            Vec::new()
        }
    };
    let mut context = serde_json::Map::with_capacity(entries.len());
    for (key, value) in entries {
        match value.read() {
            Ok(value) => drop(context.insert(key.into_owned(), value)),
            Err(_) => wrong.count(NAME),
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

fn whole(value: &Value<'_>, name: &'static str, wrong: &mut WrongFields) -> Option<u64> {
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
