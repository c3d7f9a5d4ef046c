//! Writes a span as OTLP's message
//! [`Span`](https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto), with its
//! fields in the order of their numbers, as protobuf's own encoders do.

use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

use super::protobuf::{Wire, bytes, bytes_of, field_len, fixed32, fixed64, key, message, number, varint};
use crate::clock::Timestamp;
use crate::label::Label;

/// Numbers of the fields of a span.
pub(super) mod field {
    pub(in crate::trace) const TRACE_ID: u32 = 1;
    pub(in crate::trace) const SPAN_ID: u32 = 2;
    pub(in crate::trace) const TRACE_STATE: u32 = 3;
    pub(in crate::trace) const PARENT_SPAN_ID: u32 = 4;
    pub(in crate::trace) const NAME: u32 = 5;
    pub(in crate::trace) const KIND: u32 = 6;
    pub(in crate::trace) const START: u32 = 7;
    pub(in crate::trace) const END: u32 = 8;
    pub(in crate::trace) const ATTRIBUTES: u32 = 9;
    pub(in crate::trace) const DROPPED_ATTRIBUTES: u32 = 10;
    pub(in crate::trace) const EVENTS: u32 = 11;
    pub(in crate::trace) const DROPPED_EVENTS: u32 = 12;
    pub(in crate::trace) const LINKS: u32 = 13;
    pub(in crate::trace) const DROPPED_LINKS: u32 = 14;
    pub(in crate::trace) const STATUS: u32 = 15;
    pub(in crate::trace) const FLAGS: u32 = 16;
}

/// Numbers of the fields of an event.
pub(super) mod event {
    pub(in crate::trace) const TIME: u32 = 1;
    pub(in crate::trace) const NAME: u32 = 2;
    pub(in crate::trace) const ATTRIBUTES: u32 = 3;
    pub(in crate::trace) const DROPPED_ATTRIBUTES: u32 = 4;
}

/// Numbers of the fields of an attribute and of its value.
pub(super) mod attribute {
    pub(in crate::trace) const KEY: u32 = 1;
    pub(in crate::trace) const VALUE: u32 = 2;
    pub(in crate::trace) const STRING: u32 = 1;
    pub(in crate::trace) const BOOL: u32 = 2;
    pub(in crate::trace) const INT: u32 = 3;
    pub(in crate::trace) const DOUBLE: u32 = 4;
    pub(in crate::trace) const ARRAY: u32 = 5;
    pub(in crate::trace) const ELEMENT: u32 = 1;
}

/// Numbers of the fields of a status, and its codes.
pub(super) mod status {
    pub(in crate::trace) const MESSAGE: u32 = 2;
    pub(in crate::trace) const CODE: u32 = 3;
    pub(in crate::trace) const OK: u64 = 1;
    pub(in crate::trace) const ERROR: u64 = 2;
}

/// Above W3C's flags: whether it is known that the parent is in another process, and whether it is.
pub(super) const IS_REMOTE_IS_KNOWN: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Appends a span.
pub(super) fn span(out: &mut Vec<u8>, span: &SpanData) {
    bytes(out, field::TRACE_ID, &span.span_context.trace_id().to_bytes());
    bytes(out, field::SPAN_ID, &span.span_context.span_id().to_bytes());
    bytes(out, field::TRACE_STATE, span.span_context.trace_state().header().as_bytes());
    if span.parent_span_id != SpanId::INVALID {
        bytes(out, field::PARENT_SPAN_ID, &span.parent_span_id.to_bytes());
    }
    bytes(out, field::NAME, span.name.as_bytes());
    number(out, field::KIND, kind(&span.span_kind));
    fixed64(out, field::START, Timestamp::from(span.start_time).as_nanos());
    fixed64(out, field::END, Timestamp::from(span.end_time).as_nanos());
    attributes(out, field::ATTRIBUTES, &span.attributes);
    number(out, field::DROPPED_ATTRIBUTES, span.dropped_attributes_count.into());
    for of in span.events.iter() {
        message(out, field::EVENTS, |out| {
            fixed64(out, event::TIME, Timestamp::from(of.timestamp).as_nanos());
            bytes(out, event::NAME, of.name.as_bytes());
            attributes(out, event::ATTRIBUTES, &of.attributes);
            number(out, event::DROPPED_ATTRIBUTES, of.dropped_attributes_count.into());
        });
    }
    number(out, field::DROPPED_EVENTS, span.events.dropped_count.into());
    for link in span.links.iter() {
        message(out, field::LINKS, |out| self::link(out, link));
    }
    number(out, field::DROPPED_LINKS, span.links.dropped_count.into());
    message(out, field::STATUS, |out| match &span.status {
        Status::Unset => {}
        Status::Ok => number(out, status::CODE, status::OK),
        Status::Error { description } => {
            bytes(out, status::MESSAGE, description.as_bytes());
            number(out, status::CODE, status::ERROR);
        }
    });
    fixed32(out, field::FLAGS, flags(&span.span_context, span.parent_span_is_remote));
}

pub(super) const fn kind(kind: &SpanKind) -> u64 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

fn flags(context: &SpanContext, is_remote: bool) -> u32 {
    u32::from(context.trace_flags().to_u8()) | IS_REMOTE_IS_KNOWN | if is_remote { IS_REMOTE } else { 0 }
}

fn link(out: &mut Vec<u8>, link: &Link) {
    bytes(out, 1, &link.span_context.trace_id().to_bytes());
    bytes(out, 2, &link.span_context.span_id().to_bytes());
    bytes(out, 3, link.span_context.trace_state().header().as_bytes());
    attributes(out, 4, &link.attributes);
    number(out, 5, link.dropped_attributes_count.into());
    fixed32(out, 6, flags(&link.span_context, link.span_context.is_remote()));
}

/// Attributes of a span, encoded.
pub(crate) fn encoded(all: &[KeyValue]) -> Box<[u8]> {
    let mut out = Vec::new();
    attributes(&mut out, field::ATTRIBUTES, all);
    out.into()
}

/// Appends attributes as a field of a span, an event or a link.
pub(super) fn attributes(out: &mut Vec<u8>, field: u32, all: &[KeyValue]) {
    for attribute in all {
        let name = attribute.key.as_str();
        match &attribute.value {
            Value::String(value) => text(out, field, name, value.as_str()),
            value => short(out, field, name, |out| self::value(out, value)),
        }
    }
}

/// Appends an attribute with a label's value, if that has one.
#[inline]
pub(super) fn label(out: &mut Vec<u8>, field: u32, name: &str, value: Label<'_>) {
    match value {
        Label::Str(value) => text(out, field, name, value),
        Label::Int(value) => short(out, field, name, |out| int(out, value)),
        Label::Bool(value) => short(out, field, name, |out| boolean(out, value)),
        Label::Absent => {}
    }
}

/// Appends an attribute that is a text.
#[inline]
fn text(out: &mut Vec<u8>, field: u32, name: &str, value: &str) {
    let inner = field_len(value.len());
    let name_len = if name.is_empty() { 0 } else { field_len(name.len()) };
    let len = name_len + field_len(inner);
    out.reserve(field_len(len));
    bytes_of(out, field, len);
    bytes(out, attribute::KEY, name.as_bytes());
    bytes_of(out, attribute::VALUE, inner);
    string(out, value);
}

fn short(out: &mut Vec<u8>, field: u32, name: &str, write: impl Fn(&mut Vec<u8>)) {
    message(out, field, |out| {
        bytes(out, attribute::KEY, name.as_bytes());
        message(out, attribute::VALUE, write);
    });
}

fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(value) => boolean(out, *value),
        Value::I64(value) => int(out, *value),
        Value::F64(value) => double(out, *value),
        Value::Array(Array::Bool(all)) => array(out, all, |out, value| boolean(out, *value)),
        Value::Array(Array::I64(all)) => array(out, all, |out, value| int(out, *value)),
        Value::Array(Array::F64(all)) => array(out, all, |out, value| double(out, *value)),
        Value::Array(Array::String(all)) => array(out, all, |out, value| string(out, value.as_str())),
        other => string(out, &other.as_str()),
    }
}

fn array<T>(out: &mut Vec<u8>, all: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    message(out, attribute::ARRAY, |out| {
        for value in all {
            message(out, attribute::ELEMENT, |out| write(out, value));
        }
    });
}

// A value of a `oneof` is written even if it is the default.
#[inline]
fn string(out: &mut Vec<u8>, value: &str) {
    bytes_of(out, attribute::STRING, value.len());
    out.extend_from_slice(value.as_bytes());
}

fn boolean(out: &mut Vec<u8>, value: bool) {
    key(out, attribute::BOOL, Wire::Varint);
    varint(out, value.into());
}

fn int(out: &mut Vec<u8>, value: i64) {
    key(out, attribute::INT, Wire::Varint);
    varint(out, value.cast_unsigned());
}

fn double(out: &mut Vec<u8>, value: f64) {
    key(out, attribute::DOUBLE, Wire::Fixed64);
    out.extend_from_slice(&value.to_le_bytes());
}
