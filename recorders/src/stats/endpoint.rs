//! The figures of one endpoint, or of all.

use hdrhistogram::Histogram;
use ltel_core::figures::{EndpointFigures, Percentile};
use ltel_core::prelude::*;

use super::Window;
use super::errors::Errors;

// Locust's `current_*` rates average ten seconds that end two before the last request; the rest is room for processes
// whose requests come later than those of others.
const SECONDS: usize = 32;

// Bounded: a wrong duration must not make a histogram of any size. A day.
const LONGEST_US: u64 = 86_400_000_000;

/// The figures of one endpoint.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) method: Box<str>,
    pub(super) name: Box<str>,
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
    // In microseconds, with 3 significant digits.
    times: Histogram<u64>,
    seconds: [Second; SECONDS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    at: u64,
    requests: u64,
    failures: u64,
}

impl Endpoint {
    pub(super) fn new(method: &str, name: &str) -> Self {
        Self {
            method: method.into(),
            name: name.into(),
            errors: Errors::default(),
            requests: 0,
            failures: 0,
            untimed: 0,
            content: 0,
            total_ms: 0.0,
            min_ms: f64::INFINITY,
            max_ms: f64::NEG_INFINITY,
            last: 0.0,
            times: times(),
            seconds: [Second::default(); SECONDS],
        }
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates, which is what a histogram wants
    pub(super) fn record(&mut self, request: &Request<'_>) {
        let failed = u64::from(request.error.is_some());
        self.requests += 1;
        self.failures += failed;
        self.content = self.content.saturating_add(request.response_length);
        self.last = self.last.max(request.reported_at);
        match request.response_time.ms() {
            Some(ms) => {
                self.total_ms += ms;
                self.min_ms = self.min_ms.min(ms);
                self.max_ms = self.max_ms.max(ms);
                // Grows to hold the value, and cannot fail below the bound.
                let _ = self.times.record(((ms * 1e3).round() as u64).min(LONGEST_US));
            }
            None => self.untimed += 1,
        }
        let second = Second { at: request.reported_at as u64, requests: 1, failures: failed };
        self.add_second(second);
    }

    #[allow(clippy::cast_possible_truncation)] // only the last bits count
    fn add_second(&mut self, more: Second) {
        let second = &mut self.seconds[more.at as usize % SECONDS];
        if second.at < more.at {
            *second = more;
        } else if second.at == more.at {
            second.requests += more.requests;
            second.failures += more.failures;
        }
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
        if let Err(error) = self.times.add(&other.times) {
            unreachable!("histograms that resize themselves always add: {error}");
        }
        other.seconds.iter().for_each(|&second| self.add_second(second));
    }

    /// The figures, with rates over this window.
    pub(super) fn figures(&self, window: Window, percentiles: &[f64]) -> EndpointFigures {
        let timed = self.requests - self.untimed;
        let mean = |sum: f64, count: u64| if count == 0 { 0.0 } else { sum / count as f64 };
        let (current_rate, current_failure_rate) = self.current_rates(window);
        let duration = window.last - window.begun;
        let rate = |count: u64| if duration > 0.0 { count as f64 / duration } else { 0.0 };
        EndpointFigures {
            method: self.method.to_string(),
            name: self.name.to_string(),
            requests: self.requests,
            failures: self.failures,
            min_ms: (timed > 0).then_some(self.min_ms),
            max_ms: (timed > 0).then_some(self.max_ms),
            mean_ms: mean(self.total_ms, timed),
            median_ms: self.percentile(50.0),
            percentiles: percentiles
                .iter()
                .map(|&percent| Percentile { percent, ms: self.percentile(percent) })
                .collect(),
            mean_length: mean(self.content as f64, self.requests),
            rate: rate(self.requests),
            failure_rate: rate(self.failures),
            current_rate,
            current_failure_rate,
        }
    }

    /// In milliseconds.
    fn percentile(&self, percentile: f64) -> f64 {
        if self.times.is_empty() {
            return 0.0;
        }
        // A histogram's value is the upper end of its bucket, which no request need have reached.
        (self.times.value_at_quantile(percentile / 100.0) as f64 / 1e3)
            .clamp(self.min_ms.max(0.0), self.max_ms.max(0.0))
    }

    // As Locust's `StatsEntry.current_rps`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole seconds since the epoch
    fn current_rates(&self, window: Window) -> (f64, f64) {
        let (begun, last) = (window.begun as u64, window.last as u64);
        let from = last.saturating_sub(12).max(begun);
        let until = last.saturating_sub(2);
        let seconds = until.saturating_sub(from);
        if seconds == 0 {
            return (0.0, 0.0);
        }
        let within = self.seconds.iter().filter(|s| (from..until).contains(&s.at));
        let (requests, failures) = within.fold((0, 0), |(r, f), s| (r + s.requests, f + s.failures));
        (requests as f64 / seconds as f64, failures as f64 / seconds as f64)
    }
}

fn times() -> Histogram<u64> {
    let Ok(histogram) = Histogram::new(3) else { unreachable!("3 significant digits are allowed") };
    histogram
}
