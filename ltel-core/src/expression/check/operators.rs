//! Operators: what stands at their sides.

use super::{Check, condition_help, is_made, number_help};
use crate::expression::syntax::{Binary, Literal, Node, NodeKind};
use crate::expression::types::Type;

impl<'a> Check<'a> {
    pub(super) fn must_be_bool(&mut self, node: &Node, node_type: &Type, why: &str) {
        if matches!(node_type, Type::Bool | Type::Dyn) {
            return;
        }
        let typed = self.typed(node);
        let message = format!("{why}, but `{typed}` is {}", node_type.described());
        let help = condition_help(node_type, &typed);
        self.error(&node.span, message, help);
    }

    pub(super) fn binary(&mut self, operator: Binary, left: &'a Node, right: &'a Node, node: &Node) -> Type {
        let before = self.errors.len();
        let (left_type, right_type) = (self.type_of(left), self.type_of(right));
        if self.errors.len() > before {
            self.help_with_quotes(before, [(left, right, &right_type), (right, left, &left_type)]);
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
                let ordered =
                    |types: &Type| types.is_number() || matches!(types, Type::String | Type::Bool | Type::Bytes);
                if is_relation(left) && left_type == Type::Bool && right_type != Type::Bool {
                    let message = format!(
                        "`{}` is true or false, and cannot be compared with `{}`",
                        self.typed(left),
                        self.typed(right)
                    );
                    self.error(&node.span, message, "write two conditions: `low < value && value < high`");
                } else if !ordered(&left_type) || !ordered(&right_type) {
                    let (wrong, wrong_type) =
                        if ordered(&left_type) { (right, &right_type) } else { (left, &left_type) };
                    let message = match wrong_type {
                        Type::Null => format!("`{}` compares numbers or texts, not null", operator.sign()),
                        _ => format!(
                            "`{}` compares numbers or texts, but `{}` is {}",
                            operator.sign(),
                            self.typed(wrong),
                            wrong_type.described()
                        ),
                    };
                    let help = match wrong_type {
                        Type::Null => "test with `== null` or `!= null`".to_owned(),
                        Type::List(_) | Type::Map(_) => {
                            format!("compare how many it has: `size({})`", self.typed(wrong))
                        }
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

    /// An unknown name beside a field with a text is most often a text without quotes.
    fn help_with_quotes(&mut self, from: usize, sides: [(&Node, &Node, &Type); 2]) {
        for (node, beside, other) in sides {
            if let NodeKind::Name(name) = &node.kind
                && *other == Type::String
                && !matches!(beside.kind, NodeKind::Literal(_))
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
            NodeKind::Literal(Literal::String(text)) if other.is_number() => {
                text.parse::<f64>().is_ok().then(|| text.clone())
            }
            _ => None,
        };
        let help = if let Some(number) =
            number_in_quotes(right, left_type).or_else(|| number_in_quotes(left, right_type))
        {
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
                if !matches!(left_type, Type::String | Type::Dyn) && !is_made(right) {
                    let message = format!(
                        "the keys of `{typed}` are texts, but `{}` is {}",
                        self.typed(left),
                        left_type.described()
                    );
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
                if other.is_number()
                    || (operator == Binary::Add && matches!(other, Type::String | Type::List(_) | Type::Bytes)) =>
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
                let help =
                    format!("cut the fractions off: `int({}) {sign} int({})`", self.typed(left.0), self.typed(right.0));
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
            (Type::String, other)
                if operator == Binary::Add && matches!(other, Type::Int | Type::Double | Type::Bool) =>
            {
                let typed = self.typed(right.0);
                let message = format!("`+` joins two texts, but `{typed}` is {}", other.described());
                self.error(&right.0.span, message, format!("make a text of it: `string({typed})`"))
            }
            (other, Type::String)
                if operator == Binary::Add && matches!(other, Type::Int | Type::Double | Type::Bool) =>
            {
                let typed = self.typed(left.0);
                let message = format!("`+` joins two texts, but `{typed}` is {}", other.described());
                self.error(&left.0.span, message, format!("make a text of it: `string({typed})`"))
            }
            (left_type, right_type) => {
                let (wrong, wrong_type) =
                    if left_type.is_number() { (right.0, right_type) } else { (left.0, left_type) };
                let message =
                    format!("`{sign}` needs numbers, but `{}` is {}", self.typed(wrong), wrong_type.described());
                let help = number_help(wrong_type, &self.typed(wrong));
                self.error(&wrong.span, message, help)
            }
        }
    }
}

fn is_relation(node: &Node) -> bool {
    matches!(&node.kind, NodeKind::Binary(operator, _) if !matches!(operator, Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Remainder))
}
