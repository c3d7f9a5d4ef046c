//! Makes the compiled form from the syntax, after all checks.

use regex::Regex;

use super::{Conversion, Missing, Number, Order, Part, Range, TextTest};
use crate::event::EventKind;
use crate::expression::syntax::{Binary, Call, Literal, Logic, Node, NodeKind};
use crate::expression::{Fault, Value};
use crate::text::shortened;

/// The compiled form; `None` if it needs the interpreter.
pub(in crate::expression) fn build(text: &str, node: &Node, on: EventKind) -> Option<Part> {
    Build { text, on, item: None }.part(node)
}

struct Build<'a> {
    text: &'a str,
    on: EventKind,
    // The name of the item, within a walk over a list.
    item: Option<&'a str>,
}

impl<'a> Build<'a> {
    fn part(&mut self, node: &'a Node) -> Option<Part> {
        Some(match &node.kind {
            NodeKind::Literal(literal) => Part::Constant(constant(literal)?),
            NodeKind::Name(name) if self.item == Some(name) => Part::Item,
            NodeKind::Name(name) => Part::Field(self.on.field(name)?),
            NodeKind::List(_) | NodeKind::Map(_) => return None,
            NodeKind::Select(operand, field) => {
                let missing = self.missing(operand, &format!("has no `{}`", shortened(&field.text, 60)));
                Part::Select(self.boxed(operand)?, field.text.as_str().into(), missing)
            }
            NodeKind::Index(operand, index) => {
                let missing = self.missing(operand, "has no such part");
                Part::Index(self.pair(operand, index)?, missing)
            }
            NodeKind::Call(call) => self.call(call)?,
            NodeKind::Not(operand) => Part::Not(self.boxed(operand)?),
            NodeKind::Negate(operand) => Part::Negate(self.boxed(operand)?),
            NodeKind::Logic(logic, operands) => Part::Logic(*logic, self.parts(operands)?),
            NodeKind::Binary(operator, operands) => self.binary(*operator, &operands.0, &operands.1)?,
            NodeKind::Ternary(parts) => {
                Part::Ternary(Box::new((self.part(&parts.0)?, self.part(&parts.1)?, self.part(&parts.2)?)))
            }
        })
    }

    fn boxed(&mut self, node: &'a Node) -> Option<Box<Part>> {
        self.part(node).map(Box::new)
    }

    fn pair(&mut self, left: &'a Node, right: &'a Node) -> Option<Box<(Part, Part)>> {
        Some(Box::new((self.part(left)?, self.part(right)?)))
    }

    fn parts(&mut self, nodes: &'a [Node]) -> Option<Box<[Part]>> {
        nodes.iter().map(|node| self.part(node)).collect()
    }

    fn missing(&self, node: &Node, what: &str) -> Missing {
        Fault::new(format!("`{}` {what}", shortened(&self.text[node.span.clone()], 60)))
    }

    fn binary(&mut self, operator: Binary, left: &'a Node, right: &'a Node) -> Option<Part> {
        let order = match operator {
            Binary::Equal | Binary::NotEqual => return self.equals(left, right, operator == Binary::Equal),
            Binary::In => return self.contained(left, right),
            Binary::Less => Order::Less,
            Binary::LessOrEqual => Order::LessOrEqual,
            Binary::Greater => Order::Greater,
            Binary::GreaterOrEqual => Order::GreaterOrEqual,
            _ => {
                let sign = operator.sign();
                let missing = self.two(left, right, &format!("`{sign}` needs a value"));
                return Some(Part::Arithmetic(operator, self.pair(left, right)?, missing));
            }
        };
        let missing = self.two(left, right, &format!("`{}` needs a value", operator.sign()));
        Some(match (number(left), number(right)) {
            (_, Some(number)) => Part::CompareNumber(order, self.boxed(left)?, number, missing),
            (Some(number), _) => Part::CompareNumber(order.turned(), self.boxed(right)?, number, missing),
            _ => Part::Compare(order, self.pair(left, right)?, missing),
        })
    }

    /// What is said if one of two is null.
    fn two(&self, left: &Node, right: &Node, what: &str) -> Missing {
        let typed = |node: &Node| shortened(&self.text[node.span.clone()], 60).to_string();
        let constant = |node: &Node| matches!(node.kind, NodeKind::Literal(_));
        Fault::new(match (constant(left), constant(right)) {
            (false, true) => format!("`{}` is null: {what}", typed(left)),
            (true, false) => format!("`{}` is null: {what}", typed(right)),
            _ => format!("`{}` or `{}` is null: {what}", typed(left), typed(right)),
        })
    }

    fn equals(&mut self, left: &'a Node, right: &'a Node, is: bool) -> Option<Part> {
        let (operand, literal) = match (&left.kind, &right.kind) {
            (_, NodeKind::Literal(literal)) => (left, literal),
            (NodeKind::Literal(literal), _) => (right, literal),
            _ => return Some(Part::Equals(self.pair(left, right)?, is)),
        };
        let part = self.boxed(operand)?;
        Some(match literal {
            Literal::Null => Part::Null(part, is),
            Literal::String(text) => Part::EqualsText(part, text.as_str().into(), is),
            Literal::Int(int) => Part::EqualsNumber(part, Number::Int(*int), is),
            Literal::Double(double) => Part::EqualsNumber(part, Number::Double(*double), is),
            Literal::Bool(_) => Part::Equals(Box::new((*part, Part::Constant(constant(literal)?))), is),
            Literal::UInt | Literal::Bytes => return None,
        })
    }

    fn contained(&mut self, left: &'a Node, right: &'a Node) -> Option<Part> {
        let NodeKind::List(items) = &right.kind else { return Some(Part::In(self.pair(left, right)?)) };
        let operand = self.boxed(left)?;
        let texts = items.iter().map(|item| match &item.kind {
            NodeKind::Literal(Literal::String(text)) => Some(text.as_str().into()),
            _ => None,
        });
        Some(match texts.collect::<Option<Box<[Box<str>]>>>() {
            Some(texts) => Part::InTexts(operand, texts),
            None => Part::InParts(operand, self.parts(items)?),
        })
    }

    fn call(&mut self, call: &'a Call) -> Option<Part> {
        let (name, arguments) = (call.name.text.as_str(), &call.arguments[..]);
        // Functions of one value, called in either way.
        let of = call.target.iter().chain(arguments).collect::<Vec<_>>();
        Some(match (name, &of[..]) {
            ("has", [Node { kind: NodeKind::Select(operand, field), .. }]) => {
                Part::Has(self.boxed(operand)?, field.text.as_str().into())
            }
            ("size", [operand]) => Part::Size(self.boxed(operand)?),
            ("int", [operand]) => Part::Convert(Conversion::Int, self.boxed(operand)?),
            ("double", [operand]) => Part::Convert(Conversion::Double, self.boxed(operand)?),
            ("string", [operand]) => Part::Convert(Conversion::String, self.boxed(operand)?),
            ("bool", [operand]) => Part::Convert(Conversion::Bool, self.boxed(operand)?),
            ("dyn", [operand]) => self.part(operand)?,
            ("startsWith", [text, part]) => self.text_test(TextTest::StartsWith, text, part)?,
            ("endsWith", [text, part]) => self.text_test(TextTest::EndsWith, text, part)?,
            ("contains", [text, part]) => self.text_test(TextTest::Contains, text, part)?,
            ("matches", [text, Node { kind: NodeKind::Literal(Literal::String(pattern)), .. }]) => {
                Part::Matches(self.boxed(text)?, Box::new(Regex::new(pattern).ok()?))
            }
            ("all", [range, item, body]) => self.walk(Logic::And, range, item, body)?,
            ("exists", [range, item, body]) => self.walk(Logic::Or, range, item, body)?,
            _ => return None,
        })
    }

    fn text_test(&mut self, test: TextTest, operand: &'a Node, part: &'a Node) -> Option<Part> {
        Some(match &part.kind {
            NodeKind::Literal(Literal::String(part)) => Part::Test(test, self.boxed(operand)?, part.as_str().into()),
            _ => Part::TestWith(test, self.pair(operand, part)?),
        })
    }

    fn walk(&mut self, logic: Logic, range: &'a Node, item: &'a Node, body: &'a Node) -> Option<Part> {
        let NodeKind::Name(name) = &item.kind else { return None };
        let range = match &range.kind {
            NodeKind::List(items) => Range::Parts(self.parts(items)?),
            _ => Range::Value(self.part(range)?),
        };
        let outer = self.item.replace(name);
        let body = self.part(body);
        self.item = outer;
        Some(Part::Walk(logic, Box::new(range), Box::new(body?)))
    }
}

impl Order {
    /// With the sides changed.
    const fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

fn constant(literal: &Literal) -> Option<Value<'static>> {
    Some(match literal {
        Literal::Null => Value::Null,
        Literal::Bool(bool) => Value::Bool(*bool),
        Literal::Int(int) => Value::Int(*int),
        Literal::Double(double) => Value::Double(*double),
        Literal::String(text) => Value::String(text.clone().into()),
        Literal::UInt | Literal::Bytes => return None,
    })
}

fn number(node: &Node) -> Option<Number> {
    match node.kind {
        NodeKind::Literal(Literal::Int(int)) => Some(Number::Int(int)),
        NodeKind::Literal(Literal::Double(double)) => Some(Number::Double(double)),
        _ => None,
    }
}
