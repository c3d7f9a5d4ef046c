//! `requests`: the number of requests and their response times, by endpoint, method and status.

use ltel_core::prelude::*;
use serde::Deserialize;
use serde::de::Deserializer;

use crate::buckets;

/// Upper bounds in ms that fit load tests: 1 ms to 60 s.
const BUCKETS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0, 150.0, 200.0, 350.0, 500.0, 750.0, 1_000.0, 1_500.0, 2_000.0,
    3_500.0, 5_000.0, 7_500.0, 10_000.0, 20_000.0, 30_000.0, 60_000.0,
];

/// Requests and their response times, by endpoint, method and status.
#[derive(Debug, Recorder)]
#[recorder(
    on = Request,
    // Locust's clients report status 0 if there was no response.
    labels(endpoint = name, method, status_code = |request| request.status_code.filter(|code| *code > 0)),
    options = Options,
    scope = "locust_telemetry",
)]
pub struct Requests {
    /// Requests, with and without a response time.
    // The counters do not have the label `metric`, which holds the name of a histogram: with it, PromQL could not divide one
    // by the other.
    #[counter(name = "locust.tl.request.metric.requests", unit = "{request}")]
    all: Counter,

    /// Requests that failed.
    #[counter(
        name = "locust.tl.request.metric.failures",
        unit = "{request}",
        when = |request| request.error.is_some(),
    )]
    failures: Counter,

    /// Response times of requests that passed.
    #[histogram(
        name = "locust.tl.request.metric.success",
        unit = "ms",
        value = response_time,
        when = |request| request.error.is_none(),
        labels(metric = "locust.tl.request.metric.success"),
        buckets = |options| &options.buckets,
    )]
    success: Histogram,

    /// Response times of requests that failed.
    #[histogram(
        name = "locust.tl.request.metric.error",
        unit = "ms",
        value = response_time,
        when = |request| request.error.is_some(),
        labels(metric = "locust.tl.request.metric.error"),
        buckets = |options| &options.buckets,
    )]
    error: Histogram,
}

/// Options of [`Requests`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The histograms' upper bounds in ms, ascending.
    #[serde(default = "default_buckets", deserialize_with = "in_ms")]
    pub buckets: Vec<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { buckets: default_buckets() }
    }
}

fn default_buckets() -> Vec<f64> {
    BUCKETS.to_vec()
}

fn in_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    buckets::ascending(deserializer, "`[10, 50, 100, 500, 1000]` (upper bounds in ms)")
}
