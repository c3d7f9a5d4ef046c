//! Estimates the bytes that waiting items take in memory: too many rather than too few, since queues are bounded by it.

use std::mem::size_of;

use ltel_core::meter::Collected;
use ltel_core::points::{self, PointValue};
use ltel_core::record::Record;
use ltel_core::runs::RunInfo;
use ltel_core::trace::EncodedSpans;
use opentelemetry::{Array, KeyValue, Value};
use serde_json::Value as Json;

/// The overhead of an allocation.
const ALLOCATION: usize = 16;

/// The texts of a run that is over, which are kept for it.
pub(super) fn run(run: &RunInfo) -> usize {
    size_of::<RunInfo>() + 2 * ALLOCATION + run.run_id.len() + run.testplan.len()
}

/// A record.
pub(super) fn record(record: &Record) -> usize {
    let fields = record.fields.iter().map(|(name, value)| size_of::<(String, Json)>() + name.len() + json(value));
    let body = record.body.as_ref().map_or(0, |body| ALLOCATION + body.len());
    size_of::<Record>() + ALLOCATION + record.name.len() + body + fields.sum::<usize>()
}

/// Encoded spans.
pub(super) fn spans(spans: &EncodedSpans) -> usize {
    size_of::<usize>() * spans.len() + spans.size()
}

/// The encoded bytes of a span, and where it ends.
pub(super) const fn span(bytes: &[u8]) -> usize {
    size_of::<usize>() + bytes.len()
}

/// The points of a collection: their number and estimated bytes.
pub(super) fn points(collected: &Collected) -> (u64, usize) {
    let points = points::metrics(collected).flat_map(|metric| metric.points().collect::<Vec<_>>());
    points.fold((0, 0), |(count, bytes), point| {
        let labels = point.attributes.iter().copied().map(attribute).sum::<usize>();
        let value = match &point.value {
            PointValue::Number { .. } => 64,
            PointValue::Histogram { bounds, .. } => 128 + 16 * (bounds.len() + 1),
            PointValue::ExponentialHistogram { positive, negative, .. } => {
                192 + 8 * (positive.counts.len() + negative.counts.len())
            }
        };
        (count + 1, bytes + value + labels + size_of_val(point.exemplars))
    })
}

fn attribute(pair: &KeyValue) -> usize {
    let value = match &pair.value {
        Value::String(text) => ALLOCATION + text.as_str().len(),
        Value::Array(Array::String(texts)) => texts.iter().map(|text| 40 + text.as_str().len()).sum(),
        Value::Array(Array::Bool(all)) => all.len(),
        Value::Array(Array::I64(all)) => 8 * all.len(),
        Value::Array(Array::F64(all)) => 8 * all.len(),
        _ => 0,
    };
    size_of::<KeyValue>() + ALLOCATION + pair.key.as_str().len() + value
}

fn json(value: &Json) -> usize {
    match value {
        Json::String(text) => ALLOCATION + text.len(),
        Json::Array(values) => ALLOCATION + values.iter().map(|value| size_of::<Json>() + json(value)).sum::<usize>(),
        // Keys are kept in order, with a table of their positions.
        Json::Object(fields) => fields.iter().map(|(key, value)| 160 + key.len() + json(value)).sum(),
        _ => 0,
    }
}
