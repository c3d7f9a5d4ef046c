//! The line of a span: its fields under the names of OpenTelemetry's data model in snake case, its attributes and events as maps.
//! Written straight from the span's bytes, since there may be one for each request.

use ltel_core::Timestamp;
use ltel_core::backend::SpanBatch;
use ltel_core::trace::{AttributeView, SpanView, StatusView};
use opentelemetry::trace::SpanKind;
use serde_json::{Map, Value};

use super::escape;

/// Writes the lines of a batch.
pub(super) struct SpanLines {
    // The fields that its lines share.
    context: Vec<u8>,
    seconds: Second,
}

impl SpanLines {
    pub(super) fn of(SpanBatch { run, source, .. }: &SpanBatch) -> Self {
        let mut context = Vec::new();
        let mut add = |key: &str, value: &str| {
            context.extend_from_slice(key.as_bytes());
            escape::text(&mut context, value);
        };
        add(r#","run_id":"#, &run.run_id);
        add(r#","testplan":"#, &run.testplan);
        if let Some(source) = source {
            add(r#","source":"#, source.source.runner());
            add(r#","source_id":"#, &source.label);
        }
        Self { context, seconds: Second::default() }
    }

    /// Appends a span's line.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, span: &SpanView<'_>) {
        let failed = matches!(span.status, StatusView::Error(_));
        out.extend_from_slice(br#"{"time":"#);
        self.seconds.write(out, span.end);
        put(out, r#","level":""#);
        put(out, if failed { "ERROR" } else { "INFO" });
        put(out, r#"","name":"ltel","message":"Recording telemetry span: "#);
        escape::content(out, span.name);
        put(out, r#"","telemetry":{"telemetry_type":"span","telemetry_name":"#);
        escape::text(out, span.name);
        out.extend_from_slice(&self.context);
        put(out, r#","trace_id":"#);
        hex(out, &span.trace_id.to_bytes());
        put(out, r#","span_id":"#);
        hex(out, &span.span_id.to_bytes());
        if let Some(parent) = span.parent_span_id {
            put(out, r#","parent_span_id":"#);
            hex(out, &parent.to_bytes());
        }
        put(out, if span.sampled { r#","sampled":true,"kind":""# } else { r#","sampled":false,"kind":""# });
        put(out, kind(&span.kind));
        put(out, r#"","start_time":"#);
        self.seconds.write(out, span.start);
        put(out, r#","duration_ms":"#);
        // The times are in whole microseconds.
        number_of(out, span.end.since(span.start).as_micros() as f64 / 1e3);
        match span.status {
            StatusView::Error(description) => {
                put(out, r#","status":"error","status_description":"#);
                escape::text(out, description);
            }
            StatusView::Ok => put(out, r#","status":"ok""#),
            StatusView::Unset => put(out, r#","status":"unset""#),
        }
        put(out, r#","attributes":"#);
        attributes(out, span.attributes());
        self.events(out, span);
        put(out, "}}\n");
    }

    fn events(&mut self, out: &mut Vec<u8>, span: &SpanView<'_>) {
        let mut before = r#","events":["#;
        for event in span.events() {
            put(out, before);
            before = ",";
            put(out, r#"{"time":"#);
            self.seconds.write(out, event.time);
            put(out, r#","name":"#);
            escape::text(out, event.name);
            put(out, r#","attributes":"#);
            attributes(out, event.attributes());
            out.push(b'}');
        }
        if before == "," {
            out.push(b']');
        }
    }
}

/// OpenTelemetry's own limit of a span's attributes. Of more, names are compared by way of a map.
const MANY: usize = 128;

fn attributes<'a>(out: &mut Vec<u8>, all: impl Iterator<Item = (&'a str, AttributeView<'a>)> + Clone) {
    let begin = out.len();
    let mut names = Names::default();
    out.push(b'{');
    for (number, (name, value)) in all.clone().enumerate() {
        let is_known = || all.clone().take(number).any(|(before, _)| before == name);
        if number == MANY || (names.has_perhaps(name) && is_known()) {
            // Of those that are there twice, the last one counts.
            let map: Map<_, _> = all.map(|(name, value)| (name.to_owned(), value.to_json())).collect();
            out.truncate(begin);
            return escape::json(out, &Value::from(map));
        }
        if number > 0 {
            out.push(b',');
        }
        escape::text(out, name);
        out.push(b':');
        match value {
            AttributeView::Str(text) => escape::text(out, text),
            AttributeView::I64(value) => escape::json(out, &value),
            AttributeView::Bool(value) => put(out, if value { "true" } else { "false" }),
            AttributeView::F64(value) => number_of(out, value),
            AttributeView::Array(value) => escape::text(out, &value.to_string()),
        }
    }
    out.push(b'}');
}

/// The names that were there, as bits.
#[derive(Default)]
struct Names([u64; 8]);

impl Names {
    /// Adds a name; whether it was there, or another one that looks like it.
    fn has_perhaps(&mut self, name: &str) -> bool {
        let at = |index: usize| name.as_bytes().get(index).map_or(0, |byte| usize::from(*byte));
        let hash = (name.len() * 31 + at(name.len() / 2) * 7 + at(name.len().saturating_sub(1))) % 512;
        let (word, bit) = (&mut self.0[hash / 64], 1 << (hash % 64));
        let has = *word & bit != 0;
        *word |= bit;
        has
    }
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// What JSON does not have, such as infinities, is null.
fn number_of(out: &mut Vec<u8>, value: f64) {
    escape::json(out, &value);
}

fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    out.extend(bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]));
    out.push(b'"');
}

const fn kind(kind: &SpanKind) -> &'static str {
    match kind {
        SpanKind::Client => "client",
        SpanKind::Server => "server",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
        SpanKind::Internal => "internal",
    }
}

/// Writes times; those of the same second have the same date.
#[derive(Debug, Default)]
struct Second {
    number: u64,
    // `2023-11-14T22:13:20.`
    text: String,
}

impl Second {
    fn write(&mut self, out: &mut Vec<u8>, at: Timestamp) {
        let (number, millis) = (at.as_nanos() / 1_000_000_000, at.as_nanos() / 1_000_000 % 1_000);
        if self.number != number || self.text.is_empty() {
            let whole = Timestamp::from_nanos(number * 1_000_000_000).to_string();
            *self = Self { number, text: whole.trim_end_matches("000Z").to_owned() };
        }
        out.push(b'"');
        put(out, &self.text);
        #[allow(clippy::cast_possible_truncation)] // digits
        out.extend([millis / 100, millis / 10 % 10, millis % 10].map(|digit| b'0' + digit as u8));
        put(out, "Z\"");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use ltel_core::runs::{RunInfo, SourceInfo};
    use ltel_core::source::Source;
    use ltel_core::trace::{self, EncodedSpans, SpanData, TraceContext};
    use opentelemetry::trace::{Event, Status};
    use opentelemetry::{Array, InstrumentationScope, KeyValue};
    use proptest::prelude::*;
    use serde::Serialize;
    use serde_json::Serializer;

    use super::super::escape::OneLine;
    use super::*;

    /// The line by way of values: what is written by hand must be the same.
    fn by_values(SpanBatch { run, source, .. }: &SpanBatch, span: &SpanView<'_>) -> String {
        let attributes = |all: &mut dyn Iterator<Item = (&str, AttributeView<'_>)>| -> Value {
            all.map(|(name, value)| (name.to_owned(), value.to_json())).collect::<Map<_, _>>().into()
        };
        let mut telemetry = Map::new();
        let mut add = |name: &str, value: Value| drop(telemetry.insert(name.to_owned(), value));
        add("telemetry_type", "span".into());
        add("telemetry_name", span.name.into());
        add("run_id", run.run_id.as_str().into());
        add("testplan", run.testplan.as_str().into());
        if let Some(source) = source {
            add("source", source.source.runner().into());
            add("source_id", source.label.as_str().into());
        }
        add("trace_id", span.trace_id.to_string().into());
        add("span_id", span.span_id.to_string().into());
        if let Some(parent) = span.parent_span_id {
            add("parent_span_id", parent.to_string().into());
        }
        add("sampled", span.sampled.into());
        add("kind", format!("{:?}", span.kind).to_lowercase().into());
        add("start_time", span.start.to_string().into());
        add("duration_ms", (span.end.since(span.start).as_micros() as f64 / 1e3).into());
        let mut level = "INFO";
        match span.status {
            StatusView::Error(description) => {
                add("status", "error".into());
                add("status_description", description.into());
                level = "ERROR";
            }
            StatusView::Ok => add("status", "ok".into()),
            StatusView::Unset => add("status", "unset".into()),
        }
        add("attributes", attributes(&mut span.attributes()));
        let events: Vec<Value> = span
            .events()
            .map(|event| {
                let (time, all) = (event.time.to_string(), attributes(&mut event.attributes()));
                serde_json::json!({"time": time, "name": event.name, "attributes": all})
            })
            .collect();
        if !events.is_empty() {
            add("events", events.into());
        }
        let message = crate::deliver::message("span", span.name);
        let time = span.end.to_string();
        let line = serde_json::json!(
            {"time": time, "level": level, "name": "ltel", "message": message, "telemetry": telemetry}
        );
        let mut out = Vec::new();
        line.serialize(&mut Serializer::with_formatter(&mut out, OneLine)).expect("JSON");
        String::from_utf8(out).expect("text") + "\n"
    }

    /// Texts with what JSON escapes, what splits lines, and what is not ASCII.
    fn texts() -> impl Strategy<Value = String> {
        let odd = "[a\"\\\\/\n\r\t\u{8}\u{c}\u{0}\u{1b}\u{7f}\u{80}\u{85}\u{9b}\u{a0}\u{c2}\u{e9}\u{2028}\u{2029}\u{20ac}\u{1f980}]{0,9}";
        prop_oneof![any::<String>(), odd, Just("http.request.method".to_owned())]
    }

    fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
        let value = prop_oneof![
            texts().prop_map(opentelemetry::Value::from),
            any::<i64>().prop_map(Into::into),
            any::<bool>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            prop::collection::vec(texts().prop_map(Into::into), 0..3)
                .prop_map(Array::String)
                .prop_map(opentelemetry::Value::Array),
            prop::collection::vec(any::<f64>(), 1..3).prop_map(Array::F64).prop_map(opentelemetry::Value::Array),
        ];
        // Few names, so that some are there twice.
        let name = prop_oneof![texts(), "[ab]{1,2}"];
        prop::collection::vec((name, value).prop_map(|(name, value)| KeyValue::new(name, value)), 0..12)
    }

    fn spans() -> impl Strategy<Value = SpanData> {
        let status = prop_oneof![Just(Status::Unset), Just(Status::Ok), texts().prop_map(Status::error)];
        let kind = prop::sample::select(vec![
            SpanKind::Client,
            SpanKind::Server,
            SpanKind::Producer,
            SpanKind::Consumer,
            SpanKind::Internal,
        ]);
        let ids = (any::<(u128, u64, bool)>(), prop::option::of(1..u64::MAX));
        let times = (0..=u64::MAX, 0..10_000_000_u64);
        let events = prop::collection::vec((texts(), attributes()), 0..3);
        (ids, times, (texts(), kind, status), attributes(), events).prop_map(
            |(((trace, span, sampled), parent), (start, took), (name, kind, status), attributes, events)| {
                let parent_span_id = parent.map(Into::into);
                let context = TraceContext { trace_id: trace.into(), span_id: span.into(), parent_span_id, sampled };
                let start = Timestamp::from_nanos(start);
                let times = (start, start + Duration::from_micros(took));
                let mut data = trace::span(&context, kind, name.into(), times, &InstrumentationScope::default());
                data.attributes = attributes;
                data.status = status;
                data.events.events = events
                    .into_iter()
                    .map(|(name, attributes)| Event::new(name, times.1.into(), attributes, 0))
                    .collect();
                data
            },
        )
    }

    #[test]
    fn many_attributes() {
        let context = TraceContext { trace_id: 1.into(), span_id: 2.into(), parent_span_id: None, sampled: true };
        let times = (Timestamp::default(), Timestamp::default());
        for (count, names) in [(MANY, MANY), (MANY + 1, MANY + 1), (5_000, 5_000), (5_000, 200)] {
            let scope = InstrumentationScope::default();
            let mut data = trace::span(&context, SpanKind::Client, "many".into(), times, &scope);
            data.attributes = (0..count).map(|n| KeyValue::new(format!("name {}", n % names), n.to_string())).collect();
            let data = Arc::new(std::iter::once(&data).collect::<EncodedSpans>());
            let batch = SpanBatch { run: Arc::default(), source: None, scope: "test", data };
            let (mut out, view) = (Vec::new(), batch.data.views().next().expect("a span"));
            SpanLines::of(&batch).write(&mut out, &view);
            assert_eq!(String::from_utf8(out).expect("text"), by_values(&batch, &view), "{count} {names}");
        }
    }

    proptest! {
        /// Guarantees: each line is what serde makes of the same values, and an attribute that is there twice is one.
        #[test]
        fn lines_are_those_of_their_values(
            spans in prop::collection::vec(spans(), 1..4),
            (run_id, testplan, host) in (texts(), texts(), prop::option::of(texts())),
        ) {
            let source = host.map(|host| Arc::new(SourceInfo::new(0, Source { host, ..Source::default() })));
            let run = Arc::new(RunInfo { run_id, testplan, ..RunInfo::default() });
            let data = Arc::new(spans.iter().collect::<EncodedSpans>());
            let batch = SpanBatch { run, source, scope: "test", data };
            let mut lines = SpanLines::of(&batch);
            for span in batch.data.views() {
                let mut out = Vec::new();
                lines.write(&mut out, &span);
                prop_assert_eq!(String::from_utf8(out).expect("text"), by_values(&batch, &span));
            }
        }
    }
}
