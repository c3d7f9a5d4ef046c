//! The figures of an endpoint.

use super::{Histogram, Point};
use crate::clock::Timestamp;

/// The figures of one endpoint, or of all. Times are in milliseconds, lengths in bytes, rates per second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointFigures {
    /// The method, such as `GET`. Empty in the total.
    pub method: String,
    /// The name, as Locust shows it. `Aggregated` in the total.
    pub name: String,
    /// Requests, including failed ones.
    pub requests: u64,
    /// Failed requests.
    pub failures: u64,
    /// The shortest response time; absent if no request had one.
    pub min_ms: Option<f64>,
    /// The longest response time; absent if no request had one.
    pub max_ms: Option<f64>,
    /// The mean response time; absent if no request had one.
    pub mean_ms: Option<f64>,
    /// The mean length of a response; absent if there was no request.
    pub mean_length: Option<f64>,
    /// Requests per second, over the whole test.
    pub rate: f64,
    /// Failed requests per second, over the whole test.
    pub failure_rate: f64,
    /// Requests per second, lately: Locust's figure, which stays at its last value when no more requests come.
    pub current_rate: f64,
    /// Failed requests per second, lately.
    pub current_failure_rate: f64,
    /// All response times.
    pub histogram: Histogram,
    /// Its points on the run's timeline; fewer, if its last ones are empty.
    pub points: Vec<Point>,
    /// Requests with a sampled trace, the slowest first: some of the slowest, and the last one that failed.
    pub exemplars: Vec<Exemplar>,
}

impl EndpointFigures {
    /// The response time in milliseconds that this percentage of the requests did not exceed; absent if none had one.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let ms = self.histogram.percentile(percent)?;
        // The end of a bucket may exceed every request.
        let (min, max) = (self.min_ms?.max(0.0), self.max_ms?.max(0.0));
        Some(if min <= max { ms.clamp(min, max) } else { ms })
    }

    /// Failed requests of all requests, from 0 to 1; absent if there was none.
    #[must_use]
    pub fn failure_ratio(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.failures as f64 / self.requests as f64)
    }
}

/// A request that stands for others of about its response time: its trace shows why.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// When it was reported.
    pub time: Timestamp,
    /// Its response time.
    pub ms: f64,
    /// Whether it failed.
    pub failed: bool,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
}
