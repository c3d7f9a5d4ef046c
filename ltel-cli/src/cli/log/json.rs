//! Messages as JSON, an object per line.

use std::fmt::Debug;

use ltel_core::text::printable;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::cli::terminal;
use crate::clock;

/// Writes each event as a line.
pub(super) struct JsonLines;

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = match fields.0.remove("message") {
            Some(Value::String(message)) => message,
            _ => String::new(),
        };
        write(*event.metadata().level(), &message, fields.0);
    }
}

/// Writes a line. Fields cannot take the place of the time, the level or the message.
pub(super) fn write(level: Level, message: &str, fields: Map<String, Value>) {
    terminal::write((line_now(level, message, fields) + "\n").as_bytes());
}

/// A line of this moment.
pub(super) fn line_now(level: Level, message: &str, fields: Map<String, Value>) -> String {
    line(&clock::now().to_string(), level, message, fields)
}

fn line(time: &str, level: Level, message: &str, fields: Map<String, Value>) -> String {
    let mut line = fields;
    line.insert("time".to_owned(), time.into());
    line.insert("level".to_owned(), level.as_str().into());
    // JSON escapes the ends of lines itself.
    let message: Vec<_> = message.lines().map(|line| printable(line).to_string()).collect();
    line.insert("message".to_owned(), message.join("\n").into());
    Value::Object(line).to_string()
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantees: a line has its time, level and message, whatever the fields are called, and no raw control characters.
    #[test]
    fn a_line() {
        let fields =
            [("run", "a".into()), ("level", 7.into())].map(|(name, value): (&str, Value)| (name.to_owned(), value));
        let line = line("2026-11-27T10:00:00Z", Level::WARN, "one\ntwo \u{1b}[31m", fields.into_iter().collect());
        assert_eq!(line.lines().count(), 1);
        let line: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(
            (&line["time"], &line["level"], &line["run"]),
            (&"2026-11-27T10:00:00Z".into(), &"WARN".into(), &"a".into())
        );
        assert_eq!(line["message"], "one\ntwo \\u{1b}[31m", "{line}");
    }
}
