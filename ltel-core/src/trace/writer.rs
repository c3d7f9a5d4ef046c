//! Writes a span straight to its bytes, without a [`SpanData`](super::SpanData) of owned texts: for recorders with a span per request.

use std::ops::Range;

use opentelemetry::trace::{SpanId, SpanKind};

use super::TraceContext;
use super::encode::{self, event, field, status};
use super::protobuf::{bytes, bytes_of, fixed32, fixed64, message, number};
use crate::clock::Timestamp;
use crate::label::{AsLabel, Label};

/// What a span begins with.
#[derive(Clone, Debug)]
pub struct SpanHead<'a> {
    /// Its ids.
    pub context: TraceContext,
    /// Which part of a call it is.
    pub kind: SpanKind,
    /// Its name, in parts that are joined.
    pub name: &'a [&'a str],
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
}

/// Writes the rest of a span: its attributes, its events, and how it ended.
#[derive(Debug)]
pub struct SpanWriter<'a> {
    out: &'a mut Vec<u8>,
    shape: Shape,
    name: Range<usize>,
    has_status: bool,
}

impl<'a> SpanWriter<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>, head: &SpanHead<'_>) -> Self {
        let SpanHead { context, kind, name, start, end } = head;
        bytes(out, field::TRACE_ID, &context.trace_id.to_bytes());
        bytes(out, field::SPAN_ID, &context.span_id.to_bytes());
        if let Some(parent) = context.parent_span_id.filter(|id| *id != SpanId::INVALID) {
            bytes(out, field::PARENT_SPAN_ID, &parent.to_bytes());
        }
        let len = name.iter().map(|part| part.len()).sum();
        if len > 0 {
            bytes_of(out, field::NAME, len);
            name.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        }
        let name = out.len() - len..out.len();
        number(out, field::KIND, encode::kind(kind));
        fixed64(out, field::START, start.as_nanos());
        fixed64(out, field::END, end.as_nanos());
        fixed32(out, field::FLAGS, u32::from(context.sampled) | encode::IS_REMOTE_IS_KNOWN);
        Self { out, shape: Shape::default(), name, has_status: false }
    }

    /// Adds an attribute; [`Label::Absent`] adds none.
    #[inline]
    pub fn attribute(&mut self, name: &'static str, value: impl AsLabel) {
        let value = value.as_label();
        if value != Label::Absent {
            self.shape.add(name);
            encode::label(self.out, field::ATTRIBUTES, name, value);
        }
    }

    /// Adds attributes that are encoded already.
    #[inline]
    pub fn attributes(&mut self, attributes: &EncodedAttributes) {
        self.shape.append(attributes.shape);
        self.out.extend_from_slice(&attributes.bytes);
    }

    /// Adds an event.
    pub fn event(&mut self, name: &str, time: Timestamp, attributes: &[(&'static str, Label<'_>)]) {
        message(self.out, field::EVENTS, |out| {
            fixed64(out, event::TIME, time.as_nanos());
            bytes(out, event::NAME, name.as_bytes());
            for (name, value) in attributes {
                encode::label(out, event::ATTRIBUTES, name, *value);
            }
        });
    }

    /// It ended with an error.
    pub fn error(&mut self, description: &str) {
        self.has_status = true;
        message(self.out, field::STATUS, |out| {
            bytes(out, status::MESSAGE, description.as_bytes());
            number(out, status::CODE, status::ERROR);
        });
    }

    pub(super) fn finish(self) -> (Shape, Range<usize>) {
        if !self.has_status {
            bytes_of(self.out, field::STATUS, 0);
        }
        (self.shape, self.name)
    }
}

/// Attributes that many spans share, encoded once.
#[derive(Clone, Debug, Default)]
pub struct EncodedAttributes {
    bytes: Vec<u8>,
    shape: Shape,
}

impl EncodedAttributes {
    /// These attributes, in this order.
    #[must_use]
    pub fn new(attributes: &[(&'static str, Label<'_>)]) -> Self {
        let mut encoded = Self::default();
        for (name, value) in attributes.iter().filter(|(_, value)| *value != Label::Absent) {
            encoded.shape.add(name);
            encode::label(&mut encoded.bytes, field::ATTRIBUTES, name, *value);
        }
        encoded
    }
}

/// Tells apart which attributes spans have, by where their names are in memory: equal names at two places are two shapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Shape(u64);

impl Shape {
    #[inline]
    fn add(&mut self, name: &'static str) {
        self.mix(name.as_ptr().addr() as u64);
        self.mix(name.len() as u64);
    }

    #[inline]
    fn append(&mut self, other: Self) {
        self.mix(other.0);
    }

    #[inline]
    const fn mix(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(26) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
