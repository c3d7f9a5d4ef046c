//! The frame `measurements`: each metric is described once, and each row names its metric by its place in that list.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Map;

use super::bounds::{self, Bounds, cut};
use super::rows;
use super::value::Value;
use super::wrong::WrongFields;
use crate::clock::Timestamp;
use crate::event::{Measurement, MeasurementKind};

/// How many metrics a frame may describe. Rows of those beyond it are invalid.
pub(super) const METRICS: usize = 1_000;

/// The required fields of a row: the place of its metric, and the value. The labels follow.
pub(super) const KEY: usize = 2;

/// How many fields a row has. More are ignored.
pub(super) const FIELDS: usize = 3;

// Bounded: sets of labels that are kept for the rows after them.
const LABELS: usize = 1_024;

type Labels = Map<String, serde_json::Value>;

/// What the rows of a frame share: their time, their metrics, and labels that were read before.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    time: f64,
    metrics: Vec<Option<Metric<'a>>>,
    // By their bytes: the plugin writes the same labels the same way.
    labels: HashMap<&'a [u8], Arc<Labels>>,
    none: Arc<Labels>,
}

/// A metric of the locustfile.
#[derive(Clone, Debug)]
struct Metric<'a> {
    name: Cow<'a, str>,
    kind: MeasurementKind,
    unit: Cow<'a, str>,
    description: Cow<'a, str>,
}

impl<'a> Shared<'a> {
    /// From the fields `time` and `metrics` of a frame that came `now`.
    pub(super) fn new(time: &Value<'_>, metrics: Value<'a>, now: Timestamp, wrong: &mut WrongFields) -> Self {
        let time = rows::float(time, "measurements.time", wrong).unwrap_or_else(|| now.as_secs());
        let mut metrics = match metrics {
            Value::List(metrics) => metrics,
            Value::Null => Vec::new(),
            _ => {
                wrong.count("measurements.metrics");
                Vec::new()
            }
        };
        if metrics.len() > METRICS {
            metrics.truncate(METRICS);
            wrong.count_cut("measurements.metrics", 1);
        }
        let metrics = metrics.into_iter().map(|metric| Metric::read(metric, wrong)).collect();
        Self { time, metrics, labels: HashMap::new(), none: Arc::default() }
    }

    /// A row, if its metric and its value are known.
    pub(super) fn measurement(
        &self,
        place: &Value<'_>,
        value: &Value<'_>,
        labels: Arc<Labels>,
        wrong: &mut WrongFields,
    ) -> Option<Measurement<'a>> {
        let metric = match place {
            Value::Number(number) => number.whole().and_then(|place| self.metrics.get(usize::try_from(place).ok()?)),
            _ => None,
        };
        let Some(metric) = metric else {
            wrong.count("measurements.metric");
            return None;
        };
        // What is wrong with it was counted where it stands.
        let Metric { name, kind, unit, description } = metric.clone()?;
        let number = match value {
            Value::Number(number) => number.float(),
            _ => None,
        };
        let Some(value) = number else {
            // A sender has none to send, and has said of which metric.
            if !matches!(value, Value::Null) {
                wrong.count("measurements.value");
            }
            return None;
        };
        Some(Measurement { time: self.time, name, kind, unit, description, value, labels })
    }

    /// No labels.
    pub(super) fn no_labels(&self) -> Arc<Labels> {
        Arc::clone(&self.none)
    }

    /// The labels that these bytes hold, read at their first time.
    pub(super) fn labels_of(
        &mut self,
        bytes: &'a [u8],
        read: impl FnOnce() -> Value<'a>,
        wrong: &mut WrongFields,
    ) -> Arc<Labels> {
        if let Some(labels) = self.labels.get(bytes) {
            return Arc::clone(labels);
        }
        let labels = self.labels(read(), wrong);
        if self.labels.len() < LABELS {
            self.labels.insert(bytes, Arc::clone(&labels));
        }
        labels
    }

    /// Labels from their value.
    pub(super) fn labels(&self, mut value: Value<'_>, wrong: &mut WrongFields) -> Arc<Labels> {
        const NAME: &str = "measurements.labels";
        bounds::bound(&mut value, Bounds::LABELS, || NAME.to_owned(), wrong);
        let entries = match value {
            Value::Null => return self.no_labels(),
            Value::Map(entries) => entries,
            _ => {
                wrong.count(NAME);
                return self.no_labels();
            }
        };
        let mut labels = Labels::with_capacity(entries.len());
        for (key, value) in entries {
            match value.read() {
                Ok(value) => drop(labels.insert(key.into_owned(), value)),
                Err(_) => wrong.count(NAME),
            }
        }
        Arc::new(labels)
    }
}

impl<'a> Metric<'a> {
    /// Nothing for one without a name or of an unknown kind: its values have no meaning.
    fn read(value: Value<'a>, wrong: &mut WrongFields) -> Option<Self> {
        let Value::Map(entries) = value else {
            wrong.count("measurements.metrics");
            return None;
        };
        let [mut name, mut kind, mut unit, mut description] = [const { Value::Null }; 4];
        for (key, value) in entries {
            match &*key {
                "name" => name = value,
                "kind" => kind = value,
                "unit" => unit = value,
                "description" => description = value,
                _ => {}
            }
        }
        let name = match name {
            Value::Text(name) if !name.is_empty() => Some(cut(name, bounds::ID, "measurements.metrics.name", wrong)),
            _ => {
                wrong.count("measurements.metrics.name");
                None
            }
        };
        let kind = match kind {
            Value::Text(kind) => MeasurementKind::named(&kind),
            _ => None,
        };
        if kind.is_none() {
            wrong.count("measurements.metrics.kind");
        }
        Some(Self {
            unit: rows::text(unit, bounds::ID, "measurements.metrics.unit", wrong).unwrap_or_default(),
            description: rows::text(description, bounds::TEXT, "measurements.metrics.description", wrong)
                .unwrap_or_default(),
            name: name?,
            kind: kind?,
        })
    }
}

/// A batch as it is written.
#[derive(Serialize)]
pub(super) struct Packed<'a> {
    time: f64,
    metrics: Vec<PackedMetric<'a>>,
    rows: Vec<(usize, f64, Option<&'a Labels>)>,
}

#[derive(PartialEq, Serialize)]
struct PackedMetric<'a> {
    name: &'a str,
    kind: MeasurementKind,
    #[serde(skip_serializing_if = "str::is_empty")]
    unit: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
}

impl<'a> Packed<'a> {
    /// Of values of one time.
    pub(super) fn of(values: &'a [Measurement<'_>]) -> Self {
        let time = values.first().map_or(0.0, |first| first.time);
        let mut packed = Self { time, metrics: Vec::new(), rows: Vec::with_capacity(values.len()) };
        for Measurement { name, kind, unit, description, value, labels, .. } in values {
            let metric = PackedMetric { name, kind: *kind, unit, description };
            let place = packed.metrics.iter().position(|have| *have == metric).unwrap_or_else(|| {
                packed.metrics.push(metric);
                packed.metrics.len() - 1
            });
            packed.rows.push((place, *value, Some(&**labels).filter(|labels| !labels.is_empty())));
        }
        packed
    }
}
