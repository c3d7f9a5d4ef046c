//! The words and signs of an expression, with their places.

use std::ops::Range;

use super::ExpressionError;

/// A word or sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Name,
    Int,
    UInt,
    Double,
    String,
    Bytes,
    Sign(&'static str),
    End,
}

// The longest first. Some are not of CEL: the parser says what to write for them.
const SIGNS: &[&str] = &[
    "===", "!==", "&&", "||", "==", "!=", "<=", ">=", "=>", "=<", "=~", "!~", "<>", "**", "++", "--", "(", ")", "[",
    "]", "{", "}", ".", ",", "?", ":", "<", ">", "+", "-", "*", "/", "%", "!", "=", "&", "|",
];

/// Splits a text into its tokens; the last is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ExpressionError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(blank) = blank(rest) {
            at += blank;
            continue;
        }
        let (kind, length) = token(rest, at)?;
        tokens.push(Token { kind, span: at..at + length });
        at += length;
    }
    tokens.push(Token { kind: TokenKind::End, span: text.len()..text.len() });
    Ok(tokens)
}

/// The length of the blanks or of the comment at the beginning.
fn blank(rest: &str) -> Option<usize> {
    let is_blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{c}');
    match rest.len() - rest.trim_start_matches(is_blank).len() {
        0 => rest.starts_with("//").then(|| rest.find('\n').unwrap_or(rest.len())),
        blanks => Some(blanks),
    }
}

fn token(rest: &str, at: usize) -> Result<(TokenKind, usize), ExpressionError> {
    let first = rest.chars().next().unwrap_or_default();
    if let Some(prefix) = quoted(rest) {
        let kind = if rest[..prefix].contains(['b', 'B']) { TokenKind::Bytes } else { TokenKind::String };
        return Ok((kind, string(rest, prefix, at)?));
    }
    if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
        return number(rest, at);
    }
    if first.is_alphabetic() || first == '_' {
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if rest[..length].is_ascii() {
            return Ok((TokenKind::Name, length));
        }
        let message = format!("`{}` is not a name", &rest[..length]);
        return Err(ExpressionError::new(at..at + length, message)
            .help("names have ASCII letters, digits and `_`; texts have quotes"));
    }
    if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        return Ok((TokenKind::Sign(sign), sign.len()));
    }
    let error =
        ExpressionError::new(at..at + first.len_utf8(), format!("unexpected character `{}`", first.escape_debug()));
    Err(match first {
        '“' | '”' | '„' | '«' | '»' | '‘' | '’' | '‚' | '`' | '´' => {
            error.help("write texts in plain quotes: `\"...\"`")
        }
        '#' => error.help("comments begin with `//`"),
        ';' => error.help("write one expression, without a `;`"),
        '≠' => error.help("write `!=`"),
        '≤' => error.help("write `<=`"),
        '≥' => error.help("write `>=`"),
        '\\' => error.help("a `\\` belongs into a text in quotes"),
        _ => error,
    })
}

/// The length of the letters before the quotes of a text: `r"..."`, `b"..."`.
fn quoted(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let is_quote = |index: usize| matches!(bytes.get(index), Some(b'"' | b'\''));
    let letter = |index: usize| bytes.get(index).map(u8::to_ascii_lowercase);
    match (letter(0), letter(1)) {
        _ if is_quote(0) => Some(0),
        (Some(b'r' | b'b'), _) if is_quote(1) => Some(1),
        (Some(b'b'), Some(b'r')) if is_quote(2) => Some(2),
        _ => None,
    }
}

/// The length of a text with its quotes.
fn string(rest: &str, prefix: usize, at: usize) -> Result<usize, ExpressionError> {
    let is_raw = rest[..prefix].contains(['r', 'R']);
    let quote = &rest[prefix..=prefix];
    let triple = quote.repeat(3);
    let (open, is_long) = if rest[prefix..].starts_with(&triple) { (triple.as_str(), true) } else { (quote, false) };
    let mut inside = rest[prefix + open.len()..].char_indices();
    while let Some((index, c)) = inside.next() {
        let here = prefix + open.len() + index;
        if rest[here..].starts_with(open) {
            return Ok(here + open.len());
        }
        match c {
            '\\' if !is_raw => {
                inside.next();
            }
            '\n' | '\r' if !is_long => {
                let error = ExpressionError::new(at..at + here, "this text has no end on its line");
                return Err(error.help(format!("end it with `{quote}`, or write a line break as `\\n`")));
            }
            _ => {}
        }
    }
    Err(ExpressionError::new(at..at + rest.len(), "this text has no end").help(format!("end it with `{open}`")))
}

fn number(rest: &str, at: usize) -> Result<(TokenKind, usize), ExpressionError> {
    let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
    let byte = |index: usize| rest.as_bytes().get(index).copied().unwrap_or_default();
    let mut kind = TokenKind::Int;
    let mut length = digits(0);
    if length == 1 && byte(0) == b'0' && byte(1) == b'x' {
        length = 2 + rest[2..].bytes().take_while(u8::is_ascii_hexdigit).count();
    } else {
        if byte(length) == b'.' && digits(length + 1) > 0 {
            length += 1 + digits(length + 1);
            kind = TokenKind::Double;
        }
        let sign = usize::from(matches!(byte(length + 1), b'+' | b'-'));
        if matches!(byte(length), b'e' | b'E') && rest.len() > length + 1 + sign && digits(length + 1 + sign) > 0 {
            length += 1 + sign + digits(length + 1 + sign);
            kind = TokenKind::Double;
        }
    }
    if kind == TokenKind::Int && matches!(byte(length), b'u' | b'U') {
        length += 1;
        kind = TokenKind::UInt;
    }
    let tail = rest[length..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len() - length);
    if tail > 0 {
        let (typed, unit) = (&rest[..length + tail], &rest[length..length + tail]);
        let error = ExpressionError::new(at..at + length + tail, format!("`{typed}` is not a number"));
        return Err(if unit.starts_with('_') {
            error.help(format!("write it without `_`: `{}`", typed.replace('_', "")))
        } else {
            error.help("write a number without a unit, and a text in quotes")
        });
    }
    Ok((kind, length))
}
