//! Exemplars: for a bucket of a histogram, one of the values in it with the request that it was measured for. So the slow end of a
//! distribution leads to a trace.

use opentelemetry::trace::{SpanId, TraceId};

use crate::clock::Timestamp;

/// A value of a histogram, and the span that it was measured for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar {
    /// The value, in the instrument's unit.
    pub value: f64,
    /// When it was measured: the end of the request.
    pub time: Timestamp,
    /// The trace.
    pub trace_id: TraceId,
    /// The span of the request.
    pub span_id: SpanId,
}

/// Which exemplars a meter keeps: of each bucket the latest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeepExemplars {
    /// None.
    #[default]
    No,
    /// Those since the last collection: each is in one collection.
    UntilCollected,
    /// Each until a later one replaces it: all who collect see the same.
    UntilReplaced,
}
