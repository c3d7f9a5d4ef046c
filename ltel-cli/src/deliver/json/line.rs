//! One line: the envelope, the context, and the fields of a point or a record.

use std::fmt::Write as _;

use ltel_core::Timestamp;
use ltel_core::backend::{CollectedPoints, RunRecord};
use ltel_core::points::{self, Metric, MetricKind, PointValue};
use ltel_core::runs::{RunInfo, SourceInfo};
use opentelemetry::KeyValue;
use serde::Serialize;
use serde_json::{Map, Serializer, Value};

use super::escape::OneLine;

use crate::deliver::message;

/// The logger's name in the envelope.
const LOGGER: &str = "ltel";

#[derive(Serialize)]
struct Envelope<'a> {
    time: String,
    level: &'a str,
    name: &'a str,
    message: String,
    telemetry: &'a Map<String, Value>,
}

/// Appends a whole line.
fn write(out: &mut Vec<u8>, at: Timestamp, level: &str, kind: &str, name: &str, telemetry: &Map<String, Value>) {
    let message = message(kind, name);
    let envelope = Envelope { time: at.to_string(), level, name: LOGGER, message, telemetry };
    let begin = out.len();
    match envelope.serialize(&mut Serializer::with_formatter(&mut *out, OneLine)) {
        Ok(()) => out.push(b'\n'),
        // Cannot happen with these types. Half a line must not stay.
        Err(error) => {
            out.truncate(begin);
            tracing::error!("cannot serialize a JSON line: {error}");
        }
    }
}

/// Appends a record's line.
pub(super) fn write_record(out: &mut Vec<u8>, RunRecord { run, record, .. }: &RunRecord) {
    let kind = record.kind.as_str();
    let mut telemetry = context(kind, &record.name, Some(run));
    if let Some(source) = &record.source {
        add_source(&mut telemetry, source);
    }
    if let Some(trace) = &record.trace {
        telemetry.insert("trace_id".to_owned(), trace.trace_id.to_string().into());
        telemetry.insert("span_id".to_owned(), trace.span_id.to_string().into());
    }
    telemetry.extend(record.fields.iter().map(|(name, value)| (name.clone().into_owned(), value.clone())));
    write(out, record.time, record.severity.as_str(), kind, &record.name, &telemetry);
}

fn add_source(telemetry: &mut Map<String, Value>, source: &SourceInfo) {
    telemetry.insert("source".to_owned(), source.source.runner().into());
    telemetry.insert("source_id".to_owned(), source.label.as_str().into());
}

/// A point, as the inner part of its line.
pub(super) struct Point<'a> {
    name: &'a str,
    telemetry: Map<String, Value>,
    /// Its series' attributes.
    pub(super) series: String,
    /// Its value: if unchanged, the line is not written again.
    pub(super) figures: String,
    /// A gauge is written each time, changed or not.
    pub(super) always: bool,
}

impl<'a> Point<'a> {
    fn new(metric: &Metric<'a>, point: &points::Point<'_>, run: Option<&RunInfo>) -> Option<Self> {
        let figures: Vec<(&str, Value)> = match &point.value {
            PointValue::Number { value } => vec![("value", (*value).into())],
            PointValue::Histogram { count, sum, min, max, bounds, bucket_counts } => vec![
                ("count", (*count).into()),
                ("sum", (*sum).into()),
                ("min", (*min).into()),
                ("max", (*max).into()),
                ("bounds", bounds.as_slice().into()),
                ("bucket_counts", bucket_counts.as_slice().into()),
            ],
            // A JSON backend never asks for these buckets: `MeterSettings::exponential`.
            PointValue::ExponentialHistogram { .. } => return None,
        };
        let mut telemetry = context("metrics", metric.name, run);
        telemetry.insert("unit".to_owned(), metric.unit.into());
        // The context already has run and test plan; inserting them again changes nothing.
        telemetry.extend(point.attributes.iter().map(|kv| (kv.key.to_string(), label(&kv.value))));
        let series = series(metric.name, &point.attributes);
        let said = Value::Array(figures.iter().map(|(_, value)| value.clone()).collect()).to_string();
        telemetry.extend(figures.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let always = metric.kind == MetricKind::Gauge;
        Some(Self { name: metric.name, telemetry, series, figures: said, always })
    }

    /// Appends its line.
    pub(super) fn write(&self, out: &mut Vec<u8>, at: Timestamp) {
        write(out, at, "INFO", "metrics", self.name, &self.telemetry);
    }
}

/// All points of a collection.
pub(super) fn points(collected: &CollectedPoints) -> impl Iterator<Item = Point<'_>> {
    points::metrics(&collected.points).flat_map(|metric| {
        let points: Vec<_> =
            metric.points().filter_map(|point| Point::new(&metric, &point, collected.run.as_deref())).collect();
        points
    })
}

fn context(kind: &str, name: &str, run: Option<&RunInfo>) -> Map<String, Value> {
    let mut fields = vec![("telemetry_type", kind), ("telemetry_name", name)];
    // Metrics of ltel itself belong to no run.
    if let Some(run) = run {
        fields.extend([("run_id", &*run.run_id), ("testplan", &*run.testplan)]);
    }
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn label(value: &opentelemetry::Value) -> Value {
    match value {
        opentelemetry::Value::Bool(b) => (*b).into(),
        opentelemetry::Value::I64(n) => (*n).into(),
        opentelemetry::Value::F64(n) => (*n).into(),
        other => other.as_str().into_owned().into(),
    }
}

fn series(name: &str, attributes: &[&KeyValue]) -> String {
    let mut attributes: Vec<_> = attributes.iter().map(|kv| (kv.key.as_str(), &kv.value)).collect();
    attributes.sort_by_key(|(key, _)| *key);
    let mut series = name.to_owned();
    for (key, value) in attributes {
        let _ = write!(series, "\u{0}{key}\u{0}{value:?}");
    }
    series
}
