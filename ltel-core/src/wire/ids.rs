//! The ids of a request or of a task on the wire: bytes in MessagePack, and texts in v1 and in JSON lines.

use opentelemetry::trace::{SpanId, TraceId};

use super::value::Value;
use super::wrong::WrongFields;
use crate::trace::TraceContext;

/// The flag of a sampled trace.
const SAMPLED: u8 = 1;

/// Trace, span, flags and parent in 25 or 33 bytes.
pub(super) type Bytes = Vec<u8>;

/// Reads the bytes of ids; nothing if they are of another length, or an id is zero. A parent of zero is none.
#[inline]
pub(super) fn from_bytes(bytes: &[u8]) -> Option<TraceContext> {
    let (trace, rest) = bytes.split_first_chunk()?;
    let (span, rest) = rest.split_first_chunk()?;
    let (flags, parent) = rest.split_first()?;
    let parent_span_id = match parent {
        [] => None,
        parent => Some(SpanId::from_bytes(parent.try_into().ok()?)).filter(|id| *id != SpanId::INVALID),
    };
    let (trace_id, span_id) = (TraceId::from_bytes(*trace), SpanId::from_bytes(*span));
    let valid = trace_id != TraceId::INVALID && span_id != SpanId::INVALID;
    valid.then_some(TraceContext { trace_id, span_id, parent_span_id, sampled: flags & SAMPLED != 0 })
}

/// The inverse of [`from_bytes`].
pub(super) fn to_bytes(ids: &TraceContext) -> Bytes {
    let mut bytes = Bytes::with_capacity(33);
    bytes.extend_from_slice(&ids.trace_id.to_bytes());
    bytes.extend_from_slice(&ids.span_id.to_bytes());
    bytes.push(if ids.sampled { SAMPLED } else { 0 });
    if let Some(parent) = ids.parent_span_id {
        bytes.extend_from_slice(&parent.to_bytes());
    }
    bytes
}

/// Ids as texts of hexadecimal digits, field by field.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) trace_id: Option<TraceId>,
    pub(super) span_id: Option<SpanId>,
    pub(super) parent_span_id: Option<SpanId>,
    pub(super) sampled: bool,
}

impl Texts {
    /// The ids, if there are a trace and a span.
    pub(super) fn context(self) -> Option<TraceContext> {
        let Self { trace_id, span_id, parent_span_id, sampled } = self;
        Some(TraceContext { trace_id: trace_id?, span_id: span_id?, parent_span_id, sampled })
    }
}

/// A trace's id in a field of this name. An empty text stands for none.
pub(super) fn trace_id(value: &Value<'_>, name: &'static str, wrong: &mut WrongFields) -> Option<TraceId> {
    id(value, 32, |text| TraceId::from_hex(text).ok().filter(|id| *id != TraceId::INVALID), name, wrong)
}

/// A span's id; likewise.
pub(super) fn span_id(value: &Value<'_>, name: &'static str, wrong: &mut WrongFields) -> Option<SpanId> {
    id(value, 16, |text| SpanId::from_hex(text).ok().filter(|id| *id != SpanId::INVALID), name, wrong)
}

fn id<T>(
    value: &Value<'_>,
    digits: usize,
    parse: impl FnOnce(&str) -> Option<T>,
    name: &'static str,
    wrong: &mut WrongFields,
) -> Option<T> {
    match value {
        Value::Null => return None,
        Value::Text(text) if text.is_empty() => return None,
        Value::Text(text) if text.len() == digits => {
            if let Some(id) = parse(text) {
                return Some(id);
            }
        }
        _ => {}
    }
    wrong.count(name);
    None
}
