//! A structured event as an OTLP log record, by OpenTelemetry's log data model.

use std::borrow::Cow;
use std::collections::HashMap;

use ltel_core::Timestamp;
use ltel_core::record::Severity;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider};
use opentelemetry::{Key, TraceFlags};
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider};
use serde_json::Value;

use crate::backends::{Entry, message};

/// Makes log records. They have no constructor, so a logger makes them that logs nothing.
pub(super) struct Blank(SdkLogger);

impl Blank {
    pub(super) fn new() -> Self {
        Self(SdkLoggerProvider::builder().build().logger("ltel"))
    }

    /// The log record of a structured event. Its attributes are the fields of the event's JSON line.
    pub(super) fn fill(&self, Entry { run, record }: &Entry, observed: Timestamp) -> SdkLogRecord {
        let mut log = self.0.create_log_record();
        log.set_timestamp(record.time.into());
        log.set_observed_timestamp(observed.into());
        log.set_severity_number(severity(record.severity));
        log.set_severity_text(record.severity.as_str());
        log.set_body(message(record.kind.as_str(), &record.name).into());
        match &record.name {
            Cow::Borrowed(name) => log.set_event_name(name),
            // The SDK takes a name only from the program's text. This attribute was its place before it had a field.
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
        // A key stands once. A record's own field takes the place of the context's, as in its JSON line.
        log.add_attributes(context.into_iter().filter(|(name, _)| record.get(name).is_none()));
        for (name, value) in &record.fields {
            // No attribute says that there is no value.
            if let Some(value) = any(value) {
                log.add_attribute(name.clone(), value);
            }
        }
        log
    }
}

const fn severity(severity: Severity) -> opentelemetry::logs::Severity {
    match severity {
        Severity::Info => opentelemetry::logs::Severity::Info,
        Severity::Warning => opentelemetry::logs::Severity::Warn,
        Severity::Error => opentelemetry::logs::Severity::Error,
    }
}

/// A JSON value as an attribute's; nothing for null, which attributes do not know.
fn any(value: &Value) -> Option<AnyValue> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => AnyValue::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => AnyValue::Int(integer),
            None => AnyValue::Double(number.as_f64()?),
        },
        Value::String(text) => AnyValue::String(text.clone().into()),
        // A place in a list is kept.
        Value::Array(values) => AnyValue::ListAny(Box::new(
            values.iter().map(|value| any(value).unwrap_or_else(|| AnyValue::String("null".into()))).collect(),
        )),
        Value::Object(fields) => {
            let fields = fields.iter().filter_map(|(name, value)| Some((Key::from(name.clone()), any(value)?)));
            AnyValue::Map(Box::new(fields.collect::<HashMap<_, _>>()))
        }
    })
}
