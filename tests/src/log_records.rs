//! OTLP log records, as a receiver took them.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::points::{attributes, list, text};
use crate::spans::hex;

/// One log record.
#[derive(Clone, Debug)]
pub struct LogRecord {
    /// What kind of event it tells of.
    pub event_name: String,
    /// Its body, if that is a text.
    pub body: String,
    /// `INFO`, `WARN`, ...
    pub severity: String,
    /// In lower-case hex; empty if it belongs to no trace.
    pub trace_id: String,
    /// In lower-case hex.
    pub span_id: String,
    /// Its own attributes.
    pub attributes: BTreeMap<String, String>,
    /// Attributes of the resource.
    pub resource: BTreeMap<String, String>,
}

impl LogRecord {
    /// An attribute, or nothing.
    pub fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }

    /// The log records of an export request, as protobuf's JSON mapping with the original field names.
    pub(crate) fn of_export(export: &Json) -> Vec<Self> {
        let mut records = Vec::new();
        for part in list(&export["resource_logs"]) {
            let resource = attributes(&part["resource"]["attributes"]);
            for record in list(&part["scope_logs"]).iter().flat_map(|scope| list(&scope["log_records"])) {
                records.push(Self {
                    event_name: record["event_name"].as_str().unwrap_or_default().to_owned(),
                    body: text(&record["body"]),
                    severity: record["severity_text"].as_str().unwrap_or_default().to_owned(),
                    trace_id: hex(&record["trace_id"]),
                    span_id: hex(&record["span_id"]),
                    attributes: attributes(&record["attributes"]),
                    resource: resource.clone(),
                });
            }
        }
        records
    }
}
