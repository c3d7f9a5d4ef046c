//! The same telemetry through OpenTelemetry's own exporters and through ours: a receiver gets the same messages.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use ltel_core::Timestamp;
use ltel_core::backend::{CollectedPoints, RunRecord, Signal};
use ltel_core::meter::{MeterSettings, meter};
use ltel_core::record::{Record, RecordKind};
use ltel_core::runs::RunInfo;
use ltel_core::trace::{self, EncodedSpans, TraceContext};
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _};
use opentelemetry::trace::{Event, SpanKind, Status};
use opentelemetry::{Array, InstrumentationScope, KeyValue, TraceFlags, Value};
use opentelemetry_otlp::{LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{LogBatch, LogExporter as _, SdkLoggerProvider};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter as _;
use opentelemetry_sdk::trace::SpanExporter as _;
use prost::Message;
use serde::de::DeserializeOwned;

use super::super::items::Items;
use super::super::log_record::log_record;
use super::super::payload::Payload;
use super::super::points;
use super::*;

const AT: u64 = 1_700_000_000;

/// Its version, as ltel's recorders have it.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("shop").with_version(env!("CARGO_PKG_VERSION")).build()
}

fn resource() -> Resource {
    let attributes = [KeyValue::new("service.name", "shop"), KeyValue::new("build", 7), KeyValue::new("ratio", 0.5)];
    Resource::builder_empty().with_attributes(attributes).build()
}

/// Builds one of OpenTelemetry's exporters, to the same place.
macro_rules! theirs {
    ($exporter:ident, $config:expr) => {{
        let _ = rustls::crypto::ring::default_provider().install_default();
        let endpoint = $config.endpoint.to_string();
        match $config.protocol {
            OtlpProtocol::Grpc => $exporter::builder().with_tonic().with_endpoint(endpoint).build(),
            _ => $exporter::builder().with_http().with_protocol(Protocol::HttpBinary).with_endpoint(endpoint).build(),
        }
        .expect("an exporter")
    }};
}

/// Sends ours after theirs, and returns what came of both.
async fn both<M>(receiver: &Receiver, config: &SignalConfig, signal: Signal, ours: &Payload) -> [M; 2]
where
    M: Message + Default + DeserializeOwned,
{
    let client = Client::new(signal, config).expect("a client");
    let is_json = config.protocol == OtlpProtocol::HttpJson;
    let body = if is_json { ours.json(signal).expect("JSON") } else { ours.protobuf() };
    client.send(body).await.expect("it is accepted");
    let taken = receiver.taken();
    let [theirs, ours] = &taken[..] else { panic!("two requests, not {}", taken.len()) };
    assert_eq!(theirs.path, ours.path);
    assert_eq!(ours.is_json(), is_json);
    [theirs.message(), ours.message()]
}

/// Instruments of all kinds.
fn collected(temporality: Temporality, exponential: bool) -> CollectedPoints {
    let settings = MeterSettings { exponential, ..MeterSettings::new(resource(), temporality) };
    let (meter, collector) = meter(&settings, "shop", 100);
    for number in 0..3 {
        let labels = [KeyValue::new("article", "book"), KeyValue::new("number", number), KeyValue::new("new", true)];
        meter.u64_counter("sold").with_unit("{article}").with_description("Sold.").build().add(3, &labels);
        meter.i64_up_down_counter("stock").build().add(-3, &labels);
        meter.f64_gauge("price").with_unit("EUR").build().record(9.5, &labels);
        let weight = meter.f64_histogram("weight").with_boundaries(vec![1.0, 2.0]).build();
        for value in [0.0, 1.5, 4.0] {
            weight.record(value, &labels);
        }
    }
    let time = |secs| Timestamp::from_secs(secs);
    let points = collector.collect().expect("points");
    CollectedPoints { run: None, feed: 0, points, begun: time(1.0), since: time(2.0), at: time(3.0), last: false }
}

/// All times of a request's points, which are taken out.
fn times(request: &mut ExportMetricsServiceRequest) -> Vec<(u64, u64)> {
    let mut times = Vec::new();
    points::each_time(request, |_, start, time| {
        times.push((std::mem::take(start), std::mem::take(time)));
    });
    times.sort_unstable();
    times.dedup();
    times
}

#[tokio::test]
async fn metrics() {
    for protocol in PROTOCOLS {
        for (temporality, exponential) in [(Temporality::Cumulative, false), (Temporality::Delta, true)] {
            let receiver = Receiver::start([]).await;
            let config = config(&receiver, Signal::Metrics, protocol);
            let collected = collected(temporality, exponential);
            theirs!(MetricExporter, config).export(&collected.points.metrics).await.expect("it is accepted");
            let ours = Payload::Points(Box::new(points::request(&collected)));
            let [mut theirs, mut ours] = both(&receiver, &config, Signal::Metrics, &ours).await;
            // The times are those of the run.
            assert!(times(&mut theirs).len() > 1);
            let secs = |secs: u64| Timestamp::from_secs(secs as f64).as_nanos();
            let expected = match temporality {
                Temporality::Delta => [0, 1, 2],
                _ => [0, 1, 1],
            };
            let mut expected: Vec<_> = expected.map(|start| (secs(start), secs(3))).into();
            expected.dedup();
            assert_eq!(times(&mut ours), expected, "{temporality:?}");
            assert_eq!(points::count(&ours), 12);
            assert_eq!(theirs, ours, "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn spans() {
    let context = TraceContext::from_hex(&"1".repeat(32), &"2".repeat(16), Some(&"3".repeat(16)), true).expect("ids");
    let times = (Timestamp::from_secs(AT as f64), Timestamp::from_secs(AT as f64 + 0.25));
    let mut failed = trace::span(&context, SpanKind::Client, "POST /checkout \u{1f980}".into(), times, &scope());
    failed.attributes = vec![
        KeyValue::new("http.request.method", "POST"),
        KeyValue::new("http.response.status_code", 500),
        KeyValue::new("ratio", 0.5),
        KeyValue::new("slow", true),
        KeyValue::new("all", Value::Array(Array::String(vec!["one".into(), "two".into()]))),
        KeyValue::new("numbers", Value::Array(Array::I64(vec![-1, 5]))),
    ];
    let message = KeyValue::new("exception.message", "it did not work\n");
    failed.events.events = vec![Event::new("exception", times.1.into(), vec![message], 0)];
    failed.status = Status::error("HTTPError");
    let root = TraceContext { parent_span_id: None, sampled: false, ..context };
    let plain = trace::span(&root, SpanKind::Internal, "task".into(), times, &scope());
    for protocol in PROTOCOLS {
        let receiver = Receiver::start([]).await;
        let config = config(&receiver, Signal::Traces, protocol);
        let spans = vec![failed.clone(), plain.clone()];
        let mut exporter = theirs!(SpanExporter, config);
        // One: another has its attributes in another order.
        let resource = resource();
        exporter.set_resource(&resource);
        exporter.export(spans.clone()).await.expect("it is accepted");
        let mut items = Items::new(&Items::resource(&resource));
        for span in spans.iter().collect::<EncodedSpans>().iter() {
            items.push("shop", span.len(), |out| out.extend_from_slice(span));
        }
        let ours = Payload::Items(Arc::new(items), 0..2);
        let [theirs, ours]: [ExportTraceServiceRequest; 2] = both(&receiver, &config, Signal::Traces, &ours).await;
        assert_eq!(theirs, ours, "{protocol:?}");
    }
}

#[tokio::test]
async fn logs() {
    let context = TraceContext::from_hex(&"1".repeat(32), &"2".repeat(16), None, true).expect("ids");
    let at = Timestamp::from_secs(AT as f64);
    let record =
        Record::new(RecordKind::Event, "shop.opened", at).trace(Some(context)).field("users", 3).field("by", "me");
    let run = RunInfo { run_id: "12345678".to_owned(), testplan: "plan".to_owned(), ..RunInfo::default() };
    let ours = log_record(&RunRecord { run: Arc::new(run), scope: "shop", record: Arc::new(record) }, at);
    let mut theirs = SdkLoggerProvider::builder().build().logger("shop").create_log_record();
    theirs.set_timestamp(UNIX_EPOCH + Duration::from_secs(AT));
    theirs.set_observed_timestamp(UNIX_EPOCH + Duration::from_secs(AT));
    theirs.set_severity_number(opentelemetry::logs::Severity::Info);
    theirs.set_severity_text("INFO");
    theirs.set_body("Recording telemetry event: shop.opened".into());
    theirs.set_event_name("shop.opened");
    theirs.set_trace_context(context.trace_id, context.span_id, Some(TraceFlags::SAMPLED));
    theirs.add_attributes([
        ("telemetry_type", AnyValue::from("event")),
        ("telemetry_name", "shop.opened".into()),
        ("run_id", "12345678".into()),
        ("testplan", "plan".into()),
        ("users", 3.into()),
        ("by", "me".into()),
    ]);
    for protocol in PROTOCOLS {
        let receiver = Receiver::start([]).await;
        let config = config(&receiver, Signal::Logs, protocol);
        let mut exporter = theirs!(LogExporter, config);
        // One: another has its attributes in another order.
        let resource = resource();
        exporter.set_resource(&resource);
        exporter.export(LogBatch::new(&[(&theirs, &scope())])).await.expect("it is accepted");
        let mut items = Items::new(&Items::resource(&resource));
        items.push("shop", ours.encoded_len(), |out| ours.encode_raw(out));
        let payload = Payload::Items(Arc::new(items), 0..1);
        let [theirs, ours]: [ExportLogsServiceRequest; 2] = both(&receiver, &config, Signal::Logs, &payload).await;
        assert_eq!(theirs, ours, "{protocol:?}");
    }
}
