//! Quantiles of the response times of each interval, as gauges: exact where the buckets of a histogram are too coarse, and merged
//! over all workers, which quantiles of each of them could not be.

use ltel_core::instrument::Instruments;
use ltel_core::prelude::*;
use serde::de::{Deserialize, Deserializer, Error};

use super::interval::IntervalFigures;
use super::{Options, TOTAL};

/// The gauge. Prometheus' summaries have the same label.
pub(super) const RESPONSE_TIME: InstrumentSpec = InstrumentSpec::new(
    "response_time",
    InstrumentKind::Gauge,
    "ms",
    "With `quantiles`: response times of the last interval by quantile, of all workers together.",
)
.named("locust.tl.request.metric.response_time")
.attributes(&[("quantile", "0.95")]);

/// The gauges of all quantiles.
#[derive(Debug)]
pub(super) struct Quantiles {
    gauges: Vec<(f64, Gauge)>,
    // The number of the series of all endpoints together.
    total: Option<usize>,
    // Numbers of the series that have values.
    live: Vec<usize>,
}

impl Quantiles {
    /// For these quantiles, from 0 to 1.
    pub(super) fn build(quantiles: &[f64], instruments: &mut Instruments<'_>) -> Self {
        let gauge = |&quantile: &f64| {
            let gauge = instruments.gauge_with(const { &RESPONSE_TIME }, &[&quantile.to_string()]);
            // In percent, as the same number that stands in the lines: 0.07 * 100 is more than 7.
            ((quantile * 1e11).round() / 1e9, gauge)
        };
        Self { gauges: quantiles.iter().map(gauge).collect(), total: None, live: Vec::new() }
    }

    /// Shows an interval that is over. Series without a response time in it end: a value that stays would look like a present one.
    pub(super) fn show(&mut self, interval: &IntervalFigures, cx: &mut Context<'_, Options>) {
        if self.gauges.is_empty() {
            return;
        }
        let before = std::mem::take(&mut self.live);
        // Without a method, which an endpoint of this name would have.
        let total = *self.total.get_or_insert_with(|| cx.series([Label::Absent, Label::Str(TOTAL)]).number());
        // Where it has found no series of its own, that of the other endpoints is not its.
        let has_total = cx.series_numbered(total).is_some_and(|series| !series.is_overflow());
        let total = has_total.then_some((total, &interval.total));
        let endpoints = interval.endpoints.iter().map(|(number, endpoint)| (*number, endpoint));
        for (number, figures) in total.into_iter().chain(endpoints) {
            let Some(series) = cx.series_numbered(number) else { continue };
            for (percent, gauge) in &mut self.gauges {
                if let Some(ms) = figures.percentile(*percent) {
                    gauge.set(series, ms);
                }
            }
            if !figures.histogram.is_empty() {
                self.live.push(number);
            }
        }
        for number in before.into_iter().filter(|number| !self.live.contains(number)) {
            let Some(series) = cx.series_numbered(number) else { continue };
            self.gauges.iter_mut().for_each(|(_, gauge)| gauge.end(series));
        }
    }
}

/// Reads quantiles, each once.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let quantiles = Vec::<f64>::deserialize(deserializer)?;
    let example = "such as `[0.5, 0.95, 0.99]`";
    if let Some(wrong) = quantiles.iter().find(|quantile| !(0.0..=1.0).contains(*quantile)) {
        return Err(D::Error::custom(format!("quantiles must be between 0 and 1, {example}; got {wrong}")));
    }
    let again = quantiles.iter().enumerate().find(|(index, quantile)| quantiles[..*index].contains(quantile));
    match again {
        Some((_, quantile)) => Err(D::Error::custom(format!("quantile {quantile} is there twice"))),
        None => Ok(quantiles),
    }
}
