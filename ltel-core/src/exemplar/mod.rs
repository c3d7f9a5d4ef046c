//! Exemplars: for a bucket of a histogram, one of the values in it with the request that it was measured for. So the slow end of a
//! distribution leads to a trace.

mod bucket;
mod latest;
mod store;

use opentelemetry::trace::{SpanId, TraceId};

use crate::clock::Timestamp;
use crate::event::Event;

pub(crate) use store::{ExemplarStore, OfHistogram, PointExemplars};

/// A value of a histogram, and the span that it was measured for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar {
    /// The value, in the instrument's unit.
    pub value: f64,
    /// When it was measured: when the request was reported, or the end of the task.
    pub time: Timestamp,
    /// The trace.
    pub trace_id: TraceId,
    /// The span of the request.
    pub span_id: SpanId,
}

/// Which exemplars a meter keeps for a collector: of each bucket the latest.
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

/// The span that an event belongs to, if its trace is sampled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampled {
    time: Timestamp,
    trace_id: TraceId,
    span_id: SpanId,
}

impl Sampled {
    /// Of an event that came at this time.
    #[inline]
    pub(crate) fn of(event: &Event<'_>, now: Timestamp) -> Option<Self> {
        let trace = event.trace().filter(|trace| trace.sampled)?;
        // A clock that is ahead would keep later ones out.
        let time = Timestamp::from_secs(event.time()).min(now);
        Some(Self { time, trace_id: trace.trace_id, span_id: trace.span_id })
    }

    pub(crate) const fn with(self, value: f64) -> Exemplar {
        let Self { time, trace_id, span_id } = self;
        Exemplar { value, time, trace_id, span_id }
    }
}
