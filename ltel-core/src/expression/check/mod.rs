//! Checks an expression: the names of fields and functions, and the types. All mistakes are found at once: a part with a
//! mistake has a type that fits everywhere.

mod operators;
mod calls;
mod purpose;

use std::ops::Range;

use super::syntax::{Binary, Literal, Node, NodeKind, Word};
use super::types::{ERROR_FIELDS, Type};
use super::{ExpressionError, Purpose};
use crate::event::{EventKind, Field, FieldType};
use crate::text::{did_you_mean, list, shortened};

/// Called as `text.name(text)`, and true or false.
pub(super) const TEXT_TESTS: &[&str] = &["startsWith", "endsWith", "contains", "matches"];

/// Called as `name(value)`.
const CONVERSIONS: &[&str] = &["int", "uint", "double", "string", "bool", "bytes", "type", "dyn"];

/// Names of types, as `type(value)` gives them.
const TYPES: &[&str] = &["int", "uint", "double", "string", "bool", "bytes", "list", "map", "null_type", "type"];

/// Called as `list.name(item, ..)`; `has(map.key)` is one too.
pub(super) const MACROS: &[&str] = &["all", "exists", "exists_one", "existsOne", "filter", "map"];

/// What is known of an expression without mistakes.
pub(super) struct Checked {
    /// The fields that it reads.
    pub(super) fields: Vec<&'static Field>,
    pub(super) value_type: Type,
}

/// Finds all mistakes in an expression.
pub(super) fn check(text: &str, node: &Node, on: EventKind, purpose: Purpose) -> Result<Checked, Vec<ExpressionError>> {
    let mut check =
        Check { text, on, locals: Vec::new(), in_macro: false, patterns: 0, fields: Vec::new(), errors: Vec::new() };
    let value = check.type_of(node);
    if check.errors.is_empty() {
        check.fits(node, &value, purpose);
    }
    if !check.errors.is_empty() {
        check.errors.sort_by_key(|error| error.span.start);
        return Err(check.errors);
    }
    Ok(Checked { fields: check.fields, value_type: value })
}

struct Check<'a> {
    text: &'a str,
    on: EventKind,
    // The variables of macros, innermost last.
    locals: Vec<(&'a str, Type)>,
    in_macro: bool,
    patterns: usize,
    fields: Vec<&'static Field>,
    errors: Vec<ExpressionError>,
}

impl<'a> Check<'a> {
    fn error(&mut self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Type {
        self.errors.push(ExpressionError::new(span.clone(), message).help(help));
        Type::Dyn
    }

    /// What is written for a part.
    fn typed(&self, node: &Node) -> String {
        shortened(&self.text[node.span.clone()], 60).to_string()
    }

    fn type_of(&mut self, node: &'a Node) -> Type {
        match &node.kind {
            NodeKind::Literal(literal) => literal_type(literal),
            NodeKind::Name(name) => self.name(name, &node.span),
            NodeKind::List(items) => {
                let mut types = items.iter().map(|item| self.type_of(item)).collect::<Vec<_>>().into_iter();
                let first = types.next().unwrap_or(Type::Dyn);
                Type::List(Box::new(types.fold(first, Type::join)))
            }
            NodeKind::Map(entries) => {
                let mut values = None::<Type>;
                for (key, value) in entries {
                    let key_type = self.type_of(key);
                    if matches!(key_type, Type::Double | Type::Null | Type::List(_) | Type::Map(_) | Type::Error) {
                        let message = format!("a key of a map cannot be {}", key_type.described());
                        self.error(&key.span, message, "write keys as texts, whole numbers or bools");
                    }
                    let value = self.type_of(value);
                    values = Some(values.map_or(value.clone(), |values| values.join(value)));
                }
                Type::Map(Box::new(values.unwrap_or(Type::Dyn)))
            }
            NodeKind::Select(operand, field) => self.select(operand, field),
            NodeKind::Index(operand, index) => self.index(operand, index),
            NodeKind::Call(call) => self.call(call),
            NodeKind::Not(operand) => {
                let operand_type = self.type_of(operand);
                self.must_be_bool(operand, &operand_type, "`!` negates a condition");
                Type::Bool
            }
            NodeKind::Negate(operand) => match self.type_of(operand) {
                number @ (Type::Int | Type::Double | Type::Dyn) => number,
                other => {
                    let message = format!("`-` needs a number, but `{}` is {}", self.typed(operand), other.described());
                    self.error(&operand.span, message, number_help(&other, &self.typed(operand)))
                }
            },
            NodeKind::Logic(logic, operands) => {
                let mut compared = None;
                for operand in operands {
                    let operand_type = self.type_of(operand);
                    let before = self.errors.len();
                    self.must_be_bool(operand, &operand_type, &format!("`{}` joins conditions", logic.sign()));
                    let typed = self.typed(operand);
                    // `method == "GET" || "POST"`
                    if let (Some(beside), NodeKind::Literal(_)) = (&compared, &operand.kind)
                        && let Some(error) = self.errors.get_mut(before)
                    {
                        error.help = Some(format!("write the whole comparison: `{beside} {typed}`"));
                    }
                    if let NodeKind::Binary(sign @ (Binary::Equal | Binary::NotEqual), sides) = &operand.kind {
                        compared = Some(format!("{} {}", self.typed(&sides.0), sign.sign()));
                    }
                }
                Type::Bool
            }
            NodeKind::Binary(operator, operands) => self.binary(*operator, &operands.0, &operands.1, node),
            NodeKind::Ternary(parts) => {
                let (condition, then, or_else) = &**parts;
                let condition_type = self.type_of(condition);
                self.must_be_bool(condition, &condition_type, "a condition stands before `?`");
                self.type_of(then).join(self.type_of(or_else))
            }
        }
    }

    fn name(&mut self, name: &'a str, span: &Range<usize>) -> Type {
        if let Some((_, local)) = self.locals.iter().rev().find(|(local, _)| *local == name) {
            return local.clone();
        }
        let Some(field) = self.on.field(name) else {
            if TYPES.contains(&name) {
                return Type::Meta;
            }
            let (message, help) = self.unknown(name);
            return self.error(span, message, help);
        };
        if !self.fields.iter().any(|have| have.name == field.name) {
            self.fields.push(field);
        }
        Type::of_field(field.field_type)
    }

    fn unknown(&self, name: &str) -> (String, String) {
        let names = || self.on.fields().iter().map(|field| field.name);
        let message = format!("`{}` has no field `{name}`", self.on.name());
        let locals = self.locals.iter().map(|(name, _)| *name);
        let help = if name == self.on.name() || name == "event" {
            format!("write the field alone: {}", list(names()))
        } else if let Some(near) = did_you_mean(name, names().chain(locals)) {
            format!("did you mean `{near}`?")
        } else if TEXT_TESTS.contains(&name) || name == "size" || name == "has" {
            format!("`{name}` is a function: write `{}`", usage(name))
        } else {
            let own = self.on.fields().iter().find(|field| field.field_type == FieldType::Map);
            let own = own.map(|field| format!("; what the locustfile gives is in `{0}`: `{0}.{name}`", field.name));
            format!("its fields are {}{}", list(names()), own.unwrap_or_default())
        };
        (message, help)
    }

    fn select(&mut self, operand: &'a Node, field: &Word) -> Type {
        // `request.name`: the event itself is no value.
        if let NodeKind::Name(name) = &operand.kind
            && (name == self.on.name() || name == "event")
            && self.on.field(name).is_none()
            && !self.locals.iter().any(|(local, _)| local == name)
            && self.on.field(&field.text).is_some()
        {
            let span = operand.span.start..field.span.end;
            let message = format!("`{}` has no field `{name}`", self.on.name());
            return self.error(&span, message, format!("write the field alone: `{}`", field.text));
        }
        match self.type_of(operand) {
            Type::Dyn => Type::Dyn,
            Type::Map(values) => *values,
            Type::Error if ERROR_FIELDS.contains(&field.text.as_str()) => Type::String,
            Type::Error => {
                let message = format!("`{}` has no field `{}`", self.typed(operand), field.text);
                let help = match did_you_mean(&field.text, ERROR_FIELDS.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "its fields are `class`, such as `HTTPError`, and `text`".to_owned(),
                };
                self.error(&field.span, message, help)
            }
            other => {
                let typed = self.typed(operand);
                let message = format!("`{typed}` is {}, and has no fields", other.described());
                let name = &field.text;
                let counts = matches!(name.as_str(), "size" | "length" | "len" | "count");
                let help = if counts {
                    format!("write `size({typed})`")
                } else if TEXT_TESTS.contains(&name.as_str()) {
                    format!("call the function: `{typed}.{name}(\"...\")`")
                } else if other == Type::String && ERROR_FIELDS.contains(&name.as_str()) {
                    format!("`{typed}` is the text itself: `{typed}.contains(\"...\")`")
                } else {
                    "only maps and errors have fields, such as `context.key` and `error.class`".to_owned()
                };
                self.error(&field.span, message, help)
            }
        }
    }

    fn index(&mut self, operand: &'a Node, index: &'a Node) -> Type {
        let (operand_type, index_type) = (self.type_of(operand), self.type_of(index));
        let (values, fits, expected) = match operand_type {
            Type::Dyn => return Type::Dyn,
            Type::List(items) => (*items, index_type.is_number(), "a whole number, from 0"),
            Type::Map(values) => {
                // A map that the expression itself makes may have other keys than texts.
                let fits = matches!(index_type, Type::String | Type::Dyn) || is_made(operand);
                (*values, fits, "a text in quotes")
            }
            Type::Error => (Type::String, matches!(index_type, Type::String | Type::Dyn), "\"class\" or \"text\""),
            other => {
                let message = format!("`{}` is {}, and has no parts", self.typed(operand), other.described());
                let help = "only lists and maps have parts, such as `context[\"key\"]`";
                return self.error(&operand.span, message, help);
            }
        };
        if !fits {
            let message = format!(
                "`{}` has no part `{}`: it is {}",
                self.typed(operand),
                self.typed(index),
                index_type.described()
            );
            return self.error(&index.span, message, format!("write {expected}"));
        }
        values
    }
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::UInt => Type::UInt,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes => Type::Bytes,
    }
}

/// Whether a map or list is made by the expression.
fn is_made(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Map(_) | NodeKind::List(_))
}

/// How a condition is made of a value.
fn condition_help(value: &Type, typed: &str) -> String {
    match value {
        Type::Int | Type::UInt => format!("compare it: `{typed} != 0`"),
        Type::Double => format!("compare it: `{typed} > 0.0`"),
        Type::String => format!("compare it: `{typed} != \"\"`"),
        Type::Error => format!("whether there is one says `{typed} != null`"),
        Type::List(_) | Type::Map(_) => format!("compare how many it has: `size({typed}) > 0`"),
        _ => "write a comparison, such as `status_code == 200`".to_owned(),
    }
}

/// How a number is made of a value.
fn number_help(value: &Type, typed: &str) -> String {
    match value {
        Type::String => format!("read the number in it: `double({typed})`; how long it is says `size({typed})`"),
        Type::Bool => format!("write `{typed} ? 1 : 0`"),
        Type::List(_) | Type::Map(_) => format!("write how many it has: `size({typed})`"),
        Type::Error => "count with a condition: `error != null ? 1 : 0`".to_owned(),
        _ => "write a number or a field with a number".to_owned(),
    }
}

/// How a function is called.
fn usage(name: &str) -> String {
    match name {
        "startsWith" | "endsWith" | "contains" => format!("name.{name}(\"...\")"),
        "matches" => "name.matches(\"^/item/[0-9]+$\")".to_owned(),
        "has" => "has(context.key)".to_owned(),
        "map" | "filter" | "all" | "exists" | "exists_one" | "existsOne" => {
            let body = if name == "map" { "item + 1" } else { "item > 1" };
            format!("[1, 2].{name}(item, {body})")
        }
        _ => format!("{name}(value)"),
    }
}
