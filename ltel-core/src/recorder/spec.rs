//! What a recorder emits and needs, as constants.

use crate::event::EventKind;
use crate::name::{ends_metric_names, is_metric_name};
use crate::wire::{Features, TraceFeatures};

/// What a recorder emits. Constant, so that it can be listed without running anything.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The recorder's type in the configuration, in `snake_case`.
    pub name: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// The instrumentation scope (meter) of its instruments.
    pub scope: &'static str,
    /// The kinds of events that it is about: the keys `when` and `labels` of its table can use their fields. It may see others.
    pub events: &'static [EventKind],
    /// Whether each Locust process has its own series.
    pub per: Per,
    /// The labels of its series, in the order of the values given to [`Context::series`](super::Context::series).
    pub labels: &'static [&'static str],
    /// Its instruments.
    pub instruments: &'static [InstrumentSpec],
    /// Its records.
    pub records: &'static [RecordSpec],
    /// Its spans.
    pub spans: &'static [SpanSpec],
    /// What it needs of Locust beyond the plain events.
    pub needs: Needs,
}

/// Whether each source of a run has its own series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Per {
    /// Each Locust process has its own series, with the labels `source` and `source_id`.
    #[default]
    Source,
    /// The processes of a run share their series.
    Run,
}

/// What a recorder needs of Locust beyond the plain events. All recorders' needs together make the [`Features`] that
/// ltel asks the plugin for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // each is a switch of its own
pub struct Needs {
    /// Regular [`crate::event::Usage`] events.
    pub usage: bool,
    /// [`crate::event::Extra::url`].
    pub url: bool,
    /// [`crate::event::Extra::user_class`].
    pub user_class: bool,
    /// [`crate::event::Extra::context`].
    pub context: bool,
    /// [`crate::event::Extra::request_length`].
    pub request_length: bool,
    /// [`crate::event::Event::Task`]: each execution of a task, also without traces.
    pub tasks: bool,
    /// [`crate::event::Event::Measurement`]: the values of the locustfile's own metrics.
    pub measurements: bool,
    /// [`crate::event::Event::Log`] from this level on, by its number in Python: 10 for `DEBUG` to 50 for `CRITICAL`.
    pub logs: Option<u32>,
    /// [`crate::event::Request::trace`], with [`crate::event::Extra::url`] and [`crate::event::Extra::user_class`] of each
    /// request with trace ids. There is one setting for the whole configuration: Locust decides once for all recorders.
    pub trace: Option<TraceFeatures>,
}

impl Needs {
    /// Only the plain events.
    pub const NONE: Self = Self {
        usage: false,
        url: false,
        user_class: false,
        context: false,
        request_length: false,
        tasks: false,
        measurements: false,
        logs: None,
        trace: None,
    };

    /// The needs of both.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self {
            usage: self.usage || more.usage,
            url: self.url || more.url,
            user_class: self.user_class || more.user_class,
            context: self.context || more.context,
            request_length: self.request_length || more.request_length,
            tasks: self.tasks || more.tasks,
            measurements: self.measurements || more.measurements,
            logs: match (self.logs, more.logs) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            trace: match (self.trace, more.trace) {
                (Some(a), Some(b)) => Some(a.and(b)),
                (a, b) => a.or(b),
            },
        }
    }

    /// What the plugin is asked to send. How often it sends its usage is not decided here.
    #[must_use]
    pub fn features(self) -> Features {
        Features {
            url: self.url,
            user_class: self.user_class,
            context: self.context,
            request_length: self.request_length,
            tasks: self.tasks,
            measurements: self.measurements,
            logs: self.logs,
            trace: self.trace,
            ..Features::default()
        }
    }
}

/// One instrument of a recorder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InstrumentSpec {
    /// The field of the recorder that holds it.
    pub field: &'static str,
    /// Its name; if absent, `<name of the recorder's table>.<field>`.
    pub name: Option<&'static str>,
    /// Its kind.
    pub kind: InstrumentKind,
    /// Its unit, in UCUM: `ms`, `By`, `1`, `{request}`.
    pub unit: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// A histogram's upper bounds, ascending, in its unit.
    pub buckets: &'static [f64],
    /// Labels with the same value on all its points.
    pub attributes: &'static [(&'static str, &'static str)],
}

impl InstrumentSpec {
    /// An instrument without buckets and constant labels, named after its field.
    ///
    /// # Panics
    /// If the name of a metric cannot end with the field; in a constant, this is a compile error.
    #[must_use]
    pub const fn new(field: &'static str, kind: InstrumentKind, unit: &'static str, description: &'static str) -> Self {
        assert!(
            ends_metric_names(field),
            "invalid field name of an instrument: use ASCII letters, digits, `_`, `.`, `-` and `/`, at most 55"
        );
        Self { field, name: None, kind, unit, description, buckets: &[], attributes: &[] }
    }

    /// Gives it a name that does not depend on the configuration.
    ///
    /// # Panics
    /// If OpenTelemetry does not allow the name ([`is_metric_name`]): in a constant, this is a compile error.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        assert!(
            is_metric_name(name),
            "invalid metric name: use ASCII letters, digits, `_`, `.`, `-` and `/`, starting with a letter"
        );
        self.name = Some(name);
        self
    }

    /// Sets a histogram's upper bounds.
    #[must_use]
    pub const fn buckets(mut self, buckets: &'static [f64]) -> Self {
        self.buckets = buckets;
        self
    }

    /// Sets labels with the same value on all its points.
    #[must_use]
    pub const fn attributes(mut self, attributes: &'static [(&'static str, &'static str)]) -> Self {
        self.attributes = attributes;
        self
    }

    /// The instrument's name in a recorder instance.
    #[must_use]
    pub fn full_name(&self, instance: &str) -> String {
        self.name.map_or_else(|| format!("{instance}.{}", self.field), str::to_owned)
    }
}

/// The kinds of instruments, as in OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstrumentKind {
    /// Only grows.
    Counter,
    /// Grows and shrinks by differences.
    UpDownCounter,
    /// The last value.
    Gauge,
    /// A distribution.
    Histogram,
}

impl InstrumentKind {
    /// Its display name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "up-down counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One kind of record that a recorder emits.
#[derive(Clone, Copy, Debug)]
pub struct RecordSpec {
    /// Its name (`telemetry_name`).
    pub name: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// The fields that it can carry besides the context, with variable parts of names in `{}`: `percentile_{p}`.
    pub fields: &'static [&'static str],
}

/// One kind of span that a recorder emits.
#[derive(Clone, Copy, Debug)]
pub struct SpanSpec {
    /// Its name, with variable parts in `{}`.
    pub name: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// The attributes it can have.
    pub attributes: &'static [&'static str],
}
