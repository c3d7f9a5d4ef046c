//! Rows as they are written. In MessagePack, as in v2, ids are bytes and what is sent on demand are fields of its own; in JSON lines,
//! as in v1, ids are texts and what is sent on demand is a map.

use serde::{Serialize, Serializer};

use super::rows::PLAIN;
use super::{Encoding, ids};
use crate::event::{Extra, Request, RequestError, Task};

/// The fields of a row.
pub(super) type Row<'a> = Vec<Cell<'a>>;

/// A field of a row.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Cell<'a> {
    Nil,
    Bool(bool),
    Float(f64),
    Whole(u64),
    Text(&'a str),
    Digits(String),
    Pair(&'a str, &'a str),
    Map(&'a serde_json::Map<String, serde_json::Value>),
    Extra(Map<'a>),
    #[serde(serialize_with = "bytes")]
    Ids(ids::Bytes),
}

/// The map of extras.
#[derive(Serialize)]
pub(super) struct Map<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_class: Option<&'a str>,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    context: &'a serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sampled: bool,
}

fn bytes<S: Serializer>(bytes: &ids::Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// The row of a request.
pub(super) fn request<'a>(request: &'a Request<'_>, encoding: Encoding) -> Row<'a> {
    let mut row = vec![
        Cell::Float(request.start_time),
        Cell::Text(&request.method),
        Cell::Text(&request.name),
        request.response_time.ms().into(),
        Cell::Whole(request.response_length),
        request.status_code.map(u64::from).into(),
        request.error.as_ref().into(),
    ];
    match (encoding, request.extra.as_deref()) {
        (Encoding::JsonLines, extra) => row.push(extra.map_or(Cell::Nil, |extra| Cell::Extra(extra.into()))),
        (Encoding::MessagePack, None) => {}
        (Encoding::MessagePack, Some(Extra { url, user_class, context, request_length, trace })) => {
            row.push(trace.map_or(Cell::Nil, |ids| Cell::Ids(ids::to_bytes(&ids))));
            row.push(user_class.as_deref().into());
            row.push(url.as_deref().into());
            row.push((*request_length).into());
            row.push(if context.is_empty() { Cell::Nil } else { Cell::Map(context) });
            while row.len() > PLAIN && matches!(row.last(), Some(Cell::Nil)) {
                row.pop();
            }
        }
    }
    row
}

/// The row of a task.
pub(super) fn task<'a>(task: &'a Task<'_>, encoding: Encoding) -> Row<'a> {
    let mut row = vec![
        Cell::Float(task.start_time),
        Cell::Float(task.duration),
        Cell::Text(&task.user_class),
        Cell::Text(&task.name),
    ];
    match (encoding, task.trace) {
        (Encoding::MessagePack, ids) => row.push(ids.map_or(Cell::Nil, |ids| Cell::Ids(ids::to_bytes(&ids)))),
        (Encoding::JsonLines, None) => row.extend([Cell::Text(""), Cell::Text(""), Cell::Bool(false)]),
        (Encoding::JsonLines, Some(ids)) => row.extend([
            Cell::Digits(ids.trace_id.to_string()),
            Cell::Digits(ids.span_id.to_string()),
            Cell::Bool(ids.sampled),
        ]),
    }
    row.push(task.error.as_ref().into());
    row
}

impl From<Option<f64>> for Cell<'_> {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::Nil, Self::Float)
    }
}

impl From<Option<u64>> for Cell<'_> {
    fn from(value: Option<u64>) -> Self {
        value.map_or(Self::Nil, Self::Whole)
    }
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(value: Option<&'a str>) -> Self {
        value.map_or(Self::Nil, Self::Text)
    }
}

impl<'a> From<Option<&'a RequestError<'_>>> for Cell<'a> {
    fn from(error: Option<&'a RequestError<'_>>) -> Self {
        error.map_or(Self::Nil, |error| Self::Pair(&error.class, &error.text))
    }
}

impl<'a> From<&'a Extra<'_>> for Map<'a> {
    fn from(extra: &'a Extra<'_>) -> Self {
        let Extra { url, user_class, context, request_length, trace } = extra;
        Self {
            url: url.as_deref(),
            user_class: user_class.as_deref(),
            context,
            request_length: *request_length,
            trace_id: trace.map(|ids| ids.trace_id.to_string()),
            span_id: trace.map(|ids| ids.span_id.to_string()),
            parent_span_id: trace.and_then(|ids| ids.parent_span_id).map(|id| id.to_string()),
            sampled: trace.is_some_and(|ids| ids.sampled),
        }
    }
}
