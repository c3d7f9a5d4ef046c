//! Reads an encoded span where it is.

use std::ops::Range;

use opentelemetry::trace::{SpanId, SpanKind, TraceFlags, TraceId};
use opentelemetry::{Array, StringValue};

use super::encode::{attribute, event, field, status};
use super::protobuf::{Fields, Value};
use crate::clock::Timestamp;

/// A span, read from its bytes. What is not in them has its default.
#[derive(Clone, Debug)]
pub struct SpanView<'a> {
    /// The trace.
    pub trace_id: TraceId,
    /// Its own id.
    pub span_id: SpanId,
    /// The span above it.
    pub parent_span_id: Option<SpanId>,
    /// Whether its trace is sampled.
    pub sampled: bool,
    /// Its name.
    pub name: &'a str,
    /// Which part of a call it is.
    pub kind: SpanKind,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// How it ended.
    pub status: StatusView<'a>,
    // From its first attribute to after its last one, and likewise its events: not all fields are gone through again.
    attributes: &'a [u8],
    events: &'a [u8],
}

/// How a span ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusView<'a> {
    /// Nothing was said.
    #[default]
    Unset,
    /// Well, as was said.
    Ok,
    /// With an error, and its description.
    Error(&'a str),
}

impl<'a> SpanView<'a> {
    /// Of the bytes of a message `Span`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut span = Self {
            trace_id: TraceId::INVALID,
            span_id: SpanId::INVALID,
            parent_span_id: None,
            sampled: false,
            name: "",
            kind: SpanKind::Internal,
            start: Timestamp::default(),
            end: Timestamp::default(),
            status: StatusView::Unset,
            attributes: &[],
            events: &[],
        };
        let mut fields = Fields(bytes);
        let (mut attributes, mut events) = (0..0, 0..0);
        loop {
            let begin = bytes.len() - fields.0.len();
            let Some((number, value)) = fields.next() else { break };
            let end = bytes.len() - fields.0.len();
            match (u32::try_from(number).unwrap_or(0), value) {
                (field::TRACE_ID, Value::Bytes(id)) => {
                    span.trace_id = id.try_into().map_or(TraceId::INVALID, TraceId::from_bytes);
                }
                (field::SPAN_ID, Value::Bytes(id)) => span.span_id = span_id(id),
                (field::PARENT_SPAN_ID, Value::Bytes(id)) => span.parent_span_id = Some(span_id(id)),
                (field::NAME, Value::Bytes(name)) => span.name = text(name),
                (field::KIND, Value::Varint(number)) => span.kind = kind(number),
                (field::START, Value::Fixed64(nanos)) => span.start = Timestamp::from_nanos(nanos),
                (field::END, Value::Fixed64(nanos)) => span.end = Timestamp::from_nanos(nanos),
                (field::ATTRIBUTES, _) => widen(&mut attributes, begin..end),
                (field::EVENTS, _) => widen(&mut events, begin..end),
                (field::STATUS, Value::Bytes(bytes)) => span.status = StatusView::new(bytes),
                (field::FLAGS, Value::Fixed32(flags)) => {
                    span.sampled = flags & u32::from(TraceFlags::SAMPLED.to_u8()) != 0;
                }
                _ => {}
            }
        }
        (span.attributes, span.events) = (&bytes[attributes], &bytes[events]);
        span
    }

    /// Its attributes.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, AttributeView<'a>)> + Clone + use<'a> {
        attributes(self.attributes, field::ATTRIBUTES)
    }

    /// Its events.
    pub fn events(&self) -> impl Iterator<Item = SpanEventView<'a>> + use<'a> {
        messages(self.events, field::EVENTS).map(|bytes| {
            let mut seen = SpanEventView { time: Timestamp::default(), name: "", bytes };
            for (number, value) in Fields(bytes) {
                match (u32::try_from(number).unwrap_or(0), value) {
                    (event::TIME, Value::Fixed64(nanos)) => seen.time = Timestamp::from_nanos(nanos),
                    (event::NAME, Value::Bytes(name)) => seen.name = text(name),
                    _ => {}
                }
            }
            seen
        })
    }
}

/// An event of a span.
#[derive(Clone, Debug)]
pub struct SpanEventView<'a> {
    /// When it happened.
    pub time: Timestamp,
    /// Its name.
    pub name: &'a str,
    bytes: &'a [u8],
}

impl<'a> SpanEventView<'a> {
    /// Its attributes.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, AttributeView<'a>)> + Clone + use<'a> {
        attributes(self.bytes, event::ATTRIBUTES)
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeView<'a> {
    /// A bool.
    Bool(bool),
    /// A whole number.
    I64(i64),
    /// A number.
    F64(f64),
    /// A text.
    Str(&'a str),
    /// An array.
    Array(Array),
}

impl<'a> AttributeView<'a> {
    /// Of the bytes of a message `AnyValue`.
    #[inline]
    fn new(bytes: &'a [u8]) -> Option<Self> {
        // One field has a value: none but the last of a `oneof` counts.
        let (number, value) = Fields(bytes).last()?;
        Some(match (u32::try_from(number).ok()?, value) {
            (attribute::STRING, Value::Bytes(bytes)) => Self::Str(text(bytes)),
            (attribute::BOOL, Value::Varint(value)) => Self::Bool(value != 0),
            (attribute::INT, Value::Varint(value)) => Self::I64(value.cast_signed()),
            (attribute::DOUBLE, Value::Fixed64(bits)) => Self::F64(f64::from_bits(bits)),
            (attribute::ARRAY, Value::Bytes(bytes)) => Self::Array(array(bytes)),
            _ => return None,
        })
    }

    /// As JSON. An array is a text.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Bool(value) => (*value).into(),
            Self::I64(value) => (*value).into(),
            Self::F64(value) => (*value).into(),
            Self::Str(value) => (*value).into(),
            Self::Array(value) => value.to_string().into(),
        }
    }
}

impl<'a> StatusView<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let (mut code, mut description) = (0, "");
        for (number, value) in Fields(bytes) {
            match (u32::try_from(number).unwrap_or(0), value) {
                (status::CODE, Value::Varint(number)) => code = number,
                (status::MESSAGE, Value::Bytes(bytes)) => description = text(bytes),
                _ => {}
            }
        }
        match code {
            status::OK => Self::Ok,
            status::ERROR => Self::Error(description),
            _ => Self::Unset,
        }
    }
}

/// Makes a range, empty at first, reach to the end of another one behind it.
fn widen(range: &mut Range<usize>, more: Range<usize>) {
    *range = if range.end == 0 { more } else { range.start..more.end };
}

/// The messages in a field that may repeat.
fn messages(bytes: &[u8], field: u32) -> impl Iterator<Item = &[u8]> + Clone {
    Fields(bytes).filter_map(move |(number, value)| match value {
        Value::Bytes(bytes) if number == u64::from(field) => Some(bytes),
        _ => None,
    })
}

fn attributes(bytes: &[u8], field: u32) -> impl Iterator<Item = (&str, AttributeView<'_>)> + Clone {
    messages(bytes, field).filter_map(|bytes| {
        let (mut name, mut of) = ("", None);
        for (number, value) in Fields(bytes) {
            match (u32::try_from(number).unwrap_or(0), value) {
                (attribute::KEY, Value::Bytes(bytes)) => name = text(bytes),
                (attribute::VALUE, Value::Bytes(bytes)) => of = AttributeView::new(bytes),
                _ => {}
            }
        }
        Some((name, of?))
    })
}

/// Its elements are of one type: what the type has not is left out.
fn array(bytes: &[u8]) -> Array {
    let elements: Vec<_> = messages(bytes, attribute::ELEMENT).filter_map(AttributeView::new).collect();
    macro_rules! of {
        ($kind:ident) => {
            elements.into_iter().filter_map(|of| match of {
                AttributeView::$kind(value) => Some(value),
                _ => None,
            })
        };
    }
    match elements.first() {
        Some(AttributeView::Bool(_)) => Array::Bool(of!(Bool).collect()),
        Some(AttributeView::I64(_)) => Array::I64(of!(I64).collect()),
        Some(AttributeView::F64(_)) => Array::F64(of!(F64).collect()),
        _ => Array::String(of!(Str).map(|value| StringValue::from(value.to_owned())).collect()),
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn span_id(bytes: &[u8]) -> SpanId {
    bytes.try_into().map_or(SpanId::INVALID, SpanId::from_bytes)
}

const fn kind(number: u64) -> SpanKind {
    match number {
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}
