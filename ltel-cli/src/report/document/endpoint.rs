//! The figures of an endpoint in a document.

use ltel_core::figures::{self, EndpointFigures, Histogram, PointTimes, Sketch};
use serde::{Deserialize, Serialize};

use super::{Time, histogram};

/// The figures of one endpoint, or of all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    /// The method. Empty in the total.
    pub(crate) method: String,
    /// The name, as Locust shows it. `Aggregated` in the total.
    pub(crate) name: String,
    /// Requests, including failed ones.
    pub(crate) requests: u64,
    /// Failed requests.
    pub(crate) failures: u64,
    /// Failed requests of all requests, from 0 to 1; `null` if there was none.
    pub(crate) failure_ratio: Option<f64>,
    /// Requests per second, over the whole test.
    pub(crate) rps: f64,
    /// Failed requests per second, over the whole test.
    pub(crate) failure_rps: f64,
    /// Requests per second lately, as Locust computes it: it stays at its last value when no more requests come.
    pub(crate) current_rps: f64,
    /// Failed requests per second lately.
    pub(crate) current_failure_rps: f64,
    /// Requests that have a response time: those that the figures below are computed from.
    pub(crate) timed_requests: u64,
    /// The shortest response time.
    pub(crate) min_ms: Option<f64>,
    /// The mean response time.
    pub(crate) mean_ms: Option<f64>,
    /// The median of response times.
    pub(crate) p50_ms: Option<f64>,
    /// The 90th percentile.
    pub(crate) p90_ms: Option<f64>,
    /// The 95th percentile.
    pub(crate) p95_ms: Option<f64>,
    /// The 99th percentile.
    pub(crate) p99_ms: Option<f64>,
    /// The 99.9th percentile.
    pub(crate) p99_9_ms: Option<f64>,
    /// The longest response time.
    pub(crate) max_ms: Option<f64>,
    /// The mean length of a response.
    pub(crate) mean_length_bytes: Option<f64>,
    /// The response times in about a hundred buckets, to be drawn.
    pub(crate) distribution: Distribution,
    /// All response times; `null` in a document for a page.
    #[serde(with = "histogram")]
    pub(crate) histogram: Option<Histogram>,
    /// Its points on the timeline; fewer than there are, if its last ones would be empty.
    pub(crate) points: Points,
    /// Requests with a sampled trace, the slowest first.
    pub(crate) exemplars: Vec<Exemplar>,
}

/// How many requests took how long, in buckets that get wider with their values. Only those that are not empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Distribution {
    /// Where each begins.
    pub(crate) lower_ms: Vec<f64>,
    /// Where each ends: its values are less.
    pub(crate) upper_ms: Vec<f64>,
    /// Requests in each.
    pub(crate) counts: Vec<u64>,
}

/// Figures over time: in each list, one for each point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Points {
    /// Requests, including failed ones.
    pub(crate) requests: Vec<u64>,
    /// Failed requests.
    pub(crate) failures: Vec<u64>,
    /// The median response time; up to 3 % off, as are the other percentiles.
    pub(crate) p50_ms: Vec<Option<f32>>,
    /// The 95th percentile.
    pub(crate) p95_ms: Vec<Option<f32>>,
    /// The 99th percentile.
    pub(crate) p99_ms: Vec<Option<f32>>,
    /// The longest response time.
    pub(crate) max_ms: Vec<Option<f32>>,
}

/// A request that stands for others of about its response time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exemplar {
    /// When it was reported.
    pub(crate) time: Time,
    /// Its response time.
    pub(crate) response_time_ms: f64,
    /// Whether it failed.
    pub(crate) failed: bool,
    /// 32 hexadecimal digits.
    pub(crate) trace_id: String,
    /// 16 hexadecimal digits.
    pub(crate) span_id: String,
}

impl Endpoint {
    /// Counts, rates and response times. Without a histogram, percentiles are not known.
    pub(super) fn compared_figures(&self) -> EndpointFigures {
        EndpointFigures {
            method: self.method.clone(),
            name: self.name.clone(),
            requests: self.requests,
            failures: self.failures,
            min_ms: self.min_ms,
            max_ms: self.max_ms,
            mean_ms: self.mean_ms,
            rate: self.rps,
            failure_rate: self.failure_rps,
            histogram: self.histogram.clone().unwrap_or_default(),
            ..EndpointFigures::default()
        }
    }

    pub(super) fn of(figures: &EndpointFigures) -> Self {
        let percentile = |percent| figures.percentile(percent);
        Self {
            method: figures.method.clone(),
            name: figures.name.clone(),
            requests: figures.requests,
            failures: figures.failures,
            failure_ratio: figures.failure_ratio(),
            rps: figures.rate,
            failure_rps: figures.failure_rate,
            current_rps: figures.current_rate,
            current_failure_rps: figures.current_failure_rate,
            timed_requests: figures.histogram.count(),
            min_ms: figures.min_ms,
            mean_ms: figures.mean_ms,
            p50_ms: percentile(50.0),
            p90_ms: percentile(90.0),
            p95_ms: percentile(95.0),
            p99_ms: percentile(99.0),
            p99_9_ms: percentile(99.9),
            max_ms: figures.max_ms,
            mean_length_bytes: figures.mean_length,
            distribution: Distribution::of(&figures.histogram),
            histogram: None,
            points: Points::of(&figures.points),
            exemplars: figures.exemplars.iter().map(Exemplar::of).collect(),
        }
    }
}

impl Distribution {
    // Enough for a chart.
    const MOST: u16 = 128;

    fn of(histogram: &Histogram) -> Self {
        let wide = |bucket: u32| Sketch::bucket_of(Histogram::bounds_us(bucket).0);
        let (Some((first, _)), Some((last, _))) = (histogram.counts().next(), histogram.counts().last()) else {
            return Self::default();
        };
        // How many neighbors become one.
        let mut merged = 1;
        while wide(last) / merged - wide(first) / merged >= Self::MOST {
            merged *= 2;
        }
        let mut buckets: Vec<(u16, u64)> = Vec::new();
        for (bucket, count) in histogram.counts() {
            let bucket = wide(bucket) / merged;
            match buckets.last_mut().filter(|(last, _)| *last == bucket) {
                Some((_, counted)) => *counted = counted.saturating_add(count),
                None => buckets.push((bucket, count)),
            }
        }
        Self {
            lower_ms: buckets.iter().map(|(bucket, _)| lower_ms(bucket * merged)).collect(),
            upper_ms: buckets.iter().map(|(bucket, _)| upper_ms(bucket * merged + merged - 1)).collect(),
            counts: buckets.iter().map(|(_, count)| *count).collect(),
        }
    }
}

/// Where a sketch's bucket begins, in milliseconds.
pub(super) fn lower_ms(bucket: u16) -> f64 {
    Sketch::bounds_us(bucket).0 as f64 / 1e3
}

/// Where a sketch's bucket ends, in milliseconds: its values are less.
pub(super) fn upper_ms(bucket: u16) -> f64 {
    (Sketch::bounds_us(bucket).1 as f64 + 1.0) / 1e3
}

impl Points {
    fn of(points: &[figures::Point]) -> Self {
        let times = |of: fn(&PointTimes) -> f32| points.iter().map(|point| point.times.as_ref().map(of)).collect();
        Self {
            requests: points.iter().map(|point| point.requests).collect(),
            failures: points.iter().map(|point| point.failures).collect(),
            p50_ms: times(|times| rounded(times.p50_ms)),
            p95_ms: times(|times| rounded(times.p95_ms)),
            p99_ms: times(|times| rounded(times.p99_ms)),
            max_ms: times(|times| times.max_ms),
        }
    }
}

/// Three digits: those after them would say nothing, and are most of a document's bytes.
fn rounded(ms: f32) -> f32 {
    format!("{ms:.2e}").parse().unwrap_or(ms)
}

impl Exemplar {
    fn of(exemplar: &figures::Exemplar) -> Self {
        Self {
            time: exemplar.time.into(),
            response_time_ms: exemplar.ms,
            failed: exemplar.failed,
            trace_id: exemplar.trace_id.clone(),
            span_id: exemplar.span_id.clone(),
        }
    }
}
