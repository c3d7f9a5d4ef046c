//! The points of a collection: one view of the SDK's types, which differ by the kind of the metric and the type of its
//! numbers. Backends and [`crate::replay`] read this.
//!
//! ```
//! use ltel_core::meter::Collected;
//! use ltel_core::points;
//!
//! let collected = Collected::default();
//! for metric in points::metrics(&collected) {
//!     for point in metric.points() {
//!         println!("{} {:?} {:?}", metric.name, point.attributes, point.value);
//!     }
//! }
//! ```

use std::time::SystemTime;

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{self, AggregatedMetrics, MetricData};
use serde::Serialize;

use crate::exemplar::{Exemplar, PointExemplars};
use crate::meter::Collected;
use crate::recorder::InstrumentKind;

/// All metrics of a collection, in its order.
pub fn metrics(collected: &Collected) -> impl Iterator<Item = Metric<'_>> {
    let all = collected.metrics.scope_metrics();
    let all = all.flat_map(|scope| scope.metrics().map(|metric| (scope.scope(), metric)));
    all.enumerate().map(|(number, (scope, metric))| Metric::new(scope, metric, (number, &collected.exemplars)))
}

/// One metric of a collection.
#[derive(Clone, Copy, Debug)]
pub struct Metric<'a> {
    /// The scope of its instrument.
    pub scope: &'a InstrumentationScope,
    /// Its name.
    pub name: &'a str,
    /// Its unit, in UCUM.
    pub unit: &'a str,
    /// One sentence for people.
    pub description: &'a str,
    /// What its points are.
    pub kind: MetricKind,
    data: &'a AggregatedMetrics,
    // Its number, and the exemplars of all metrics.
    exemplars: (usize, &'a PointExemplars),
}

/// What the points of a metric are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// The last value.
    Gauge,
    /// A sum, from the beginning or from the last collection.
    Sum {
        /// Whether it only increases.
        monotonic: bool,
        /// Whether it counts from the beginning or from the last collection.
        temporality: Temporality,
    },
    /// A distribution over buckets with explicit bounds.
    Histogram(Temporality),
    /// A distribution over base-2 exponential buckets.
    ExponentialHistogram(Temporality),
}

impl MetricKind {
    /// The kind of the instrument that such points come from.
    #[must_use]
    pub const fn instrument(self) -> InstrumentKind {
        match self {
            Self::Gauge => InstrumentKind::Gauge,
            Self::Sum { monotonic: true, .. } => InstrumentKind::Counter,
            Self::Sum { monotonic: false, .. } => InstrumentKind::UpDownCounter,
            Self::Histogram(_) | Self::ExponentialHistogram(_) => InstrumentKind::Histogram,
        }
    }
}

/// One point of a metric.
#[derive(Clone, Debug)]
pub struct Point<'a> {
    /// Its labels.
    pub attributes: Vec<&'a KeyValue>,
    /// When counting began. A gauge may have none.
    pub start: Option<SystemTime>,
    /// When it was read.
    pub time: SystemTime,
    /// What it holds.
    pub value: PointValue,
    /// Of some of a histogram's buckets, the latest value with its span; at most one of each.
    pub exemplars: &'a [Exemplar],
}

/// What a point holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum PointValue {
    /// Of a sum or a gauge.
    Number {
        /// The sum, or the last value.
        value: Scalar,
    },
    /// Of a distribution over buckets with explicit bounds.
    Histogram {
        /// How many values.
        count: u64,
        /// Their sum.
        sum: f64,
        /// The least.
        min: Option<f64>,
        /// The greatest.
        max: Option<f64>,
        /// Upper bounds of the buckets, ascending.
        bounds: Vec<f64>,
        /// How many values in each bucket; one more than bounds.
        bucket_counts: Vec<u64>,
    },
    /// Of a distribution over base-2 exponential buckets.
    ExponentialHistogram {
        /// How many values.
        count: u64,
        /// Their sum.
        sum: f64,
        /// The least.
        min: Option<f64>,
        /// The greatest.
        max: Option<f64>,
        /// How fine the buckets are: each bound is `2^(2^-scale)` times the one before.
        scale: i8,
        /// How many values are zero, or no further from it than `zero_threshold`.
        zero_count: u64,
        /// The width of the bucket around zero.
        zero_threshold: f64,
        /// The values above zero.
        positive: ExponentialBuckets,
        /// The values below zero, by their absolute value.
        negative: ExponentialBuckets,
    },
}

/// Buckets of an exponential histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExponentialBuckets {
    /// The index of the first bucket.
    pub offset: i32,
    /// How many values in each.
    pub counts: Vec<u64>,
}

/// A number, as its instrument has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Scalar {
    /// A whole number that is not negative.
    U64(u64),
    /// A whole number.
    I64(i64),
    /// Any number.
    F64(f64),
}

impl Scalar {
    /// The number as floating point. Whole numbers beyond 2^53 lose their last digits.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // as the comment says
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::U64(n) => n as f64,
            Self::I64(n) => n as f64,
            Self::F64(n) => n,
        }
    }
}

/// JSON has no numbers that are not finite: those are `null`.
impl From<Scalar> for serde_json::Value {
    fn from(number: Scalar) -> Self {
        match number {
            Scalar::U64(n) => n.into(),
            Scalar::I64(n) => n.into(),
            Scalar::F64(n) => n.into(),
        }
    }
}

impl From<u64> for Scalar {
    fn from(number: u64) -> Self {
        Self::U64(number)
    }
}

impl From<i64> for Scalar {
    fn from(number: i64) -> Self {
        Self::I64(number)
    }
}

impl From<f64> for Scalar {
    fn from(number: f64) -> Self {
        Self::F64(number)
    }
}

impl<'a> Metric<'a> {
    fn new(scope: &'a InstrumentationScope, metric: &'a data::Metric, exemplars: (usize, &'a PointExemplars)) -> Self {
        let data = metric.data();
        let kind = match data {
            AggregatedMetrics::F64(data) => kind(data),
            AggregatedMetrics::U64(data) => kind(data),
            AggregatedMetrics::I64(data) => kind(data),
        };
        Self {
            scope,
            name: metric.name(),
            unit: metric.unit(),
            description: metric.description(),
            kind,
            data,
            exemplars,
        }
    }

    /// Its points.
    pub fn points(&self) -> impl Iterator<Item = Point<'a>> + use<'a> {
        let points = match self.data {
            AggregatedMetrics::F64(data) => points(data),
            AggregatedMetrics::U64(data) => points(data),
            AggregatedMetrics::I64(data) => points(data),
        };
        let (metric, exemplars) = self.exemplars;
        points.enumerate().map(move |(number, point)| Point { exemplars: exemplars.of(metric, number), ..point })
    }
}

fn kind<T>(data: &MetricData<T>) -> MetricKind {
    match data {
        MetricData::Gauge(_) => MetricKind::Gauge,
        MetricData::Sum(sum) => MetricKind::Sum { monotonic: sum.is_monotonic(), temporality: sum.temporality() },
        MetricData::Histogram(histogram) => MetricKind::Histogram(histogram.temporality()),
        MetricData::ExponentialHistogram(histogram) => MetricKind::ExponentialHistogram(histogram.temporality()),
    }
}

fn points<T: Copy + Into<Scalar>>(data: &MetricData<T>) -> Box<dyn Iterator<Item = Point<'_>> + '_> {
    let number = |value: T| PointValue::Number { value: value.into() };
    let float = |value: T| value.into().as_f64();
    match data {
        MetricData::Gauge(gauge) => Box::new(gauge.data_points().map(move |point| Point {
            attributes: point.attributes().collect(),
            start: gauge.start_time(),
            time: gauge.time(),
            value: number(point.value()),
            exemplars: &[],
        })),
        MetricData::Sum(sum) => Box::new(sum.data_points().map(move |point| Point {
            attributes: point.attributes().collect(),
            start: Some(sum.start_time()),
            time: sum.time(),
            value: number(point.value()),
            exemplars: &[],
        })),
        MetricData::Histogram(histogram) => Box::new(histogram.data_points().map(move |point| Point {
            attributes: point.attributes().collect(),
            start: Some(histogram.start_time()),
            time: histogram.time(),
            value: PointValue::Histogram {
                count: point.count(),
                sum: float(point.sum()),
                min: point.min().map(float),
                max: point.max().map(float),
                bounds: point.bounds().collect(),
                bucket_counts: point.bucket_counts().collect(),
            },
            exemplars: &[],
        })),
        MetricData::ExponentialHistogram(histogram) => Box::new(histogram.data_points().map(move |point| Point {
            attributes: point.attributes().collect(),
            start: Some(histogram.start_time()),
            time: histogram.time(),
            value: PointValue::ExponentialHistogram {
                count: point.count() as u64,
                sum: float(point.sum()),
                min: point.min().map(float),
                max: point.max().map(float),
                scale: point.scale(),
                zero_count: point.zero_count(),
                zero_threshold: point.zero_threshold(),
                positive: buckets(point.positive_bucket()),
                negative: buckets(point.negative_bucket()),
            },
            exemplars: &[],
        })),
    }
}

fn buckets(buckets: &data::ExponentialBucket) -> ExponentialBuckets {
    ExponentialBuckets { offset: buckets.offset(), counts: buckets.counts().collect() }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::Resource;

    use super::*;
    use crate::meter::{MeterSettings, meter};

    fn value_of(name: &str, exponential: bool) -> (MetricKind, PointValue, Option<SystemTime>) {
        let temporality = if exponential { Temporality::Delta } else { Temporality::Cumulative };
        let settings =
            MeterSettings { exponential, ..MeterSettings::new(Resource::builder_empty().build(), temporality) };
        let (meter, collector) = meter(&settings, "shop", 10);
        let labels = [KeyValue::new("article", "book")];
        meter.u64_counter("sold").with_unit("{article}").build().add(3, &labels);
        meter.i64_up_down_counter("stock").build().add(-3, &labels);
        meter.f64_gauge("price").build().record(9.5, &labels);
        let weight = meter.f64_histogram("weight").with_boundaries(vec![1.0, 2.0]).build();
        for value in [0.0, 1.5, 4.0] {
            weight.record(value, &labels);
        }
        let collected = collector.collect().expect("nothing has shut it down");
        assert_eq!(metrics(&collected).count(), 4);
        let metric = metrics(&collected).find(|metric| metric.name == name).expect("all have a point");
        assert_eq!(metric.scope.name(), "shop");
        let points: Vec<_> = metric.points().collect();
        let [Point { attributes, start, time, value, .. }] = &points[..] else { panic!("one series") };
        assert_eq!(attributes, &[&labels[0]]);
        assert!(start.is_none_or(|start| start <= *time));
        (metric.kind, value.clone(), *start)
    }

    #[test]
    fn sums_and_gauges_keep_the_type_of_their_number() {
        let cumulative = Temporality::Cumulative;
        let (kind, value, start) = value_of("sold", false);
        assert_eq!(kind, MetricKind::Sum { monotonic: true, temporality: cumulative });
        assert_eq!(value, PointValue::Number { value: Scalar::U64(3) });
        assert!(start.is_some());
        let (kind, value, _) = value_of("stock", false);
        assert_eq!(kind, MetricKind::Sum { monotonic: false, temporality: cumulative });
        assert_eq!(value, PointValue::Number { value: Scalar::I64(-3) });
        let (kind, value, _) = value_of("price", false);
        assert_eq!(kind, MetricKind::Gauge);
        assert_eq!(value, PointValue::Number { value: Scalar::F64(9.5) });
    }

    #[test]
    fn histograms_have_their_buckets() {
        let (kind, value, _) = value_of("weight", false);
        assert_eq!(kind, MetricKind::Histogram(Temporality::Cumulative));
        let (count, sum, min, max) = (3, 5.5, Some(0.0), Some(4.0));
        let (bounds, bucket_counts) = (vec![1.0, 2.0], vec![1, 1, 1]);
        assert_eq!(value, PointValue::Histogram { count, sum, min, max, bounds, bucket_counts });

        let (kind, value, _) = value_of("weight", true);
        assert_eq!(kind, MetricKind::ExponentialHistogram(Temporality::Delta));
        let PointValue::ExponentialHistogram { count: 3, zero_count: 1, positive, negative, .. } = value else {
            panic!("an exponential histogram of three values, not {value:?}");
        };
        assert_eq!(positive.counts.iter().sum::<u64>(), 2);
        assert_eq!(negative.counts.iter().sum::<u64>(), 0);
    }
}
