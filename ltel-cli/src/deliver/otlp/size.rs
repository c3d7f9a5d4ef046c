//! Estimates an item's bytes in an OTLP request (protobuf, not compressed): too many rather than too few.

use ltel_core::meter::Collected;
use ltel_core::points::{self, Point, PointValue};
use opentelemetry::logs::AnyValue;
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::logs::SdkLogRecord;
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

/// The points of a collection: their number and estimated bytes.
pub(super) fn points(collected: &Collected) -> (u64, usize) {
    points::metrics(collected).fold((0, 0), |(points, bytes), metric| {
        let sizes = metric.points().map(|of| point(&of));
        let (more, size) = sizes.fold((0, 0), |(points, bytes), size| (points + 1, bytes + size));
        (points + more, bytes + size + 128 + metric.name.len() + metric.description.len())
    })
}

fn point(point: &Point<'_>) -> usize {
    let labels: usize = point.attributes.iter().copied().map(pair).sum();
    labels
        + match &point.value {
            PointValue::Number { .. } => 40,
            // Bounds and counts are 8 bytes each.
            PointValue::Histogram { bounds, .. } => 96 + 16 * (bounds.len() + 1),
            PointValue::ExponentialHistogram { positive, negative, .. } => {
                let counts = [positive, negative].into_iter().flat_map(|buckets| &buckets.counts);
                128 + counts.map(|count| varint(*count)).sum::<usize>()
            }
        }
}

/// Protobuf writes a number in groups of 7 bits.
fn varint(number: u64) -> usize {
    number.max(1).ilog2() as usize / 7 + 1
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ltel_core::Timestamp;
    use ltel_core::meter::{MeterSettings, meter};
    use ltel_core::trace::{self, TraceContext};
    use opentelemetry::InstrumentationScope;
    use opentelemetry::logs::{LogRecord as _, Logger as _, LoggerProvider as _};
    use opentelemetry::trace::{Event, SpanKind, Status};
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::logs::v1::LogRecord;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::logs::SdkLoggerProvider;
    use opentelemetry_sdk::metrics::Temporality;
    use prost::Message;

    use super::*;

    /// An estimate is at least the encoded size, and not far above it.
    fn check(estimate: usize, encoded: usize) {
        assert!(estimate >= encoded, "{estimate} are estimated of {encoded}");
        assert!(estimate <= 2 * encoded + 256, "{estimate} are estimated of {encoded}");
    }

    #[test]
    fn of_spans() {
        let trace = TraceContext::from_hex(&"1".repeat(32), &"2".repeat(16), Some(&"3".repeat(16)), true).expect("ids");
        let scope = InstrumentationScope::builder("scope").build();
        let times = (Timestamp::from_secs(1_700_000_000.0), Timestamp::from_secs(1_700_000_001.0));
        let mut made = trace::span(&trace, SpanKind::Client, "POST /checkout".into(), times, &scope);
        check(span(&made), Span::from(made.clone()).encoded_len());
        made.attributes = vec![
            KeyValue::new("http.request.method", "POST"),
            KeyValue::new("http.response.status_code", 500),
            KeyValue::new("ratio", 0.5),
            KeyValue::new("url.full", format!("https://shop.example.com/{}", "x".repeat(2_000))),
            KeyValue::new("all", Value::Array(Array::String(vec!["one".into(), "two".into()]))),
            KeyValue::new("numbers", Value::Array(Array::I64(vec![-1; 50]))),
        ];
        made.events.events = vec![Event::new(
            "exception",
            times.1.into(),
            vec![KeyValue::new("exception.message", "it did not work".repeat(100))],
            0,
        )];
        made.status = Status::error("HTTPError: ".repeat(50));
        check(span(&made), Span::from(made.clone()).encoded_len());
    }

    #[test]
    fn of_log_records() {
        let mut record = SdkLoggerProvider::builder().build().logger("test").create_log_record();
        record.set_observed_timestamp(Timestamp::from_secs(1_700_000_000.0).into());
        record.set_event_name("an.event");
        record.set_body("It happened".into());
        check(log(&record), LogRecord::from(&record).encoded_len());
        let map = (0..50).map(|n| (format!("key {n}").into(), AnyValue::Double(0.5))).collect();
        record.add_attributes([
            ("text", AnyValue::String("x".repeat(5_000).into())),
            ("list", AnyValue::ListAny(Box::new(vec![AnyValue::Int(-1); 100]))),
            ("map", AnyValue::Map(Box::new(map))),
        ]);
        check(log(&record), LogRecord::from(&record).encoded_len());
    }

    /// Scenario: as many series as a recorder may have by default, of two histograms with 25 bounds. Guarantees: a request
    /// stays below what receivers take.
    #[test]
    fn of_the_most_series_by_default() {
        for exponential in [false, true] {
            let settings = MeterSettings {
                exponential,
                ..MeterSettings::new(Resource::builder_empty().build(), Temporality::Cumulative)
            };
            let (meter, collector) = meter(&settings, "locust_telemetry", 2_000);
            let bounds = (1..=25).map(|n| f64::from(n) * 100.0).collect::<Vec<_>>();
            for name in ["locust.tl.request.metric.success", "locust.tl.request.metric.error"] {
                let histogram = meter.f64_histogram(name).with_boundaries(bounds.clone()).build();
                for series in 0..2_000 {
                    let labels = [
                        KeyValue::new("endpoint", format!("/shop/catalogue/products/{series}")),
                        KeyValue::new("method", "GET"),
                        KeyValue::new("status_code", 200),
                        KeyValue::new("source", "WorkerRunner"),
                        KeyValue::new("source_id", "worker-12"),
                        KeyValue::new("run_id", "12345678"),
                        KeyValue::new("testplan", "checkout"),
                    ];
                    for took in [3_u64, 250, 900] {
                        histogram.record(Duration::from_millis(took + series % 7).as_secs_f64() * 1e3, &labels);
                    }
                }
            }
            let metrics = collector.collect().expect("points");
            let (count, bytes) = points(&metrics);
            let encoded = ExportMetricsServiceRequest::from(&metrics.metrics).encoded_len();
            assert_eq!(count, 4_000);
            assert!(encoded < 4 << 20, "{encoded} bytes");
            check(bytes, encoded);
        }
    }
}
