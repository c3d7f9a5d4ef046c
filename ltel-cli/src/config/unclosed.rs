//! Lists and tables within lines that are not closed. TOML's parser reads on behind them, and finds faults in lines that have none.

use std::ops::Range;

use ltel_core::backend::ConfigError;

/// A list or a table without its end.
#[derive(Debug)]
pub(super) struct Unclosed {
    /// Where it begins.
    open: Range<usize>,
    /// What closes it, and all that is open around it.
    close: String,
    /// Where that is missing: behind the last value before the next key or table.
    pub(super) end: usize,
}

impl Unclosed {
    /// The error, for the text of the file.
    pub(super) fn error(&self, text: &str) -> ConfigError {
        let (what, close) = match &text[self.open.clone()] {
            "[" => ("list", "]"),
            "{" => ("table", "}"),
            quotes => return self.of_text(text, quotes),
        };
        let from = text[..self.open.start].rfind('\n').map_or(0, |end| end + 1);
        let written = text[from..self.end].trim();
        let space = if close == "}" { " " } else { "" };
        let help = if written.contains('\n') {
            format!("write `{close}` behind its last value")
        } else {
            format!("write `{}{space}{}`", written.trim_end_matches(',').trim_end(), self.close)
        };
        ConfigError::new(format!("the closing `{close}` of a {what} is missing"), self.open.clone()).help(help)
    }

    /// The error of a text over several lines.
    fn of_text(&self, text: &str, quotes: &str) -> ConfigError {
        let from = text[..self.open.start].rfind('\n').map_or(0, |end| end + 1);
        let before = text[from..self.open.start].trim_start();
        let inside = &text[self.open.end..self.end];
        let help = if inside.trim().is_empty() || inside.contains(['"', '\'', '\\']) {
            format!("write `{quotes}` behind its last line")
        } else {
            let quote = &quotes[..1];
            format!("write `{before}{quote}{inside}{quote}`")
        };
        ConfigError::new(format!("the closing `{quotes}` is missing"), self.open.clone()).help(help)
    }

    /// What is missing.
    pub(super) fn close(&self) -> &str {
        &self.close
    }
}

/// All of them, in the order of the file.
pub(super) fn find(text: &str) -> Vec<Unclosed> {
    let mut found = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let (mut from, mut end, mut long_quote) = (0, 0, None);
    for line in text.split_inclusive('\n') {
        if long_quote.is_none() && !open.is_empty() && begins_anew(line.trim(), text, &open, end) {
            found.push(unclosed(text, &open, end));
            open.clear();
        }
        let is_header = open.is_empty() && line.trim_start().starts_with('[');
        if !is_header {
            scan(line, from, &mut open, &mut end, &mut long_quote, text);
        }
        from += line.len();
    }
    if let Some((quotes, at)) = long_quote {
        let line = text[at..].lines().next().unwrap_or_default();
        found.push(Unclosed { open: at..at + 3, close: quotes.to_owned(), end: at + line.len() });
    } else if !open.is_empty() {
        found.push(unclosed(text, &open, end));
    }
    found
}

fn unclosed(text: &str, open: &[usize], end: usize) -> Unclosed {
    let close = open.iter().rev().map(|at| if &text[*at..=*at] == "[" { "]" } else { "}" }).collect();
    let at = open.last().copied().unwrap_or_default();
    Unclosed { open: at..at + 1, close, end }
}

/// Whether a line is the name of a table, or a key that is not in what is open.
fn begins_anew(line: &str, text: &str, open: &[usize], end: usize) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
            && !["true", "false", "inf", "nan"].contains(&name)
    };
    let header = line.split('#').next().unwrap_or_default().trim();
    if header.starts_with('[') && is_name(header.trim_matches(['[', ']'])) {
        return true;
    }
    let is_list = open.last().is_some_and(|at| text[*at..].starts_with('['));
    let is_key = line.split_once('=').is_some_and(|(key, _)| is_name(key.trim()));
    let goes_on = text[..end].ends_with([',', '{', '[']);
    is_key && (is_list || !goes_on)
}

/// Follows the brackets of a line, outside of texts and comments.
fn scan(
    line: &str,
    from: usize,
    open: &mut Vec<usize>,
    end: &mut usize,
    long_quote: &mut Option<(&'static str, usize)>,
    text: &str,
) {
    let mut at = 0;
    let mut is_value = !open.is_empty();
    while at < line.len() {
        let rest = &line[at..];
        if let Some((quote, _)) = *long_quote {
            let Some(closing) = rest.find(quote) else { return };
            *long_quote = None;
            at += closing + quote.len();
            *end = from + at;
            continue;
        }
        let Some(c) = rest.chars().next() else { return };
        match c {
            '#' => return,
            '"' | '\'' => {
                let long = if c == '"' { "\"\"\"" } else { "'''" };
                if rest.starts_with(long) {
                    *long_quote = Some((long, from + at));
                    at += 3;
                } else {
                    // A text that does not end goes on to the end of its line.
                    let length = text_length(rest, c);
                    at += length;
                    *end = from + line[..at].trim_end().len();
                }
                continue;
            }
            '=' => is_value = true,
            '[' | '{' if is_value => open.push(from + at),
            ']' | '}' if is_value => {
                let is_pair = open.last().is_some_and(|at| text[*at..].starts_with(if c == ']' { '[' } else { '{' }));
                if is_pair {
                    open.pop();
                }
            }
            _ => {}
        }
        at += c.len_utf8();
        if !c.is_whitespace() {
            *end = from + at;
        }
    }
}

/// The length of a text with its quotes, at most to the end of the line.
fn text_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped && quote == '"';
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn what_is_not_closed() {
        for (text, expected) in [
            ("tls = { cert_file = \"a\"\n[limits]\n", &["write `tls = { cert_file = \"a\" }`"][..]),
            ("percentiles = [50, 95\n[backends.json]\n", &["write `percentiles = [50, 95]`"]),
            ("percentiles = [50, 95,  # both\nper = \"x\"\n", &["write `percentiles = [50, 95]`"]),
            ("a = [\n  1,\n  2\n[b]\n", &["write `]` behind its last value"]),
            ("a = { b = [1, 2\nc = { d = 1\n", &["write `a = { b = [1, 2]}`", "write `c = { d = 1 }`"]),
            ("a = [\n  \"[b]\",\n  [1],\n]\n[b]\nc = [ # [\n]\n", &[]),
            ("a = \"\"\"\n[b\n\"\"\"\n", &[]),
            ("a = \"\"\"x\n[b]\n", &["write `a = \"x\"`"]),
            ("a = '[b'\n[recorders.stats\n[[names]]\n", &[]),
        ] {
            let found: Vec<_> = find(text).iter().map(|unclosed| unclosed.error(text).help.unwrap()).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
