//! `requests`: response times by endpoint and status, as OpenTelemetry histograms.

use ltel_core::prelude::*;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// Upper bounds in ms that fit load tests: 1 ms to 60 s.
const BUCKETS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0, 150.0, 200.0, 350.0, 500.0, 750.0, 1_000.0, 1_500.0, 2_000.0,
    3_500.0, 5_000.0, 7_500.0, 10_000.0, 20_000.0, 30_000.0, 60_000.0,
];

const SUCCESS: &str = "locust.tl.request.metric.success";
const ERROR: &str = "locust.tl.request.metric.error";

/// Response times of requests that passed and of requests that failed.
#[derive(Debug)]
pub struct Requests {
    success: Histogram,
    error: Histogram,
}

/// Options of [`Requests`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The histograms' upper bounds in ms, ascending.
    #[serde(default = "default_buckets", deserialize_with = "ascending")]
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

fn ascending<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let buckets = Vec::<f64>::deserialize(deserializer)?;
    if buckets.iter().any(|b| !b.is_finite()) || buckets.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(D::Error::custom("buckets must ascend, such as `[10, 50, 100, 500, 1000]` (upper bounds in ms)"));
    }
    Ok(buckets)
}

impl Recorder for Requests {
    type Options = Options;

    const SPEC: &'static Spec = &Spec {
        name: "requests",
        description: "Response times by endpoint and status, as histograms.",
        scope: crate::SCOPE,
        per: Per::Source,
        labels: &["endpoint", "status_code"],
        instruments: &[
            InstrumentSpec::new("success", InstrumentKind::Histogram, "ms", "Response times of requests that passed.")
                .named(SUCCESS)
                .attributes(&[("metric", SUCCESS)])
                .buckets(BUCKETS),
            InstrumentSpec::new("error", InstrumentKind::Histogram, "ms", "Response times of requests that failed.")
                .named(ERROR)
                .attributes(&[("metric", ERROR)])
                .buckets(BUCKETS),
        ],
        records: &[],
        needs: Needs::NONE,
    };

    fn build(options: &Options, instruments: &mut Instruments<'_>) -> Self {
        Self {
            success: instruments.histogram_with(&Self::SPEC.instruments[0], &options.buckets),
            error: instruments.histogram_with(&Self::SPEC.instruments[1], &options.buckets),
        }
    }

    #[inline]
    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, Options>) {
        let Event::Request(request) = event else { return };
        let Some(ms) = request.response_time.ms() else { return };
        // Locust's clients report status 0 where no response came.
        let status = match request.status_code {
            Some(code) if code > 0 => Label::Int(i64::from(code)),
            _ => Label::Absent,
        };
        let series = cx.series([Label::Str(&request.name), status]);
        match request.error {
            None => self.success.record(series, ms),
            Some(_) => self.error.record(series, ms),
        }
    }
}
