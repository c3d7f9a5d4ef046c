//! JSON lines: the encoding for people, for tests, and for Locust workers in other languages. Names as in the
//! MessagePack encoding; requests come as rows (`requests`) or one at a time with names (`request`).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{DecodeError, EncodeError, Frame, Message, Rows};
use crate::event::{Extra, Request, RequestError, ResponseTime, Task};
use crate::trace::TraceContext;

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    seq: Option<u64>,
}

#[derive(Deserialize)]
struct RawRows<'a> {
    #[serde(borrow)]
    rows: Vec<&'a RawValue>,
}

/// A row as it stands in `rows`, shared with the MessagePack encoder.
#[derive(Serialize, Deserialize)]
pub(super) struct Row<'a>(
    pub(super) f64,
    #[serde(borrow)] pub(super) Cow<'a, str>,
    #[serde(borrow)] pub(super) Cow<'a, str>,
    pub(super) Option<f64>,
    pub(super) u64,
    pub(super) Option<u16>,
    #[serde(borrow)] pub(super) Option<(Cow<'a, str>, Cow<'a, str>)>,
    #[serde(borrow, default)] pub(super) Option<Box<Extra<'a>>>,
);

/// The rows of task executions, shared with the MessagePack encoding.
#[derive(Deserialize)]
pub(super) struct Tasks<'a> {
    #[serde(borrow)]
    rows: Vec<TaskRow<'a>>,
}

/// Start in seconds, duration in milliseconds, user class, name, trace id, span id, whether it is sampled, error.
#[derive(Serialize, Deserialize)]
struct TaskRow<'a>(
    f64,
    f64,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    bool,
    #[serde(borrow)] Option<(Cow<'a, str>, Cow<'a, str>)>,
);

impl<'a> From<Tasks<'a>> for Vec<Task<'a>> {
    fn from(tasks: Tasks<'a>) -> Self {
        let task =
            |TaskRow(start_time, duration, user_class, name, trace_id, span_id, sampled, error): TaskRow<'a>| Task {
                start_time,
                duration,
                user_class,
                name,
                trace: TraceContext::from_hex(&trace_id, &span_id, None, sampled),
                error: error.map(|(class, text)| RequestError { class, text }),
            };
        tasks.rows.into_iter().map(task).collect()
    }
}

impl<'a> From<&'a Task<'_>> for TaskRow<'a> {
    fn from(task: &'a Task<'_>) -> Self {
        let (trace_id, span_id, sampled) = task.trace.map_or_else(Default::default, |trace| {
            (trace.trace_id.to_string(), trace.span_id.to_string(), trace.sampled)
        });
        TaskRow(
            task.start_time,
            task.duration,
            Cow::Borrowed(&task.user_class),
            Cow::Borrowed(&task.name),
            trace_id.into(),
            span_id.into(),
            sampled,
            task.error.as_ref().map(|e| (Cow::Borrowed(&*e.class), Cow::Borrowed(&*e.text))),
        )
    }
}

/// A request with names.
#[derive(Deserialize)]
struct Named<'a> {
    start_time: f64,
    #[serde(borrow)]
    request_type: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    response_time: Option<f64>,
    #[serde(default)]
    response_length: u64,
    status_code: Option<u16>,
    #[serde(borrow)]
    error: Option<(Cow<'a, str>, Cow<'a, str>)>,
    #[serde(borrow)]
    extra: Option<Box<Extra<'a>>>,
}

impl<'a> From<Row<'a>> for Request<'a> {
    fn from(Row(start_time, method, name, time, response_length, status_code, error, extra): Row<'a>) -> Self {
        Self {
            start_time,
            method,
            name,
            response_time: time.map_or(ResponseTime::ABSENT, ResponseTime::from_ms),
            response_length,
            status_code,
            error: error.map(|(class, text)| RequestError { class, text }),
            extra,
        }
    }
}

impl<'a> From<Named<'a>> for Request<'a> {
    fn from(n: Named<'a>) -> Self {
        Row(n.start_time, n.request_type, n.name, n.response_time, n.response_length, n.status_code, n.error, n.extra)
            .into()
    }
}

impl<'a> From<&'a Request<'_>> for Row<'a> {
    fn from(r: &'a Request<'_>) -> Self {
        Row(
            r.start_time,
            Cow::Borrowed(&r.method),
            Cow::Borrowed(&r.name),
            r.response_time.ms(),
            r.response_length,
            r.status_code,
            r.error.as_ref().map(|e| (Cow::Borrowed(&*e.class), Cow::Borrowed(&*e.text))),
            r.extra.clone(),
        )
    }
}

pub(super) fn decode(line: &[u8]) -> Result<Frame<'_>, DecodeError> {
    fn body<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, DecodeError> {
        serde_json::from_slice(line).map_err(|e| DecodeError::Malformed(e.to_string()))
    }
    let head: Head<'_> = body(line)?;
    let kind = head.kind.ok_or(DecodeError::NoType)?;
    let message = match &*kind {
        "hello" => Message::Hello(body(line)?),
        "test_start" => Message::TestStart(body(line)?),
        "test_stop" => Message::TestStop(body(line)?),
        "spawning_complete" => Message::SpawningComplete(body(line)?),
        "users" => Message::Users(body(line)?),
        "cpu_warning" => Message::CpuWarning(body(line)?),
        "usage" => Message::Usage(body(line)?),
        "reset_stats" => Message::ResetStats(body(line)?),
        "user_error" => Message::UserError(body(line)?),
        "custom" => Message::Custom(body(line)?),
        "done" => Message::Done(body(line)?),
        "tasks" => Message::Tasks(body::<Tasks<'_>>(line)?.into()),
        "requests" => {
            let raw: RawRows<'_> = body(line)?;
            let mut rows = Rows::default();
            for row in raw.rows {
                match serde_json::from_str::<Row<'_>>(row.get()) {
                    Ok(row) => rows.rows.push(row.into()),
                    Err(_) => rows.invalid += 1,
                }
            }
            Message::Requests(rows)
        }
        "request" => Message::Requests(match serde_json::from_slice::<Named<'_>>(line) {
            Ok(row) => Rows { rows: vec![row.into()], invalid: 0 },
            Err(_) => Rows { rows: Vec::new(), invalid: 1 },
        }),
        _ => return Err(DecodeError::UnknownType(kind.into_owned())),
    };
    Ok(Frame { seq: head.seq, message })
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
    TestStart(&'a crate::event::TestStart),
    TestStop(&'a crate::event::TestStop),
    SpawningComplete(&'a crate::event::SpawningComplete),
    Users(&'a crate::event::Users),
    CpuWarning(&'a crate::event::CpuWarning),
    Usage(&'a crate::event::Usage),
    ResetStats(&'a crate::event::ResetStats),
    UserError(&'a crate::event::UserError),
    Custom(&'a crate::event::Custom),
    Requests { rows: Vec<Row<'a>> },
    Tasks { rows: Vec<TaskRow<'a>> },
    Done(&'a super::Done),
}

impl<'a> From<&'a Frame<'_>> for Tagged<'a> {
    fn from(frame: &'a Frame<'_>) -> Self {
        let body = match &frame.message {
            Message::Hello(m) => Body::Hello(m),
            Message::TestStart(m) => Body::TestStart(m),
            Message::TestStop(m) => Body::TestStop(m),
            Message::SpawningComplete(m) => Body::SpawningComplete(m),
            Message::Users(m) => Body::Users(m),
            Message::CpuWarning(m) => Body::CpuWarning(m),
            Message::Usage(m) => Body::Usage(m),
            Message::ResetStats(m) => Body::ResetStats(m),
            Message::UserError(m) => Body::UserError(m),
            Message::Custom(m) => Body::Custom(m),
            Message::Requests(m) => Body::Requests { rows: m.rows.iter().map(Row::from).collect() },
            Message::Tasks(m) => Body::Tasks { rows: m.iter().map(TaskRow::from).collect() },
            Message::Done(m) => Body::Done(m),
        };
        Self { kind: frame.message.kind(), seq: frame.seq, body }
    }
}
