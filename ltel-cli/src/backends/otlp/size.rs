//! About how many bytes an item takes in an OTLP request (protobuf, not compressed): rather too many than too few.

use opentelemetry::logs::AnyValue;
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics};
use opentelemetry_sdk::trace::SpanData;

/// Tags, lengths and numbers around a key and a value.
const PAIR: usize = 24;

/// A span with its ids, times and the lengths around them.
pub(super) fn span(span: &SpanData) -> usize {
    let events = span.events.iter().map(|event| 48 + event.name.len() + attributes(&event.attributes));
    let links = span.links.iter().map(|link| 64 + attributes(&link.attributes));
    let status = match &span.status {
        opentelemetry::trace::Status::Error { description } => description.len(),
        _ => 0,
    };
    160 + span.name.len() + status + attributes(&span.attributes) + events.sum::<usize>() + links.sum::<usize>()
}

/// A log record.
pub(super) fn log(record: &SdkLogRecord) -> usize {
    let attributes = record.attributes_iter().map(|(key, of)| PAIR + key.as_str().len() + any(of));
    160 + record.event_name().map_or(0, str::len) + record.body().map_or(0, any) + attributes.sum::<usize>()
}

/// The points of a collection: how many, and about how many bytes they take.
pub(super) fn points(metrics: &ResourceMetrics) -> (u64, usize) {
    let metrics = metrics.scope_metrics().flat_map(ScopeMetrics::metrics);
    metrics.fold((0, 0), |(points, bytes), metric| {
        let (more, size) = match metric.data() {
            AggregatedMetrics::F64(data) => of_metric(data),
            AggregatedMetrics::U64(data) => of_metric(data),
            AggregatedMetrics::I64(data) => of_metric(data),
        };
        (points + more, bytes + size + 128 + metric.name().len() + metric.description().len())
    })
}

fn of_metric<T>(data: &MetricData<T>) -> (u64, usize) {
    fn sum(sizes: impl Iterator<Item = usize>) -> (u64, usize) {
        sizes.fold((0, 0), |(points, bytes), size| (points + 1, bytes + size))
    }
    fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> usize {
        attributes.map(pair).sum()
    }
    match data {
        MetricData::Gauge(gauge) => sum(gauge.data_points().map(|point| 40 + labels(point.attributes()))),
        MetricData::Sum(all) => sum(all.data_points().map(|point| 40 + labels(point.attributes()))),
        MetricData::Histogram(histogram) => sum(histogram.data_points().map(|point| {
            // Bounds and counts are 8 bytes each.
            96 + 16 * (point.bounds().count() + 1) + labels(point.attributes())
        })),
        MetricData::ExponentialHistogram(histogram) => sum(histogram.data_points().map(|point| {
            // Counts are as long as their digits; 5 bytes hold 34 billion.
            let buckets = point.positive_bucket().counts().count() + point.negative_bucket().counts().count();
            128 + 5 * buckets + labels(point.attributes())
        })),
    }
}

fn attributes(attributes: &[KeyValue]) -> usize {
    attributes.iter().map(pair).sum()
}

fn pair(pair: &KeyValue) -> usize {
    let value = match &pair.value {
        Value::String(text) => text.as_str().len(),
        Value::Array(Array::String(texts)) => texts.iter().map(|text| 8 + text.as_str().len()).sum(),
        Value::Array(Array::Bool(all)) => 4 * all.len(),
        Value::Array(Array::I64(all)) => 14 * all.len(),
        Value::Array(Array::F64(all)) => 14 * all.len(),
        _ => 10,
    };
    PAIR + pair.key.as_str().len() + value
}

fn any(value: &AnyValue) -> usize {
    12 + match value {
        AnyValue::String(text) => text.as_str().len(),
        AnyValue::Bytes(bytes) => bytes.len(),
        AnyValue::ListAny(values) => values.iter().map(any).sum(),
        AnyValue::Map(pairs) => pairs.iter().map(|(key, value)| PAIR + key.as_str().len() + any(value)).sum(),
        _ => 0,
    }
}
