//! Traces: the ids that a request carries, and the spans that recorders make from them. A recorder makes a span as OpenTelemetry's
//! own [`SpanData`], or writes it by parts ([`SpanWriter`]); from then on it is the bytes that OTLP sends.

mod encode;
mod encoded;
mod protobuf;
mod view;
mod writer;

use std::borrow::Cow;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
pub use opentelemetry_sdk::trace::SpanData;

use crate::clock::Timestamp;

pub(crate) use encode::encoded;
pub use encoded::EncodedSpans;
pub use view::{AttributeView, SpanEventView, SpanView, StatusView};
pub(crate) use writer::Shape;
pub use writer::{EncodedAttributes, SpanHead, SpanWriter};

/// The position of a request or a task in its trace, as in [W3C Trace Context](https://www.w3.org/TR/trace-context/) has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// Its own span: the id that the system under test received, if any.
    pub span_id: SpanId,
    /// The span above it: a task's, or one that the user named.
    pub parent_span_id: Option<SpanId>,
    /// The sampled flag. Without it the span was sent only because a rule keeps it.
    pub sampled: bool,
}

impl TraceContext {
    /// From hexadecimal digits: 32 of a trace, 16 of a span. None if they are not, or all are zero.
    #[must_use]
    pub fn from_hex(trace_id: &str, span_id: &str, parent_span_id: Option<&str>, sampled: bool) -> Option<Self> {
        let span = |hex: &str| SpanId::from_hex(hex).ok().filter(|id| hex.len() == 16 && *id != SpanId::INVALID);
        let trace_id = TraceId::from_hex(trace_id).ok().filter(|id| trace_id.len() == 32 && *id != TraceId::INVALID)?;
        Some(Self { trace_id, span_id: span(span_id)?, parent_span_id: parent_span_id.and_then(span), sampled })
    }
}

/// A span without attributes, events and status.
#[must_use]
pub fn span(
    context: &TraceContext,
    kind: SpanKind,
    name: Cow<'static, str>,
    (start, end): (Timestamp, Timestamp),
    scope: &InstrumentationScope,
) -> SpanData {
    let flags = if context.sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
    SpanData {
        span_context: SpanContext::new(context.trace_id, context.span_id, flags, false, TraceState::NONE),
        parent_span_id: context.parent_span_id.unwrap_or(SpanId::INVALID),
        parent_span_is_remote: false,
        span_kind: kind,
        name,
        start_time: start.into(),
        end_time: end.into(),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: opentelemetry_sdk::trace::SpanEvents::default(),
        links: opentelemetry_sdk::trace::SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: scope.clone(),
    }
}
