//! The frame `measurements`: each metric is described once, and each row names its metric by its place in that list.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::{Measurement, MeasurementKind};

/// A batch of values of the locustfile's own metrics, as it travels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Measurements {
    /// Seconds since the epoch, of all of them.
    pub(super) time: f64,
    metrics: Vec<Metric>,
    rows: Vec<Row>,
}

/// A metric of the locustfile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Metric {
    name: String,
    kind: MeasurementKind,
    #[serde(skip_serializing_if = "String::is_empty")]
    unit: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
}

/// The place of the metric, the value, the labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row(u32, f64, Option<Map<String, Value>>);

impl Measurements {
    pub(super) fn of(measurements: &[Measurement<'_>]) -> Self {
        let mut packed = Self { time: measurements.first().map_or(0.0, |first| first.time), ..Self::default() };
        for measurement in measurements {
            let metric = Metric {
                name: measurement.name.clone().into_owned(),
                kind: measurement.kind,
                unit: measurement.unit.clone().into_owned(),
                description: measurement.description.clone().into_owned(),
            };
            let place = packed.metrics.iter().position(|have| *have == metric).unwrap_or_else(|| {
                packed.metrics.push(metric);
                packed.metrics.len() - 1
            });
            let labels = (!measurement.labels.is_empty()).then(|| measurement.labels.clone().into_owned());
            packed.rows.push(Row(u32::try_from(place).unwrap_or(u32::MAX), measurement.value, labels));
        }
        packed
    }

    /// Each value with its metric, and how many rows have none or no finite value.
    pub(super) fn unpack(self) -> (Vec<Measurement<'static>>, u64) {
        let (mut measurements, mut invalid) = (Vec::with_capacity(self.rows.len()), 0);
        for Row(place, value, labels) in self.rows {
            match self.metrics.get(place as usize) {
                Some(metric) if value.is_finite() && !metric.name.is_empty() => measurements.push(Measurement {
                    time: self.time,
                    name: Cow::Owned(metric.name.clone()),
                    kind: metric.kind,
                    unit: Cow::Owned(metric.unit.clone()),
                    description: Cow::Owned(metric.description.clone()),
                    value,
                    labels: Cow::Owned(labels.unwrap_or_default()),
                }),
                _ => invalid += 1,
            }
        }
        (measurements, invalid)
    }
}
