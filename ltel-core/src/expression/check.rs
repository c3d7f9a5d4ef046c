//! Checks an expression: the names of fields and functions, and the types. All mistakes are found at once: a part with a
//! mistake has a type that fits everywhere.

use std::ops::Range;

use regex::Regex;

use super::syntax::{Binary, Call, Literal, Node, NodeKind, Word};
use super::types::{ERROR_FIELDS, Type};
use super::{ExpressionError, Purpose, habits};
use crate::event::{EventKind, Field};
use crate::text::{did_you_mean, shortened};

/// Called as `text.name(text)`, and true or false.
pub(super) const TEXT_TESTS: &[&str] = &["startsWith", "endsWith", "contains", "matches"];

/// Called as `name(value)`.
const CONVERSIONS: &[&str] = &["int", "uint", "double", "string", "bool", "bytes", "type", "dyn"];

/// Names of types, as `type(value)` gives them.
const TYPES: &[&str] = &["int", "uint", "double", "string", "bool", "bytes", "list", "map", "null_type", "type"];

/// Called as `list.name(item, ..)`; `has(map.key)` is one too.
const MACROS: &[&str] = &["all", "exists", "exists_one", "existsOne", "filter", "map"];

/// The most patterns of `matches` in an expression: each has its own memory.
const MAX_PATTERNS: usize = 32;

/// The fields that an expression reads.
pub(super) fn check(
    text: &str,
    node: &Node,
    on: EventKind,
    purpose: Purpose,
) -> Result<Vec<&'static Field>, Vec<ExpressionError>> {
    let mut check = Check { text, on, locals: Vec::new(), in_macro: false, patterns: 0, fields: Vec::new(), errors: Vec::new() };
    let value = check.type_of(node);
    if check.errors.is_empty() {
        check.fits(node, &value, purpose);
    }
    if !check.errors.is_empty() {
        check.errors.sort_by_key(|error| error.span.start);
        return Err(check.errors);
    }
    Ok(check.fields)
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
            NodeKind::Call(call) => self.call(call, node),
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
                for operand in operands {
                    let operand_type = self.type_of(operand);
                    self.must_be_bool(operand, &operand_type, &format!("`{}` joins conditions", logic.sign()));
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
                return Type::Type;
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
            format!("its fields are {}; a text has quotes: `\"{name}\"`", list(names()))
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
                let help = if TEXT_TESTS.contains(&name.as_str()) || name == "size" {
                    let argument = if name == "size" { "" } else { "\"...\"" };
                    format!("call the function: `{typed}.{name}({argument})`")
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
                let fits = matches!(index_type, Type::String | Type::Dyn) || self.is_made(operand);
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
            let message = format!("`{}` is {}, and no index here", self.typed(index), index_type.described());
            return self.error(&index.span, message, format!("write {expected}"));
        }
        values
    }

    /// Whether a map or list is made by the expression.
    fn is_made(&self, node: &Node) -> bool {
        matches!(node.kind, NodeKind::Map(_) | NodeKind::List(_))
    }

    fn must_be_bool(&mut self, node: &Node, node_type: &Type, why: &str) {
        if matches!(node_type, Type::Bool | Type::Dyn) {
            return;
        }
        let typed = self.typed(node);
        let message = format!("{why}, but `{typed}` is {}", node_type.described());
        let help = condition_help(node_type, &typed);
        self.error(&node.span, message, help);
    }

    fn binary(&mut self, operator: Binary, left: &'a Node, right: &'a Node, node: &Node) -> Type {
        let before = self.errors.len();
        let (left_type, right_type) = (self.type_of(left), self.type_of(right));
        if self.errors.len() > before {
            self.help_with_quotes(before, [(left, &right_type), (right, &left_type)]);
        }
        match operator {
            Binary::In => self.contained(left, &left_type, right, &right_type, node),
            Binary::Equal | Binary::NotEqual => {
                if !left_type.overlaps(&right_type) {
                    self.incomparable(left, &left_type, right, &right_type, node);
                }
                Type::Bool
            }
            Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
                let ordered = |types: &Type| types.is_number() || matches!(types, Type::String | Type::Bool | Type::Bytes);
                if is_relation(left) && left_type == Type::Bool && right_type != Type::Bool {
                    let message = format!("`{}` is true or false, and cannot be compared with `{}`", self.typed(left), self.typed(right));
                    self.error(&node.span, message, "write two conditions: `low < value && value < high`");
                } else if !ordered(&left_type) || !ordered(&right_type) {
                    let (wrong, wrong_type) = if ordered(&left_type) { (right, &right_type) } else { (left, &left_type) };
                    let message = format!(
                        "`{}` compares numbers or texts, but `{}` is {}",
                        operator.sign(),
                        self.typed(wrong),
                        wrong_type.described()
                    );
                    let help = match wrong_type {
                        Type::Null => "test with `== null` or `!= null`".to_owned(),
                        Type::List(_) | Type::Map(_) => format!("compare how many it has: `size({})`", self.typed(wrong)),
                        _ => condition_help(wrong_type, &self.typed(wrong)),
                    };
                    self.error(&wrong.span, message, help);
                } else if !left_type.overlaps(&right_type) {
                    self.incomparable(left, &left_type, right, &right_type, node);
                }
                Type::Bool
            }
            _ => self.arithmetic(operator, (left, &left_type), (right, &right_type), node),
        }
    }

    /// An unknown name beside a text is most often a text without quotes.
    fn help_with_quotes(&mut self, from: usize, sides: [(&Node, &Type); 2]) {
        for (node, other) in sides {
            if let NodeKind::Name(name) = &node.kind
                && *other == Type::String
                && let Some(error) = self.errors[from..].iter_mut().find(|error| error.span == node.span)
                && error.help.as_ref().is_some_and(|help| !help.starts_with("did you mean"))
            {
                error.help = Some(format!("a text has quotes: `\"{name}\"`"));
            }
        }
    }

    fn incomparable(&mut self, left: &Node, left_type: &Type, right: &Node, right_type: &Type, node: &Node) {
        let (typed_left, typed_right) = (self.typed(left), self.typed(right));
        let message = format!(
            "`{typed_left}` is {}, and `{typed_right}` is {}: they cannot be compared",
            left_type.described(),
            right_type.described()
        );
        let number_in_quotes = |text: &Node, other: &Type| match &text.kind {
            NodeKind::Literal(Literal::String(text)) if other.is_number() => text.parse::<f64>().is_ok().then(|| text.clone()),
            _ => None,
        };
        let help = if let Some(number) = number_in_quotes(right, left_type).or_else(|| number_in_quotes(left, right_type)) {
            format!("write the number without quotes: `{number}`")
        } else {
            match (left_type, right_type) {
                (Type::String, number) if number.is_number() => match right.kind {
                    NodeKind::Literal(_) => format!("write a text: `\"{typed_right}\"`"),
                    _ => format!("make a text of the number: `string({typed_right})`"),
                },
                (number, Type::String) if number.is_number() => match left.kind {
                    NodeKind::Literal(_) => format!("write a text: `\"{typed_left}\"`"),
                    _ => format!("make a text of the number: `string({typed_left})`"),
                },
                (Type::Error, Type::String) => {
                    format!("compare its class or its text: `{typed_left}.class`, `{typed_left}.text`")
                }
                (Type::String, Type::Error) => {
                    format!("compare its class or its text: `{typed_right}.class`, `{typed_right}.text`")
                }
                (Type::Error, _) => format!("whether there is one says `{typed_left} != null`"),
                (Type::Bool, _) | (_, Type::Bool) => "a condition stands alone, without `== true`".to_owned(),
                (Type::List(_), _) | (_, Type::List(_)) => "whether a list has a value says `value in list`".to_owned(),
                _ => "compare values of one type".to_owned(),
            }
        };
        self.error(&node.span, message, help);
    }

    fn contained(&mut self, left: &Node, left_type: &Type, right: &Node, right_type: &Type, node: &Node) -> Type {
        let typed = self.typed(right);
        match right_type {
            Type::Dyn => {}
            Type::List(items) => {
                if !left_type.overlaps(items) {
                    let message = format!(
                        "`{}` is {}, but `{typed}` has items of another type: {}",
                        self.typed(left),
                        left_type.described(),
                        items.described()
                    );
                    self.error(&node.span, message, "write items of the type of the value");
                }
            }
            Type::Map(_) | Type::Error => {
                if !matches!(left_type, Type::String | Type::Dyn) && !self.is_made(right) {
                    let message = format!("the keys of `{typed}` are texts, but `{}` is {}", self.typed(left), left_type.described());
                    self.error(&left.span, message, "write the key as a text in quotes");
                }
            }
            Type::String => {
                let message = format!("`in` looks into a list or a map, but `{typed}` is a text");
                let help = format!("write `{typed}.contains({})`", self.typed(left));
                self.error(&node.span, message, help);
            }
            other => {
                let message = format!("`in` looks into a list or a map, but `{typed}` is {}", other.described());
                self.error(&right.span, message, "write a list: `value in [1, 2]`");
            }
        }
        Type::Bool
    }

    fn arithmetic(&mut self, operator: Binary, left: (&Node, &Type), right: (&Node, &Type), node: &Node) -> Type {
        let sign = operator.sign();
        match (left.1, right.1) {
            // A value of a map may be anything that fits the other side.
            (Type::Dyn, other) | (other, Type::Dyn)
                if other.is_number() || (operator == Binary::Add && matches!(other, Type::String | Type::List(_) | Type::Bytes)) =>
            {
                other.clone()
            }
            (Type::Int, Type::Int) => Type::Int,
            (Type::UInt, Type::UInt) => Type::UInt,
            (Type::Double, Type::Double) if operator != Binary::Remainder => Type::Double,
            (Type::String, Type::String) if operator == Binary::Add => Type::String,
            (Type::Bytes, Type::Bytes) if operator == Binary::Add => Type::Bytes,
            (Type::List(left), Type::List(right)) if operator == Binary::Add => {
                Type::List(Box::new((**left).clone().join((**right).clone())))
            }
            (Type::Double, Type::Double) => {
                let message = format!("`{sign}` is for whole numbers");
                let help = format!("cut the fractions off: `int({}) {sign} int({})`", self.typed(left.0), self.typed(right.0));
                self.error(&node.span, message, help)
            }
            (number, other) if number.is_number() && other.is_number() => {
                let message = format!(
                    "`{}` is {}, and `{}` is {}: arithmetic does not mix them",
                    self.typed(left.0),
                    number.described(),
                    self.typed(right.0),
                    other.described()
                );
                let whole = if *left.1 == Type::Double { right.0 } else { left.0 };
                let help = match whole.kind {
                    NodeKind::Literal(Literal::Int(int)) if left.1 != right.1 => format!("write `{int}.0`"),
                    _ => format!("write `double({})`", self.typed(whole)),
                };
                self.error(&node.span, message, help)
            }
            (Type::String, other) if operator == Binary::Add && matches!(other, Type::Int | Type::Double | Type::Bool) => {
                let typed = self.typed(right.0);
                let message = format!("`+` joins two texts, but `{typed}` is {}", other.described());
                self.error(&right.0.span, message, format!("make a text of it: `string({typed})`"))
            }
            (other, Type::String) if operator == Binary::Add && matches!(other, Type::Int | Type::Double | Type::Bool) => {
                let typed = self.typed(left.0);
                let message = format!("`+` joins two texts, but `{typed}` is {}", other.described());
                self.error(&left.0.span, message, format!("make a text of it: `string({typed})`"))
            }
            (left_type, right_type) => {
                let (wrong, wrong_type) = if left_type.is_number() { (right.0, right_type) } else { (left.0, left_type) };
                let message = format!("`{sign}` needs numbers, but `{}` is {}", self.typed(wrong), wrong_type.described());
                let help = number_help(wrong_type, &self.typed(wrong));
                self.error(&wrong.span, message, help)
            }
        }
    }

    fn call(&mut self, call: &'a Call, node: &'a Node) -> Type {
        let name = call.name.text.as_str();
        match &call.target {
            None if name == "has" => self.has(call),
            None if name == "size" || CONVERSIONS.contains(&name) => {
                if !self.takes(call, 1) {
                    call.arguments.iter().for_each(|argument| drop(self.type_of(argument)));
                    return if name == "size" { Type::Int } else { Type::Dyn };
                }
                let argument = &call.arguments[0];
                let argument_type = self.type_of(argument);
                if name == "size" { self.size(argument, &argument_type) } else { self.conversion(name, argument, &argument_type) }
            }
            None if name == "matches" && call.arguments.len() == 2 => {
                self.text_test(&call.name, &call.arguments[0], &call.arguments[1..])
            }
            Some(target) if TEXT_TESTS.contains(&name) => self.text_test(&call.name, target, &call.arguments),
            Some(target) if name == "size" => {
                let target_type = self.type_of(target);
                if !self.takes(call, 0) {
                    return Type::Int;
                }
                self.size(target, &target_type)
            }
            Some(target) if MACROS.contains(&name) => self.macro_call(call, target),
            _ => self.unknown_call(call, node),
        }
    }

    fn unknown_call(&mut self, call: &'a Call, node: &Node) -> Type {
        let name = call.name.text.as_str();
        let before = self.errors.len();
        let target = call.target.as_ref().map(|target| (self.typed(target), self.type_of(target)));
        call.arguments.iter().for_each(|argument| drop(self.type_of(argument)));
        let arguments: Vec<_> = call.arguments.iter().map(|argument| self.typed(argument)).collect();
        let (message, help) = match &target {
            None => {
                let message = format!("there is no function `{name}`");
                let help = match &arguments[..] {
                    // f(x, y) for x.f(y)
                    [first, rest @ ..] if TEXT_TESTS.contains(&name) || (MACROS.contains(&name) && !rest.is_empty()) => {
                        let first = if is_simple(&call.arguments[0]) { first.clone() } else { format!("({first})") };
                        format!("write `{first}.{name}({})`", rest.join(", "))
                    }
                    _ => self.function_help(name, &["size", "has", "matches"], CONVERSIONS),
                };
                (message, help)
            }
            Some((typed, target_type)) => {
                let message = match target_type {
                    Type::Dyn => format!("there is no function `{name}`"),
                    other => format!("there is no function `{name}` on {}", other.described()),
                };
                let help = if CONVERSIONS.contains(&name) || name == "has" {
                    format!("write `{name}({typed})`")
                } else {
                    self.function_help(name, &["size"], &[TEXT_TESTS, MACROS].concat())
                };
                (message, help)
            }
        };
        // The module of a function, such as `re` or `math`, is not a field that is missing.
        if call.target.as_ref().is_some_and(|target| matches!(target.kind, NodeKind::Name(_))) && habits::function(name).is_some() {
            self.errors.truncate(before);
        }
        let _ = node;
        self.error(&call.name.span, message, help)
    }

    fn function_help(&self, name: &str, some: &[&str], more: &[&str]) -> String {
        let known = || some.iter().chain(more).copied();
        if let Some(near) = known().find(|known| known.eq_ignore_ascii_case(name)) {
            return format!("did you mean `{near}`?");
        }
        if let Some(help) = habits::function(name) {
            return help.to_owned();
        }
        match did_you_mean(name, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the functions here are {}", list(known())),
        }
    }

    /// Checks how many arguments a call has.
    fn takes(&mut self, call: &Call, expected: usize) -> bool {
        let have = call.arguments.len();
        if have == expected {
            return true;
        }
        let plural = |count: usize| match count {
            0 => "no argument".to_owned(),
            1 => "one argument".to_owned(),
            more => format!("{more} arguments"),
        };
        let name = &call.name.text;
        let message = format!("`{name}` takes {}, but has {}", plural(expected), plural(have));
        let span = call.arguments.first().zip(call.arguments.last());
        let span = span.map_or(call.name.span.clone(), |(first, last)| first.span.start..last.span.end);
        self.error(&span, message, format!("write `{}`", usage(name)));
        false
    }

    fn has(&mut self, call: &'a Call) -> Type {
        if !self.takes(call, 1) {
            return Type::Bool;
        }
        let argument = &call.arguments[0];
        match &argument.kind {
            NodeKind::Select(operand, field) => drop(self.select(operand, field)),
            kind => {
                let before = self.errors.len();
                self.type_of(argument);
                if self.errors.len() == before {
                    let message = "`has` tests for a key of a map: `has(context.key)`";
                    let help = match kind {
                        NodeKind::Name(name) => format!("whether a field is there says `{name} != null`"),
                        NodeKind::Index(..) => "write `\"key\" in context`".to_owned(),
                        _ => "write a key after a `.`".to_owned(),
                    };
                    self.error(&argument.span, message, help);
                }
            }
        }
        Type::Bool
    }

    fn size(&mut self, argument: &Node, argument_type: &Type) -> Type {
        match argument_type {
            Type::Dyn | Type::String | Type::Bytes | Type::List(_) | Type::Map(_) | Type::Error => {}
            other => {
                let typed = self.typed(argument);
                let message = format!("`size` counts the characters of a text or the items of a list or map, but `{typed}` is {}", other.described());
                let help = if other.is_number() { format!("`{typed}` is a number already") } else { "write a text, a list or a map".to_owned() };
                self.error(&argument.span, message, help);
            }
        }
        Type::Int
    }

    fn conversion(&mut self, name: &str, argument: &Node, argument_type: &Type) -> Type {
        use Type::{Bool, Bytes, Double, Dyn, Int, String, UInt};

        let (result, takes): (Type, &[Type]) = match name {
            "int" => (Int, &[Int, UInt, Double, String]),
            "uint" => (UInt, &[Int, UInt, Double, String]),
            "double" => (Double, &[Int, UInt, Double, String]),
            "string" => (String, &[String, Bool, Int, UInt, Double, Bytes]),
            "bool" => (Bool, &[Bool, String]),
            "bytes" => (Bytes, &[String, Bytes]),
            "type" => return Type::Type,
            _ => return Dyn,
        };
        if *argument_type != Dyn && !takes.contains(argument_type) {
            let typed = self.typed(argument);
            let message = format!("`{name}` cannot convert `{typed}`: it is {}", argument_type.described());
            let help = match (name, argument_type) {
                ("string", Type::Error) => format!("write `{typed}.class` or `{typed}.text`"),
                ("int" | "uint", Bool) => format!("write `{typed} ? 1 : 0`"),
                ("double", Bool) => format!("write `{typed} ? 1.0 : 0.0`"),
                ("bool", other) => condition_help(other, &typed),
                ("int" | "uint" | "double", other) => number_help(other, &typed),
                _ => "write a text, a number or a bool".to_owned(),
            };
            self.error(&argument.span, message, help);
        }
        result
    }

    fn text_test(&mut self, name: &Word, target: &'a Node, arguments: &'a [Node]) -> Type {
        let target_type = self.type_of(target);
        if !matches!(target_type, Type::String | Type::Dyn) {
            let typed = self.typed(target);
            let message = format!("`{}` is for texts, but `{typed}` is {}", name.text, target_type.described());
            let help = match &target_type {
                Type::Int | Type::UInt | Type::Double | Type::Bool => format!("make a text of it: `string({typed})`"),
                Type::Error => format!("write `{typed}.class` or `{typed}.text`"),
                Type::List(_) | Type::Map(_) if name.text == "contains" => format!("write `value in {typed}`"),
                Type::List(_) => format!("test its items: `{typed}.exists(item, item.{}(\"...\"))`", name.text),
                _ => "write a text".to_owned(),
            };
            self.error(&target.span, message, help);
        }
        let argument_types: Vec<_> = arguments.iter().map(|argument| self.type_of(argument)).collect();
        let [argument] = arguments else {
            let call = Call { name: name.clone(), target: None, arguments: arguments.to_vec() };
            self.takes(&call, 1);
            return Type::Bool;
        };
        let typed = self.typed(argument);
        if !matches!(argument_types[0], Type::String | Type::Dyn) {
            let message = format!("`{}` takes a text, but `{typed}` is {}", name.text, argument_types[0].described());
            let help = match (&argument.kind, &argument_types[0]) {
                (NodeKind::Literal(Literal::Int(_) | Literal::Double(_)), _) => format!("write it in quotes: `\"{typed}\"`"),
                (NodeKind::List(_), _) => {
                    "test each: `name.startsWith(\"/a\") || name.startsWith(\"/b\")`, or `name.matches(\"^/(a|b)\")`".to_owned()
                }
                (_, other) if other.is_number() => format!("make a text of it: `string({typed})`"),
                _ => "write a text in quotes".to_owned(),
            };
            self.error(&argument.span, message, help);
        } else if name.text == "matches" {
            self.pattern(argument);
        }
        Type::Bool
    }

    /// A pattern is compiled once, so that it must stand in the expression.
    fn pattern(&mut self, argument: &Node) {
        let NodeKind::Literal(Literal::String(pattern)) = &argument.kind else {
            let message = "the pattern of `matches` must be a text in quotes";
            self.error(&argument.span, message, "write the regex itself: `name.matches(\"^/item/[0-9]+$\")`");
            return;
        };
        self.patterns += 1;
        if self.patterns > MAX_PATTERNS {
            let message = format!("an expression may have {MAX_PATTERNS} patterns");
            self.error(&argument.span, message, "join patterns with `|`: `\"^/(a|b)$\"`");
            return;
        }
        if let Err(error) = Regex::new(pattern) {
            let message = match &error {
                regex::Error::CompiledTooBig(_) => "the regex is too large".to_owned(),
                error => {
                    let text = error.to_string();
                    let last = text.lines().last().unwrap_or_default();
                    format!("the regex is wrong: {}", last.trim_start_matches("error: "))
                }
            };
            let help = if pattern.contains("(?=") || pattern.contains("(?!") || pattern.contains("(?<=") || pattern.contains("(?<!") {
                "there is no look-around: join two conditions with `&&` and `!`"
            } else if pattern.starts_with('*') {
                "`*` repeats what is before it: write `.*` for anything"
            } else {
                "the syntax is that of the crate `regex`: https://docs.rs/regex"
            };
            self.error(&argument.span, message, help);
        }
    }

    fn macro_call(&mut self, call: &'a Call, target: &'a Node) -> Type {
        let name = call.name.text.as_str();
        let target_type = self.type_of(target);
        let items = target_type.items().unwrap_or_else(|| {
            let message = format!("`{name}` walks over a list or a map, but `{}` is {}", self.typed(target), target_type.described());
            self.error(&target.span, message, "write a list: `[\"a\", \"b\"]`")
        });
        // Its cost must not be the product of two lists that come with an event.
        if self.in_macro {
            return self.error(&call.name.span, format!("`{name}` cannot stand within another walk over a list"), "write a condition on the item alone");
        }
        let bodies = match (&call.arguments[..], name) {
            ([variable, bodies @ ..], _) if bodies.len() == 1 || (bodies.len() == 2 && name == "map") => {
                let NodeKind::Name(variable_name) = &variable.kind else {
                    return self.error(&variable.span, format!("the first argument of `{name}` names the item"), format!("write `{}`", usage(name)));
                };
                self.locals.push((variable_name, items.clone()));
                bodies
            }
            _ => {
                self.takes(call, 2);
                return Type::Dyn;
            }
        };
        self.in_macro = true;
        let types: Vec<_> = bodies.iter().map(|body| self.type_of(body)).collect();
        self.in_macro = false;
        self.locals.pop();
        let conditions = if name == "map" { bodies.len() - 1 } else { bodies.len() };
        for (body, body_type) in bodies.iter().zip(&types).take(conditions) {
            self.must_be_bool(body, body_type, &format!("`{name}` tests each item"));
        }
        match name {
            "filter" => Type::List(Box::new(items)),
            "map" => Type::List(Box::new(types.last().cloned().unwrap_or(Type::Dyn))),
            _ => Type::Bool,
        }
    }

    /// Whether the value fits what it is used for. Both values of a ternary must.
    fn fits(&mut self, node: &Node, node_type: &Type, purpose: Purpose) {
        if let NodeKind::Ternary(parts) = &node.kind
            && *node_type == Type::Dyn
        {
            let (_, then, or_else) = &**parts;
            for branch in [then, or_else] {
                let mut again = Check { text: self.text, on: self.on, locals: Vec::new(), in_macro: false, patterns: 0, fields: Vec::new(), errors: Vec::new() };
                let branch_type = again.type_of(branch);
                self.fits(branch, &branch_type, purpose);
            }
            return;
        }
        let typed = self.typed(node);
        let described = node_type.described();
        match (purpose, node_type) {
            (_, Type::Dyn)
            | (Purpose::Condition, Type::Bool)
            | (Purpose::Label, Type::Bool | Type::Int | Type::UInt | Type::String | Type::Null)
            | (Purpose::Number, Type::Int | Type::UInt | Type::Double) => {}
            (Purpose::Field, Type::Bytes | Type::Type) => {
                self.error(&node.span, format!("a field cannot be {described}"), format!("make a text of it: `string({typed})`"));
            }
            (Purpose::Field, _) => {}
            (Purpose::Condition, other) => {
                let message = format!("a condition must be true or false, but `{typed}` is {described}");
                let help = condition_help(other, &typed);
                self.error(&node.span, message, help);
            }
            (Purpose::Label, other) => {
                let message = format!("a label must be a text, a whole number or a bool, but `{typed}` is {described}");
                let help = match other {
                    Type::Double => format!("cut the fraction off: `int({typed})`, or make ranges: `{typed} < 100.0 ? \"fast\" : \"slow\"`"),
                    Type::Error => format!("write `{typed}.class`"),
                    Type::Map(_) => format!("write one of its values: `{typed}.key`"),
                    Type::List(_) => format!("write how many it has: `size({typed})`"),
                    _ => format!("make a text of it: `string({typed})`"),
                };
                self.error(&node.span, message, help);
            }
            (Purpose::Number, other) => {
                let message = format!("a metric needs a number, but `{typed}` is {described}");
                let help = number_help(other, &typed);
                self.error(&node.span, message, help);
            }
        }
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

fn is_relation(node: &Node) -> bool {
    matches!(&node.kind, NodeKind::Binary(operator, _) if !matches!(operator, Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Remainder))
}

/// Whether a method can be called on a part without brackets around it.
fn is_simple(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Name(_) | NodeKind::Select(..) | NodeKind::Index(..) | NodeKind::Call(_) | NodeKind::Literal(_))
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

/// Names in a sentence.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    match &names[..] {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => names.join(""),
    }
}
