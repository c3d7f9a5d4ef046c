//! `logs`: what Locust and the locustfile write to Python's logging, as records: JSON lines and OTLP log records.
//!
//! Hand-written rather than derived: the severity is the message's own.

use ltel_core::Timestamp;
use ltel_core::event::{Log, LogLevel};
use ltel_core::prelude::*;
use serde::Deserialize;

/// The name of its records.
pub const LOG: &str = "locust.tl.event.log";

/// What Locust and the locustfile write to Python's logging.
///
/// A record has the message's severity and, if traces are on, the ids of the task or request that was running. The code
/// that logged it and an exception are under the names of OpenTelemetry's semantic conventions.
#[derive(Debug)]
pub struct Logs;

/// Options of [`Logs`].
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Messages of this level and above. Below it, Locust sends nothing. What Locust's own `--loglevel` leaves out does not come either.
    #[serde(default = "least")]
    pub level: LogLevel,
}

impl Default for Options {
    fn default() -> Self {
        Self { level: least() }
    }
}

const fn least() -> LogLevel {
    LogLevel::Warning
}

impl Recorder for Logs {
    type Options = Options;

    const SPEC: &'static Spec = &Spec {
        name: "logs",
        description: "What Locust and the locustfile write to Python's logging.",
        scope: crate::SCOPE,
        events: &[EventKind::Log],
        per: Per::Source,
        labels: &[],
        instruments: &[],
        records: &[RecordSpec {
            name: LOG,
            description: "A message of Python's logging; `dropped` so many before it that were too many.",
            fields: &[
                "logger",
                "message",
                "level_name",
                "code.file.path",
                "code.line.number",
                "code.function.name",
                "user_class",
                "exception.type",
                "exception.message",
                "exception.stacktrace",
                "dropped",
            ],
        }],
        spans: &[],
        needs: Needs { logs: Some(LogLevel::Warning.number()), ..Needs::NONE },
    };

    fn needs(options: &Options) -> Needs {
        Needs { logs: Some(options.level.number()), ..Needs::NONE }
    }

    fn build(_: &Options, _: &mut Instruments<'_>) -> Self {
        Self
    }

    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, Options>) {
        match event {
            // Another recorder may have asked for more.
            Event::Log(log) if log.level_number >= u64::from(cx.options().level.number()) => cx.emit(record(log)),
            _ => {}
        }
    }
}

fn record(log: &Log) -> Record {
    let severity = severity(log.level_number);
    let record = Record::new(RecordKind::Event, LOG, Timestamp::from_secs(log.time)).severity(severity);
    let mut record = record.body(&*log.message).field("logger", &*log.logger).field("message", &*log.message);
    // A level of the locustfile's own, or of a library.
    if log.level != severity.as_str() && !log.level.is_empty() {
        record = record.field("level_name", &*log.level);
    }
    if let Some(file) = &log.file {
        record = record.field("code.file.path", &**file);
    }
    if let Some(line) = log.line {
        record = record.field("code.line.number", line);
    }
    if let Some(function) = &log.function {
        record = record.field("code.function.name", &**function);
    }
    if let Some(user_class) = &log.user_class {
        record = record.field("user_class", &**user_class);
    }
    if let Some(traceback) = &log.traceback {
        if let Some((class, text)) = exception(traceback) {
            record = record.field("exception.type", class);
            if !text.is_empty() {
                record = record.field("exception.message", text);
            }
        }
        record = record.field("exception.stacktrace", &**traceback);
    }
    if log.dropped > 0 {
        record = record.field("dropped", log.dropped);
    }
    record
}

const fn severity(level: u64) -> Severity {
    match level {
        0..20 => Severity::Debug,
        20..30 => Severity::Info,
        30..40 => Severity::Warning,
        40..50 => Severity::Error,
        50.. => Severity::Critical,
    }
}

/// Class and text of the exception that a traceback of Python is about: the last one of a chain. What follows its frames, which
/// are indented.
fn exception(traceback: &str) -> Option<(&str, &str)> {
    const BEGIN: &str = "Traceback (most recent call last):\n";
    let mut rest = &traceback[traceback.rfind(BEGIN)? + BEGIN.len()..];
    while rest.starts_with(' ') {
        rest = rest.split_once('\n')?.1;
    }
    let rest = rest.trim_end();
    let (class, text) = rest.split_once(": ").unwrap_or((rest, ""));
    let is_class =
        !class.is_empty() && class.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '<' | '>'));
    is_class.then_some((class, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exception_of_a_traceback() {
        let frames = "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    d['id']\n    ~^^^^^^\n";
        for (end, expected) in [
            ("KeyError: 'id'", Some(("KeyError", "'id'"))),
            ("KeyError: 'id'\n", Some(("KeyError", "'id'"))),
            ("shop.errors.Broken: a: b\n  and more\nof it", Some(("shop.errors.Broken", "a: b\n  and more\nof it"))),
            ("StopIteration", Some(("StopIteration", ""))),
            ("f.<locals>.Local: x", Some(("f.<locals>.Local", "x"))),
            ("", None),
            ("no class: x", None),
        ] {
            assert_eq!(exception(&[frames, end].concat()), expected, "{end}");
        }
        let chain = "Traceback (most recent call last):\n  File \"a.py\"\nKeyError: 1\n\nDuring handling of the above exception, \
                     another exception occurred:\n\n";
        assert_eq!(exception(&[chain, frames, "ValueError: 2"].concat()), Some(("ValueError", "2")));
        assert_eq!(exception("KeyError: 'id'"), None);
    }
}
