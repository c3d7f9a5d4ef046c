//! The figures of one endpoint, or the total.

use std::sync::Arc;

use ltel_core::figures::EndpointFigures;
use ltel_core::prelude::*;
use ltel_core::recorder::RunMemory;

use super::Window;
use super::errors::Errors;
use super::lately::Lately;
use super::times::Times;

/// About how many bytes the figures of an endpoint take, beside its response times: with its name, which may be a long one.
pub(super) const BYTES: usize = size_of::<Endpoint>() + 1_024;

/// What an endpoint is called.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EndpointName {
    pub(super) name: Box<str>,
    pub(super) method: Box<str>,
}

impl EndpointName {
    pub(super) fn new(method: &str, name: &str) -> Arc<Self> {
        Arc::new(Self { name: name.into(), method: method.into() })
    }
}

/// The names of all endpoints of a run, by the number of their series.
#[derive(Debug, Default)]
pub(super) struct EndpointNames(Vec<Option<Arc<EndpointName>>>);

impl EndpointNames {
    /// The name with this number; a new one is made if needed.
    #[inline]
    pub(super) fn get_or_add(&mut self, number: usize, new: impl FnOnce() -> Arc<EndpointName>) -> &Arc<EndpointName> {
        if self.0.len() <= number {
            self.0.resize_with(number + 1, || None);
        }
        self.0[number].get_or_insert_with(new)
    }

    /// The existing name with this number.
    pub(super) fn get(&self, number: usize) -> &Arc<EndpointName> {
        let Some(name) = &self.0[number] else { unreachable!("requests are kept of endpoints that have names") };
        name
    }
}

/// The figures of one endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) name: Arc<EndpointName>,
    pub(super) errors: Errors,
    requests: u64,
    failures: u64,
    untimed: u64,
    content: u64,
    total_ms: f64,
    min_ms: f64,
    max_ms: f64,
    /// When the last request was reported, in seconds since the epoch; 0 before the first.
    pub(super) last: f64,
    times: Times,
    lately: Lately,
}

impl Endpoint {
    pub(super) fn new(name: Arc<EndpointName>) -> Self {
        Self {
            name,
            errors: Errors::default(),
            requests: 0,
            failures: 0,
            untimed: 0,
            content: 0,
            total_ms: 0.0,
            min_ms: f64::INFINITY,
            max_ms: f64::NEG_INFINITY,
            last: 0.0,
            times: Times::default(),
            lately: Lately::default(),
        }
    }

    /// Counts a request that was reported at this time, in seconds since the epoch.
    #[inline]
    pub(super) fn record(&mut self, request: &Request<'_>, at: f64, memory: &RunMemory) {
        let failed = request.error.is_some();
        self.requests += 1;
        self.failures += u64::from(failed);
        self.content = self.content.saturating_add(request.response_length);
        self.last = self.last.max(at);
        match request.response_time.ms() {
            Some(ms) => {
                self.total_ms += ms;
                self.min_ms = self.min_ms.min(ms);
                self.max_ms = self.max_ms.max(ms);
                self.times.record(ms, memory);
            }
            None => self.untimed += 1,
        }
        self.lately.record(at, failed);
    }

    /// What another has taken of the memory is this one's now: its pages are no more than those of both.
    pub(super) const fn take_over_memory(&mut self, other: &mut Self) {
        self.times.taken += std::mem::replace(&mut other.times.taken, 0);
    }

    /// Bytes that its response times have taken.
    pub(super) const fn taken(&self) -> usize {
        self.times.taken
    }

    /// Adds the figures of another, without its errors.
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.untimed += other.untimed;
        self.content = self.content.saturating_add(other.content);
        self.total_ms += other.total_ms;
        self.min_ms = self.min_ms.min(other.min_ms);
        self.max_ms = self.max_ms.max(other.max_ms);
        self.last = self.last.max(other.last);
        self.times.add(&other.times);
        self.lately.add(&other.lately);
    }

    /// The figures, with rates over this window.
    pub(super) fn figures(&self, window: Window) -> EndpointFigures {
        let timed = self.requests - self.untimed;
        let mean = |sum: f64, count: u64| (count > 0).then(|| sum / count as f64);
        let (current_rate, current_failure_rate) = self.lately.rates(window);
        let duration = window.last - window.begun;
        let rate = |count: u64| if duration > 0.0 { count as f64 / duration } else { 0.0 };
        EndpointFigures {
            method: self.name.method.to_string(),
            name: self.name.name.to_string(),
            requests: self.requests,
            failures: self.failures,
            min_ms: (timed > 0).then_some(self.min_ms),
            max_ms: (timed > 0).then_some(self.max_ms),
            mean_ms: mean(self.total_ms, timed),
            mean_length: mean(self.content as f64, self.requests),
            rate: rate(self.requests),
            failure_rate: rate(self.failures),
            current_rate,
            current_failure_rate,
            histogram: self.times.histogram(),
            ..EndpointFigures::default()
        }
    }
}
