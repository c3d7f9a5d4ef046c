//! From the SDK's collections to families of samples. A family is one metric to Prometheus, however many runs and recorders
//! add to it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use ltel_core::Timestamp;
use ltel_core::exemplar::Exemplar;
use ltel_core::meter::Collected;
use ltel_core::points::{self, Metric, MetricKind, PointValue};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;

use super::name::{self, Suffix};

/// All families of a scrape.
#[derive(Debug)]
pub(super) struct Families {
    all: Vec<Family>,
    scope_labels: bool,
    index: HashMap<String, usize>,
    // The family of each sample name: Prometheus would merge two families with the same name.
    claimed: HashMap<String, usize>,
    clashes: Vec<String>,
    collections: usize,
}

/// The samples under one name.
#[derive(Debug)]
pub(super) struct Family {
    /// Without the suffixes of its samples.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The unit, if the name ends with it.
    pub(super) unit: Option<String>,
    pub(super) help: String,
    pub(super) samples: Vec<Sample>,
    series: HashSet<Labels>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

/// By name, in the order of the names.
pub(super) type Labels = Vec<(String, String)>;

#[derive(Debug)]
pub(super) struct Sample {
    pub(super) labels: Labels,
    pub(super) value: Value,
    /// Start time of a counter or a histogram, in seconds since the epoch.
    pub(super) created: Option<f64>,
    /// The number of its collection, from 0; absent for the resource's sample.
    pub(super) collection: Option<usize>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Histogram {
        /// Finite upper bounds, ascending, each with the count of values at or below it.
        buckets: Vec<(f64, u64)>,
        count: u64,
        sum: f64,
        /// Of each bucket, the last one without a bound included; shorter if the others have none.
        exemplars: Vec<Option<Exemplar>>,
    },
}

impl Families {
    /// Only the resource's family so far.
    pub(super) fn new(resource: &Resource, scope_labels: bool) -> Self {
        let mut families = Self {
            all: Vec::new(),
            scope_labels,
            index: HashMap::new(),
            claimed: HashMap::new(),
            clashes: Vec::new(),
            collections: 0,
        };
        if !resource.is_empty() {
            let attributes = resource.iter().map(|(key, value)| (key.as_str(), value));
            let labels = labels(attributes, Kind::Info);
            let sample = Sample { labels, value: Value::Number(1.0), created: None, collection: None };
            let about = About { name: "target".to_owned(), kind: Kind::Info, unit: None, help: "Target metadata" };
            families.add(about, vec![sample]);
        }
        families
    }

    /// Adds a collection. If two samples have the same series, the first one stays: add the newest run first. If the run
    /// has `ended`, its gauges are left out: their values no longer hold.
    pub(super) fn collect(&mut self, collected: &Collected, ended: bool) {
        for metric in points::metrics(collected) {
            self.metric(&metric, ended);
        }
        self.collections += 1;
    }

    /// The families, and the names of metrics that are left out because another metric uses their name.
    pub(super) fn finish(self) -> (Vec<Family>, Vec<String>) {
        (self.all, self.clashes)
    }

    fn metric(&mut self, metric: &Metric<'_>, ended: bool) {
        let (kind, suffix) = match metric.kind {
            MetricKind::Gauge if ended => return,
            MetricKind::Gauge => (Kind::Gauge, Suffix::Ratio),
            MetricKind::Sum { monotonic: true, .. } => (Kind::Counter, Suffix::Total),
            MetricKind::Sum { monotonic: false, .. } => (Kind::Gauge, Suffix::No),
            MetricKind::Histogram(_) => (Kind::Histogram, Suffix::No),
            // This backend asks for none.
            MetricKind::ExponentialHistogram(_) => return,
        };
        let samples = metric.points().filter_map(|point| {
            Some(Sample {
                labels: self.labels(metric.scope, &point.attributes, kind),
                created: point.start.filter(|_| kind.counts()).map(|start| Timestamp::from(start).as_secs()),
                value: value(point.value, point.exemplars)?,
                collection: Some(self.collections),
            })
        });
        let samples = samples.collect();
        let (name, unit) = name::family(metric.name, metric.unit, suffix);
        let about = About { name, kind, unit, help: metric.description };
        if !self.add(about, samples) {
            self.clashes.push(metric.name.to_owned());
        }
    }

    fn labels(&self, scope: &InstrumentationScope, attributes: &[&KeyValue], kind: Kind) -> Labels {
        let mut labels = labels(attributes.iter().map(|kv| (kv.key.as_str(), &kv.value)), kind);
        if self.scope_labels {
            let scope =
                [("otel_scope_name", scope.name()), ("otel_scope_version", scope.version().unwrap_or_default())];
            // Attributes cannot use the scope's label names.
            labels.retain(|(name, _)| scope.iter().all(|(scope, _)| scope != name));
            labels.extend(scope.map(|(name, value)| (name.to_owned(), value.to_owned())));
            labels.sort();
        }
        labels
    }

    fn add(&mut self, about: About<'_>, samples: Vec<Sample>) -> bool {
        let number = match self.index.entry(about.name.clone()) {
            Entry::Occupied(known) if self.all[*known.get()].kind != about.kind => return false,
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(vacant) => {
                let names = about.kind.names(&about.name);
                if names.iter().any(|name| self.claimed.contains_key(name)) {
                    return false;
                }
                let number = *vacant.insert(self.all.len());
                self.claimed.extend(names.into_iter().map(|name| (name, number)));
                let About { name, kind, unit, help } = about;
                let (samples, series) = (Vec::new(), HashSet::new());
                self.all.push(Family { name, kind, unit, help: help.to_owned(), samples, series });
                number
            }
        };
        let family = &mut self.all[number];
        for sample in samples {
            if family.series.insert(sample.labels.clone()) {
                family.samples.push(sample);
            }
        }
        true
    }
}

/// A family, before its first sample.
struct About<'a> {
    name: String,
    kind: Kind,
    unit: Option<String>,
    help: &'a str,
}

impl Kind {
    /// Whether its samples never decrease.
    pub(super) const fn counts(self) -> bool {
        matches!(self, Self::Counter | Self::Histogram)
    }

    /// All sample names that a family of this kind may use, in either format. OpenMetrics reserves `_created`, used or not.
    fn names(self, family: &str) -> Vec<String> {
        let suffixes: &[&str] = match self {
            Self::Counter => &["", "_total", "_created"],
            Self::Gauge => &[""],
            Self::Histogram => &["", "_bucket", "_sum", "_count", "_created"],
            Self::Info => &["", "_info"],
        };
        suffixes.iter().map(|suffix| format!("{family}{suffix}")).collect()
    }
}

impl Value {
    /// Its value before anything was counted.
    pub(super) fn reset(&mut self) {
        match self {
            Self::Number(value) => *value = 0.0,
            Self::Histogram { buckets, count, sum, exemplars } => {
                for (_, below) in buckets {
                    *below = 0;
                }
                (*count, *sum) = (0, 0.0);
                exemplars.clear();
            }
        }
    }
}

/// Attributes as labels. Those whose names become equal are joined into one label.
fn labels<'a>(attributes: impl Iterator<Item = (&'a str, &'a opentelemetry::Value)>, kind: Kind) -> Labels {
    let mut attributes: Vec<_> = attributes.collect();
    attributes.sort_by_key(|(key, _)| *key);
    let mut labels = BTreeMap::<String, String>::new();
    for (key, value) in attributes {
        let mut name = name::label(key);
        if kind == Kind::Histogram && name == "le" {
            // `le` is the bucket's label. Prometheus renames colliding labels in the same way.
            "exported_le".clone_into(&mut name);
        }
        let value = value.as_str();
        labels
            .entry(name)
            .and_modify(|values| {
                values.push(';');
                values.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    labels.into_iter().collect()
}

fn value(value: PointValue, all: &[Exemplar]) -> Option<Value> {
    let (bounds, bucket_counts, count, sum) = match value {
        PointValue::Number { value } => return Some(Value::Number(value.as_f64())),
        PointValue::Histogram { bounds, bucket_counts, count, sum, .. } => (bounds, bucket_counts, count, sum),
        PointValue::ExponentialHistogram { .. } => return None,
    };
    let mut below = 0;
    let mut buckets: Vec<(f64, u64)> = Vec::new();
    for (bound, count) in bounds.into_iter().zip(bucket_counts) {
        below += count;
        match buckets.last_mut() {
            Some((last, all)) if last.to_bits() == bound.to_bits() => *all = below,
            // The count is the last bucket, which has no bound.
            _ if bound.is_finite() => buckets.push((bound, below)),
            _ => {}
        }
    }
    let mut exemplars = Vec::new();
    for exemplar in all {
        // A bound is in its bucket.
        let place = buckets.partition_point(|(bound, _)| *bound < exemplar.value);
        if exemplars.len() <= place {
            exemplars.resize(place + 1, None);
        }
        let have = &mut exemplars[place];
        if have.is_none_or(|have: Exemplar| have.time <= exemplar.time) {
            *have = Some(*exemplar);
        }
    }
    Some(Value::Histogram { buckets, count, sum, exemplars })
}
