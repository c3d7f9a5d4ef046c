//! `custom`: the locustfile's own metrics (`ltel_locust.counter`, `up_down_counter`, `gauge` and `histogram`), by their own names,
//! units and descriptions, with their labels.
//!
//! Hand-written rather than derived: its instruments are known only when the locustfile uses them.

mod labels;
mod metrics;

use std::collections::BTreeMap;

use ltel_core::prelude::*;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::buckets;
use metrics::{Known, Metrics};

/// The scope of its metrics: they are the locustfile's, and not ltel's.
pub const SCOPE: &str = "locustfile";

/// The locustfile's own metrics, by their own names.
///
/// The processes of a test share the series of counters, up-down counters and histograms: their values add up in ltel, and series
/// have no `source` ([`Options::per`] changes that). A gauge is what one process has said last, and nothing could add it up: each
/// process has its own series, which ends when the process disconnects.
///
/// What cannot be a metric is left out, counted in the run report, and said once: a name that OpenTelemetry does not allow or that a
/// recorder of ltel has, a metric that is used with two kinds or units, a negative value of a counter. A label whose name is ltel's,
/// such as `source`, or that the configuration adds (`[labels]` and the recorder's own `labels`), gets the prefix `exported_`.
#[derive(Debug)]
pub struct Custom {
    metrics: Metrics,
}

/// Options of [`Custom`].
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// By the name of a histogram, its upper bounds in its unit, ascending. Without them: bounds that fit response times for `ms`
    /// and `s`, sizes for `By`, and OpenTelemetry's default ones for other units.
    #[serde(default, deserialize_with = "by_name")]
    pub buckets: BTreeMap<String, Vec<f64>>,
    /// Whether each Locust process has its own series of counters and histograms. Those of gauges are always its own.
    #[serde(default)]
    pub per: PerSeries,
}

/// Whose series are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PerSeries {
    /// The processes of a test share them: their values add up.
    #[default]
    Run,
    /// Each process has its own.
    Source,
}

fn by_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Vec<f64>>, D::Error> {
    let all = BTreeMap::<String, Vec<f64>>::deserialize(deserializer)?;
    for (name, buckets) in &all {
        buckets::checked(buckets.clone(), "`[1, 5, 25, 100]` (upper bounds in the metric's unit)")
            .map_err(|error: D::Error| D::Error::custom(format!("`{name}`: {error}")))?;
    }
    Ok(all)
}

impl Recorder for Custom {
    type Options = Options;

    const SPEC: &'static Spec = &Spec {
        name: "custom",
        description: "The locustfile's own metrics (`ltel_locust.counter`, `gauge`, `histogram`), by their own names, with their labels.",
        scope: SCOPE,
        events: &[EventKind::Measurement],
        per: Per::Run,
        labels: &[],
        instruments: &[],
        records: &[],
        spans: &[],
        needs: Needs { measurements: true, ..Needs::NONE },
    };

    fn has_points(_: &Options) -> bool {
        true
    }

    fn build(_: &Options, instruments: &mut Instruments<'_>) -> Self {
        Self { metrics: Metrics::new(instruments.open(), instruments.all_metrics()) }
    }

    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, Options>) {
        let Event::Measurement(measurement) = event else { return };
        let number = match self.metrics.find(measurement, cx.options()) {
            Known::Metric(number, None) => number,
            Known::Metric(number, Some(said)) => {
                cx.notice(said);
                number
            }
            Known::LeftOut(why) => return cx.leave_out(why),
        };
        let metrics = &mut self.metrics;
        let taken = cx.configured_labels();
        labels::with(&measurement.labels, taken, |labels, renamed| {
            for why in renamed.iter().filter_map(|name| metrics.renamed(name)) {
                cx.notice(why);
            }
            let series = cx.open_series(metrics.instruments(), number, labels);
            metrics.record(number, series, measurement.value);
        });
    }
}
