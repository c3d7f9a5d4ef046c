//! OTLP metric points, as a receiver took them.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::exemplars::Exemplar;
use crate::figures::Figures;

/// One point of one export.
#[derive(Clone, Debug)]
pub struct Point {
    /// The metric's name.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Attributes of the resource.
    pub resource: BTreeMap<String, String>,
    /// The point's own attributes.
    pub attributes: BTreeMap<String, String>,
    /// Since when it counts, in nanoseconds since the epoch; 0 for a gauge.
    pub start: u64,
    /// When it was collected.
    pub time: u64,
    /// Whether it counts from one point to the next; otherwise from the start.
    pub delta: bool,
    /// Its value.
    pub value: Value,
    /// Its exemplars.
    pub exemplars: Vec<Exemplar>,
}

/// What a point says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a gauge or a counter.
    Number(f64),
    /// Of a histogram.
    Histogram(Histogram),
}

/// A histogram's point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Whether its buckets grow exponentially.
    pub exponential: bool,
    /// Values in each bucket.
    pub buckets: Vec<u64>,
}

impl Histogram {
    /// Adds another series of the same metric.
    pub fn add(&mut self, other: &Self) {
        assert_eq!(other.buckets.iter().sum::<u64>(), other.count, "the buckets do not add up: {other:?}");
        // Without a value there is no minimum either.
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other.clone();
            return;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        // Exponential buckets of two series may be of different widths: only their sum is kept.
        self.buckets = vec![self.count];
    }
}

impl Point {
    /// An attribute, or nothing.
    pub fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }

    /// All points of one export request, as protobuf's JSON mapping with the original field names.
    pub(crate) fn of_export(export: &Json) -> Vec<Self> {
        let mut points = Vec::new();
        for part in list(&export["resource_metrics"]) {
            let resource = attributes(&part["resource"]["attributes"]);
            for metric in list(&part["scope_metrics"]).iter().flat_map(|scope| list(&scope["metrics"])) {
                let kinds = ["gauge", "sum", "histogram", "exponential_histogram"];
                let data = kinds.iter().map(|kind| &metric[kind]).find(|data| data.is_object());
                for point in data.map_or(&[][..], |data| list(&data["data_points"])) {
                    points.push(Self {
                        delta: data.is_some_and(|d| d["aggregation_temporality"] == "AGGREGATION_TEMPORALITY_DELTA"),
                        start: whole(&point["start_time_unix_nano"]),
                        metric: metric["name"].as_str().unwrap_or_default().to_owned(),
                        unit: metric["unit"].as_str().unwrap_or_default().to_owned(),
                        resource: resource.clone(),
                        attributes: attributes(&point["attributes"]),
                        time: whole(&point["time_unix_nano"]),
                        value: value(point),
                        exemplars: Exemplar::of_point(point),
                    });
                }
            }
        }
        points
    }
}

/// The last point of each series of a metric: cumulative series end with their total.
pub fn latest<'a>(points: &'a [Point], metric: &str) -> Vec<&'a Point> {
    let mut series = BTreeMap::<_, &Point>::new();
    for point in points.iter().filter(|point| point.metric == metric) {
        let last = series.entry(&point.attributes).or_insert(point);
        if point.time >= last.time {
            *last = point;
        }
    }
    series.into_values().collect()
}

/// All values of a metric: the sum of the last point of each series, or of all points where they are deltas.
pub fn histogram(points: &[Point], metric: &str, delta: bool) -> Histogram {
    let all = points.iter().filter(|point| point.metric == metric).collect();
    let mut sum = Histogram::default();
    for point in if delta { all } else { latest(points, metric) } {
        match &point.value {
            Value::Histogram(histogram) => sum.add(histogram),
            Value::Number(_) => panic!("no histogram: {point:?}"),
        }
    }
    sum
}

/// Fails unless the histograms say what Locust says; the witness knows what failed.
pub fn check_figures(what: &str, points: &[Point], witness: &Figures) {
    let [success, error] = ["success", "error"].map(|which| format!("locust.tl.request.metric.{which}"));
    let sum = |metric: &str, name: &str| {
        let mut sum = Histogram::default();
        for point in latest(points, metric).into_iter().filter(|point| point.attribute("endpoint") == name) {
            assert_eq!((point.unit.as_str(), point.attribute("metric")), ("ms", metric));
            match &point.value {
                Value::Histogram(histogram) => sum.add(histogram),
                Value::Number(_) => panic!("no histogram: {point:?}"),
            }
        }
        sum
    };
    for (name, expected) in witness.by_name() {
        let mut all = sum(&success, name);
        let failed = sum(&error, name);
        let failures = expected.timed_failures.unwrap_or(0);
        assert_eq!(
            (all.count, failed.count),
            (expected.timed() - failures, failures),
            "{what}: successes and failures of {name:?}"
        );
        all.add(&failed);
        let average = if all.count == 0 { 0.0 } else { all.sum / all.count as f64 };
        expected.check_times(&format!("{what}: {name:?}"), average, all.min, all.max);
    }
    let known: u64 = latest(points, &success).into_iter().chain(latest(points, &error)).map(count).sum();
    assert_eq!(known, witness.total().timed(), "{what}: requests of all endpoints");
}

fn count(point: &Point) -> u64 {
    match &point.value {
        Value::Histogram(histogram) => histogram.count,
        Value::Number(_) => 0,
    }
}

fn value(point: &Json) -> Value {
    let exponential = point.get("scale").is_some() || point.get("positive").is_some();
    if !exponential && point.get("bucket_counts").is_none() {
        let number = if point["as_int"].is_null() { real(&point["as_double"]) } else { real(&point["as_int"]) };
        return Value::Number(number);
    }
    let mut buckets: Vec<_> = list(&point["bucket_counts"]).iter().map(whole).collect();
    if exponential {
        buckets.push(whole(&point["zero_count"]));
        buckets.extend(list(&point["positive"]["bucket_counts"]).iter().map(whole));
    }
    Value::Histogram(Histogram {
        count: whole(&point["count"]),
        sum: real(&point["sum"]),
        min: real(&point["min"]),
        max: real(&point["max"]),
        exponential,
        buckets,
    })
}

pub(crate) fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn attributes(value: &Json) -> BTreeMap<String, String> {
    list(value).iter().map(|pair| (pair["key"].as_str().unwrap_or_default().to_owned(), text(&pair["value"]))).collect()
}

// One of string_value, int_value, ...; integers of 64 bits are texts in this mapping. A default may be left out.
pub(crate) fn text(value: &Json) -> String {
    match value.as_object().and_then(|fields| fields.values().next()) {
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

pub(crate) fn whole(value: &Json) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

pub(crate) fn real(value: &Json) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0.0)
}
