//! JSON lines: the encoding for people, for tests, and for Locust workers in other languages. Names as in the
//! MessagePack encoding; requests come as rows (`requests`) or one at a time with names (`request`).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::rows::{self, FIELDS, Packed, REQUEST_KEY, TASK_KEY};
use super::value::Value;
use super::wrong::WrongFields;
use super::{DecodeError, Decoded, EncodeError, Frame, Message, Rows, message};
use crate::clock::Timestamp;
use crate::event::{Extra, Request, SingleEvent, Task};

/// A row as it stands in `rows`, shared with the MessagePack encoder.
#[derive(Serialize)]
pub(super) struct Row<'a>(
    f64,
    &'a str,
    &'a str,
    Option<f64>,
    u64,
    Option<u16>,
    Option<(&'a str, &'a str)>,
    Option<&'a Extra<'a>>,
);

/// Start in seconds, duration in milliseconds, user class, name, trace id, span id, whether it is sampled, error.
#[derive(Serialize)]
struct TaskRow<'a>(f64, f64, &'a str, &'a str, String, String, bool, Option<(&'a str, &'a str)>);

impl<'a> From<&'a Task<'_>> for TaskRow<'a> {
    fn from(task: &'a Task<'_>) -> Self {
        let (trace_id, span_id, sampled) = task.trace.map_or_else(Default::default, |trace| {
            (trace.trace_id.to_string(), trace.span_id.to_string(), trace.sampled)
        });
        TaskRow(
            task.start_time,
            task.duration,
            &task.user_class,
            &task.name,
            trace_id,
            span_id,
            sampled,
            task.error.as_ref().map(|e| (&*e.class, &*e.text)),
        )
    }
}

impl<'a> From<&'a Request<'_>> for Row<'a> {
    fn from(r: &'a Request<'_>) -> Self {
        Row(
            r.start_time,
            &r.method,
            &r.name,
            r.response_time.ms(),
            r.response_length,
            r.status_code,
            r.error.as_ref().map(|e| (&*e.class, &*e.text)),
            r.extra.as_deref(),
        )
    }
}

type Fields<'a> = BTreeMap<String, &'a RawValue>;

pub(super) fn decode(line: &[u8], now: Timestamp) -> Result<Decoded<'_>, DecodeError> {
    let mut fields: Fields<'_> = serde_json::from_slice(line).map_err(|e| DecodeError::Malformed(e.to_string()))?;
    let mut wrong = WrongFields::default();
    let Value::Text(kind) = take(&mut fields, "type") else { return Err(DecodeError::NoType) };
    let seq = super::seq(&take(&mut fields, "seq"), &kind, &mut wrong);
    let message = match &*kind {
        "requests" | "request" | "tasks" => {
            let (time, since) = (take(&mut fields, "time"), take(&mut fields, "since"));
            let packed = Packed::new(&kind, time, since, now, &mut wrong);
            match &*kind {
                "requests" => Message::Requests(requests(&fields, packed, &mut wrong)),
                "request" => Message::Requests(request(&mut fields, packed, &mut wrong)),
                _ => Message::Tasks(tasks(&fields, packed, &mut wrong)),
            }
        }
        kind => {
            let entries = fields.into_iter().map(|(key, json)| (key.into(), Value::from_json(json))).collect();
            message::Fields { kind, seq, entries, wrong: &mut wrong }.message(now)?
        }
    };
    Ok(Decoded { frame: Frame { seq, message }, wrong })
}

fn take<'a>(fields: &mut Fields<'a>, name: &str) -> Value<'a> {
    fields.remove(name).map_or(Value::Null, Value::from_json)
}

fn list<'a>(fields: &Fields<'a>, name: &'static str, wrong: &mut WrongFields) -> Vec<&'a RawValue> {
    let list = fields.get("rows").and_then(|rows| serde_json::from_str(rows.get()).ok());
    list.unwrap_or_else(|| {
        wrong.count(name);
        Vec::new()
    })
}

/// The values of a row, if it has as many as it needs.
fn row(json: &RawValue, least: usize) -> Option<[Value<'_>; FIELDS]> {
    let fields: Vec<&RawValue> = serde_json::from_str(json.get()).ok()?;
    let mut row = [const { Value::Null }; FIELDS];
    for (value, json) in row.iter_mut().zip(&fields) {
        *value = Value::from_json(json);
    }
    (fields.len() >= least).then_some(row)
}

fn requests<'a>(fields: &Fields<'a>, packed: Packed, wrong: &mut WrongFields) -> Rows<'a> {
    let mut batch = Rows::default();
    for json in list(fields, "requests.rows", wrong) {
        match row(json, REQUEST_KEY) {
            Some(row) => batch.rows.push(rows::request(row, packed, wrong)),
            None => batch.invalid += 1,
        }
    }
    batch
}

/// A request with names: the one row of its frame.
fn request<'a>(fields: &mut Fields<'a>, packed: Packed, wrong: &mut WrongFields) -> Rows<'a> {
    const NAMES: [&str; FIELDS] =
        ["start_time", "request_type", "name", "response_time", "response_length", "status_code", "error", "extra"];
    if !["request_type", "name"].iter().all(|key| fields.contains_key(*key)) {
        return Rows { invalid: 1, ..Rows::default() };
    }
    Rows { rows: vec![rows::request(NAMES.map(|name| take(fields, name)), packed, wrong)], ..Rows::default() }
}

fn tasks<'a>(fields: &Fields<'a>, packed: Packed, wrong: &mut WrongFields) -> Vec<Task<'a>> {
    let mut tasks = Vec::new();
    for json in list(fields, "tasks.rows", wrong) {
        match row(json, TASK_KEY) {
            Some(row) => tasks.push(rows::task(row, packed, wrong)),
            None => wrong.count("tasks.rows"),
        }
    }
    tasks
}

pub(super) fn encode(frame: &Frame<'_>) -> Result<Vec<u8>, EncodeError> {
    encode_any(&Tagged::from(frame))
}

pub(super) fn encode_any(value: &impl Serialize) -> Result<Vec<u8>, EncodeError> {
    let mut line = serde_json::to_vec(value).map_err(|e| EncodeError(e.to_string()))?;
    line.push(b'\n');
    Ok(line)
}

/// A frame as a map: its type, its number, and the message's own fields beside them.
#[derive(Serialize)]
pub(super) struct Tagged<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(flatten)]
    body: Body<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Hello(&'a super::Hello),
    Event(&'a SingleEvent),
    Requests {
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<f64>,
        rows: Vec<Row<'a>>,
    },
    Tasks {
        rows: Vec<TaskRow<'a>>,
    },
    Done(&'a super::Done),
    Heartbeat {},
}

impl<'a> From<&'a Frame<'_>> for Tagged<'a> {
    fn from(frame: &'a Frame<'_>) -> Self {
        let body = match &frame.message {
            Message::Hello(m) => Body::Hello(m),
            Message::Event(m) => Body::Event(m),
            Message::Requests(m) => {
                Body::Requests { time: m.time, since: m.since, rows: m.rows.iter().map(Row::from).collect() }
            }
            Message::Tasks(m) => Body::Tasks { rows: m.iter().map(TaskRow::from).collect() },
            Message::Done(m) => Body::Done(m),
            Message::Heartbeat => Body::Heartbeat {},
        };
        Self { kind: frame.message.kind(), seq: frame.seq, body }
    }
}
