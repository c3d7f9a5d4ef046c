//! Requests whose traces show why an endpoint is slow, or fails.

use ltel_core::Timestamp;
use ltel_core::figures::Exemplar;
use ltel_core::prelude::*;
use ltel_core::trace::TraceContext;

// Bounded: as many as someone looks at.
const SLOWEST: usize = 8;

/// What they take of an endpoint.
pub(super) const BYTES: usize = size_of::<Exemplars>() + SLOWEST.next_power_of_two() * 2 * size_of::<Traced>();

/// Some requests of an endpoint that have sampled traces.
#[derive(Debug, Default)]
pub(super) struct Exemplars {
    /// The slowest first.
    slowest: Vec<Traced>,
    last_failed: Option<Traced>,
}

#[derive(Clone, Copy, Debug)]
struct Traced {
    at: f64,
    ms: f64,
    failed: bool,
    trace: TraceContext,
}

impl Exemplars {
    /// Keeps a request that was reported at this time, if it is slow or has failed.
    pub(super) fn add(&mut self, request: &Request<'_>, at: f64) {
        let failed = request.error.is_some();
        let ms = request.response_time.ms().unwrap_or(0.0);
        if failed || self.is_slow(ms) {
            let Some(trace) = request.trace() else { return };
            self.keep(Traced { at, ms, failed, trace });
        }
    }

    /// Keeps what another has kept.
    pub(super) fn add_all(&mut self, other: &Self) {
        other.slowest.iter().chain(&other.last_failed).for_each(|traced| self.keep(*traced));
    }

    fn is_slow(&self, ms: f64) -> bool {
        self.slowest.len() < SLOWEST || self.slowest.last().is_some_and(|least| ms > least.ms)
    }

    fn keep(&mut self, traced: Traced) {
        if traced.failed && self.last_failed.is_none_or(|last| last.at <= traced.at) {
            self.last_failed = Some(traced);
        }
        let is_known = self.slowest.iter().any(|known| known.trace.span_id == traced.trace.span_id);
        if self.is_slow(traced.ms) && !is_known {
            let at = self.slowest.partition_point(|known| known.ms >= traced.ms);
            self.slowest.insert(at, traced);
            self.slowest.truncate(SLOWEST);
        }
    }

    /// The slowest first; the last one that failed among them.
    pub(super) fn figures(&self) -> Vec<Exemplar> {
        let mut all = self.slowest.clone();
        if let Some(failed) = self.last_failed
            && !all.iter().any(|known| known.trace.span_id == failed.trace.span_id)
        {
            all.insert(all.partition_point(|known| known.ms >= failed.ms), failed);
        }
        all.into_iter().map(Exemplar::from).collect()
    }
}

impl From<Traced> for Exemplar {
    fn from(traced: Traced) -> Self {
        Self {
            time: Timestamp::from_secs(traced.at),
            ms: traced.ms,
            failed: traced.failed,
            trace_id: traced.trace.trace_id.to_string(),
            span_id: traced.trace.span_id.to_string(),
        }
    }
}
