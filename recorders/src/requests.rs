//! `requests`: the number of requests and their response times, by endpoint, method and status.

use std::fmt;

use ltel_core::prelude::*;
use ltel_core::schema;
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, SeqAccess, Unexpected, Visitor};

use crate::buckets::{self, MS};

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
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The histograms' upper bounds in ms, ascending; or `fine`: 113 bounds, each at most a tenth above the one before.
    #[serde(default = "default_buckets", deserialize_with = "in_ms")]
    #[schemars(with = "Bounds")]
    pub buckets: Vec<f64>,
}

/// The histograms' upper bounds, as the file may state them.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
enum Bounds {
    List(schema::Buckets),
    Name(BoundsName),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[allow(dead_code, reason = "only its schema is used")]
enum BoundsName {
    Fine,
}

impl Default for Options {
    fn default() -> Self {
        Self { buckets: default_buckets() }
    }
}

fn default_buckets() -> Vec<f64> {
    MS.to_vec()
}

/// The default bounds, with more between them up to 10 s: each is at most a tenth above the one before. So a quantile that is
/// interpolated within a bucket is off by less than a tenth. Queries for a bound of the default still find it.
#[must_use]
pub fn fine_buckets() -> Vec<f64> {
    let mut fine = Vec::new();
    for pair in MS.windows(2) {
        fine.push(pair[0]);
        let ratio = pair[1] / pair[0];
        let parts = if pair[1] > 10_000.0 { 1.0 } else { (ratio.ln() / 1.1_f64.ln()).ceil() };
        let steps = std::iter::successors(Some(1.0), |step| Some(step + 1.0)).take_while(|step| *step < parts);
        // Three digits after the point are a microsecond.
        fine.extend(steps.map(|step| (pair[0] * ratio.powf(step / parts) * 1e3).round() / 1e3));
    }
    fine.extend(MS.last());
    fine
}

fn in_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    struct Bounds;

    impl<'de> Visitor<'de> for Bounds {
        type Value = Vec<f64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("`fine`, or a list of upper bounds in ms")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<f64>, E> {
            match text {
                "fine" => Ok(fine_buckets()),
                _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
            }
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Vec<f64>, A::Error> {
            let buckets = Vec::deserialize(SeqAccessDeserializer::new(seq))?;
            buckets::checked(buckets, "`[10, 50, 100, 500, 1000]` (upper bounds in ms)")
        }
    }

    deserializer.deserialize_any(Bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantees: between 1 ms and 10 s no bucket is wider than a tenth of its lower bound; all bounds of the default are there.
    #[test]
    fn fine_buckets_are_fine() {
        let fine = fine_buckets();
        assert!(fine.is_sorted_by(|a, b| a < b) && MS.iter().all(|bound| fine.contains(bound)), "{fine:?}");
        for pair in fine.windows(2).filter(|pair| pair[1] <= 10_000.0) {
            assert!(pair[1] / pair[0] < 1.1 + 1e-3, "{pair:?}");
        }
        assert_eq!(fine.len(), 113);
    }
}
