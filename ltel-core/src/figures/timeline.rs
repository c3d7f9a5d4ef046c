//! Figures over time.

use std::time::Duration;

use super::Sketch;
use crate::clock::Timestamp;

/// The time of a run, in points of equal length: a second each at first, and twice as long each time there would be too many.
/// So its size is bounded, whatever the length of the run. It is of the whole test: what was reset in the statistics is in it still,
/// and an annotation says when.
///
/// While a test runs, its last points are not complete: requests come a moment after they were made. Times are those at which
/// requests were reported, by the clock of their process; a clock that is wrong is corrected by ltel's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// When its first point begins.
    pub begun: Timestamp,
    /// The length of a point, in whole seconds.
    pub step: Duration,
    /// Running users at the end of each point, by what was reported last; absent before the first report.
    pub users: Vec<Option<u64>>,
    /// The response times of all requests in each point.
    pub times: Vec<Sketch>,
}

impl Timeline {
    /// How many points there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.times.is_empty()
    }
}

/// The figures of an endpoint, or of all, in one point of a [`Timeline`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Requests, including failed ones.
    pub requests: u64,
    /// Failed requests.
    pub failures: u64,
    /// Response times; absent if no request had one.
    pub times: Option<PointTimes>,
}

/// Percentiles of response times in one point, in milliseconds. They are those of wide buckets: up to 3 % off.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PointTimes {
    /// The median.
    pub p50_ms: f32,
    /// The 95th percentile.
    pub p95_ms: f32,
    /// The 99th percentile.
    pub p99_ms: f32,
    /// The longest, which is exact.
    pub max_ms: f32,
}
