//! Expressions of a configuration, in [CEL](https://cel.dev): conditions, labels and values over the fields of an event. They
//! are checked and compiled when the configuration is read.

mod value;
mod token;
mod syntax;
mod habits;
mod types;
mod check;
mod compiled;
mod written;
mod interpreter;
mod fault;

use std::fmt;
use std::ops::Range;

use thiserror::Error;

use crate::event::{Event, EventKind, Field, TestStop};
use crate::recorder::Needs;

pub use fault::Fault;
pub use value::Value;
pub use written::{Entries, Written};

use check::Checked;
use compiled::Part;
use interpreter::Interpreter;
use types::Type;

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

/// An expression over the fields of one kind of event.
pub struct Expression {
    text: String,
    needs: Needs,
    is_whole: bool,
    constant: Option<Value<'static>>,
    form: Form,
}

enum Form {
    Compiled(Part),
    Interpreted(Box<Interpreter>),
}

impl Expression {
    /// Checks and compiles an expression. Returns all mistakes at once.
    pub fn compile(text: &str, on: EventKind, purpose: Purpose) -> Result<Self, Vec<ExpressionError>> {
        Self::made(text, on, purpose, true)
    }

    /// As [`Expression::compile`], but for the interpreter alone. Its values and faults are the same; tests compare them.
    #[doc(hidden)]
    pub fn interpret(text: &str, on: EventKind, purpose: Purpose) -> Result<Self, Vec<ExpressionError>> {
        Self::made(text, on, purpose, false)
    }

    fn made(text: &str, on: EventKind, purpose: Purpose, compiled: bool) -> Result<Self, Vec<ExpressionError>> {
        let node = syntax::parse(text)?;
        let Checked { fields, value_type } = check::check(text, &node, on, purpose)?;
        let part = if compiled { compiled::build(text, &node, on) } else { None };
        let form = match part {
            Some(part) => Form::Compiled(part),
            None => Form::Interpreted(Box::new(Interpreter::compile(text, &node, &fields)?)),
        };
        let needs = fields.iter().fold(Needs::NONE, |needs, field: &&Field| needs.and(field.needs));
        let is_whole = matches!(value_type, Type::Int | Type::UInt);
        let mut expression = Self { text: text.to_owned(), needs, is_whole, constant: None, form };
        if fields.is_empty() {
            // No event changes it.
            let constant = expression.evaluate(&Event::TestStop(&TestStop::default())).map(Value::into_owned);
            expression.constant = Some(constant.map_err(|fault| {
                let error = ExpressionError::new(node.span.clone(), format!("this never has a value: {fault}"));
                vec![error.help("write the value itself, or a field")]
            })?);
        }
        Ok(expression)
    }

    /// The names that an expression reads, in the order of its text; `None` if it does not parse.
    #[must_use]
    pub fn names(text: &str) -> Option<Vec<String>> {
        Some(syntax::parse(text).ok()?.names())
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

    /// Whether all of its values are whole numbers or null.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether it runs without the interpreter.
    #[doc(hidden)]
    #[must_use]
    pub const fn is_compiled(&self) -> bool {
        matches!(self.form, Form::Compiled(_))
    }

    /// Its value, if it reads no field.
    #[must_use]
    pub const fn constant(&self) -> Option<&Value<'static>> {
        self.constant.as_ref()
    }

    /// Its value for an event of its kind.
    #[inline]
    pub fn evaluate<'a>(&'a self, event: &Event<'a>) -> Result<Value<'a>, Fault> {
        match &self.form {
            Form::Compiled(part) => part.evaluate(event),
            Form::Interpreted(interpreter) => interpreter.evaluate(event),
        }
    }

    /// Whether a condition holds for an event of its kind.
    #[inline]
    pub fn holds(&self, event: &Event<'_>) -> Result<bool, Fault> {
        match &self.form {
            Form::Compiled(part) => part.holds(event),
            Form::Interpreted(interpreter) => match interpreter.evaluate(event)? {
                Value::Bool(holds) => Ok(holds),
                other => Err(compiled::no_condition(&other)),
            },
        }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.text)
    }
}
