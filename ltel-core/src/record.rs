//! A record: what a recorder says in words and fields, as opposed to a point of an instrument. A JSON line, or an OTLP log record.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::clock::Timestamp;
use crate::runs::SourceInfo;
use crate::trace::TraceContext;

/// The `telemetry_type` of a record, which existing pipelines index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// Something happened.
    Event,
    /// Figures.
    Metrics,
}

impl RecordKind {
    /// The value of `telemetry_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Metrics => "metrics",
        }
    }
}

/// The severity; names as in OpenTelemetry's log data model and Python's logging.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Severity {
    /// Of interest only when one looks for a mistake.
    Debug,
    /// Normal operation.
    #[default]
    Info,
    /// The test's figures may be off, or the system under test failed.
    Warning,
    /// Something broke.
    Error,
    /// Something broke, and the test cannot go on.
    Critical,
}

impl Severity {
    /// The name of the level in a JSON line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

/// The records of one kind that a derived recorder emits: the field that `#[record]` stands above.
#[derive(Clone, Debug)]
pub struct Records {
    name: Cow<'static, str>,
}

impl Records {
    /// Records of this name.
    #[must_use]
    pub const fn new(name: Cow<'static, str>) -> Self {
        Self { name }
    }

    /// A record without fields.
    #[must_use]
    pub fn at(&self, kind: RecordKind, time: Timestamp) -> Record {
        Record::new(kind, self.name.clone(), time)
    }
}

/// What a recorder says at one moment: a kind, a severity, fields.
#[derive(Clone, Debug)]
pub struct Record {
    /// When it happened.
    pub time: Timestamp,
    /// What it is.
    pub kind: RecordKind,
    /// Its name (`telemetry_name`).
    pub name: Cow<'static, str>,
    /// Its severity.
    pub severity: Severity,
    /// The Locust process that it is from; absent if it is about the whole run.
    pub source: Option<Arc<SourceInfo>>,
    /// A message for people, the body of a log record; absent if the name is enough.
    pub body: Option<String>,
    /// The span of the request or task that it is about.
    pub trace: Option<TraceContext>,
    /// Its own fields, in the order in which they are shown.
    pub fields: Vec<(Cow<'static, str>, Value)>,
}

impl Record {
    /// A record without fields.
    #[must_use]
    pub fn new(kind: RecordKind, name: impl Into<Cow<'static, str>>, time: Timestamp) -> Self {
        Self {
            time,
            kind,
            name: name.into(),
            severity: Severity::default(),
            source: None,
            body: None,
            trace: None,
            fields: Vec::new(),
        }
    }

    /// Sets the severity.
    #[must_use]
    pub const fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets the message.
    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets the request or task that it is about.
    #[must_use]
    pub const fn trace(mut self, trace: Option<TraceContext>) -> Self {
        self.trace = trace;
        self
    }

    /// Adds a field. A number that is not finite becomes null.
    #[must_use]
    pub fn field(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(have, _)| have == name).map(|(_, value)| value)
    }
}
