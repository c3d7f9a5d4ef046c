//! The output of a replay: points by name and labels, records and spans in the order in which they were emitted.

use std::collections::BTreeMap;

use opentelemetry::Value as LabelValue;
use serde::Serialize;
use serde_json::Value;

use super::BEGIN;
use crate::meter::Collector;
use crate::points::{self, Metric, Point, PointValue};
use crate::record::Record;
use crate::recorder::{AnyRecorder, Emitted};
use crate::trace::{AttributeView, SpanView, StatusView};

/// All points as they stand at the end of a replay, by name and labels, and all records in the order in which they were emitted.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayOutput {
    /// The points of all instruments.
    pub points: Vec<PointOut>,
    /// The records.
    pub records: Vec<RecordOut>,
    /// The spans.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<SpanOut>,
    /// How many events went to the overflow series.
    #[serde(skip_serializing_if = "is_zero")]
    pub overflowed: u64,
    /// How many values were left out because an expression of the options had none.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// What the recorder said to people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// What was withheld from the recorder because it does not ask for it, by the names of `needs(...)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<&'static str>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// One point of one instrument.
#[derive(Clone, Debug, Serialize)]
pub struct PointOut {
    /// The metric's name.
    pub name: String,
    /// The kind of its instrument.
    pub instrument: &'static str,
    /// Its unit.
    pub unit: String,
    /// Its labels, including those of the context.
    pub labels: BTreeMap<String, Value>,
    /// What it holds.
    #[serde(flatten)]
    pub value: PointValue,
}

/// One record.
#[derive(Clone, Debug, Serialize)]
pub struct RecordOut {
    /// Seconds since the replay began.
    pub at: f64,
    /// `event` or `metrics`.
    pub telemetry_type: &'static str,
    /// Its name.
    pub telemetry_name: String,
    /// Its severity.
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
    /// The id of its parent span.
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

impl ReplayOutput {
    pub(super) fn new(
        collector: &Collector,
        emitted: &Emitted,
        withheld: Vec<&'static str>,
        recorder: &dyn AnyRecorder,
    ) -> Self {
        // Our own reader, which nothing has shut down.
        let metrics = collector.collect().unwrap_or_default();
        let mut points: Vec<PointOut> = points::metrics(&metrics)
            .flat_map(|metric| metric.points().map(move |point| PointOut::new(&metric, point)))
            .collect();
        points.sort_by_cached_key(|point| (point.name.clone(), point.shown_labels(true)));
        let records = emitted.records.iter().map(RecordOut::new).collect();
        let spans = emitted.spans.views().map(|span| SpanOut::new(&span)).collect();
        let (overflowed, left_out) = (recorder.overflowed(), recorder.left_out());
        Self { points, records, spans, overflowed, left_out, notices: emitted.notices.clone(), withheld }
    }

    /// The value of the only point of this name with these labels among its own: a counter's or gauge's value, a
    /// histogram's sum.
    ///
    /// # Panics
    /// If there is no such point, or more than one; the message lists all points.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        match &self.point(name, labels).value {
            PointValue::Number { value } => value.as_f64(),
            PointValue::Histogram { sum, .. } | PointValue::ExponentialHistogram { sum, .. } => *sum,
        }
    }

    /// The number of values in the only histogram of this name with these labels among its own.
    ///
    /// # Panics
    /// If there is no such point, more than one, or one of another instrument.
    #[track_caller]
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        match &self.point(name, labels).value {
            PointValue::Histogram { count, .. } | PointValue::ExponentialHistogram { count, .. } => *count,
            PointValue::Number { .. } => panic!("`{name}` is not a histogram: it has a value but no count"),
        }
    }

    /// The only point of this name with these labels among its own.
    ///
    /// # Panics
    /// If there is no such point, or more than one; the message lists all points.
    #[track_caller]
    pub fn point(&self, name: &str, labels: &[(&str, &str)]) -> &PointOut {
        let fits = |point: &&PointOut| {
            point.name == name
                && labels.iter().all(|(label, value)| {
                    point.labels.get(*label).is_some_and(|have| match have {
                        Value::String(text) => text == value,
                        other => format!("{other}") == **value,
                    })
                })
        };
        let found: Vec<&PointOut> = self.points.iter().filter(fits).collect();
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

impl PointOut {
    fn new(metric: &Metric<'_>, point: Point<'_>) -> Self {
        Self {
            name: metric.name.to_owned(),
            instrument: metric.kind.instrument().as_str(),
            unit: metric.unit.to_owned(),
            labels: point.attributes.iter().map(|kv| (kv.key.to_string(), json(&kv.value))).collect(),
            value: point.value,
        }
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
    fn new(span: &SpanView<'_>) -> Self {
        Self {
            start: span.start.since(BEGIN).as_secs_f64(),
            duration_ms: span.end.since(span.start).as_secs_f64() * 1e3,
            name: span.name.to_owned(),
            kind: format!("{:?}", span.kind).to_lowercase(),
            trace_id: span.trace_id.to_string(),
            span_id: span.span_id.to_string(),
            parent_span_id: span.parent_span_id.map(|id| id.to_string()),
            sampled: span.sampled,
            status: match span.status {
                StatusView::Unset => "unset".to_owned(),
                StatusView::Ok => "ok".to_owned(),
                StatusView::Error(description) => format!("error: {description}"),
            },
            attributes: attributes(span.attributes()),
            events: span.events().map(|event| (event.name.to_owned(), attributes(event.attributes()))).collect(),
        }
    }
}

fn attributes<'a>(all: impl Iterator<Item = (&'a str, AttributeView<'a>)>) -> BTreeMap<String, Value> {
    all.map(|(name, value)| (name.to_owned(), value.to_json())).collect()
}

fn json(value: &LabelValue) -> Value {
    match value {
        LabelValue::Bool(b) => (*b).into(),
        LabelValue::I64(n) => (*n).into(),
        LabelValue::F64(n) => (*n).into(),
        other => other.to_string().into(),
    }
}
