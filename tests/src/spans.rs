//! Spans: as a receiver of OTLP took them, or as JSON lines show them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::lines::{Line, Lines};
use crate::points::{attributes, list, whole};

/// One span.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its name.
    pub name: String,
    /// `client`, `internal`, ...
    pub kind: String,
    /// In lower-case hex.
    pub trace_id: String,
    /// In lower-case hex.
    pub span_id: String,
    /// In lower-case hex; nothing for the root of a trace.
    pub parent_span_id: Option<String>,
    /// `unset`, `ok` or `error`.
    pub status: String,
    /// Why it failed.
    pub status_description: String,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// When it ended, in nanoseconds since the epoch; JSON lines have no such number.
    pub end: u64,
    /// Its own attributes.
    pub attributes: BTreeMap<String, String>,
    /// Attributes of the resource; JSON lines have none.
    pub resource: BTreeMap<String, String>,
}

impl Span {
    /// An attribute, or nothing.
    pub fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }

    /// The spans of JSON lines.
    pub fn of_lines(lines: &Lines) -> Vec<Self> {
        lines.0.iter().filter(|line| line.is("telemetry_type", "span")).map(Self::of_line).collect()
    }

    fn of_line(line: &Line) -> Self {
        let text = |key: &str| line.text(key).to_owned();
        let plain = |value: &Json| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let attributes = line.telemetry["attributes"].as_object().expect("attributes");
        Self {
            name: text("telemetry_name"),
            kind: text("kind"),
            trace_id: text("trace_id"),
            span_id: text("span_id"),
            parent_span_id: line.has("parent_span_id").then(|| text("parent_span_id")),
            status: text("status"),
            status_description: if line.has("status_description") { text("status_description") } else { String::new() },
            duration_ms: line.number("duration_ms"),
            end: 0,
            attributes: attributes.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
            resource: BTreeMap::new(),
        }
    }

    /// The spans of an export request, as protobuf's JSON mapping with the original field names.
    pub(crate) fn of_export(export: &Json) -> Vec<Self> {
        let mut spans = Vec::new();
        for part in list(&export["resource_spans"]) {
            let resource = attributes(&part["resource"]["attributes"]);
            for span in list(&part["scope_spans"]).iter().flat_map(|scope| list(&scope["spans"])) {
                let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
                let (start, end) = (whole(&span["start_time_unix_nano"]), whole(&span["end_time_unix_nano"]));
                let code = span["status"]["code"].as_str().unwrap_or("STATUS_CODE_UNSET");
                spans.push(Self {
                    name: text(&span["name"]),
                    kind: text(&span["kind"]).trim_start_matches("SPAN_KIND_").to_lowercase(),
                    trace_id: hex(&span["trace_id"]),
                    span_id: hex(&span["span_id"]),
                    parent_span_id: Some(hex(&span["parent_span_id"])).filter(|id| !id.is_empty()),
                    status: code.trim_start_matches("STATUS_CODE_").to_lowercase(),
                    status_description: text(&span["status"]["message"]),
                    duration_ms: (end - start) as f64 / 1e6,
                    end,
                    attributes: attributes(&span["attributes"]),
                    resource: resource.clone(),
                });
            }
        }
        spans
    }
}

/// Trace and span ids, to compare as a whole; fails if two spans have the same.
pub fn ids(spans: &[Span]) -> BTreeSet<(String, String)> {
    let ids: BTreeSet<_> = spans.iter().map(|span| (span.trace_id.clone(), span.span_id.clone())).collect();
    assert_eq!(ids.len(), spans.len(), "each span once");
    ids
}

/// Bytes are in base64 in this mapping.
pub(crate) fn hex(value: &Json) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut bits = 0_u32;
    let mut known = 0;
    for byte in value.as_str().unwrap_or_default().bytes().filter(|byte| *byte != b'=') {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            other => panic!("no base64: {}", char::from(other)),
        };
        bits = (bits << 6) | u32::from(digit);
        known += 6;
        if known >= 8 {
            known -= 8;
            let _ = write!(text, "{:02x}", (bits >> known) & 0xff);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_an_id() {
        let hex = |text: &str| hex(&Json::from(text));
        assert_eq!(hex("AAECAwQFBgc="), "0001020304050607");
        assert_eq!(hex("/+8Q"), "ffef10");
        assert_eq!(hex("MTIzNDU2Nzg5MDEyMzQ1Ng=="), "31323334353637383930313233343536");
        assert_eq!(hex(""), "");
    }
}
