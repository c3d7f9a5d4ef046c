//! Reads tokens into the tree.

use std::ops::Range;

use crate::expression::token::{Token, TokenKind};
use crate::expression::{ExpressionError, habits};

use super::MAX_DEPTH;
use super::tree::{Binary, Call, Literal, Logic, Node, NodeKind, Word};

/// Reserved by CEL; but see [`FUNCTION`].
const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "in",
];

type Parsed = Result<Node, ExpressionError>;

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
    pub(super) nesting: u16,
    pub(super) errors: Vec<ExpressionError>,
}

impl Parser<'_> {
    pub(super) fn whole(&mut self) -> Parsed {
        let node = self.expression()?;
        if self.kind() == TokenKind::End { Ok(node) } else { Err(self.unexpected("an operator or the end")) }
    }

    /// Reads with `read`, one level deeper.
    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.nesting == MAX_DEPTH {
            return Err(too_deep(self.span()));
        }
        self.nesting += 1;
        let node = read(self);
        self.nesting -= 1;
        node
    }

    fn expression(&mut self) -> Parsed {
        self.nested(Self::ternary)
    }

    fn ternary(&mut self) -> Parsed {
        let condition = self.logic(Logic::Or)?;
        if self.name(0) == Some("if") {
            let error = ExpressionError::new(self.span(), "`if` is not an operator");
            return Err(error.help("write `condition ? value : other`"));
        }
        if !self.take("?") {
            return Ok(condition);
        }
        let then = self.nested(|parser| parser.logic(Logic::Or))?;
        if !self.take(":") {
            return Err(self.unexpected("`:` and the other value"));
        }
        let or_else = self.expression()?;
        let (span, depth) =
            (condition.span.start..or_else.span.end, 1 + condition.depth.max(then.depth).max(or_else.depth));
        node(span, NodeKind::Ternary(Box::new((condition, then, or_else))), depth)
    }

    fn logic(&mut self, logic: Logic) -> Parsed {
        let operand = |parser: &mut Self| match logic {
            Logic::Or => parser.logic(Logic::And),
            Logic::And => parser.relation(),
        };
        let mut operands = vec![operand(self)?];
        while self.take_logic(logic) {
            operands.push(operand(self)?);
        }
        if operands.len() == 1 {
            return operands.pop().ok_or_else(|| self.unexpected("a value"));
        }
        let span = operands[0].span.start..operands[operands.len() - 1].span.end;
        let depth = 1 + operands.iter().map(|operand| operand.depth).max().unwrap_or(0);
        node(span, NodeKind::Logic(logic, operands), depth)
    }

    fn take_logic(&mut self, logic: Logic) -> bool {
        let (sign, single, word) = match logic {
            Logic::And => ("&&", "&", "and"),
            Logic::Or => ("||", "|", "or"),
        };
        if self.take(sign) {
            return true;
        }
        let typed = self.word();
        if self.is(single) || self.name(0).is_some_and(|name| name.eq_ignore_ascii_case(word)) {
            self.report(1, format!("`{typed}` is not an operator"), format!("write `{sign}`"));
            return true;
        }
        false
    }

    fn relation(&mut self) -> Parsed {
        let mut left = self.sum(Binary::ARITHMETIC)?;
        loop {
            let is_not_in = self.name(0) == Some("not") && self.name(1) == Some("in");
            let Some(operator) = self.take_relation(is_not_in) else { return Ok(left) };
            let right = self.sum(Binary::ARITHMETIC)?;
            left = binary(operator, left, right)?;
        }
    }

    fn take_relation(&mut self, is_not_in: bool) -> Option<Binary> {
        if is_not_in {
            self.report(2, "`not in` is not an operator".into(), "write `!(value in list)`".into());
            return Some(Binary::In);
        }
        if let Some(name) = self.name(0) {
            match name {
                "in" => {
                    self.at += 1;
                    return Some(Binary::In);
                }
                "is" if self.name(1) == Some("not") => {
                    self.report(2, "`is not` is not an operator".into(), "write `!=`".into());
                    return Some(Binary::NotEqual);
                }
                "is" => {
                    self.report(1, "`is` is not an operator".into(), "write `==`".into());
                    return Some(Binary::Equal);
                }
                _ => return None,
            }
        }
        if let Some(operator) = Binary::RELATIONS.iter().copied().find(|operator| self.is(operator.sign())) {
            self.at += 1;
            return Some(operator);
        }
        let typed = self.word();
        let right = match typed {
            "=" | "===" => Binary::Equal,
            "!==" | "<>" => Binary::NotEqual,
            "=>" => Binary::GreaterOrEqual,
            "=<" => Binary::LessOrEqual,
            _ => return None,
        };
        self.report(1, format!("`{typed}` is not an operator"), format!("write `{}`", right.sign()));
        Some(right)
    }

    fn sum(&mut self, operators: &[Binary]) -> Parsed {
        let operand = |parser: &mut Self| {
            if operators == Binary::PRODUCTS { parser.unary() } else { parser.sum(Binary::PRODUCTS) }
        };
        let mut left = operand(self)?;
        while let Some(operator) = operators.iter().copied().find(|operator| self.is(operator.sign())) {
            self.at += 1;
            let right = operand(self)?;
            left = binary(operator, left, right)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed {
        let start = self.span().start;
        // `not` is a name where nothing follows that it could negate.
        if self.name(0) == Some("not")
            && !matches!(self.peek(1), TokenKind::End | TokenKind::Sign(")" | "," | "." | "==" | "!=" | "&&" | "||"))
        {
            self.report(1, "`not` is not an operator".into(), "write `!`, before the value".into());
            let operand = self.nested(Self::unary)?;
            return negated(start, operand, NodeKind::Not);
        }
        let (mut nots, mut minuses) = (0_usize, 0_usize);
        while self.take("!") {
            nots += 1;
        }
        if nots > 0 {
            let operand = self.member()?;
            return if nots % 2 == 0 { Ok(operand) } else { negated(start, operand, NodeKind::Not) };
        }
        let is_number = |kind| matches!(kind, TokenKind::Int | TokenKind::Double);
        // The minus of a number belongs to it.
        while (self.is("-") || self.is("--")) && !(self.is("-") && is_number(self.peek(1))) {
            minuses += if self.is("-") { 1 } else { 2 };
            self.at += 1;
        }
        let operand = self.member()?;
        if minuses % 2 == 0 { Ok(operand) } else { negated(start, operand, NodeKind::Negate) }
    }

    fn member(&mut self) -> Parsed {
        let mut operand = self.primary()?;
        loop {
            let start = operand.span.start;
            if self.take(".") {
                if self.is("?") {
                    let error = ExpressionError::new(self.span(), "`.?` is not supported");
                    return Err(error.help("test for a key first: `has(context.key) ? context.key : \"\"`"));
                }
                if self.kind() != TokenKind::Name {
                    return Err(self.unexpected("the name of a field or function"));
                }
                let name = Word { text: self.word().to_owned(), span: self.span() };
                self.at += 1;
                if self.is("(") {
                    let open = self.span();
                    self.at += 1;
                    let arguments = self.list(")", &open)?;
                    operand = call(start, self.end(), name, Some(operand), arguments)?;
                } else {
                    let depth = operand.depth + 1;
                    operand = node(start..name.span.end, NodeKind::Select(Box::new(operand), name), depth)?;
                }
            } else if self.is("[") {
                let open = self.span();
                self.at += 1;
                if self.is("?") {
                    let error = ExpressionError::new(self.span(), "`[?` is not supported");
                    return Err(error.help("test for a key first: `\"key\" in context ? context[\"key\"] : \"\"`"));
                }
                let index = self.expression()?;
                if self.is(":") {
                    let error = ExpressionError::new(self.span(), "slices are not supported");
                    return Err(error.help("test the beginning of a text with `startsWith`"));
                }
                self.close("]", &open)?;
                let depth = 1 + operand.depth.max(index.depth);
                operand = node(start..self.end(), NodeKind::Index(Box::new(operand), Box::new(index)), depth)?;
            } else {
                return Ok(operand);
            }
        }
    }

    /// Where the last token ends.
    fn end(&self) -> usize {
        self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |token| token.span.end)
    }

    fn close(&mut self, sign: &str, open: &Range<usize>) -> Result<(), ExpressionError> {
        if self.take(sign) {
            return Ok(());
        }
        if self.kind() == TokenKind::End {
            let error = ExpressionError::new(open.clone(), format!("`{}` is never closed", &self.text[open.clone()]));
            return Err(error.help(format!("write `{sign}` where it ends")));
        }
        Err(self.unexpected(&format!("an operator or `{sign}`")))
    }

    /// What stands between commas, up to `sign`.
    fn list(&mut self, sign: &str, open: &Range<usize>) -> Result<Vec<Node>, ExpressionError> {
        let mut items = Vec::new();
        while !self.is(sign) {
            if self.kind() == TokenKind::End {
                self.close(sign, open)?;
            }
            items.push(self.expression()?);
            if !self.take(",") {
                break;
            }
            // CEL allows a comma at the end of a list, but not at the end of arguments.
            if sign == ")" && self.is(sign) {
                return Err(self.unexpected("one more argument"));
            }
        }
        self.close(sign, open)?;
        Ok(items)
    }

    fn primary(&mut self) -> Parsed {
        let span = self.span();
        match self.kind() {
            TokenKind::Name => self.named(span),
            TokenKind::Int | TokenKind::UInt | TokenKind::Double | TokenKind::String | TokenKind::Bytes => {
                self.at += 1;
                self.literal(span)
            }
            TokenKind::Sign("-") if matches!(self.peek(1), TokenKind::Int | TokenKind::Double) => {
                self.at += 2;
                let end = self.end();
                self.literal(span.start..end)
            }
            TokenKind::Sign("(") => {
                self.at += 1;
                let mut inner = self.expression()?;
                if self.is(",") {
                    let error = ExpressionError::new(self.span(), "expected `)`, found `,`");
                    return Err(error.help("lists are written in brackets: `[a, b]`"));
                }
                self.close(")", &span)?;
                inner.span = span.start..self.end();
                Ok(inner)
            }
            TokenKind::Sign("[") => {
                self.at += 1;
                let items = self.list("]", &span)?;
                let depth = 1 + items.iter().map(|item| item.depth).max().unwrap_or(0);
                node(span.start..self.end(), NodeKind::List(items), depth)
            }
            TokenKind::Sign("{") => {
                self.at += 1;
                self.map(&span)
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    fn map(&mut self, open: &Range<usize>) -> Parsed {
        let (mut entries, mut depth) = (Vec::new(), 0);
        while !self.is("}") && self.kind() != TokenKind::End {
            let key = self.expression()?;
            if !self.take(":") {
                return Err(self.unexpected("`:` and a value"));
            }
            let value = self.expression()?;
            depth = depth.max(key.depth).max(value.depth);
            entries.push((key, value));
            if !self.take(",") {
                break;
            }
        }
        self.close("}", open)?;
        node(open.start..self.end(), NodeKind::Map(entries), depth + 1)
    }

    fn named(&mut self, span: Range<usize>) -> Parsed {
        let name = self.word();
        self.at += 1;
        let literal = match name {
            "null" => Some(Literal::Null),
            "true" => Some(Literal::Bool(true)),
            "false" => Some(Literal::Bool(false)),
            _ => None,
        };
        if let Some(literal) = literal {
            return node(span, NodeKind::Literal(literal), 1);
        }
        if let Some((right, literal)) = habits::literal(name)
            && !self.is("(")
        {
            self.errors.push(
                ExpressionError::new(span.clone(), format!("`{name}` is not a value")).help(format!("write `{right}`")),
            );
            return node(span, NodeKind::Literal(literal), 1);
        }
        if RESERVED.contains(&name) {
            return Err(ExpressionError::new(span, format!("expected a value, found `{name}`")));
        }
        let word = Word { text: name.to_owned(), span: span.clone() };
        if self.is("(") {
            let open = self.span();
            self.at += 1;
            let arguments = self.list(")", &open)?;
            return call(span.start, self.end(), word, None, arguments);
        }
        if matches!(self.kind(), TokenKind::String) && self.span().start == span.end {
            let error = ExpressionError::new(span, format!("`{name}` cannot stand before a text"));
            return Err(error.help("join texts with `+`; `r\"...\"` is a text without escapes"));
        }
        node(span, NodeKind::Name(word.text), 1)
    }

    /// The value of a number or text, as the crate `cel` reads it.
    fn literal(&mut self, span: Range<usize>) -> Parsed {
        use cel::common::ast::{Expr, LiteralValue};

        let typed = &self.text[span.clone()];
        let literal = match cel::parser::Parser::new().parse(typed).map(|parsed| parsed.expr) {
            Ok(Expr::Literal(LiteralValue::Int(int))) => Literal::Int(int.into_inner()),
            Ok(Expr::Literal(LiteralValue::UInt(_))) => Literal::UInt,
            Ok(Expr::Literal(LiteralValue::Double(double))) => Literal::Double(double.into()),
            Ok(Expr::Literal(LiteralValue::String(text))) => Literal::String(text.into_inner()),
            Ok(Expr::Literal(LiteralValue::Bytes(_))) => Literal::Bytes,
            _ if typed.ends_with(['"', '\'']) => {
                let error = ExpressionError::new(span, "this text has an escape that CEL does not know");
                return Err(error.help("write `\\\\` for a backslash, or a text without escapes: `r\"...\"`"));
            }
            _ if typed.contains(['.', 'e', 'E']) && !typed.starts_with("0x") => {
                let error = ExpressionError::new(span, "this number is too large");
                return Err(error.help("the largest is about `1.7e308`"));
            }
            _ => {
                let error = ExpressionError::new(span, "this whole number has more than 64 bits");
                return Err(error.help("write it with a fraction: `1.0e20`"));
            }
        };
        node(span, NodeKind::Literal(literal), 1)
    }
}

fn node(span: Range<usize>, kind: NodeKind, depth: u16) -> Parsed {
    if depth > MAX_DEPTH { Err(too_deep(span)) } else { Ok(Node { span, kind, depth }) }
}

fn too_deep(span: Range<usize>) -> ExpressionError {
    let message = format!("operators and brackets are nested more than {MAX_DEPTH} deep");
    ExpressionError::new(span, message).help("split the expression, or test a text with `matches` or a list with `in`")
}

fn negated(start: usize, operand: Node, kind: fn(Box<Node>) -> NodeKind) -> Parsed {
    let (span, depth) = (start..operand.span.end, operand.depth + 1);
    node(span, kind(Box::new(operand)), depth)
}

fn binary(operator: Binary, left: Node, right: Node) -> Parsed {
    let (span, depth) = (left.span.start..right.span.end, 1 + left.depth.max(right.depth));
    node(span, NodeKind::Binary(operator, Box::new((left, right))), depth)
}

fn call(start: usize, end: usize, name: Word, target: Option<Node>, arguments: Vec<Node>) -> Parsed {
    let depth = 1 + target.iter().chain(&arguments).map(|node| node.depth).max().unwrap_or(0);
    node(start..end, NodeKind::Call(Box::new(Call { name, target, arguments })), depth)
}
