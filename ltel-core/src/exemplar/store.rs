//! The exemplars of a meter for one of its collectors, between a recorder that measures and a backend that collects.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, ExponentialBucket, ExponentialHistogramDataPoint, HistogramDataPoint, MetricData,
    ResourceMetrics, ScopeMetrics,
};

use crate::recorder::RunMemory;

use super::bucket::Bucket;
use super::latest::{Latest, Shape};
use super::{Exemplar, KeepExemplars};

/// The exemplars of points, by the numbers of the metric and of the point within a collection.
#[derive(Debug, Default)]
pub(crate) struct PointExemplars(BTreeMap<(usize, usize), Vec<Exemplar>>);

impl PointExemplars {
    pub(crate) fn iter(&self) -> impl Iterator<Item = ((usize, usize), &[Exemplar])> {
        self.0.iter().map(|(numbers, exemplars)| (*numbers, exemplars.as_slice()))
    }

    pub(crate) fn of(&self, metric: usize, point: usize) -> &[Exemplar] {
        self.0.get(&(metric, point)).map_or(&[], Vec::as_slice)
    }
}

/// The exemplars of a meter for one of its collectors.
#[derive(Debug)]
pub(crate) struct ExemplarStore {
    keep: KeepExemplars,
    exponential: bool,
    histograms: Mutex<Vec<Arc<OfHistogram>>>,
}

/// The exemplars of one histogram, until they are collected.
#[derive(Debug)]
pub(crate) struct OfHistogram {
    name: String,
    shape: Shape,
    memory: Arc<RunMemory>,
    // By the numbers that they have in the table of all series.
    series: Mutex<HashMap<usize, OfSeries>>,
}

#[derive(Debug)]
struct OfSeries {
    attributes: Vec<KeyValue>,
    latest: Latest,
}

impl ExemplarStore {
    pub(crate) fn new(keep: KeepExemplars, exponential: bool) -> Option<Arc<Self>> {
        (keep != KeepExemplars::No).then(|| Arc::new(Self { keep, exponential, histograms: Mutex::default() }))
    }

    /// For a histogram of this name, which has these buckets unless the meter has exponential ones.
    pub(crate) fn histogram(&self, name: &str, buckets: &[f64], memory: &Arc<RunMemory>) -> Arc<OfHistogram> {
        let shape = if self.exponential { Shape::Exponential } else { Shape::Explicit(buckets.to_vec()) };
        let histogram = Arc::new(OfHistogram {
            name: name.to_owned(),
            shape,
            memory: Arc::clone(memory),
            series: Mutex::default(),
        });
        lock(&self.histograms).push(Arc::clone(&histogram));
        histogram
    }

    /// The exemplars of a collection that was just made. What was recorded meanwhile may be among them.
    pub(crate) fn collect(&self, metrics: &ResourceMetrics) -> PointExemplars {
        let mut all = PointExemplars::default();
        // Most histograms have none: of metrics that no request has, and of tests that are hardly sampled.
        let histograms: Vec<_> = lock(&self.histograms).iter().filter(|of| of.has_any()).cloned().collect();
        if histograms.is_empty() {
            return all;
        }
        for (number, metric) in metrics.scope_metrics().flat_map(ScopeMetrics::metrics).enumerate() {
            for histogram in histograms.iter().filter(|of| of.name == metric.name()) {
                histogram.collect(metric.data(), self.keep, |point, exemplars| {
                    if !exemplars.is_empty() {
                        all.0.entry((number, point)).or_default().extend(exemplars);
                    }
                });
            }
        }
        all
    }
}

impl OfHistogram {
    /// Keeps an exemplar of the series with this number. Without memory it is not kept: series come first.
    pub(crate) fn put(&self, series: usize, exemplar: Exemplar, attributes: impl FnOnce() -> Vec<KeyValue>) {
        let mut all = lock(&self.series);
        let of = match all.entry(series) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let attributes = attributes();
                let bytes = 2 * size_of::<(usize, OfSeries)>() + size_of::<KeyValue>() * attributes.len();
                if !self.memory.take_spare(bytes) {
                    return;
                }
                new.insert(OfSeries { attributes, latest: Latest::default() })
            }
        };
        of.latest.put(exemplar, &self.shape, &self.memory);
    }

    fn has_any(&self) -> bool {
        lock(&self.series).values().any(|of| !of.latest.is_empty())
    }

    fn collect(&self, data: &AggregatedMetrics, keep: KeepExemplars, mut found: impl FnMut(usize, Vec<Exemplar>)) {
        let mut series = lock(&self.series);
        let with_any = series.values_mut().filter(|of| !of.latest.is_empty());
        let mut latest: HashMap<Vec<&KeyValue>, &mut Latest> =
            with_any.map(|of| (of.attributes.iter().collect(), &mut of.latest)).collect();
        // Histograms of recorders hold floating point only.
        match data {
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                for (number, point) in histogram.data_points().enumerate() {
                    let Some(latest) = latest.get_mut(&*point.attributes().collect::<Vec<_>>()) else { continue };
                    let bounds: Vec<_> = point.bounds().collect();
                    found(number, latest.collect(keep, &self.shape, |value| explicit(point, &bounds, value)));
                }
            }
            AggregatedMetrics::F64(MetricData::ExponentialHistogram(histogram)) => {
                for (number, point) in histogram.data_points().enumerate() {
                    let Some(latest) = latest.get_mut(&*point.attributes().collect::<Vec<_>>()) else { continue };
                    found(number, latest.collect(keep, &self.shape, |value| exponential(point, value)));
                }
            }
            _ => {}
        }
    }
}

/// The bucket of a value, if the point has a value in it.
fn explicit(point: &HistogramDataPoint<f64>, bounds: &[f64], value: f64) -> Option<Bucket> {
    let bucket = Bucket::explicit(bounds, value);
    // Without bounds the SDK counts no buckets.
    let count = if bounds.is_empty() { Some(point.count()) } else { nth(point.bucket_counts(), bucket.index) };
    count.filter(|count| *count > 0).map(|_| bucket)
}

fn exponential(point: &ExponentialHistogramDataPoint<f64>, value: f64) -> Option<Bucket> {
    let bucket = Bucket::exponential(point.scale(), value);
    let of = |buckets: &ExponentialBucket| nth(buckets.counts(), bucket.index - buckets.offset());
    let count = match bucket.sign {
        0 => Some(point.zero_count()),
        1 => of(point.positive_bucket()),
        _ => of(point.negative_bucket()),
    };
    count.filter(|count| *count > 0).map(|_| bucket)
}

fn nth(mut counts: impl Iterator<Item = u64>, index: i32) -> Option<u64> {
    counts.nth(usize::try_from(index).ok()?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
