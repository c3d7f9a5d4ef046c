//! Escapes characters that JSON allows but that break lines for some readers: U+2028 and U+0085 end a line for some, and
//! terminals obey C1 controls.

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Escapes characters that split or garble lines.
pub(super) struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut begin = 0;
        // All of them begin with one of three bytes, which are rare.
        let suspects = fragment.bytes().enumerate().filter(|(_, byte)| matches!(byte, 0x7f | 0xc2 | 0xe2));
        for (index, _) in suspects {
            let Some(c) = fragment[index..].chars().next().filter(|c| splits_or_garbles(*c)) else { continue };
            writer.write_all(&fragment.as_bytes()[begin..index])?;
            write!(writer, "\\u{:04x}", u32::from(c))?;
            begin = index + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[begin..])
    }
}

/// Appends a value. What fails to be one, of which there is none here, is null.
pub(super) fn json(out: &mut Vec<u8>, value: &impl Serialize) {
    let begin = out.len();
    if value.serialize(&mut Serializer::with_formatter(&mut *out, OneLine)).is_err() {
        out.truncate(begin);
        out.extend_from_slice(b"null");
    }
}

/// Appends a text, in its quotes.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    content(out, text);
    out.push(b'"');
}

/// Appends the inside of a text.
pub(super) fn content(out: &mut Vec<u8>, text: &str) {
    // Without an early end, so that it is done for many bytes at a time.
    if !text.bytes().fold(false, |found, byte| found | is_special(byte)) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let begin = out.len();
    json(out, &text);
    // Without its quotes.
    out.pop();
    out.remove(begin);
}

/// The bytes that JSON escapes, and those with which begins what splits or garbles.
const fn is_special(byte: u8) -> bool {
    matches!(byte, 0..0x20 | b'"' | b'\\' | 0x7f | 0xc2 | 0xe2)
}

const fn splits_or_garbles(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::Serializer;

    use super::*;

    #[test]
    fn what_splits_lines_is_escaped() {
        for (text, expected) in [
            ("plain \u{e9} \u{20ac} \u{1f980}", "\"plain \u{e9} \u{20ac} \u{1f980}\""),
            ("a\u{2028}b\u{2029}", "\"a\\u2028b\\u2029\""),
            ("\u{85}\u{9b}31m\u{a0}", "\"\\u0085\\u009b31m\u{a0}\""),
            ("\u{7f}\n\u{1b}\"\\", "\"\\u007f\\n\\u001b\\\"\\\\\""),
        ] {
            let mut out = Vec::new();
            text.serialize(&mut Serializer::with_formatter(&mut out, OneLine)).unwrap();
            assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
