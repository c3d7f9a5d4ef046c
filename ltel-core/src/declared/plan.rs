//! What a declared recorder does, checked and compiled.

use crate::event::EventKind;
use crate::expression::Expression;
use crate::record::{RecordKind, Severity};
use crate::recorder::Spec;

/// What a declared recorder does.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) spec: &'static Spec,
    pub(super) on: EventKind,
    /// Of log messages, those from this level on, by its number in Python.
    pub(super) level: u32,
    /// In the order of the instruments of the spec.
    pub(super) metrics: Vec<MetricPlan>,
    /// In the order of the records of the spec.
    pub(super) records: Vec<RecordPlan>,
}

/// When an instrument records, and what.
#[derive(Debug)]
pub(super) struct MetricPlan {
    pub(super) when: Option<Expression>,
    /// What it records; if absent, each event counts as 1.
    pub(super) value: Option<Expression>,
    /// Whether all of its values are whole numbers.
    pub(super) whole: bool,
}

/// When a record is emitted, and what it holds.
#[derive(Debug)]
pub(super) struct RecordPlan {
    pub(super) when: Option<Expression>,
    pub(super) severity: Severity,
    pub(super) kind: RecordKind,
    /// What its name ends with, after that of the recorder's table; absent if it has a name of its own.
    pub(super) field: Option<String>,
    pub(super) fields: Vec<(&'static str, Source)>,
}

/// Where the value of a record's field comes from.
#[derive(Debug)]
pub(super) enum Source {
    Expression(Expression),
    Constant(serde_json::Value),
}
