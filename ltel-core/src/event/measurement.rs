//! The values of the locustfile's own metrics. They are sent in batches.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

/// The kind of a metric of the locustfile, as in OpenTelemetry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MeasurementKind {
    /// A value is added to a sum that only grows.
    #[default]
    Counter,
    /// A value is added to a sum; it may be negative.
    UpDownCounter,
    /// A value replaces the one before.
    Gauge,
    /// A value is one of a distribution.
    Histogram,
}

impl MeasurementKind {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Counter, Self::UpDownCounter, Self::Gauge, Self::Histogram];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "up_down_counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

/// One value of a metric of the locustfile (`ltel_locust.counter`, `gauge` and `histogram`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurement<'a> {
    /// Seconds since the epoch.
    pub time: f64,
    /// The metric's name. It is any text that is not empty: OpenTelemetry may not allow it.
    pub name: Cow<'a, str>,
    /// The metric's kind.
    pub kind: MeasurementKind,
    /// The metric's unit, in UCUM; empty if the locustfile gives none.
    pub unit: Cow<'a, str>,
    /// What the metric is; empty if the locustfile does not say.
    pub description: Cow<'a, str>,
    /// The value. Never infinite nor NaN.
    pub value: f64,
    /// The labels that the locustfile gave. Rows of a frame with the same labels share them.
    pub labels: Arc<Map<String, Value>>,
}
