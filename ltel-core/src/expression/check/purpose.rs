//! Whether a value fits what it is used for.

use super::{Check, condition_help, number_help};
use crate::expression::Purpose;
use crate::expression::syntax::{Node, NodeKind};
use crate::expression::types::Type;

impl Check<'_> {
    /// Whether the value fits what it is used for. Both values of a ternary must.
    pub(super) fn fits(&mut self, node: &Node, node_type: &Type, purpose: Purpose) {
        if let NodeKind::Ternary(parts) = &node.kind
            && *node_type == Type::Dyn
        {
            let (_, then, or_else) = &**parts;
            for branch in [then, or_else] {
                let mut again = Check {
                    text: self.text,
                    on: self.on,
                    locals: Vec::new(),
                    in_macro: false,
                    patterns: 0,
                    fields: Vec::new(),
                    errors: Vec::new(),
                };
                let branch_type = again.type_of(branch);
                self.fits(branch, &branch_type, purpose);
            }
            return;
        }
        let typed = self.typed(node);
        let described = node_type.described();
        match (purpose, node_type) {
            (Purpose::Field, Type::Bytes | Type::Meta) => {
                let help = match node_type {
                    Type::Bytes => format!("make a text of it: `string({typed})`"),
                    _ => format!("compare it: `{typed} == string`"),
                };
                self.error(&node.span, format!("a field cannot be {described}"), help);
            }
            (_, Type::Dyn)
            | (Purpose::Field, _)
            | (Purpose::Condition, Type::Bool)
            | (Purpose::Label, Type::Bool | Type::Int | Type::UInt | Type::String | Type::Null)
            | (Purpose::Number, Type::Int | Type::UInt | Type::Double) => {}
            (Purpose::Condition, other) => {
                let message = format!("a condition must be true or false, but `{typed}` is {described}");
                let help = condition_help(other, &typed);
                self.error(&node.span, message, help);
            }
            (Purpose::Label, other) => {
                let message = format!("a label must be a text, a whole number or a bool, but `{typed}` is {described}");
                let help = match other {
                    Type::Double => format!(
                        "cut the fraction off: `int({typed})`, or make ranges: `{typed} < 100.0 ? \"fast\" : \"slow\"`"
                    ),
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
