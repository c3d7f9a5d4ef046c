//! Expressions of a configuration, in [CEL](https://cel.dev): conditions, labels and values over the fields of an event. They
//! are checked and compiled when the configuration is read.

mod value;
mod token;
mod syntax;
mod habits;
mod types;
mod check;
mod interpreter;

use std::fmt;
use std::ops::Range;

use thiserror::Error;

use crate::event::{Event, EventKind, Field};
use crate::recorder::Needs;

pub use value::Value;

use interpreter::Interpreter;

/// What an expression is used for: its value must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A condition: true or false.
    Condition,
    /// A label: a text, a whole number or a bool.
    Label,
    /// A number that an instrument records.
    Number,
    /// A field of a record: anything.
    Field,
}

/// A mistake in an expression.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct ExpressionError {
    /// Where it is, in bytes of the expression's text.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl ExpressionError {
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    /// Adds help: what would be right.
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Why an expression has no value for an event.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Fault(pub(crate) String);

/// An expression over the fields of one kind of event.
pub struct Expression {
    text: String,
    needs: Needs,
    form: Interpreter,
}

impl Expression {
    /// Checks and compiles an expression. Returns all mistakes at once.
    pub fn compile(text: &str, on: EventKind, purpose: Purpose) -> Result<Self, Vec<ExpressionError>> {
        let node = syntax::parse(text)?;
        let fields = check::check(text, &node, on, purpose)?;
        let form = Interpreter::compile(text, &fields)?;
        let needs = fields.iter().fold(Needs::NONE, |needs, field: &&Field| needs.and(field.needs));
        Ok(Self { text: text.to_owned(), needs, form })
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What makes Locust send the fields that it reads.
    #[must_use]
    pub const fn needs(&self) -> Needs {
        self.needs
    }

    /// Its value, if it reads no field.
    #[must_use]
    pub fn constant(&self) -> Option<Value<'_>> {
        None
    }

    /// Its value for an event of its kind.
    pub fn evaluate<'a>(&'a self, event: &Event<'a>) -> Result<Value<'a>, Fault> {
        self.form.evaluate(event)
    }

    /// Whether a condition holds for an event of its kind.
    pub fn holds(&self, event: &Event<'_>) -> Result<bool, Fault> {
        match self.evaluate(event)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(Fault(format!("it is {}, not true or false", other.type_name()))),
        }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.text)
    }
}
