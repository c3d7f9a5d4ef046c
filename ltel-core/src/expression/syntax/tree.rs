//! The tree of an expression, whose parts know their places.

use std::ops::Range;

use crate::expression::check::MACROS;

/// A part of an expression.
#[derive(Clone, Debug)]
pub(in crate::expression) struct Node {
    pub(in crate::expression) span: Range<usize>,
    pub(in crate::expression) kind: NodeKind,
    pub(super) depth: u16,
}

impl Node {
    /// The names that it reads, each once, without the variables of macros such as `all`.
    pub(in crate::expression) fn names(&self) -> Vec<String> {
        let (mut names, mut variables) = (Vec::new(), Vec::new());
        self.walk(&mut |node| match &node.kind {
            NodeKind::Name(name) if !names.contains(name) => names.push(name.clone()),
            NodeKind::Call(call) if call.target.is_some() && MACROS.contains(&&*call.name.text) => {
                if let Some(NodeKind::Name(variable)) = call.arguments.first().map(|first| &first.kind) {
                    variables.push(variable.clone());
                }
            }
            _ => {}
        });
        names.retain(|name| !variables.contains(name));
        names
    }

    /// Visits it and all of its parts.
    pub(in crate::expression) fn walk<'n>(&'n self, visit: &mut impl FnMut(&'n Self)) {
        visit(self);
        match &self.kind {
            NodeKind::Literal(_) | NodeKind::Name(_) => {}
            NodeKind::List(nodes) | NodeKind::Logic(_, nodes) => nodes.iter().for_each(|node| node.walk(visit)),
            NodeKind::Map(entries) => entries.iter().for_each(|(key, value)| {
                key.walk(visit);
                value.walk(visit);
            }),
            NodeKind::Select(node, _) | NodeKind::Not(node) | NodeKind::Negate(node) => node.walk(visit),
            NodeKind::Index(left, right) => [left, right].into_iter().for_each(|node| node.walk(visit)),
            NodeKind::Binary(_, nodes) => [&nodes.0, &nodes.1].into_iter().for_each(|node| node.walk(visit)),
            NodeKind::Ternary(nodes) => [&nodes.0, &nodes.1, &nodes.2].into_iter().for_each(|node| node.walk(visit)),
            NodeKind::Call(call) => call.target.iter().chain(&call.arguments).for_each(|node| node.walk(visit)),
        }
    }
}

#[derive(Clone, Debug)]
pub(in crate::expression) enum NodeKind {
    Literal(Literal),
    Name(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// `operand.field`
    Select(Box<Node>, Word),
    /// `operand[index]`
    Index(Box<Node>, Box<Node>),
    Call(Box<Call>),
    Not(Box<Node>),
    Negate(Box<Node>),
    /// `&&` or `||` over two or more.
    Logic(Logic, Vec<Node>),
    Binary(Binary, Box<(Node, Node)>),
    /// `condition ? then : or_else`
    Ternary(Box<(Node, Node, Node)>),
}

#[derive(Clone, Debug, PartialEq)]
pub(in crate::expression) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    UInt,
    Double(f64),
    String(String),
    Bytes,
}

/// A name with its place.
#[derive(Clone, Debug)]
pub(in crate::expression) struct Word {
    pub(in crate::expression) text: String,
    pub(in crate::expression) span: Range<usize>,
}

/// `name(arguments)` or `target.name(arguments)`.
#[derive(Clone, Debug)]
pub(in crate::expression) struct Call {
    pub(in crate::expression) name: Word,
    pub(in crate::expression) target: Option<Node>,
    pub(in crate::expression) arguments: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expression) enum Logic {
    And,
    Or,
}

impl Logic {
    pub(in crate::expression) const fn sign(self) -> &'static str {
        match self {
            Self::And => "&&",
            Self::Or => "||",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expression) enum Binary {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Binary {
    pub(in crate::expression) const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    pub(super) const ARITHMETIC: &'static [Self] = &[Self::Add, Self::Subtract];
    pub(super) const PRODUCTS: &'static [Self] = &[Self::Multiply, Self::Divide, Self::Remainder];
    pub(super) const RELATIONS: &'static [Self] =
        &[Self::Equal, Self::NotEqual, Self::Less, Self::LessOrEqual, Self::Greater, Self::GreaterOrEqual];
}
