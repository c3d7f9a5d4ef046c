//! A checked recorder: everything that [`crate::expand`] needs.

use syn::{ExprClosure, Ident, Lit, Path, Type};

use crate::event::{EventField, EventKind};

pub(crate) struct Model<'a> {
    pub(crate) ident: &'a Ident,
    /// Where `ltel_core` is.
    pub(crate) krate: Path,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) scope: Option<String>,
    pub(crate) per_run: bool,
    /// Milliseconds between ticks.
    pub(crate) every: Option<u64>,
    pub(crate) options: Option<Type>,
    /// At least one, unless all fields are `on = Tick` or `on = Finish`.
    pub(crate) events: Vec<&'static EventKind>,
    pub(crate) when: Option<Closure>,
    pub(crate) each: Option<Closure>,
    /// The labels of the series. Constant ones are with the instruments.
    pub(crate) labels: Vec<(String, ValueSource)>,
    /// Fields of `ltel_core::recorder::Needs`.
    pub(crate) needs: Vec<&'static str>,
    pub(crate) instruments: Vec<Instrument<'a>>,
    pub(crate) records: Vec<RecordField<'a>>,
    pub(crate) state: Option<State<'a>>,
}

impl Model<'_> {
    /// The event argument of closures.
    pub(crate) fn most_arguments(&self) -> usize {
        let of_source = |source: &ValueSource| match source {
            ValueSource::Closure(closure) => closure.arity,
            _ => 0,
        };
        let of_closure = |closure: &Option<Closure>| closure.as_ref().map_or(0, |closure| closure.arity);
        let of_struct = [of_closure(&self.when), of_closure(&self.each)];
        let of_labels = self.labels.iter().map(|(_, source)| of_source(source));
        let of_instruments =
            self.instruments.iter().flat_map(|i| [of_closure(&i.when), i.value.as_ref().map_or(0, of_source)]);
        let of_records = self.records.iter().flat_map(|record| {
            record.fields.iter().map(|(_, source)| of_source(source)).chain([of_closure(&record.when)])
        });
        of_struct.into_iter().chain(of_labels).chain(of_instruments).chain(of_records).max().unwrap_or(0)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    UpDownCounter,
    Gauge,
    Histogram,
}

pub(crate) struct Instrument<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) kind: Kind,
    /// The metric's name, if it does not depend on the configuration.
    pub(crate) name: Option<String>,
    pub(crate) unit: String,
    pub(crate) description: String,
    pub(crate) buckets: Buckets,
    /// Constant labels of the struct and of the field.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) on: On,
    pub(crate) when: Option<Closure>,
    /// Absent for a counter that counts events.
    pub(crate) value: Option<ValueSource>,
}

pub(crate) enum Buckets {
    Fixed(Vec<f64>),
    Computed(Closure),
}

pub(crate) struct RecordField<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) name: Option<String>,
    pub(crate) description: String,
    pub(crate) severity: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) on: On,
    pub(crate) when: Option<Closure>,
    pub(crate) fields: Vec<(String, ValueSource)>,
}

pub(crate) struct State<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) init: Option<Closure>,
}

/// When a field records.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum On {
    Events(Vec<&'static EventKind>),
    Tick,
    Finish,
}

/// Where a value comes from.
pub(crate) enum ValueSource {
    /// A field of the event, for each kind of event that it may be.
    Field(Ident, Vec<(&'static EventKind, &'static EventField)>),
    Closure(Closure),
    Literal(Lit),
}

/// A closure over the event, the options and the context.
pub(crate) struct Closure {
    pub(crate) expr: ExprClosure,
    /// How many of these it takes, from 1.
    pub(crate) arity: usize,
}
