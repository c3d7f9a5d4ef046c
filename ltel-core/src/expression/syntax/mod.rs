//! The syntax of expressions: a tree whose parts know their places. The crate `cel` has no such places, so that the checks have
//! a tree of their own. What the tree means is CEL's: tests compare each value with what the crate computes.

mod tree;
mod cursor;
mod parser;

use super::ExpressionError;
use super::token::tokens;

use self::parser::Parser;

pub(super) use self::tree::{Binary, Call, Literal, Logic, Node, NodeKind, Word};

/// The longest text, in bytes.
pub(super) const MAX_LENGTH: usize = 8192;

/// How deep operators and brackets may be nested. Bounded: everything that walks a tree is recursive.
pub(super) const MAX_DEPTH: u16 = 40;

/// A field of logs that CEL reserves without a meaning.
pub(super) const FUNCTION: &str = "function";

/// Parses an expression. Signs and words of other languages are mistakes that do not end the parse.
pub(super) fn parse(text: &str) -> Result<Node, Vec<ExpressionError>> {
    if text.len() > MAX_LENGTH {
        let message = format!("an expression may have {MAX_LENGTH} bytes, but this one has {}", text.len());
        return Err(vec![ExpressionError::new(0..text.len(), message)]);
    }
    let tokens = tokens(text).map_err(|error| vec![error])?;
    if tokens.len() == 1 {
        let error = ExpressionError::new(0..text.len(), "the expression is empty");
        return Err(vec![error.help("write `true` for a condition that always holds, and leave the key out for none")]);
    }
    let mut parser = Parser { text, tokens, at: 0, nesting: 0, errors: Vec::new() };
    let node = parser.whole();
    match node {
        Ok(node) if parser.errors.is_empty() => Ok(node),
        Ok(_) => Err(parser.errors),
        Err(error) => {
            parser.errors.push(error);
            Err(parser.errors)
        }
    }
}
