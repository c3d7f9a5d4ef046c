//! A record as an OTLP log record, by OpenTelemetry's log data model.

use ltel_core::Timestamp;
use ltel_core::backend::RunRecord;
use ltel_core::record::Severity;
use opentelemetry::TraceFlags;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use serde_json::Value;

use crate::deliver::message;

/// The log record of a record. Its attributes are the fields of the event's JSON line.
pub(super) fn log_record(RunRecord { run, record, .. }: &RunRecord, observed: Timestamp) -> LogRecord {
    let body = record.body.clone().unwrap_or_else(|| message(record.kind.as_str(), &record.name));
    let mut log = LogRecord {
        time_unix_nano: record.time.as_nanos(),
        observed_time_unix_nano: observed.as_nanos(),
        severity_number: severity(record.severity).into(),
        severity_text: record.severity.as_str().to_owned(),
        body: Some(text(body)),
        event_name: record.name.clone().into_owned(),
        ..LogRecord::default()
    };
    if let Some(trace) = &record.trace {
        let flags = if trace.sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
        log.flags = flags.to_u8().into();
        log.trace_id = trace.trace_id.to_bytes().to_vec();
        log.span_id = trace.span_id.to_bytes().to_vec();
    }
    let mut context = vec![
        ("telemetry_type", record.kind.as_str()),
        ("telemetry_name", &*record.name),
        ("run_id", &*run.run_id),
        ("testplan", &*run.testplan),
    ];
    if let Some(source) = &record.source {
        context.extend([("source", source.source.runner()), ("source_id", &*source.label)]);
    }
    // Keys are unique. A record's own field replaces the context's, as in JSON lines.
    let context = context.into_iter().filter(|(name, _)| record.get(name).is_none());
    log.attributes = context.map(|(name, value)| attribute(name, text(value))).collect();
    // Attributes have no null.
    let fields = record.fields.iter().filter_map(|(name, value)| Some(attribute(name, any(value)?)));
    log.attributes.extend(fields);
    log
}

const fn severity(severity: Severity) -> SeverityNumber {
    match severity {
        Severity::Debug => SeverityNumber::Debug,
        Severity::Info => SeverityNumber::Info,
        Severity::Warning => SeverityNumber::Warn,
        Severity::Error => SeverityNumber::Error,
        Severity::Critical => SeverityNumber::Fatal,
    }
}

fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn text(text: impl Into<String>) -> AnyValue {
    AnyValue { value: Some(Any::StringValue(text.into())) }
}

/// A JSON value as an attribute's value; `None` for null.
fn any(value: &Value) -> Option<AnyValue> {
    let value = match value {
        Value::Null => return None,
        Value::Bool(value) => Any::BoolValue(*value),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Any::IntValue(integer),
            None => Any::DoubleValue(number.as_f64()?),
        },
        Value::String(text) => Any::StringValue(text.clone()),
        // A null in a list keeps its place.
        Value::Array(values) => Any::ArrayValue(ArrayValue {
            values: values.iter().map(|value| any(value).unwrap_or_else(|| text("null"))).collect(),
        }),
        Value::Object(fields) => Any::KvlistValue(KeyValueList {
            values: fields.iter().filter_map(|(name, value)| Some(attribute(name, any(value)?))).collect(),
        }),
    };
    Some(AnyValue { value: Some(value) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use ltel_core::Now;
    use ltel_core::record::{Record, RecordKind};
    use ltel_core::runs::{RunInfo, SourceInfo};
    use ltel_core::source::Source;
    use ltel_core::trace::TraceContext;
    use serde_json::json;

    use super::*;

    const BEGUN: f64 = 1_700_000_000.0;

    fn made(record: Record) -> LogRecord {
        let run = RunInfo {
            run_id: "12345678".to_owned(),
            testplan: "plan".to_owned(),
            begun: Now { wall: Timestamp::from_secs(BEGUN), ..Now::default() },
            ..RunInfo::default()
        };
        let record = RunRecord { run: Arc::new(run), scope: "shop", record: Arc::new(record) };
        log_record(&record, Timestamp::from_secs(BEGUN + 1.0))
    }

    /// Guarantees: a record's name, time, level and trace are in the log record's own fields; its context and fields are
    /// attributes.
    #[test]
    fn of_a_record() {
        let mut record = Record::new(RecordKind::Event, "made.up".to_owned(), Timestamp::from_secs(BEGUN))
            .severity(Severity::Warning)
            .trace(TraceContext::from_hex(&"1".repeat(32), &"2".repeat(16), None, true))
            .field("users", 3)
            .field("nested", json!({"list": [1.5, null, "x"], "none": null, "more": {"yes": true}}))
            .field("nothing", Value::Null)
            .field("source_id", "its own");
        record.source = Some(Arc::new(SourceInfo::new(0, Source::default())));
        let log = made(record);
        assert_eq!(log.event_name, "made.up");
        assert_eq!((log.severity_number, log.severity_text.as_str()), (SeverityNumber::Warn.into(), "WARNING"));
        assert_eq!(log.time_unix_nano, Timestamp::from_secs(BEGUN).as_nanos());
        assert_eq!(log.observed_time_unix_nano, Timestamp::from_secs(BEGUN + 1.0).as_nanos());
        assert_eq!(log.body, Some(text("Recording telemetry event: made.up")));
        assert_eq!((log.trace_id, log.span_id, log.flags), (vec![0x11; 16], vec![0x22; 8], 1));
        let double = |value| AnyValue { value: Some(Any::DoubleValue(value)) };
        let map = |values| AnyValue { value: Some(Any::KvlistValue(KeyValueList { values })) };
        let list = AnyValue {
            value: Some(Any::ArrayValue(ArrayValue { values: vec![double(1.5), text("null"), text("x")] })),
        };
        let yes = AnyValue { value: Some(Any::BoolValue(true)) };
        let nested = map(vec![attribute("list", list), attribute("more", map(vec![attribute("yes", yes)]))]);
        let expected = [
            ("nested", nested),
            ("run_id", text("12345678")),
            ("source", text("LocalRunner")),
            ("source_id", text("its own")),
            ("telemetry_name", text("made.up")),
            ("telemetry_type", text("event")),
            ("testplan", text("plan")),
            ("users", AnyValue { value: Some(Any::IntValue(3)) }),
        ];
        let count = log.attributes.len();
        let attributes: BTreeMap<_, _> = log.attributes.into_iter().map(|of| (of.key, of.value)).collect();
        assert_eq!(attributes.len(), count, "a key stands twice");
        let expected = expected.into_iter().map(|(key, value)| (key.to_owned(), Some(value)));
        assert_eq!(attributes, expected.collect());
    }

    #[test]
    fn without_a_trace() {
        let log = made(Record::new(RecordKind::Metrics, "some", Timestamp::from_secs(BEGUN)));
        assert_eq!((log.trace_id.len(), log.span_id.len(), log.flags), (0, 0, 0));
    }
}
