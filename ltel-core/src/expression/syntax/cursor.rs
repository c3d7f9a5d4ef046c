//! Where a parser is among its tokens.

use std::ops::Range;

use crate::expression::token::TokenKind;
use crate::expression::{ExpressionError, habits};

use super::parser::Parser;

impl<'a> Parser<'a> {
    pub(super) fn kind(&self) -> TokenKind {
        self.peek(0)
    }

    pub(super) fn peek(&self, ahead: usize) -> TokenKind {
        self.tokens.get(self.at + ahead).map_or(TokenKind::End, |token| token.kind)
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.text.len()..self.text.len(), |token| token.span.clone())
    }

    pub(super) fn word(&self) -> &'a str {
        &self.text[self.span()]
    }

    /// The name `ahead` of here, if it is one.
    pub(super) fn name(&self, ahead: usize) -> Option<&'a str> {
        let token = self.tokens.get(self.at + ahead)?;
        (token.kind == TokenKind::Name).then(|| &self.text[token.span.clone()])
    }

    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self.kind(), TokenKind::Sign(have) if have == sign)
    }

    pub(super) fn take(&mut self, sign: &str) -> bool {
        let is = self.is(sign);
        self.at += usize::from(is);
        is
    }

    pub(super) fn report(&mut self, tokens: usize, message: String, help: String) {
        let start = self.span().start;
        let end = self.tokens.get(self.at + tokens - 1).map_or(self.text.len(), |token| token.span.end);
        self.errors.push(ExpressionError::new(start..end, message).help(help));
        self.at += tokens;
    }

    pub(super) fn unexpected(&self, expected: &str) -> ExpressionError {
        let span = self.span();
        if self.kind() == TokenKind::End {
            return ExpressionError::new(span, format!("the expression ends where {expected} must follow"));
        }
        let word = self.word();
        let error = ExpressionError::new(span, format!("expected {expected}, found `{word}`"));
        let before = self.at.checked_sub(1).and_then(|before| self.tokens.get(before));
        let is_joined =
            before.is_some_and(|token| token.kind == TokenKind::Sign("?") && token.span.end == error.span.start);
        let sign = if is_joined { habits::after_question_mark(word) } else { None };
        match (sign.or_else(|| habits::sign(word)), self.kind()) {
            (Some(help), _) => error.help(help),
            (None, TokenKind::Sign(")" | "]" | "}")) if self.nesting <= 1 => {
                error.help("nothing is open here that it closes")
            }
            (None, TokenKind::Name | TokenKind::String | TokenKind::Int | TokenKind::Double) => {
                error.help("write an operator before it, such as `==` or `&&`")
            }
            _ => error,
        }
    }
}
