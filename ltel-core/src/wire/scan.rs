//! A lenient JSON reader. An error in a text or number loses only that value; only the end of a value must be clear.

use std::borrow::Cow;

use super::value::{DEPTH, Number, VALUES, Value};

/// The bytes that are left of a line. A method returns nothing where the bytes are not what it reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    /// Any value. Counts texts with errors that were mended.
    pub(super) fn value(&mut self, values: &mut usize, mended: &mut u64) -> Option<Value<'a>> {
        self.nested(DEPTH, values, mended)
    }

    /// Any value of a row.
    pub(super) fn field(&mut self, mended: &mut u64) -> Option<Value<'a>> {
        self.nested(DEPTH, &mut { VALUES }, mended)
    }

    fn nested(&mut self, depth: usize, values: &mut usize, mended: &mut u64) -> Option<Value<'a>> {
        match self.peek()? {
            b'"' => self.text(mended).map(Value::Text),
            open @ (b'[' | b'{') => {
                let Some(depth) = depth.checked_sub(1) else { return self.skip().map(|()| Value::Other) };
                let begin = *self;
                let is_map = open == b'{';
                let (mut list, mut entries) = (Vec::new(), Vec::new());
                let mut is_next = self.open()?;
                while is_next {
                    let Some(left) = values.checked_sub(1) else {
                        *self = begin;
                        return self.skip().map(|()| Value::Other);
                    };
                    *values = left;
                    if is_map {
                        let key = self.key(mended)?;
                        entries.push((key, self.nested(depth, values, mended)?));
                    } else {
                        list.push(self.nested(depth, values, mended)?);
                    }
                    is_next = self.goes_on(if is_map { b'}' } else { b']' })?;
                }
                Some(if is_map { Value::Map(entries) } else { Value::List(list) })
            }
            _ => self.word().map(plain),
        }
    }

    /// Passes over one value: within `DEPTH` all that must be plain is looked at, below it only where texts and brackets end.
    pub(super) fn skip(&mut self) -> Option<()> {
        self.skip_nested(DEPTH)
    }

    fn skip_nested(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.raw_text().map(drop),
            open @ (b'[' | b'{') => {
                let Some(depth) = depth.checked_sub(1) else { return self.skip_brackets() };
                let mut is_next = self.open()?;
                while is_next {
                    if open == b'{' {
                        self.peek().filter(|byte| *byte == b'"')?;
                        self.raw_text()?;
                        self.colon()?;
                    }
                    self.skip_nested(depth)?;
                    is_next = self.goes_on(if open == b'{' { b'}' } else { b']' })?;
                }
                Some(())
            }
            _ => self.word().map(drop),
        }
    }

    // Without recursion, so that nesting cannot exhaust the stack.
    fn skip_brackets(&mut self) -> Option<()> {
        let mut open = 0_usize;
        loop {
            match *self.0.first()? {
                b'"' => drop(self.raw_text()?),
                b'[' | b'{' => {
                    open += 1;
                    self.0 = &self.0[1..];
                }
                b']' | b'}' => {
                    open -= 1;
                    self.0 = &self.0[1..];
                    if open == 0 {
                        return Some(());
                    }
                }
                _ => self.0 = &self.0[1..],
            }
        }
    }

    /// The byte at which the next value begins.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.0 = self.0.trim_ascii_start();
        self.0.first().copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        let is_it = self.peek()? == byte;
        is_it.then(|| self.0 = &self.0[1..])
    }

    /// Enters a list or a map. True if it is not empty.
    pub(super) fn open(&mut self) -> Option<bool> {
        let close = match self.peek()? {
            b'[' => b']',
            b'{' => b'}',
            _ => return None,
        };
        self.0 = &self.0[1..];
        if self.peek()? == close {
            self.0 = &self.0[1..];
            return Some(false);
        }
        Some(true)
    }

    /// After a value: whether another follows, or the list or map is closed.
    pub(super) fn goes_on(&mut self, close: u8) -> Option<bool> {
        let byte = self.peek()?;
        self.0 = &self.0[1..];
        match byte {
            b',' => Some(true),
            _ if byte == close => Some(false),
            _ => None,
        }
    }

    fn colon(&mut self) -> Option<()> {
        self.take(b':')
    }

    /// A key of a map, and the colon after it.
    pub(super) fn key(&mut self, mended: &mut u64) -> Option<Cow<'a, str>> {
        self.peek().filter(|byte| *byte == b'"')?;
        let key = self.text(mended)?;
        self.colon()?;
        Some(key)
    }

    fn text(&mut self, mended: &mut u64) -> Option<Cow<'a, str>> {
        let (raw, is_plain) = self.raw_text()?;
        if is_plain && let Ok(text) = std::str::from_utf8(raw) {
            return Some(Cow::Borrowed(text));
        }
        let (text, is_right) = unescape(raw);
        *mended += u64::from(!is_right);
        Some(Cow::Owned(text))
    }

    /// A text between its quotes, and whether it is free of escapes.
    fn raw_text(&mut self) -> Option<(&'a [u8], bool)> {
        let bytes = self.0.get(1..)?;
        let mut is_plain = true;
        let mut at = 0;
        while let Some(end) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| matches!(b, b'"' | b'\\'))) {
            at += end;
            if bytes[at] == b'"' {
                self.0 = &bytes[at + 1..];
                return Some((&bytes[..at], is_plain));
            }
            is_plain = false;
            at += 2;
        }
        // How far was looked is counted.
        self.0 = b"";
        None
    }

    /// A value without quotes or brackets.
    fn word(&mut self) -> Option<&'a [u8]> {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_');
        let end = self.0.iter().position(|byte| !is_part(byte)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }
}

/// The value of a word. What JSON does not have (`NaN`, `Infinity`, `undefined`), and numbers beyond a float, are no value.
fn plain(word: &[u8]) -> Value<'static> {
    match word {
        b"null" => Value::Null,
        b"true" => Value::Bool(true),
        b"false" => Value::Bool(false),
        _ => number(word).map_or(Value::Other, Value::Number),
    }
}

fn number(word: &[u8]) -> Option<Number> {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    let text = std::str::from_utf8(word).ok().filter(|_| digits.first().is_some_and(u8::is_ascii_digit))?;
    if digits.iter().all(u8::is_ascii_digit) {
        if let Ok(n) = text.parse() {
            return Some(Number::Unsigned(n));
        }
        if let Ok(n) = text.parse() {
            return Some(Number::Negative(n));
        }
    }
    text.parse().ok().filter(|n: &f64| n.is_finite()).map(Number::Float)
}

/// The decoded text, and whether it was valid. Invalid escapes stay visible.
fn unescape(raw: &[u8]) -> (String, bool) {
    let mut text = String::with_capacity(raw.len());
    let mut is_right = true;
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        is_right &= push(&mut text, &rest[..at]);
        let escape = rest.get(at + 1).copied().unwrap_or_default();
        rest = rest.get(at + 2..).unwrap_or_default();
        let c = match escape {
            b'"' | b'\\' | b'/' => Some(char::from(escape)),
            b'b' => Some('\u{8}'),
            b'f' => Some('\u{c}'),
            b'n' => Some('\n'),
            b'r' => Some('\r'),
            b't' => Some('\t'),
            b'u' => unit(&mut rest).map(|first| {
                surrogates(first, &mut rest).unwrap_or_else(|| {
                    is_right = false;
                    char::REPLACEMENT_CHARACTER
                })
            }),
            _ => None,
        };
        match c {
            Some(c) => text.push(c),
            None => {
                is_right = false;
                text.push('\\');
                // It may be the first of several bytes: these follow.
                rest = &raw[raw.len() - rest.len() - 1..];
            }
        }
    }
    is_right &= push(&mut text, rest);
    (text, is_right)
}

fn push(text: &mut String, bytes: &[u8]) -> bool {
    let lossy = String::from_utf8_lossy(bytes);
    text.push_str(&lossy);
    matches!(lossy, Cow::Borrowed(_))
}

/// Four hexadecimal digits.
fn unit(rest: &mut &[u8]) -> Option<u32> {
    let (digits, after) = rest.split_first_chunk::<4>()?;
    let unit = digits.iter().try_fold(0, |unit, byte| Some(unit * 16 + char::from(*byte).to_digit(16)?))?;
    *rest = after;
    Some(unit)
}

/// The character of one escape, or of two that are a pair of surrogates.
fn surrogates(first: u32, rest: &mut &[u8]) -> Option<char> {
    if (0xd800..0xdc00).contains(&first)
        && let Some(mut after) = rest.strip_prefix(b"\\u")
        && let Some(second) = unit(&mut after)
        && (0xdc00..0xe000).contains(&second)
    {
        *rest = after;
        return char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00));
    }
    char::from_u32(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Option<String>, u64) {
        let mut mended = 0;
        let value = Input(json.as_bytes()).value(&mut { VALUES }, &mut mended);
        (value.map(|value| format!("{value:?}")), mended)
    }

    #[test]
    fn texts() {
        for (json, expected, mended) in [
            (r#""a\n\u00e9\ud83e\udd80\/""#, "a\né🦀/", 0),
            (r#""a\qb""#, "a\\qb", 1),
            (r#""\ud800x""#, "\u{fffd}x", 1),
            (r#""\ud800\u0041""#, "\u{fffd}A", 1),
            (r#""\u12""#, "\\u12", 1),
            (r#""\uzzzz\"""#, "\\uzzzz\"", 1),
            ("\"tab\there\"", "tab\there", 0),
            (r#""\é""#, "\\é", 1),
        ] {
            let value = format!("{:?}", Value::Text(expected.into()));
            assert_eq!(read(json), (Some(value), mended), "{json}");
        }
        let mut mended = 0;
        let value = Input(b"\"a\xff\"").value(&mut { VALUES }, &mut mended);
        assert!(matches!(value, Some(Value::Text(text)) if text == "a\u{fffd}") && mended == 1);
    }

    #[test]
    fn words() {
        for (json, expected) in [
            ("12", "Number(Unsigned(12))"),
            ("-12", "Number(Negative(-12))"),
            ("18446744073709551616", "Number(Float(1.8446744073709552e19))"),
            ("1.5e3", "Number(Float(1500.0))"),
            ("1e999", "Other"),
            ("NaN", "Other"),
            ("-Infinity", "Other"),
            ("undefined", "Other"),
            (".5", "Other"),
            ("+5", "Other"),
            ("[1,null,true]", "List([Number(Unsigned(1)), Null, Bool(true)])"),
        ] {
            assert_eq!(read(json).0.as_deref(), Some(expected), "{json}");
        }
    }

    #[test]
    fn what_does_not_end_is_no_value() {
        for json in ["", "\"a", "\"a\\", "[1", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{1:2}", "/", "[}", "{\"a\":1]"]
        {
            assert_eq!(read(json).0, None, "{json}");
            assert!(Input(json.as_bytes()).skip().is_none(), "{json}");
        }
    }
}
