//! What came in since the last tick, by endpoint. It is counted for itself: a reset of the statistics changes nothing here, and no
//! request is in two intervals.

use std::sync::Arc;
use std::time::Duration;

use ltel_core::figures::EndpointFigures;
use ltel_core::prelude::*;
use ltel_core::recorder::RunMemory;

use super::endpoint::EndpointNames;
use super::times::Times;

/// About how many bytes an endpoint takes here, beside its response times.
pub(super) const BYTES: usize = size_of::<Counts>() + size_of::<Option<Box<Counts>>>();

/// Requests since the last tick.
#[derive(Debug)]
pub(super) struct Interval {
    memory: Arc<RunMemory>,
    // Whether endpoints are told apart. Otherwise all are the first one: that takes less time and memory.
    by_endpoint: bool,
    // By the number of their series; those without a request have none.
    endpoints: Vec<Option<Box<Counts>>>,
    // How long ltel had known the run when it began.
    begun: Duration,
}

/// The figures of an interval that is over. Their rates are per second of it.
#[derive(Debug)]
pub(super) struct IntervalFigures {
    pub(super) duration: Duration,
    pub(super) total: EndpointFigures,
    /// Each endpoint that had a request, by the number of its series; none if they are not told apart.
    pub(super) endpoints: Vec<(usize, EndpointFigures)>,
}

impl IntervalFigures {
    pub(super) fn endpoints_by_name(&self) -> Vec<&EndpointFigures> {
        let mut endpoints: Vec<_> = self.endpoints.iter().map(|(_, endpoint)| endpoint).collect();
        endpoints.sort_by(|a, b| (&a.name, &a.method).cmp(&(&b.name, &b.method)));
        endpoints
    }
}

#[derive(Debug)]
struct Counts {
    requests: u64,
    failures: u64,
    timed: u64,
    total_ms: f64,
    min_ms: f64,
    max_ms: f64,
    times: Times,
}

impl Interval {
    pub(super) const fn new(by_endpoint: bool, memory: Arc<RunMemory>) -> Self {
        Self { memory, by_endpoint, endpoints: Vec::new(), begun: Duration::ZERO }
    }

    /// Counts a request of the endpoint with this number.
    #[inline]
    pub(super) fn record(&mut self, number: usize, request: &Request<'_>) {
        let number = if self.by_endpoint { number } else { 0 };
        if self.endpoints.len() <= number {
            self.endpoints.resize_with(number + 1, || None);
        }
        let counts = self.endpoints[number].get_or_insert_default();
        counts.requests += 1;
        counts.failures += u64::from(request.error.is_some());
        if let Some(ms) = request.response_time.ms() {
            counts.timed += 1;
            counts.total_ms += ms;
            counts.min_ms = counts.min_ms.min(ms);
            counts.max_ms = counts.max_ms.max(ms);
            counts.times.record(ms, &self.memory);
        }
    }

    /// Ends the interval when ltel has known the run for so long; the next one begins.
    pub(super) fn end(&mut self, elapsed: Duration, names: &EndpointNames) -> IntervalFigures {
        let duration = elapsed.saturating_sub(self.begun);
        self.begun = elapsed;
        let mut total = Counts::default();
        let mut endpoints = Vec::new();
        for (number, counts) in self.endpoints.iter().enumerate() {
            let Some(counts) = counts else { continue };
            total.add(counts);
            if !self.by_endpoint {
                break;
            }
            let name = names.get(number);
            endpoints.push((number, counts.figures(&name.method, &name.name, duration)));
        }
        let total = total.figures("", super::TOTAL, duration);
        self.clear();
        IntervalFigures { duration, total, endpoints }
    }

    // Nothing is kept for the next one: what was slow in this one may never be so again.
    fn clear(&mut self) {
        let taken = self.endpoints.iter().flatten().map(|counts| counts.times.taken).sum();
        self.memory.give_back(taken);
        self.endpoints = Vec::new();
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            requests: 0,
            failures: 0,
            timed: 0,
            total_ms: 0.0,
            min_ms: f64::INFINITY,
            max_ms: f64::NEG_INFINITY,
            times: Times::default(),
        }
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.timed += other.timed;
        self.total_ms += other.total_ms;
        self.min_ms = self.min_ms.min(other.min_ms);
        self.max_ms = self.max_ms.max(other.max_ms);
        self.times.add(&other.times);
    }

    fn figures(&self, method: &str, name: &str, duration: Duration) -> EndpointFigures {
        let rate = |count: u64| if duration.is_zero() { 0.0 } else { count as f64 / duration.as_secs_f64() };
        let timed = self.timed > 0;
        EndpointFigures {
            method: method.to_owned(),
            name: name.to_owned(),
            requests: self.requests,
            failures: self.failures,
            min_ms: timed.then_some(self.min_ms),
            max_ms: timed.then_some(self.max_ms),
            mean_ms: timed.then(|| self.total_ms / self.timed as f64),
            rate: rate(self.requests),
            failure_rate: rate(self.failures),
            histogram: self.times.histogram(),
            ..EndpointFigures::default()
        }
    }
}
