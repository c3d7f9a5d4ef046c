//! A checked recorder: everything that [`crate::expand`] needs.

use std::fmt;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, Ident, Lit, Path, Type};

use crate::event::{EventField, EventKind};

pub(crate) struct Model<'a> {
    pub(crate) ident: &'a Ident,
    /// Where `ltel_core` is.
    pub(crate) krate: Path,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) scope: Option<Name>,
    pub(crate) per_run: bool,
    /// Milliseconds between ticks.
    pub(crate) every: Option<u64>,
    pub(crate) options: Option<Type>,
    /// No event is in two of them.
    pub(crate) groups: Vec<Group>,
    /// The labels of all series. Constant ones are with the instruments.
    pub(crate) labels: Vec<Name>,
    /// Fields of `ltel_core::recorder::Needs`, with a closure over the options, or a number for `logs`.
    pub(crate) needs: Vec<(&'static str, Option<ValueSource>)>,
    pub(crate) instruments: Vec<Instrument<'a>>,
    pub(crate) records: Vec<RecordField<'a>>,
    pub(crate) state: Option<State<'a>>,
}

/// What the recorder does at some events, at a tick or at the end of the run.
pub(crate) struct Group {
    pub(crate) on: On,
    pub(crate) when: Option<Closure>,
    pub(crate) each: Option<Closure>,
    pub(crate) observe: Option<Closure>,
    pub(crate) labels: Vec<Label>,
}

impl Group {
    pub(crate) fn new(on: On) -> Self {
        Self { on, when: None, each: None, observe: None, labels: Vec::new() }
    }
}

/// A label of some series: its name by its place in [`Model::labels`].
pub(crate) struct Label {
    pub(crate) column: usize,
    pub(crate) source: ValueSource,
}

/// The name of a metric, a record, a label or a field.
#[derive(Clone)]
pub(crate) enum Name {
    Text(String),
    /// A constant that the macro cannot read; the compiler checks its value.
    Constant(Path),
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        let is_text = |name: &Self| matches!(name, Self::Text(_));
        is_text(self) == is_text(other) && self.to_string() == other.to_string()
    }
}

impl ToTokens for Name {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Text(text) => text.to_tokens(tokens),
            Self::Constant(path) => path.to_tokens(tokens),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Constant(path) => f.write_str(&path.to_token_stream().to_string().replace(' ', "")),
        }
    }
}

/// When a field records: all or a part of the group's events.
pub(crate) struct Occasion {
    pub(crate) group: usize,
    pub(crate) on: On,
    pub(crate) when: Option<Closure>,
    /// Items that take the event's place for this field.
    pub(crate) each: Option<Closure>,
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
    pub(crate) name: Option<Name>,
    pub(crate) unit: String,
    pub(crate) description: String,
    pub(crate) buckets: Buckets,
    /// Constant labels of the struct and of the field.
    pub(crate) attributes: Vec<(Name, String)>,
    /// Labels of its own series.
    pub(crate) labels: Vec<Label>,
    pub(crate) occasions: Vec<Occasion>,
    /// Absent for a counter that counts events.
    pub(crate) value: Option<ValueSource>,
}

#[derive(Default)]
pub(crate) struct Buckets {
    /// A list or a constant; absent for kinds without buckets, or if only the options have them.
    pub(crate) fixed: Option<TokenStream>,
    /// A closure over the options.
    pub(crate) computed: Option<Closure>,
}

pub(crate) struct RecordField<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) name: Option<Name>,
    pub(crate) description: String,
    pub(crate) severity: Severity,
    pub(crate) kind: &'static str,
    pub(crate) occasions: Vec<Occasion>,
    pub(crate) body: Option<ValueSource>,
    pub(crate) fields: Vec<(Name, ValueSource)>,
}

pub(crate) enum Severity {
    Fixed(&'static str),
    Computed(Closure),
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

impl On {
    /// No events at a tick and at the end.
    pub(crate) fn events(&self) -> &[&'static EventKind] {
        match self {
            Self::Events(events) => events,
            Self::Tick | Self::Finish => &[],
        }
    }

    /// What is in both.
    pub(crate) fn shared(&self, other: &Self) -> Option<&'static str> {
        match (self, other) {
            (Self::Tick, Self::Tick) => Some("Tick"),
            (Self::Finish, Self::Finish) => Some("Finish"),
            _ => self.events().iter().find(|kind| other.events().contains(kind)).map(|kind| kind.name),
        }
    }
}

/// Where a value comes from.
pub(crate) enum ValueSource {
    /// A field of the event, for each kind of event that it may be.
    Field(Ident, Vec<(&'static EventKind, &'static EventField)>),
    Closure(Closure),
    Literal(Lit),
}

/// A closure, or the path of a function.
pub(crate) struct Closure {
    pub(crate) expr: Expr,
    pub(crate) takes: Takes,
}

/// The arguments of a closure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Event,
    EventOptions,
    EventOptionsMoment,
    EventMoment,
    Options,
}
