//! A structured event as an OTLP log record, by OpenTelemetry's log data model.

use std::borrow::Cow;
use std::collections::HashMap;

use ltel_core::Timestamp;
use ltel_core::backend::RunRecord;
use ltel_core::record::Severity;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider};
use opentelemetry::{Key, TraceFlags};
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider};
use serde_json::Value;

use crate::deliver::message;

/// Creates log records. They have no public constructor, so a logger without processors creates them.
pub(super) struct Blank(SdkLogger);

impl Blank {
    pub(super) fn new() -> Self {
        Self(SdkLoggerProvider::builder().build().logger("ltel"))
    }

    /// The log record of a structured event. Its attributes are the fields of the event's JSON line.
    pub(super) fn fill(&self, RunRecord { run, record }: &RunRecord, observed: Timestamp) -> SdkLogRecord {
        let mut log = self.0.create_log_record();
        log.set_timestamp(record.time.into());
        log.set_observed_timestamp(observed.into());
        log.set_severity_number(severity(record.severity));
        log.set_severity_text(record.severity.as_str());
        let body = record.body.clone().unwrap_or_else(|| message(record.kind.as_str(), &record.name));
        log.set_body(body.into());
        match &record.name {
            Cow::Borrowed(name) => log.set_event_name(name),
            // The SDK accepts only static names. Older conventions put the name into this attribute.
            Cow::Owned(name) => log.add_attribute("event.name", name.clone()),
        }
        if let Some(trace) = &record.trace {
            let flags = if trace.sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
            log.set_trace_context(trace.trace_id, trace.span_id, Some(flags));
        }
        let mut context = vec![
            ("telemetry_type", record.kind.as_str().into()),
            ("telemetry_name", record.name.clone().into_owned()),
            ("run_id", run.run_id.clone()),
            ("testplan", run.testplan.clone()),
        ];
        if let Some(source) = &record.source {
            context.extend([("source", source.source.runner().into()), ("source_id", source.label.clone())]);
        }
        // Keys are unique. A record's own field replaces the context's, as in JSON lines.
        log.add_attributes(context.into_iter().filter(|(name, _)| record.get(name).is_none()));
        for (name, value) in &record.fields {
            // Attributes have no null.
            if let Some(value) = any(value) {
                log.add_attribute(name.clone(), value);
            }
        }
        log
    }
}

const fn severity(severity: Severity) -> opentelemetry::logs::Severity {
    match severity {
        Severity::Debug => opentelemetry::logs::Severity::Debug,
        Severity::Info => opentelemetry::logs::Severity::Info,
        Severity::Warning => opentelemetry::logs::Severity::Warn,
        Severity::Error => opentelemetry::logs::Severity::Error,
        Severity::Critical => opentelemetry::logs::Severity::Fatal,
    }
}

/// A JSON value as an attribute's value; `None` for null.
fn any(value: &Value) -> Option<AnyValue> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => AnyValue::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => AnyValue::Int(integer),
            None => AnyValue::Double(number.as_f64()?),
        },
        Value::String(text) => AnyValue::String(text.clone().into()),
        // A null in a list keeps its place.
        Value::Array(values) => AnyValue::ListAny(Box::new(
            values.iter().map(|value| any(value).unwrap_or_else(|| AnyValue::String("null".into()))).collect(),
        )),
        Value::Object(fields) => {
            let fields = fields.iter().filter_map(|(name, value)| Some((Key::from(name.clone()), any(value)?)));
            AnyValue::Map(Box::new(fields.collect::<HashMap<_, _>>()))
        }
    })
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
    use opentelemetry::{SpanId, TraceId};
    use serde_json::json;

    use super::*;

    const BEGUN: f64 = 1_700_000_000.0;

    fn filled(record: Record) -> SdkLogRecord {
        let run = RunInfo {
            run_id: "12345678".to_owned(),
            testplan: "plan".to_owned(),
            begun: Now { wall: Timestamp::from_secs(BEGUN), ..Now::default() },
            ..RunInfo::default()
        };
        Blank::new()
            .fill(&RunRecord { run: Arc::new(run), record: Arc::new(record) }, Timestamp::from_secs(BEGUN + 1.0))
    }

    fn attributes(log: &SdkLogRecord) -> BTreeMap<String, AnyValue> {
        let all: Vec<_> = log.attributes_iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
        let map: BTreeMap<_, _> = all.iter().cloned().collect();
        assert_eq!(map.len(), all.len(), "a key stands twice: {all:?}");
        map
    }

    /// Guarantees: a record's name, time, level and trace are in the log record's own fields; its context and fields are
    /// attributes.
    #[test]
    fn of_a_record() {
        let mut record = Record::new(RecordKind::Event, "locust.tl.event.test.stop", Timestamp::from_secs(BEGUN))
            .severity(Severity::Warning)
            .trace(TraceContext::from_hex(&"1".repeat(32), &"2".repeat(16), None, true))
            .field("users", 3)
            .field("nested", json!({"list": [1.5, null, "x"], "none": null, "more": {"yes": true}}))
            .field("nothing", Value::Null)
            .field("source_id", "its own");
        record.source = Some(Arc::new(SourceInfo::new(0, Source::default())));
        let log = filled(record);
        assert_eq!(log.event_name(), Some("locust.tl.event.test.stop"));
        assert_eq!(log.severity_number(), Some(opentelemetry::logs::Severity::Warn));
        assert_eq!(log.severity_text(), Some("WARNING"));
        assert_eq!(log.timestamp(), Some(Timestamp::from_secs(BEGUN).into()));
        assert_eq!(log.observed_timestamp(), Some(Timestamp::from_secs(BEGUN + 1.0).into()));
        assert_eq!(log.body(), Some(&"Recording telemetry event: locust.tl.event.test.stop".into()));
        let trace = log.trace_context().expect("a trace");
        let ids =
            (TraceId::from_hex(&"1".repeat(32)).expect("an id"), SpanId::from_hex(&"2".repeat(16)).expect("an id"));
        assert_eq!((trace.trace_id, trace.span_id, trace.trace_flags), (ids.0, ids.1, Some(TraceFlags::SAMPLED)));
        let list = AnyValue::ListAny(Box::new(vec![1.5.into(), "null".into(), "x".into()]));
        let more = AnyValue::Map(Box::new([("yes".into(), true.into())].into()));
        let nested = AnyValue::Map(Box::new([("list".into(), list), ("more".into(), more)].into()));
        let expected = [
            ("nested", nested),
            ("run_id", "12345678".into()),
            ("source", "LocalRunner".into()),
            ("source_id", "its own".into()),
            ("telemetry_name", "locust.tl.event.test.stop".into()),
            ("telemetry_type", "event".into()),
            ("testplan", "plan".into()),
            ("users", 3.into()),
        ];
        assert_eq!(attributes(&log), expected.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
    }

    /// Scenario: a name that is not static, such as a custom event's. Guarantees: it is an attribute.
    #[test]
    fn of_a_name_made_at_run_time() {
        let log = filled(Record::new(RecordKind::Metrics, "made.up".to_owned(), Timestamp::from_secs(BEGUN)));
        assert_eq!(log.event_name(), None);
        assert_eq!(attributes(&log).get("event.name"), Some(&"made.up".into()));
        assert_eq!(log.trace_context(), None);
    }
}
