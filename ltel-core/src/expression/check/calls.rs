//! Calls: which functions there are, and what they take.

use regex::Regex;

use super::{CONVERSIONS, Check, MACROS, TEXT_TESTS, condition_help, number_help, usage};
use crate::expression::habits;
use crate::expression::syntax::{Call, Literal, Node, NodeKind, Word};
use crate::expression::types::Type;
use crate::text::{did_you_mean, list};

/// The most patterns of `matches` in an expression: each has its own memory.
const MAX_PATTERNS: usize = 32;

impl<'a> Check<'a> {
    pub(super) fn call(&mut self, call: &'a Call) -> Type {
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
                if name == "size" {
                    self.size(argument, &argument_type)
                } else {
                    self.conversion(name, argument, &argument_type)
                }
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
            _ => self.unknown_call(call),
        }
    }

    fn unknown_call(&mut self, call: &'a Call) -> Type {
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
                    [first, rest @ ..]
                        if TEXT_TESTS.contains(&name) || (MACROS.contains(&name) && !rest.is_empty()) =>
                    {
                        let first = if is_simple(&call.arguments[0]) { first.clone() } else { format!("({first})") };
                        format!("write `{first}.{name}({})`", rest.join(", "))
                    }
                    _ => function_help(name, &["size", "has", "matches"], CONVERSIONS),
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
                    function_help(name, &["size"], &[TEXT_TESTS, MACROS].concat())
                };
                (message, help)
            }
        };
        // The item of a walk is no field.
        if call.target.is_none() && MACROS.contains(&name) {
            self.errors.truncate(before);
        }
        // The module of a function, such as `re` or `math`, is not a field that is missing.
        if call.target.as_ref().is_some_and(|target| matches!(target.kind, NodeKind::Name(_)))
            && habits::function(name).is_some()
        {
            self.errors.truncate(before);
        }
        self.error(&call.name.span, message, help)
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
                let message = format!(
                    "`size` counts the characters of a text or the items of a list or map, but `{typed}` is {}",
                    other.described()
                );
                let help = if other.is_number() {
                    format!("`{typed}` is a number already")
                } else {
                    "write a text, a list or a map".to_owned()
                };
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
            "type" => return Type::Meta,
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
                (NodeKind::Literal(Literal::Int(_) | Literal::Double(_)), _) => {
                    format!("write it in quotes: `\"{typed}\"`")
                }
                (NodeKind::List(_), _) => {
                    "test each: `name.startsWith(\"/a\") || name.startsWith(\"/b\")`, or `name.matches(\"^/(a|b)\")`"
                        .to_owned()
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
            let help = if pattern.contains("(?=")
                || pattern.contains("(?!")
                || pattern.contains("(?<=")
                || pattern.contains("(?<!")
            {
                "the crate `regex` has no look-around: join two conditions with `&&` and `!`"
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
            let message = format!(
                "`{name}` walks over a list or a map, but `{}` is {}",
                self.typed(target),
                target_type.described()
            );
            self.error(&target.span, message, "write a list: `[\"a\", \"b\"]`")
        });
        // Its cost must not be the product of two lists that come with an event.
        if self.in_macro {
            return self.error(
                &call.name.span,
                format!("`{name}` cannot stand within another walk over a list"),
                "write a condition on the item alone",
            );
        }
        let bodies = match (&call.arguments[..], name) {
            ([variable, bodies @ ..], _) if bodies.len() == 1 || (bodies.len() == 2 && name == "map") => {
                let NodeKind::Name(variable_name) = &variable.kind else {
                    return self.error(
                        &variable.span,
                        format!("the first argument of `{name}` names the item"),
                        format!("write `{}`", usage(name)),
                    );
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
}

/// Whether a method can be called on a part without brackets around it.
fn is_simple(node: &Node) -> bool {
    matches!(
        node.kind,
        NodeKind::Name(_)
            | NodeKind::Select(..)
            | NodeKind::Index(..)
            | NodeKind::Call(_)
            | NodeKind::Literal(_)
            | NodeKind::List(_)
    )
}

fn function_help(name: &str, some: &[&str], more: &[&str]) -> String {
    let known = || some.iter().chain(more).copied();
    if let Some(near) = known().find(|known| known.eq_ignore_ascii_case(name)) {
        return format!("did you mean `{near}`?");
    }
    if let Some(help) = habits::function(name) {
        return help.to_owned();
    }
    match did_you_mean(name, known()) {
        // Any short name is near to some other one.
        Some(near) if near.starts_with(&name[..name.chars().next().map_or(0, char::len_utf8)]) => {
            format!("did you mean `{near}`?")
        }
        _ => format!("the functions here are {}", list(known())),
    }
}
