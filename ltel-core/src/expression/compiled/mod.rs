//! The compiled form of an expression: a tree of typed parts that reads fields where they are, and allocates nothing for
//! comparisons and tests. What it does not know, the interpreter of the crate `cel` evaluates. Its values are CEL's: tests
//! compare both forms over random expressions and events.

mod build;
mod operations;

use std::cmp::Ordering;

use regex::Regex;

use super::syntax::{Binary, Logic};
use super::{Fault, Value};
use crate::event::{Event, Field};

pub(super) use build::build;
use operations::{Number, arithmetic, compare, contains, convert, equal, key, negate, size};

/// A part of an expression.
#[derive(Debug)]
pub(super) enum Part {
    Constant(Value<'static>),
    Field(&'static Field),
    /// The item that a walk over a list has reached.
    Item,
    /// `operand.key`
    Select(Box<Part>, Box<str>, Missing),
    /// `operand[index]`
    Index(Box<(Part, Part)>, Missing),
    /// `has(operand.key)`
    Has(Box<Part>, Box<str>),
    Not(Box<Part>),
    Negate(Box<Part>),
    Logic(Logic, Box<[Part]>),
    Ternary(Box<(Part, Part, Part)>),
    /// Whether it is null, or is not.
    Null(Box<Part>, bool),
    /// Whether it equals a text, or does not.
    EqualsText(Box<Part>, Box<str>, bool),
    /// Whether it equals a number, or does not.
    EqualsNumber(Box<Part>, Number, bool),
    Equals(Box<(Part, Part)>, bool),
    /// Less, greater, ... than a number.
    CompareNumber(Order, Box<Part>, Number, Missing),
    Compare(Order, Box<(Part, Part)>, Missing),
    /// In a list of constants.
    InTexts(Box<Part>, Box<[Box<str>]>),
    InParts(Box<Part>, Box<[Part]>),
    In(Box<(Part, Part)>),
    Arithmetic(Binary, Box<(Part, Part)>, Missing),
    Size(Box<Part>),
    Convert(Conversion, Box<Part>),
    /// A test of a text with a constant.
    Test(TextTest, Box<Part>, Box<str>),
    TestWith(TextTest, Box<(Part, Part)>),
    Matches(Box<Part>, Box<Regex>),
    /// `list.exists(..)` for `||`, `list.all(..)` for `&&`.
    Walk(Logic, Box<Range>, Box<Part>),
}

/// What is said if a value is null or a key is missing. Made once: that may come with every event.
pub(super) type Missing = Fault;

/// What a walk goes over.
#[derive(Debug)]
pub(super) enum Range {
    Parts(Box<[Part]>),
    Value(Part),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    const fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

impl TextTest {
    fn holds(self, text: &str, part: &str) -> bool {
        match self {
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
            Self::Contains => text.contains(part),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Conversion {
    Int,
    Double,
    String,
    Bool,
}

/// What an expression is evaluated over.
#[derive(Clone, Copy)]
struct Scope<'s, 'a> {
    event: &'s Event<'a>,
    item: &'s Value<'a>,
}

impl Part {
    pub(super) fn evaluate<'a>(&'a self, event: &Event<'a>) -> Result<Value<'a>, Fault> {
        self.value(Scope { event, item: &Value::Null })
    }

    pub(super) fn holds(&self, event: &Event<'_>) -> Result<bool, Fault> {
        self.test(Scope { event, item: &Value::Null })
    }

    fn value<'a>(&'a self, scope: Scope<'_, 'a>) -> Result<Value<'a>, Fault> {
        Ok(match self {
            Self::Constant(value) => borrowed(value),
            Self::Field(field) => field.read(scope.event),
            Self::Item => scope.item.clone(),
            Self::Select(operand, name, missing) => key(operand.value(scope)?, name, missing)?,
            Self::Index(operands, missing) => {
                operations::index(operands.0.value(scope)?, &operands.1.value(scope)?, missing)?
            }
            Self::Ternary(parts) => {
                let part = if parts.0.test(scope)? { &parts.1 } else { &parts.2 };
                part.value(scope)?
            }
            Self::Negate(operand) => negate(&operand.value(scope)?)?,
            Self::Arithmetic(operator, operands, missing) => {
                arithmetic(*operator, operands.0.value(scope)?, operands.1.value(scope)?, missing)?
            }
            Self::Size(operand) => size(&operand.value(scope)?)?,
            Self::Convert(conversion, operand) => convert(*conversion, operand.value(scope)?)?,
            _ => Value::Bool(self.test(scope)?),
        })
    }

    /// Its value where a condition must be.
    fn test(&self, scope: Scope<'_, '_>) -> Result<bool, Fault> {
        match self {
            Self::Logic(logic, operands) => decide(*logic, operands.iter().map(|operand| operand.test(scope))),
            Self::Not(operand) => Ok(!operand.test(scope)?),
            Self::Null(operand, is) => Ok(matches!(operand.value(scope)?, Value::Null) == *is),
            Self::EqualsText(operand, text, is) => {
                Ok(matches!(operand.value(scope)?, Value::String(have) if *have == **text) == *is)
            }
            Self::EqualsNumber(operand, number, is) => {
                Ok((number.order(&operand.value(scope)?) == Some(Ordering::Equal)) == *is)
            }
            Self::Equals(operands, is) => Ok(equal(&operands.0.value(scope)?, &operands.1.value(scope)?) == *is),
            Self::CompareNumber(order, operand, number, missing) => {
                let value = operand.value(scope)?;
                match number.order(&value) {
                    Some(ordering) => Ok(order.holds(ordering)),
                    None => Err(operations::no_order(&value, &Value::Int(0), missing)),
                }
            }
            Self::Compare(order, operands, missing) => {
                let (left, right) = (operands.0.value(scope)?, operands.1.value(scope)?);
                match compare(&left, &right) {
                    Some(ordering) => Ok(order.holds(ordering)),
                    None => Err(operations::no_order(&left, &right, missing)),
                }
            }
            Self::InTexts(operand, texts) => match operand.value(scope)? {
                Value::String(text) => Ok(texts.iter().any(|have| **have == *text)),
                _ => Ok(false),
            },
            Self::InParts(operand, parts) => {
                let value = operand.value(scope)?;
                let mut found = false;
                // CEL makes the list first: a fault in it is one of the whole.
                for part in parts {
                    found |= equal(&part.value(scope)?, &value);
                }
                Ok(found)
            }
            Self::In(operands) => contains(&operands.1.value(scope)?, &operands.0.value(scope)?),
            Self::Has(operand, name) => operations::has(&operand.value(scope)?, name),
            Self::Test(test, operand, part) => match operand.value(scope)? {
                Value::String(have) => Ok(test.holds(&have, part)),
                other => Err(no_text(&other)),
            },
            Self::TestWith(test, operands) => match (operands.0.value(scope)?, operands.1.value(scope)?) {
                (Value::String(have), Value::String(part)) => Ok(test.holds(&have, &part)),
                (Value::String(_), other) | (other, _) => Err(no_text(&other)),
            },
            Self::Matches(operand, regex) => match operand.value(scope)? {
                Value::String(text) => Ok(regex.is_match(&text)),
                other => Err(no_text(&other)),
            },
            Self::Walk(logic, range, body) => walk(*logic, range, body, scope),
            Self::Ternary(parts) => if parts.0.test(scope)? { &parts.1 } else { &parts.2 }.test(scope),
            other => match other.value(scope)? {
                Value::Bool(holds) => Ok(holds),
                other => Err(no_condition(&other)),
            },
        }
    }
}

/// Joins conditions: a fault counts only if no other decides.
fn decide(logic: Logic, results: impl Iterator<Item = Result<bool, Fault>>) -> Result<bool, Fault> {
    let decides = logic == Logic::Or;
    let mut fault = None;
    for result in results {
        match result {
            Ok(holds) if holds == decides => return Ok(decides),
            Ok(_) => {}
            Err(first) => {
                fault.get_or_insert(first);
            }
        }
    }
    fault.map_or(Ok(!decides), Err)
}

fn walk(logic: Logic, range: &Range, body: &Part, scope: Scope<'_, '_>) -> Result<bool, Fault> {
    let test = |item: &Value<'_>| body.test(Scope { item, event: scope.event });
    match range {
        Range::Parts(parts) => {
            let items = parts.iter().map(|part| part.value(scope)).collect::<Result<Vec<_>, _>>()?;
            decide(logic, items.iter().map(test))
        }
        Range::Value(part) => {
            let value = part.value(scope)?;
            match operations::items(&value) {
                Some(items) => decide(logic, items.map(|item| test(&item))),
                None => Err(Fault::new(format!("{} has no items", operations::a(&value)))),
            }
        }
    }
}

/// A constant without a copy of its text.
fn borrowed<'a>(value: &'a Value<'static>) -> Value<'a> {
    match value {
        Value::String(text) => Value::from(text.as_ref()),
        other => other.clone(),
    }
}

fn no_text(value: &Value<'_>) -> Fault {
    // Without an allocation: null is what comes with many events.
    Fault::of(match value.type_name() {
        "null" => "null is not a text",
        "int" | "double" => "a number is not a text",
        "bool" => "a bool is not a text",
        "list" => "a list is not a text",
        _ => "a map is not a text",
    })
}

pub(super) fn no_condition(value: &Value<'_>) -> Fault {
    Fault::of(match value.type_name() {
        "null" => "it is null, not true or false",
        "int" | "double" => "it is a number, not true or false",
        "string" => "it is a text, not true or false",
        "list" => "it is a list, not true or false",
        _ => "it is a map, not true or false",
    })
}
