//! What is not TOML, in plain words. TOML's parser says what it did not expect; here it is said what people have likely meant, and
//! what to write.

use std::ops::Range;

use ltel_core::backend::ConfigError;
use toml::de::Error;

use super::{quoting, thresholds, twice};

/// The errors of a file that is not TOML: at most one for each line, since those behind it follow from the first.
pub(super) fn errors(text: &str, found: &[Error]) -> Vec<ConfigError> {
    if let Some(error) = other_format(text) {
        return vec![error];
    }
    let mut found: Vec<_> = found.iter().map(|error| (error.span().unwrap_or(0..0), error.message())).collect();
    found.sort_by_key(|(span, _)| span.start);
    found.dedup_by_key(|(span, _)| text.get(..span.start).unwrap_or(text).matches('\n').count());
    found.into_iter().map(|(span, message)| Line::at(text, span.start).error(text, span, message)).collect()
}

/// A file that is in another format as a whole.
fn other_format(text: &str) -> Option<ConfigError> {
    let is_json = text.trim_start().starts_with('{');
    let first =
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#') && *line != "---")?;
    let is_yaml = first.ends_with(':') && !first.contains('=') || text.trim_start().starts_with("---");
    let format = if is_json {
        "JSON"
    } else if is_yaml {
        "YAML"
    } else {
        return None;
    };
    let at = text.len() - text.trim_start().len();
    let help = format!(
        "write tables and their keys: `[backends.json]` on a line, and `output = \"telemetry.jsonl\"` on the next; \
         `{} help config` shows all of them",
        crate::program::name()
    );
    Some(ConfigError::new(format!("this is {format}, and ltel's configuration is TOML"), at..at + 1).help(help))
}

/// The line of an error.
struct Line<'a> {
    text: &'a str,
    /// Its place in the file.
    from: usize,
}

impl<'a> Line<'a> {
    fn at(file: &'a str, at: usize) -> Self {
        // At the end of a file without a line of its own, the line before is meant.
        let at = if at == file.len() && file.ends_with('\n') { at - 1 } else { at };
        let before = file.get(..at).unwrap_or(file);
        let from = before.rfind('\n').map_or(0, |end| end + 1);
        Self { text: file[from..].lines().next().unwrap_or_default(), from }
    }

    fn error(&self, file: &str, span: Range<usize>, message: &str) -> ConfigError {
        let expected = message.split(", expected ").next().unwrap_or(message);
        if expected == "duplicate key" {
            return twice::error(file, span);
        }
        if thresholds::is_bare_pattern(file, span.start) {
            return ConfigError::new("a pattern of endpoints has no quotes", span).help(thresholds::QUOTES);
        }
        if let Some(error) = self.wrong_character() {
            return error;
        }
        if let Some((message, help)) = of_lists(expected) {
            // A text that ends too early looks as if a comma were missing behind it.
            let in_table = expected == "missing comma between key-value pairs";
            let help = quoting::help(self.text).filter(|_| in_table).unwrap_or_else(|| help.to_owned());
            return ConfigError::new(message, span).help(help);
        }
        let trimmed = self.text.trim();
        let before_value = trimmed.split('=').next().unwrap_or_default();
        if trimmed.starts_with('[') && (before_value == trimmed || before_value.contains(']')) {
            return self.header(trimmed, span);
        }
        self.key_and_value(trimmed, span, expected)
    }

    /// Where a part of this line is in the file.
    fn place(&self, part: &str) -> Range<usize> {
        let at = self.from + self.text.find(part).unwrap_or_default();
        at..at + part.len()
    }

    /// Characters that word processors and web pages put in the place of others.
    fn wrong_character(&self) -> Option<ConfigError> {
        let is_quote = |c: char| "“”„‟‘’‚‛«»".contains(c);
        let is_invisible = |c: char| "\u{a0}\u{200b}\u{200e}\u{200f}\u{202f}\u{feff}\u{2060}".contains(c);
        let within_quotes = |at: usize| self.text[..at].contains(['"', '\'', '#']);
        let found = self.text.char_indices().find(|(at, c)| (is_quote(*c) || is_invisible(*c)) && !within_quotes(*at));
        let (at, found) = found?;
        let place = self.from + at..self.from + at + found.len_utf8();
        Some(if is_quote(found) {
            let straight: String = self.text.trim().chars().map(|c| if is_quote(c) { '"' } else { c }).collect();
            ConfigError::new(format!("`{found}` is not a quote of TOML"), place)
                .help(format!("write straight quotes: `{straight}`"))
        } else {
            ConfigError::new(format!("an invisible character stands here (U+{:04X})", u32::from(found)), place)
                .help("delete it, or write a plain space")
        })
    }

    fn header(&self, trimmed: &str, span: Range<usize>) -> ConfigError {
        let open = if trimmed.starts_with("[[") { "[[" } else { "[" };
        let close = if open == "[[" { "]]" } else { "]" };
        let inside = &trimmed[open.len()..];
        let Some((name, rest)) = inside.split_once(close) else {
            let name = inside.split(['#', ']']).next().unwrap_or_default().trim();
            return ConfigError::new(format!("the closing `{close}` of a table is missing"), span)
                .help(format!("write `{open}{name}{close}`"));
        };
        let rest = rest.trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            return ConfigError::new(format!("`{rest}` stands behind the name of a table"), self.place(rest))
                .help("write the keys of a table on lines of their own, below its name");
        }
        let dotted: String = name.trim().chars().map(|c| if " /:\\".contains(c) { '.' } else { c }).collect();
        let help = "names have letters, digits, `_` and `-`, with a dot between two; other names are in quotes";
        let help =
            if dotted.split('.').all(is_key) { format!("write `{open}{dotted}{close}`") } else { help.to_owned() };
        ConfigError::new(format!("`{}` is not the name of a table", name.trim()), self.place(name)).help(help)
    }

    fn key_and_value(&self, trimmed: &str, span: Range<usize>, expected: &str) -> ConfigError {
        for comment in ["//", "--", ";", "/*", "<!--"] {
            if trimmed.starts_with(comment) {
                let error = ConfigError::new(format!("`{comment}` does not begin a comment"), self.place(comment));
                return error.help("comments begin with `#`");
            }
        }
        for wrong in ["==", ":=", "=>"] {
            if let Some((key, value)) = trimmed.split_once(wrong)
                && is_key(key.trim())
            {
                return ConfigError::new(format!("`{wrong}` stands where TOML has `=`"), self.place(wrong))
                    .help(format!("write `{} = {}`", key.trim(), as_value(value)));
            }
        }
        let Some((key, value)) = trimmed.split_once('=').filter(|(key, _)| !key.contains(": ")) else {
            return self.without_assignment(trimmed, span);
        };
        let (key, value) = (key.trim(), value.trim());
        if value.is_empty() || value.starts_with('#') {
            return ConfigError::new(format!("`{key}` has no value"), span)
                .help("write a value behind `=`, or remove the line: then the default applies");
        }
        if !key.split('.').all(|part| is_key(part.trim())) && !key.starts_with(['"', '\'']) {
            return ConfigError::new(format!("`{key}` is not a key"), self.place(key)).help(format!(
                "keys have letters, digits, `_` and `-`; other keys are in quotes: `\"{key}\" = {}`",
                as_value(value)
            ));
        }
        if let Some(help) = quoting::help(self.text).filter(|_| value.starts_with(['"', '{', '['])) {
            return ConfigError::new(quoting::message(value), span).help(help);
        }
        for quote in ['"', '\''] {
            if value.starts_with(quote) && value.matches(quote).count() == 1 {
                let text = value.split(" #").next().unwrap_or(value).trim_end();
                return ConfigError::new("the closing quote is missing", span)
                    .help(format!("write `{key} = {text}{quote}`"));
            }
        }
        if value.starts_with(['{', '[']) {
            let word = self.word_at(span.start);
            if expected == "string values must be quoted" && !word.is_empty() {
                return ConfigError::new(format!("`{word}` has no quotes"), self.place(word))
                    .help(format!("text needs quotes: `\"{word}\"`"));
            }
            return ConfigError::new(plain(expected), span)
                .help("a list is `[\"a\", \"b\"]`, a table is `{ key = \"value\" }`: with commas between their parts");
        }
        let value = value.split(" #").next().unwrap_or(value).trim_end();
        if value.starts_with(['"', '\'']) {
            return ConfigError::new("something stands behind the closing quote", span)
                .help("a line has one key and one value; a comment begins with `#`");
        }
        self.bare(key, value)
    }

    /// The word of the line that begins at a place in the file, or around it.
    fn word_at(&self, at: usize) -> &'a str {
        let at = at.saturating_sub(self.from).min(self.text.len());
        let ends = |c: char| " ,]}{[=\t".contains(c);
        let from = self.text[..at].rfind(ends).map_or(0, |before| before + 1);
        let to = self.text[at..].find(ends).map_or(self.text.len(), |end| at + end);
        &self.text[from..to]
    }

    /// A value without quotes that is none of TOML's.
    fn bare(&self, key: &str, value: &str) -> ConfigError {
        let place = self.place(value);
        let error = |message: String| ConfigError::new(message, place.clone());
        match &*value.to_ascii_lowercase() {
            switch @ ("true" | "false") => {
                return error(format!("`{value}` is not a value"))
                    .help(format!("write `{key} = {switch}`, in lower case"));
            }
            "yes" | "on" => return error(format!("`{value}` is not a value")).help(format!("write `{key} = true`")),
            "no" | "off" => return error(format!("`{value}` is not a value")).help(format!("write `{key} = false`")),
            "null" | "nil" | "~" | "undefined" => {
                return error(format!("TOML has no `{value}`"))
                    .help("remove the line: without it, the default applies");
            }
            _ => {}
        }
        if let Some(number) = number(value) {
            return error(format!("`{value}` is not a number of TOML")).help(format!("write `{key} = {number}`"));
        }
        match quoted(value) {
            Some(quoted) => {
                error(format!("`{value}` has no quotes")).help(format!("text needs quotes: `{key} = {quoted}`"))
            }
            None => error("a value is not TOML".to_owned()).help("text needs quotes: `\"...\"` or `'...'`"),
        }
    }

    fn without_assignment(&self, trimmed: &str, span: Range<usize>) -> ConfigError {
        if let Some(item) = trimmed.strip_prefix("- ") {
            let item = as_value(item);
            return ConfigError::new("`-` begins an entry in YAML, not in TOML", self.place("-"))
                .help(format!("write a list behind its key: `key = [{item}]`"));
        }
        if let Some((key, value)) = trimmed.split_once(':').filter(|(key, _)| is_key(key.trim())) {
            let (key, value) = (key.trim(), value.trim());
            let help = match value {
                "" => format!("for a table write `[{key}]`, for a key `{key} = ...`"),
                _ => format!("write `{key} = {}`", as_value(value)),
            };
            return ConfigError::new("`:` stands where TOML has `=`", self.place(":")).help(help);
        }
        let words: Vec<_> = trimmed.splitn(2, char::is_whitespace).collect();
        match words[..] {
            [key, value] if is_key(key) => ConfigError::new(format!("`=` is missing behind `{key}`"), span)
                .help(format!("write `{key} = {}`", as_value(value))),
            _ if trimmed.ends_with(']') => ConfigError::new("the opening `[` of a table is missing", self.place(trimmed))
                .help(format!("write `[{}]`", trimmed.trim_matches(['[', ']']))),
            _ => ConfigError::new(format!("`{trimmed}` is not TOML"), self.place(trimmed)).help(
                "a line is the name of a table, such as `[backends.json]`; or a key and its value, such as `spans = true`; or a \
                 comment, which begins with `#`",
            ),
        }
    }
}

/// Faults of lists and tables within lines, which the words of TOML's parser tell apart.
fn of_lists(expected: &str) -> Option<(&'static str, &'static str)> {
    Some(match expected {
        "missing comma between array elements" => {
            ("a comma is missing between two values of a list", "write `[\"a\", \"b\"]`")
        }
        "missing comma between key-value pairs" => {
            ("a comma is missing between two keys of a table", "write `{ a = \"1\", b = \"2\" }`")
        }
        "extra comma in array" | "extra comma in inline table" => {
            ("there is a comma too many", "remove one of the commas")
        }
        "unclosed array" => ("the closing `]` of a list is missing", "write `[\"a\", \"b\"]`"),
        "unclosed inline table" => ("the closing `}` of a table is missing", "write `{ a = \"1\", b = \"2\" }`"),
        "unexpected `=` in array" => {
            ("there is a `=` in a list, which has values alone", "for keys and values write a table: `{ a = \"1\" }`")
        }
        "carriage return must be followed by newline" => (
            "a line ends with a carriage return alone",
            "save the file with the line ends of Unix (LF) or Windows (CRLF)",
        ),
        "cannot recurse further; max recursion depth met" | "recursion limit" => {
            ("lists and tables are too deep in each other", "write tables of their own: `[recorders.stats]`")
        }
        _ => return None,
    })
}

/// Words for what the parser says, where nothing better is known.
fn plain(expected: &str) -> String {
    match expected {
        "missing value" | "missing value for key" => "a value is missing".to_owned(),
        "string values must be quoted" => "a text has no quotes".to_owned(),
        other => format!("this is not TOML: {other}"),
    }
}

/// A number as other languages write it, as TOML does.
fn number(value: &str) -> Option<String> {
    let plain = value.replace([',', '_', '\''], "");
    if !plain.bytes().all(|byte| byte.is_ascii_digit() || b".+-".contains(&byte)) {
        return None;
    }
    plain.parse::<i64>().map(|number| number.to_string()).or_else(|_| plain.parse::<f64>().map(|n| n.to_string())).ok()
}

/// A text in the quotes that it needs.
fn quoted(text: &str) -> Option<String> {
    match (text.contains(['"', '\\']), text.contains('\'')) {
        (false, _) => Some(format!("\"{text}\"")),
        (true, false) => Some(format!("'{text}'")),
        (true, true) => None,
    }
}

/// A value as TOML has it, from what stands where a value is meant.
fn as_value(text: &str) -> String {
    let text = text.trim().trim_end_matches([',', ';']);
    let is_value =
        text.starts_with(['"', '\'', '[', '{']) || ["true", "false"].contains(&text) || text.parse::<f64>().is_ok();
    if is_value { text.to_owned() } else { quoted(text).unwrap_or_else(|| text.to_owned()) }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first error of a file, and its help.
    fn said(text: &str) -> String {
        let (_, found) = toml::de::DeTable::parse_recoverable(text);
        let errors = errors(text, &found);
        let error = errors.first().unwrap_or_else(|| panic!("no error: {text}"));
        format!("{} -> {}", error.message, error.help.as_deref().unwrap_or_default())
    }

    #[test]
    fn what_people_write_in_place_of_toml() {
        let quotes =
            |key: &str, value: &str| format!("`{value}` has no quotes -> text needs quotes: `{key} = \"{value}\"`");
        for (key, value) in [
            ("tcp", "127.0.0.1:4327"),
            ("listen", ":9464"),
            ("endpoint", "http://localhost:4318"),
            ("output", "telemetry.jsonl"),
            ("output", "/tmp/telemetry.jsonl"),
            ("grace", "10s"),
            ("interval", "5m"),
            ("max_bytes", "8MiB"),
            ("max_bytes", "8 MiB"),
            ("ratio", "95%"),
            ("level", "info"),
            ("testplan", "checkout test"),
            ("listen", "localhost:9464"),
            ("match", "^/item"),
        ] {
            assert_eq!(said(&format!("{key} = {value}\n")), quotes(key, value), "{value}");
            assert_eq!(said(&format!("[x]\r\n{key} = {value} # why\r\ny = 1\r\n")), quotes(key, value), "{value}");
        }
        for (text, expected) in [
            ("a = True", "`True` is not a value -> write `a = true`, in lower case"),
            ("a = yes", "`yes` is not a value -> write `a = true`"),
            ("a = null", "TOML has no `null` -> remove the line: without it, the default applies"),
            ("a = 1,000", "`1,000` is not a number of TOML -> write `a = 1000`"),
            ("a = .5", "`.5` is not a number of TOML -> write `a = 0.5`"),
            ("a = 08", "`08` is not a number of TOML -> write `a = 8`"),
            ("a = \"10s", "the closing quote is missing -> write `a = \"10s\"`"),
            ("a = '10s", "the closing quote is missing -> write `a = '10s'`"),
            ("a = \u{201c}10s\u{201d}", "`\u{201c}` is not a quote of TOML -> write straight quotes: `a = \"10s\"`"),
            ("a\u{a0}= 1", "an invisible character stands here (U+00A0) -> delete it, or write a plain space"),
            ("[recorders.stats", "the closing `]` of a table is missing -> write `[recorders.stats]`"),
            ("[[names]", "the closing `]]` of a table is missing -> write `[[names]]`"),
            ("recorders.stats]", "the opening `[` of a table is missing -> write `[recorders.stats]`"),
            ("[recorders stats]", "`recorders stats` is not the name of a table -> write `[recorders.stats]`"),
            ("[recorders/stats]", "`recorders/stats` is not the name of a table -> write `[recorders.stats]`"),
            ("a: 1", "`:` stands where TOML has `=` -> write `a = 1`"),
            ("x = 1\noutput: stdout", "`:` stands where TOML has `=` -> write `output = \"stdout\"`"),
            ("a == 1", "`==` stands where TOML has `=` -> write `a = 1`"),
            ("a := b", "`:=` stands where TOML has `=` -> write `a = \"b\"`"),
            ("a 1", "`=` is missing behind `a` -> write `a = 1`"),
            ("a =", "`a` has no value -> write a value behind `=`, or remove the line: then the default applies"),
            ("a = # x", "`a` has no value -> write a value behind `=`, or remove the line: then the default applies"),
            ("x = 1\n- a", "`-` begins an entry in YAML, not in TOML -> write a list behind its key: `key = [\"a\"]`"),
            ("// why\na = 1", "`//` does not begin a comment -> comments begin with `#`"),
            ("; why\na = 1", "`;` does not begin a comment -> comments begin with `#`"),
            ("a = [x, y]", "`x` has no quotes -> text needs quotes: `\"x\"`"),
            ("a = { b = x }", "`x` has no quotes -> text needs quotes: `\"x\"`"),
            ("a = [\"x\" \"y\"]", "a comma is missing between two values of a list -> write `[\"a\", \"b\"]`"),
            ("a = [\"x\"", "the closing `]` of a list is missing -> write `[\"a\", \"b\"]`"),
            ("a = { b = 1", "the closing `}` of a table is missing -> write `{ a = \"1\", b = \"2\" }`"),
            (
                "[a] b = 1",
                "`b = 1` stands behind the name of a table -> write the keys of a table on lines of their own, below its name",
            ),
        ] {
            assert_eq!(said(&format!("{text}\n")), expected, "{text}");
        }
        for (text, format) in
            [("{\"backends\": {}}", "JSON"), ("backends:\n  json:\n", "YAML"), ("---\na: 1\n", "YAML")]
        {
            assert!(said(text).starts_with(&format!("this is {format}, and ltel's configuration is TOML")), "{text}");
        }
    }

    /// Guarantees: spaces, tabs, a byte order mark and line ends of Windows are no faults.
    #[test]
    fn what_is_toml() {
        for text in ["\ta\t=\t1\n", "a = 1\r\n[b]\r\nc = \"d\"\r\n", "\u{feff}a = 1\n", "a = \"\u{201c}\"\n"] {
            assert!(toml::de::DeTable::parse_recoverable(text).1.is_empty(), "{text}");
        }
    }
}
