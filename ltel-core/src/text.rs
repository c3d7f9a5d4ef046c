//! Text from outside, for people. What a client sent may hold escape sequences, line breaks and marks that change the
//! direction of text: here they are made visible and harmless.

use std::any::Any;
use std::fmt::{self, Write};

/// Shows text on one line: what does not print is escaped, as Rust writes it (`\u{1b}`, `\n`).
///
/// ```
/// use ltel_core::text::printable;
///
/// assert_eq!(printable("café \u{1b}[31mred\r\n").to_string(), "café \\u{1b}[31mred\\r\\n");
/// ```
#[must_use]
pub const fn printable(text: &str) -> Printable<'_> {
    Printable { text, most: usize::MAX }
}

/// Like [`printable`], and no longer than so many characters: a longer text ends with `…`.
#[must_use]
pub const fn shortened(text: &str, most: usize) -> Printable<'_> {
    Printable { text, most }
}

/// Names in a message.
///
/// ```
/// use ltel_core::text::list;
///
/// assert_eq!(list(["users", "usage", "log"]), "`users`, `usage` and `log`");
/// ```
#[must_use]
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    join(names.into_iter().map(|name| format!("`{name}`")).collect())
}

/// Parts of a sentence: a, b and c.
#[must_use]
pub fn join(mut parts: Vec<String>) -> String {
    match parts.pop() {
        None => "none".to_owned(),
        Some(last) if parts.is_empty() => last,
        Some(last) => format!("{} and {last}", parts.join(", ")),
    }
}

/// The one of `known` that is close to what was typed, if there is one.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Of a short name one letter may be wrong: `nme` is not `time`.
    let most = |name: &str| match typed.len().max(name.len()) {
        ..=4 => 1,
        length => 1 + length / 4,
    };
    let length = typed.chars().count();
    let lower = typed.to_ascii_lowercase();
    let (mut nearest, mut begins) = (None, Vec::new());
    for name in known {
        if length >= 3 && name.starts_with(&lower) {
            begins.push(name);
        }
        // Names are as far apart as their lengths, at least: most need no closer look.
        if length.abs_diff(name.chars().count()) > most(name) {
            continue;
        }
        let distance = strsim::damerau_levenshtein(typed, name).min(strsim::damerau_levenshtein(&lower, name));
        if distance <= most(name) && nearest.is_none_or(|near| (distance, name) < near) {
            nearest = Some((distance, name));
        }
    }
    match (nearest, &begins[..]) {
        (Some((_, name)), _) => Some(name),
        // The beginning of one name only: `warn` is `warning`.
        (None, [name]) => Some(name),
        (None, _) => None,
    }
}

/// The message of a caught panic. It may hold what a client sent: show it with [`printable`].
#[must_use]
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Text that is safe to show.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a> {
    text: &'a str,
    most: usize,
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, c) in self.text.chars().enumerate() {
            if index == self.most {
                return f.write_char('…');
            }
            match c {
                '"' | '\'' | '\\' => f.write_char(c)?,
                // A mark that joins the letter before it, such as an accent, is part of that.
                _ if index > 0 && is_mark(c) => f.write_char(c)?,
                _ => write!(f, "{}", c.escape_debug())?,
            }
        }
        Ok(())
    }
}

// The standard library escapes such marks only where nothing stands before them.
fn is_mark(c: char) -> bool {
    let mut buffer = [b'a', 0, 0, 0, 0];
    let length = c.encode_utf8(&mut buffer[1..]).len();
    std::str::from_utf8(&buffer[..=length]).is_ok_and(|text| text.escape_debug().count() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_near_or_begins_so() {
        for (typed, known, meant) in [
            ("nme", &["time", "total"][..], None),
            ("nme", &["name", "time"], Some("name")),
            ("warn", &["info", "warning", "error"], Some("warning")),
            ("WARN", &["info", "warning", "error"], Some("warning")),
            ("response", &["response_time", "response_length"], None),
            ("respons_time", &["response_time", "response_length"], Some("response_time")),
            ("critical", &["info", "warning", "error"], None),
        ] {
            assert_eq!(did_you_mean(typed, known.iter().copied()), meant, "{typed}");
        }
    }

    #[test]
    fn what_does_not_print_is_escaped() {
        for (text, shown) in [
            ("GET /search?q=\"a\" \\ 'b'", "GET /search?q=\"a\" \\ 'b'"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\u{9b}31m \u{85}", "\\u{9b}31m \\u{85}"),
            ("\u{202e}abc\u{2066}\u{200f}", "\\u{202e}abc\\u{2066}\\u{200f}"),
            ("a\u{2028}b\u{2029}c\u{feff}", "a\\u{2028}b\\u{2029}c\\u{feff}"),
            ("e\u{301} 日本語 🦀", "e\u{301} 日本語 🦀"),
            ("\u{301}", "\\u{301}"),
        ] {
            assert_eq!(printable(text).to_string(), shown);
        }
    }

    #[test]
    fn a_long_text_ends_with_an_ellipsis() {
        assert_eq!(shortened("abcdef", 3).to_string(), "abc…");
        assert_eq!(shortened("abc", 3).to_string(), "abc");
    }
}
