//! What came of a replay, in an order of its own.

use std::collections::BTreeMap;
use std::fmt;

use opentelemetry::KeyValue;
use opentelemetry::Value as LabelValue;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData, ScopeMetrics};
use serde::Serialize;
use serde_json::Value;

use super::BEGIN;
use crate::clock::Timestamp;
use crate::meter::Collector;
use crate::record::Record;
use crate::recorder::Emitted;
use crate::trace::SpanData;

/// All points as they stand at the end of a replay, by name and labels, and all records in the order in which they came.
#[derive(Clone, Debug, Serialize)]
pub struct Output {
    /// The points of all instruments.
    pub points: Vec<Point>,
    /// The structured events.
    pub records: Vec<RecordOut>,
    /// The spans.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<SpanOut>,
    /// How many events found the series limit reached.
    #[serde(skip_serializing_if = "is_zero")]
    pub overflowed: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// One point of one instrument.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// The metric's name.
    pub name: String,
    /// Its instrument, in words.
    pub instrument: &'static str,
    /// Its unit.
    pub unit: String,
    /// Its labels, those of the context included.
    pub labels: BTreeMap<String, Value>,
    /// What it holds.
    #[serde(flatten)]
    pub value: PointValue,
}

/// What a point holds.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum PointValue {
    /// Of a counter or a gauge.
    Number {
        /// The sum, or the last value.
        value: Value,
    },
    /// Of a histogram.
    Distribution {
        /// How many values.
        count: u64,
        /// Their sum.
        sum: f64,
        /// The least.
        min: Option<f64>,
        /// The greatest.
        max: Option<f64>,
        /// Upper bounds.
        bounds: Vec<f64>,
        /// How many values in each bucket; one more than bounds.
        bucket_counts: Vec<u64>,
    },
}

/// One structured event.
#[derive(Clone, Debug, Serialize)]
pub struct RecordOut {
    /// Seconds since the replay began.
    pub at: f64,
    /// `event` or `metrics`.
    pub telemetry_type: &'static str,
    /// Its name.
    pub telemetry_name: String,
    /// How grave it is.
    pub severity: &'static str,
    /// The Locust process it is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// The span it is about, as `<trace id>/<span id>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<String>,
    /// Its own fields.
    pub fields: BTreeMap<String, Value>,
}

/// One span.
#[derive(Clone, Debug, Serialize)]
pub struct SpanOut {
    /// Seconds from the replay's beginning to its own.
    pub start: f64,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// Its name.
    pub name: String,
    /// `client`, `internal` and so on.
    pub kind: String,
    /// The trace's id.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// That of the span above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<String>,
    /// Whether its trace is sampled.
    pub sampled: bool,
    /// `unset`, `ok`, or `error` with its text.
    pub status: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, Value>,
    /// Its events, with their attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<(String, BTreeMap<String, Value>)>,
}

impl Output {
    pub(super) fn new(collector: &Collector, emitted: &Emitted, overflowed: u64) -> Self {
        // A reader of our own that nothing has shut down.
        let metrics = collector.collect().unwrap_or_default();
        let mut points: Vec<Point> =
            metrics.scope_metrics().flat_map(ScopeMetrics::metrics).flat_map(points_of).collect();
        points.sort_by_cached_key(|point| (point.name.clone(), point.shown_labels(true)));
        let records = emitted.records.iter().map(RecordOut::new).collect();
        let spans = emitted.spans.iter().map(SpanOut::new).collect();
        Self { points, records, spans, overflowed }
    }

    /// The value of the only point of this name with these labels among its own: a counter's or gauge's value, a
    /// histogram's sum.
    ///
    /// # Panics
    /// If there is no such point, or more than one; the message lists what there is.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        match &self.point(name, labels).value {
            PointValue::Number { value } => value.as_f64().unwrap_or(f64::NAN),
            PointValue::Distribution { sum, .. } => *sum,
        }
    }

    /// The number of values in the only histogram of this name with these labels among its own.
    ///
    /// # Panics
    /// If there is no such point, more than one, or one of another instrument.
    #[track_caller]
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        match &self.point(name, labels).value {
            PointValue::Distribution { count, .. } => *count,
            PointValue::Number { .. } => panic!("`{name}` is no histogram: it has a value and no count"),
        }
    }

    /// The only point of this name with these labels among its own.
    ///
    /// # Panics
    /// If there is no such point, or more than one; the message lists what there is.
    #[track_caller]
    pub fn point(&self, name: &str, labels: &[(&str, &str)]) -> &Point {
        let fits = |point: &&Point| {
            point.name == name
                && labels.iter().all(|(label, value)| {
                    point.labels.get(*label).is_some_and(|have| match have {
                        Value::String(text) => text == value,
                        other => format!("{other}") == **value,
                    })
                })
        };
        let found: Vec<&Point> = self.points.iter().filter(fits).collect();
        match found.as_slice() {
            [point] => point,
            found => {
                let what = if found.is_empty() { "no point" } else { "more than one point" };
                panic!("{what} `{name}` with the labels {labels:?}; there are:\n{self}")
            }
        }
    }

    /// The records of this name.
    pub fn records<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a RecordOut> {
        self.records.iter().filter(move |record| record.telemetry_name == name)
    }
}

impl Point {
    // The run is the replay's own, and `source` follows from `source_id`.
    fn shown_labels(&self, all: bool) -> String {
        let mut shown = Vec::new();
        for (name, value) in &self.labels {
            if all || !["run_id", "testplan", "source"].contains(&name.as_str()) {
                shown.push(format!("{name}={}", Word(value)));
            }
        }
        if shown.is_empty() { "-".to_owned() } else { shown.join(" ") }
    }
}

impl RecordOut {
    fn new(record: &Record) -> Self {
        Self {
            at: record.time.since(BEGIN).as_secs_f64(),
            telemetry_type: record.kind.as_str(),
            telemetry_name: record.name.to_string(),
            severity: record.severity.as_str(),
            source_id: record.source.as_ref().map(|source| source.label.clone()),
            span: record.trace.map(|trace| format!("{}/{}", trace.trace_id, trace.span_id)),
            fields: record.fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        }
    }
}

impl SpanOut {
    fn new(span: &SpanData) -> Self {
        let (start, end) = (Timestamp::from(span.start_time), Timestamp::from(span.end_time));
        let attributes = |of: &[KeyValue]| of.iter().map(|kv| (kv.key.to_string(), json(&kv.value))).collect();
        let has_parent = span.parent_span_id != SpanId::INVALID;
        Self {
            start: start.since(BEGIN).as_secs_f64(),
            duration_ms: end.since(start).as_secs_f64() * 1e3,
            name: span.name.to_string(),
            kind: format!("{:?}", span.span_kind).to_lowercase(),
            trace_id: span.span_context.trace_id().to_string(),
            span_id: span.span_context.span_id().to_string(),
            parent_span_id: has_parent.then(|| span.parent_span_id.to_string()),
            sampled: span.span_context.is_sampled(),
            status: match &span.status {
                Status::Unset => "unset".to_owned(),
                Status::Ok => "ok".to_owned(),
                Status::Error { description } => format!("error: {description}"),
            },
            attributes: attributes(&span.attributes),
            events: span.events.iter().map(|event| (event.name.to_string(), attributes(&event.attributes))).collect(),
        }
    }
}

/// Text without quotes where it can do without.
struct Word<'a>(&'a Value);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text)
                if !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "\"=".contains(c)) =>
            {
                f.write_str(text)
            }
            // `50` and not `50.0`: what a figure is, its instrument says.
            Value::Number(number) if number.is_f64() => write!(f, "{}", number.as_f64().unwrap_or(f64::NAN)),
            other => write!(f, "{other}"),
        }
    }
}

/// One paragraph per metric, one line per point; then one line per record.
impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut metric = "";
        for point in &self.points {
            if point.name != metric {
                if !metric.is_empty() {
                    writeln!(f)?;
                }
                metric = &point.name;
                writeln!(f, "{metric} ({}, {})", point.instrument, point.unit)?;
            }
            writeln!(f, "  {}  {}", point.shown_labels(false), point.value)?;
        }
        if !self.records.is_empty() {
            if !metric.is_empty() {
                writeln!(f)?;
            }
            writeln!(f, "records")?;
        }
        for record in &self.records {
            write!(f, "  {}s {} {} {}", record.at, record.severity, record.telemetry_type, record.telemetry_name)?;
            if let Some(source_id) = &record.source_id {
                write!(f, " source_id={source_id}")?;
            }
            if let Some(span) = &record.span {
                write!(f, " span={span}")?;
            }
            for (name, value) in &record.fields {
                write!(f, " {name}={}", Word(value))?;
            }
            writeln!(f)?;
        }
        if !self.spans.is_empty() {
            if !(metric.is_empty() && self.records.is_empty()) {
                writeln!(f)?;
            }
            writeln!(f, "spans")?;
        }
        for span in &self.spans {
            span.fmt(f)?;
        }
        if self.overflowed > 0 {
            writeln!(f, "\n{} events beyond the series limit", self.overflowed)?;
        }
        if self.points.is_empty() && self.records.is_empty() && self.spans.is_empty() {
            writeln!(f, "(nothing)")?;
        }
        Ok(())
    }
}

/// Ids, then one line per attribute and event.
impl fmt::Display for SpanOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, duration_ms, name, kind, trace_id, span_id, sampled, status, .. } = self;
        writeln!(f, "  {start}s {duration_ms}ms {kind} {name:?} {status}")?;
        write!(f, "    trace={trace_id} span={span_id}")?;
        if let Some(parent) = &self.parent_span_id {
            write!(f, " parent={parent}")?;
        }
        writeln!(f, " sampled={sampled}")?;
        for (name, value) in &self.attributes {
            writeln!(f, "    {name}={}", Word(value))?;
        }
        for (event, attributes) in &self.events {
            write!(f, "    event {event}")?;
            for (name, value) in attributes {
                write!(f, " {name}={}", Word(value))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for PointValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, sum, min, max, bounds, bucket_counts) = match self {
            Self::Number { value } => return Word(value).fmt(f),
            Self::Distribution { count, sum, min, max, bounds, bucket_counts } => {
                (count, sum, min, max, bounds, bucket_counts)
            }
        };
        write!(f, "count={count} sum={sum}")?;
        if let (Some(min), Some(max)) = (min, max) {
            write!(f, " min={min} max={max}")?;
        }
        // Empty buckets say nothing that the spec does not.
        let bounds = bounds.iter().map(|bound| format!("<={bound}")).chain(["more".to_owned()]);
        for (bound, count) in bounds.zip(bucket_counts).filter(|(_, count)| **count > 0) {
            write!(f, " {bound}:{count}")?;
        }
        Ok(())
    }
}

fn points_of(metric: &Metric) -> Vec<Point> {
    match metric.data() {
        AggregatedMetrics::F64(data) => of_numbers(metric, data),
        AggregatedMetrics::U64(data) => of_numbers(metric, data),
        AggregatedMetrics::I64(data) => of_numbers(metric, data),
    }
}

fn of_numbers<T: Copy + Into<serde_json::Value> + AsF64>(metric: &Metric, data: &MetricData<T>) -> Vec<Point> {
    let point = |instrument, attributes: &mut dyn Iterator<Item = &KeyValue>, value| Point {
        name: metric.name().to_owned(),
        instrument,
        unit: metric.unit().to_owned(),
        labels: attributes.map(|kv| (kv.key.to_string(), json(&kv.value))).collect(),
        value,
    };
    match data {
        MetricData::Gauge(gauge) => gauge
            .data_points()
            .map(|p| point("gauge", &mut p.attributes(), PointValue::Number { value: p.value().into() }))
            .collect(),
        MetricData::Sum(sum) => {
            let instrument = if sum.is_monotonic() { "counter" } else { "up-down counter" };
            sum.data_points()
                .map(|p| point(instrument, &mut p.attributes(), PointValue::Number { value: p.value().into() }))
                .collect()
        }
        MetricData::Histogram(histogram) => histogram
            .data_points()
            .map(|p| {
                let value = PointValue::Distribution {
                    count: p.count(),
                    sum: p.sum().as_f64(),
                    min: p.min().map(AsF64::as_f64),
                    max: p.max().map(AsF64::as_f64),
                    bounds: p.bounds().collect(),
                    bucket_counts: p.bucket_counts().collect(),
                };
                point("histogram", &mut p.attributes(), value)
            })
            .collect(),
        // The meter of a replay has none.
        MetricData::ExponentialHistogram(_) => Vec::new(),
    }
}

fn json(value: &LabelValue) -> Value {
    match value {
        LabelValue::Bool(b) => (*b).into(),
        LabelValue::I64(n) => (*n).into(),
        LabelValue::F64(n) => (*n).into(),
        other => other.to_string().into(),
    }
}

trait AsF64 {
    #[allow(clippy::wrong_self_convention)] // they are `Copy`
    fn as_f64(self) -> f64;
}

impl AsF64 for f64 {
    fn as_f64(self) -> f64 {
        self
    }
}

impl AsF64 for u64 {
    fn as_f64(self) -> f64 {
        self as f64
    }
}

impl AsF64 for i64 {
    fn as_f64(self) -> f64 {
        self as f64
    }
}
