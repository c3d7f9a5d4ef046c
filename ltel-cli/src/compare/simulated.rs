//! Simulated load tests: response times of known distributions, with and without memory. Each has a seed, so none depends on chance.

// Counts and microseconds, all of them small.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::collections::BTreeMap;
use std::time::Duration;

use ltel_core::figures::{EndpointFigures, Histogram, Point, PointTimes, RunFigures, Sketch, Stage, Timeline};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A load test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simulated {
    pub(crate) seconds: usize,
    /// Requests per second.
    pub(crate) rate: f64,
    /// The median response time.
    pub(crate) median_ms: f64,
    /// The standard deviation of the logarithm of each response time.
    pub(crate) spread: f64,
    /// The standard deviation of the logarithm of what the response times of a second have in common.
    pub(crate) drift: f64,
    /// How much of the drift is still there after a second.
    pub(crate) memory: f64,
    /// The share of requests that fail, while the drift is 0; it grows with it.
    pub(crate) failing: f64,
    /// Seconds until all users are spawned.
    pub(crate) ramp: usize,
}

/// A steady test of independent requests.
pub(crate) const STEADY: Simulated = Simulated {
    seconds: 60,
    rate: 50.0,
    median_ms: 40.0,
    spread: 0.5,
    drift: 0.0,
    memory: 0.0,
    failing: 0.01,
    ramp: 0,
};

impl Simulated {
    /// Its figures: one endpoint, which is also the total.
    pub(crate) fn run(&self, seed: u64) -> RunFigures {
        let endpoint = self.endpoint("/search", seed);
        self.with(vec![endpoint])
    }

    /// A run of these endpoints. Its total is the first of them.
    pub(crate) fn with(&self, endpoints: Vec<EndpointFigures>) -> RunFigures {
        RunFigures {
            stage: Stage::Final { complete: true },
            duration: Duration::from_secs(self.seconds as u64),
            users: 10,
            total: EndpointFigures { method: String::new(), name: "Aggregated".to_owned(), ..endpoints[0].clone() },
            timeline: Timeline {
                step: Duration::from_secs(1),
                users: vec![Some(10); self.seconds],
                times: vec![Sketch::default(); self.seconds],
                ..Timeline::default()
            },
            endpoints,
            ..RunFigures::default()
        }
    }

    /// The figures of an endpoint.
    pub(crate) fn endpoint(&self, name: &str, seed: u64) -> EndpointFigures {
        let mut random = Random(StdRng::seed_from_u64(seed));
        let mut drift = self.drift * random.normal();
        let mut counts = BTreeMap::new();
        let mut figures =
            EndpointFigures { method: "GET".to_owned(), name: name.to_owned(), ..EndpointFigures::default() };
        for second in 0..self.seconds {
            drift = self.memory * drift + (1.0 - self.memory * self.memory).sqrt() * self.drift * random.normal();
            let spawned = if self.ramp == 0 { 1.0 } else { ((second + 1) as f64 / self.ramp as f64).min(1.0) };
            let mut times: Vec<u64> = Vec::new();
            let mut failures = 0;
            for _ in 0..random.rounded(self.rate * spawned) {
                let ms = self.median_ms * (drift + self.spread * random.normal()).exp();
                times.push((ms * 1e3) as u64);
                failures += u64::from(random.uniform() < self.failing * (2.0 * drift).exp());
            }
            times.sort_unstable();
            for us in &times {
                *counts.entry(Histogram::bucket_of(*us)).or_insert(0) += 1;
            }
            figures.requests += times.len() as u64;
            figures.failures += failures;
            figures.points.push(Point { requests: times.len() as u64, failures, times: point_times(&times) });
        }
        figures.histogram = Histogram::from_counts(counts);
        figures.rate = figures.requests as f64 / self.seconds as f64;
        figures.failure_rate = figures.failures as f64 / self.seconds as f64;
        figures.min_ms = Some(0.0);
        figures.max_ms = figures.histogram.percentile(100.0);
        figures
    }
}

// As a sketch knows them: to the middle of a bucket.
fn point_times(sorted: &[u64]) -> Option<PointTimes> {
    let middle = |us: u64| {
        let (low, high) = Sketch::bounds_us(Sketch::bucket_of(us));
        (low + high) as f32 / 2e3
    };
    let at = |q: f64| middle(sorted[((q * sorted.len() as f64).ceil() as usize).max(1) - 1]);
    let max_ms = *sorted.last()? as f32 / 1e3;
    Some(PointTimes { p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99), max_ms })
}

struct Random(StdRng);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    // Of the standard normal distribution (Box and Muller).
    fn normal(&mut self) -> f64 {
        let (a, b) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    // This many, on average.
    fn rounded(&mut self, mean: f64) -> usize {
        (mean + self.uniform()) as usize
    }
}
