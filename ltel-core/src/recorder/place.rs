//! Where a part of a text is in a TOML file.

use std::ops::Range;

use toml::Spanned;

/// The bytes of the file in which a part of a text is written; all of the text if it is not written there.
pub(super) fn of_part(file: &str, text: &Spanned<String>, part: Range<usize>) -> Range<usize> {
    let span = text.span();
    let written = file.get(span.clone()).unwrap_or_default();
    let Some((from, escapes)) = body(written) else { return span };
    let (mut at, mut value) = (from, 0);
    let mut place = None;
    // Both are walked together, a character of the text at a time.
    for c in text.get_ref().chars() {
        if value <= part.start {
            place = Some(at..at);
        }
        let Some(length) = written_length(&written[at..], c, escapes) else { return span };
        (at, value) = (at + length, value + c.len_utf8());
        if let Some(place) = &mut place
            && (value <= part.end || place.end == place.start)
        {
            place.end = at;
        }
    }
    match place {
        // Behind the last character, such as where a parenthesis is missing: the closing quote.
        _ if part.start >= value => span.start + at..span.start + at + 1,
        Some(place) => span.start + place.start..span.start + place.end,
        None => span,
    }
}

/// Where the text begins, after its quotes, and whether it may have escapes.
fn body(written: &str) -> Option<(usize, bool)> {
    let (quotes, escapes) = [("\"\"\"", true), ("'''", false), ("\"", true), ("'", false)]
        .into_iter()
        .find(|(quotes, _)| written.starts_with(quotes))?;
    let mut from = quotes.len();
    // A line break after the quotes is not part of the text.
    if quotes.len() == 3 {
        from += if written[from..].starts_with("\r\n") { 2 } else { usize::from(written[from..].starts_with('\n')) };
    }
    Some((from, escapes))
}

/// How many bytes a character takes as it is written; `None` if it is not written here.
fn written_length(written: &str, c: char, escapes: bool) -> Option<usize> {
    let mut skipped = 0;
    if escapes && written.starts_with('\\') {
        let after = written.as_bytes().get(1)?;
        return match after {
            b'x' => Some(4),
            b'u' => Some(6),
            b'U' => Some(10),
            // A backslash at the end of a line joins it with the next one.
            b'\n' | b'\r' | b' ' | b'\t' => {
                skipped += 1;
                skipped += written[1..].len() - written[1..].trim_start().len();
                Some(skipped + written_length(&written[skipped..], c, escapes)?)
            }
            _ => Some(2),
        };
    }
    written.starts_with(c).then_some(c.len_utf8())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct File {
        text: Spanned<String>,
    }

    /// Guarantees: a part of a text is found in the file in each way that TOML writes texts.
    #[test]
    fn parts_are_found() {
        for (file, part, found) in [
            ("text = 'ab(c'", 2..3, "("),
            ("text = \"ab(c\"", 2..3, "("),
            ("text = \"\\u0061\\tb(c\"", 3..4, "("),
            ("text = \"\\u0061\\tb(c\"", 0..2, "\\u0061\\t"),
            ("text = '''\nab(c'''", 2..3, "("),
            ("text = \"\"\"\nab\\\n   (c\"\"\"", 2..3, "\\\n   ("),
            ("text = \"\"\"a\r\nb(c\"\"\"", 4..5, "("),
            ("text = 'é(c'", 2..3, "("),
            // Within a character, and behind the end.
            ("text = 'é(c'", 1..1, "é"),
            ("text = 'ab'", 2..2, "'"),
            ("text = 'ab'", 0..0, "a"),
        ] {
            let read: File = toml::from_str(file).expect("TOML");
            assert_eq!(&file[of_part(file, &read.text, part)], found, "{file}");
        }
    }
}
