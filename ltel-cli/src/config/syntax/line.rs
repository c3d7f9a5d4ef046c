//! One line that is not TOML: what was likely meant, and what to write in its place.

use std::ops::Range;

use ltel_core::backend::ConfigError;

use toml::de::DeTable;

use super::Trial;
use crate::config::bare::{self, quoted};
use crate::config::{quoting, thresholds, twice};

/// The line of an error.
pub(super) struct Line<'a> {
    text: &'a str,
    /// Its place in the file.
    from: usize,
    trial: &'a Trial<'a>,
}

impl<'a> Line<'a> {
    pub(super) fn at(file: &'a str, line: usize, trial: &'a Trial<'a>) -> Self {
        let from = file.split('\n').take(line).map(|line| line.len() + 1).sum();
        Self { text: file[from..].lines().next().unwrap_or_default(), from, trial }
    }

    /// The help to write a line, if that is accepted; else the rule.
    fn write(&self, line: &str, rule: &str) -> String {
        self.first_of([line.to_owned()].into_iter()).map_or_else(|| rule.to_owned(), |line| format!("write `{line}`"))
    }

    /// The first of several lines that is accepted.
    fn first_of(&self, mut lines: impl Iterator<Item = String>) -> Option<String> {
        lines.find(|line| self.trial.accepts(line))
    }

    pub(super) fn error(&self, file: &str, span: Range<usize>, message: &str) -> ConfigError {
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
        if let Some(error) = self.habit(span.start) {
            return error;
        }
        if let Some((message, help)) = of_lists(expected) {
            // A text that ends too early looks as if a comma were missing behind it.
            let in_table = expected == "missing comma between key-value pairs";
            let quotes = quoting::help(self.text).filter(|_| in_table);
            let help = quotes.or_else(|| self.with_commas()).unwrap_or_else(|| help.to_owned());
            return ConfigError::new(message, span).help(help);
        }
        let trimmed = self.text.trim();
        let before_value = trimmed.split('=').next().unwrap_or_default();
        if trimmed.starts_with('[') && (before_value == trimmed || before_value.contains(']')) {
            return self.header(trimmed, span);
        }
        self.key_and_value(trimmed, span, expected)
    }

    /// A list on this line, with the commas that are missing.
    fn with_commas(&self) -> Option<String> {
        let (key, value) = assignment(self.text)?;
        let inside = value.split(" #").next()?.trim().strip_prefix('[')?.strip_suffix(']')?;
        let items = if inside.contains(['\'', '[', '{', '=', ':']) {
            return None;
        } else if inside.contains('"') {
            inside.replace("\" \"", "\", \"")
        } else {
            inside.split([' ', ',', '\t']).filter(|item| !item.is_empty()).collect::<Vec<_>>().join(", ")
        };
        let line = format!("{} = [{items}]", key.trim());
        self.first_of([line].into_iter()).map(|line| format!("write `{line}`"))
    }

    /// A list on this line, whose texts have the quotes that several of them need.
    fn with_quotes(&self, key: &str, value: &str) -> Option<String> {
        let inside = value.split(" #").next()?.trim().strip_prefix('[')?.strip_suffix(']')?;
        let is_word = |item: &&str| !item.starts_with(['"', '\'']) && item.parse::<f64>().is_err();
        let items: Vec<_> = inside.split(',').map(str::trim).collect();
        if inside.contains(['[', '{', '$', '%']) || items.iter().filter(|item| is_word(item)).count() < 2 {
            return None;
        }
        let items: Option<Vec<_>> =
            items.iter().map(|item| if is_word(item) { quoted(item) } else { Some((*item).to_owned()) }).collect();
        let line = format!("{key} = [{}]", items?.join(", "));
        self.first_of([line].into_iter())
    }

    /// What other formats write within lists and tables.
    fn habit(&self, at: usize) -> Option<ConfigError> {
        let (key, value) = assignment(self.text)?;
        let (key, value) = (key.trim(), value.split(" #").next().unwrap_or(value).trim());
        if !value.starts_with(['{', '[']) {
            return None;
        }
        let outside: Vec<_> = outside_of_texts(value).collect();
        if value.starts_with('{') && !outside.iter().any(|(_, c)| "=:".contains(*c)) && value.ends_with('}') {
            let line = format!("{key} = [{}]", value[1..value.len() - 1].trim());
            let error = ConfigError::new("a table stands here, without keys", self.place(value));
            return Some(error.help(self.write(&line, "a list has square brackets: `[\"a\", \"b\"]`")));
        }
        let colon = outside.iter().find(|(at, c)| {
            *c == ':'
                && value[..*at].ends_with(|c: char| c.is_ascii_alphanumeric() || "_-\"'".contains(c))
                && value[at + 1..].starts_with([' ', '"', '\''])
        });
        if let Some((at, _)) = colon {
            let mut line = String::new();
            let mut last = 0;
            for (at, _) in outside.iter().filter(|(_, c)| *c == ':') {
                line.push_str(value[last..*at].trim_end());
                line.push_str(" = ");
                last = at + 1 + (value[at + 1..].len() - value[at + 1..].trim_start().len());
            }
            let line = format!("{key} = {line}{}", &value[last..]);
            let from = self.place(value).start + at;
            return Some(
                ConfigError::new("`:` stands where TOML has `=`", from..from + 1)
                    .help(self.write(&line, "a table within a line is `{ key = \"value\" }`")),
            );
        }
        let word = self.variable_at(at)?;
        let name = bare::variable(word)?;
        let line = self.text.trim().replacen(word, &format!("{{ env = \"{name}\" }}"), 1);
        Some(self.not_filled_in(word, &line))
    }

    /// The variable of an environment that begins at a place, or around it.
    fn variable_at(&self, at: usize) -> Option<&'a str> {
        let at = at.saturating_sub(self.from).min(self.text.len());
        let from = self.text.get(..(at + 1).min(self.text.len()))?.rfind('$')?;
        let rest = &self.text[from..];
        let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        let length = match rest.strip_prefix("${") {
            Some(inside) => inside.find('}')? + 3,
            None => rest[1..].find(is_end).map_or(rest.len(), |end| end + 1),
        };
        Some(&rest[..length])
    }

    fn not_filled_in(&self, written: &str, line: &str) -> ConfigError {
        let rule = "only tokens, headers and labels can come from the environment, as `{ env = \"NAME\" }`; `envsubst` can fill in a \
                    file before ltel reads it";
        ConfigError::new(format!("ltel does not fill in `{written}`"), self.place(written)).help(self.write(line, rule))
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
        let rule = "the name of a table is in brackets: `[backends.json]`";
        let Some((name, rest)) = inside.split_once(close) else {
            let name = inside.split(['#', ']']).next().unwrap_or_default().trim();
            let lines = [format!("{open}{name}{close}"), format!("[{name}]")];
            let line = self.first_of(lines.into_iter());
            return ConfigError::new(format!("the closing `{close}` of a table is missing"), span)
                .help(line.map_or_else(|| rule.to_owned(), |line| format!("write `{line}`")));
        };
        if open == "[" && rest.starts_with(']') {
            let lines = [format!("[{}]", name.trim()), format!("[[{}]]", name.trim())];
            let line = self.first_of(lines.into_iter());
            return ConfigError::new("there is a `]` too many", self.place(&trimmed[1 + name.len() + 1..][..1]))
                .help(line.map_or_else(|| rule.to_owned(), |line| format!("write `{line}`")));
        }
        let rest = rest.trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            return ConfigError::new(format!("`{rest}` stands behind the name of a table"), self.place(rest))
                .help("write the keys of a table on lines of their own, below its name");
        }
        let dotted: String = name.trim().chars().map(|c| if " /:\\".contains(c) { '.' } else { c }).collect();
        let help = "names have letters, digits, `_` and `-`, with a dot between two; other names are in quotes";
        let help = if dotted.split('.').all(is_key) {
            self.write(&format!("{open}{dotted}{close}"), help)
        } else {
            help.to_owned()
        };
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
                    .help(self.assign(key.trim(), value, "a key and its value are `key = \"value\"`"));
            }
        }
        let is_quoted = trimmed.starts_with(['"', '\'']);
        let Some((key, value)) = assignment(trimmed).filter(|(key, _)| is_quoted || !key.contains(": ")) else {
            return self.without_assignment(trimmed, span);
        };
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() {
            return ConfigError::new("a key is missing before `=`", span)
                .help("a line is a key and its value: `key = \"value\"`");
        }
        if value.is_empty() || value.starts_with('#') {
            return ConfigError::new(format!("`{key}` has no value"), span)
                .help("write a value behind `=`, or remove the line: then the default applies");
        }
        if !key.split('.').all(|part| is_key(part.trim())) && !key.starts_with(['"', '\'']) {
            return ConfigError::new(format!("`{key}` is not a key"), self.place(key)).help(format!(
                "keys have letters, digits, `_` and `-`; other keys are in quotes: `\"{}\" = ...`",
                key.trim_matches(['"', '\''])
            ));
        }
        if let Some(help) = quoting::help(self.text).filter(|_| value.starts_with(['"', '{', '['])) {
            return ConfigError::new(quoting::message(value), span).help(help);
        }
        if let Some(error) = self.open_text(key, value, &span) {
            return error;
        }
        if value.starts_with(['{', '[']) {
            if let Some(help) = self.with_commas() {
                return ConfigError::new("a comma is missing between two values of a list", span).help(help);
            }
            if let Some(line) = self.with_quotes(key, value) {
                return ConfigError::new("the texts of a list have no quotes", span).help(format!("write `{line}`"));
            }
            let word = self.word_at(span.start);
            if expected == "string values must be quoted" && !word.is_empty() {
                let at = self.word_place(span.start).start - self.from;
                let line = |meant: &str| {
                    format!("{}{meant}{}", &self.text[..at], &self.text[at + word.len()..]).trim().to_owned()
                };
                let accepted: Vec<_> =
                    bare::meant(word).into_iter().filter(|meant| self.trial.accepts(&line(meant))).collect();
                let help = match &accepted[..] {
                    [] => "text needs quotes: `[\"a\", \"b\"]`, `{ key = \"value\" }`; numbers have digits alone"
                        .to_owned(),
                    [meant, ..] if meant.starts_with(['"', '\'']) => format!("text needs quotes: `{meant}`"),
                    all => format!("write {}", alternatives(all)),
                };
                let what = if accepted.first().is_some_and(|meant| !meant.starts_with(['"', '\''])) {
                    "is not a value of TOML"
                } else {
                    "has no quotes"
                };
                return ConfigError::new(format!("`{word}` {what}"), self.word_place(span.start)).help(help);
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

    /// The help to write a key with a value, if that is accepted.
    fn assign(&self, key: &str, value: &str, rule: &str) -> String {
        let value = value.trim().trim_end_matches([',', ';']);
        let is_value = DeTable::parse(&format!("a = {value}")).is_ok();
        let values = if is_value { vec![value.to_owned()] } else { bare::meant(value) };
        let line = self.first_of(values.into_iter().map(|value| format!("{key} = {value}")));
        line.map_or_else(|| rule.to_owned(), |line| format!("write `{line}`"))
    }

    /// A text without its end.
    fn open_text(&self, key: &str, value: &str, span: &Range<usize>) -> Option<ConfigError> {
        let quote = value.chars().next().filter(|c| "\"'".contains(*c))?;
        let long = if quote == '"' { "\"\"\"" } else { "'''" };
        let rule = format!("a text ends as it begins: `{quote}...{quote}`");
        if value.starts_with(long) || value.matches(quote).count() != 1 {
            return None;
        }
        let text = value.split(" #").next().unwrap_or(value).trim_end()[1..].trim_end();
        let other = if quote == '"' { '\'' } else { '"' };
        let (message, text) = match text.strip_suffix(other) {
            Some(text) => (format!("a text that begins with `{quote}` ends with `{other}`"), text),
            None => ("the closing quote is missing".to_owned(), text),
        };
        let line = format!("{key} = {quote}{text}{quote}");
        Some(ConfigError::new(message, span.clone()).help(self.write(&line, &rule)))
    }

    /// The word of the line that begins at a place in the file, or around it.
    fn word_at(&self, at: usize) -> &'a str {
        let place = self.word_place(at);
        &self.text[place.start - self.from..place.end - self.from]
    }

    fn word_place(&self, at: usize) -> Range<usize> {
        let at = at.saturating_sub(self.from).min(self.text.len());
        let ends = |c: char| " ,]}{[=\t".contains(c);
        let from = self.text[..at].rfind(ends).map_or(0, |before| before + 1);
        let to = self.text[at..].find(ends).map_or(self.text.len(), |end| at + end);
        self.from + from..self.from + to
    }

    /// A value without quotes that is none of TOML's.
    fn bare(&self, key: &str, value: &str) -> ConfigError {
        let place = self.place(value);
        let error = |message: String| ConfigError::new(message, place.clone());
        let line = |value: &str| format!("{key} = {value}");
        let switch = match &*value.to_ascii_lowercase() {
            "true" | "yes" | "on" => Some("true"),
            "false" | "no" | "off" => Some("false"),
            "null" | "nil" | "~" | "undefined" => {
                return error(format!("TOML has no `{value}`"))
                    .help("remove the line: without it, the default applies");
            }
            _ => None,
        };
        if let Some(switch) = switch {
            let rule = "a switch is `true` or `false`; text needs quotes: `\"...\"`";
            return error(format!("`{value}` is not a value")).help(self.write(&line(switch), rule));
        }
        if let Some(name) = bare::variable(value) {
            return self.not_filled_in(value, &line(&format!("{{ env = \"{name}\" }}")));
        }
        let accepted: Vec<_> =
            bare::meant(value).into_iter().filter(|value| self.trial.accepts(&line(value))).collect();
        match &accepted[..] {
            [] => error(format!("`{value}` is not a value of TOML")).help(
                "text needs quotes: `\"...\"`; a number is digits and a point: `0.5`; a list has brackets: `[\"a\", \"b\"]`",
            ),
            [first, ..] if first.starts_with(['"', '\'']) => {
                error(format!("`{value}` has no quotes")).help(format!("text needs quotes: `{}`", line(first)))
            }
            [list] if list.starts_with('[') => {
                error(format!("`{value}` is not a list of TOML")).help(format!("write `{}`", line(list)))
            }
            all => {
                let all: Vec<_> = all.iter().filter(|meant| !meant.contains(['"', '\''])).map(|meant| line(meant)).collect();
                error(format!("`{value}` is not a number of TOML")).help(format!("write {}", alternatives(&all)))
            }
        }
    }

    fn without_assignment(&self, trimmed: &str, span: Range<usize>) -> ConfigError {
        if let Some(item) = trimmed.strip_prefix("- ") {
            let item = quoted(item.trim().trim_matches(['"', '\''])).unwrap_or_else(|| "\"a\"".to_owned());
            return ConfigError::new("`-` begins an entry in YAML, not in TOML", self.place("-"))
                .help(format!("write a list behind its key: `key = [{item}]`"));
        }
        let is_name = |key: &str| is_key(key.trim()) || key.starts_with(['"', '\'']);
        if let Some((key, value)) = split_key(trimmed, ':').filter(|(key, _)| is_name(key)) {
            let (key, value) = (key.trim(), value.trim());
            let help = match value {
                "" => format!("for a table write `[{key}]`, for a key `{key} = ...`"),
                _ => self.assign(key, value, "a key and its value are `key = \"value\"`"),
            };
            return ConfigError::new("`:` stands where TOML has `=`", self.place(":")).help(help);
        }
        let words: Vec<_> = trimmed.splitn(2, char::is_whitespace).collect();
        match words[..] {
            [key, value] if is_key(key) => ConfigError::new(format!("`=` is missing behind `{key}`"), span)
                .help(self.assign(key, value, "a key and its value are `key = \"value\"`")),
            _ if trimmed.ends_with(']') => ConfigError::new("the opening `[` of a table is missing", self.place(trimmed))
                .help(self.write(
                    &format!("[{}]", trimmed.trim_matches(['[', ']'])),
                    "the name of a table is in brackets: `[backends.json]`",
                )),
            _ => ConfigError::new(format!("`{trimmed}` is not TOML"), self.place(trimmed)).help(
                "a line is the name of a table, such as `[backends.json]`; or a key and its value, such as `spans = true`; or a \
                 comment, which begins with `#`",
            ),
        }
    }
}

/// Faults of lists and tables within lines, which the words of TOML's parser tell apart.
pub(super) fn of_lists(expected: &str) -> Option<(&'static str, &'static str)> {
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
pub(super) fn plain(expected: &str) -> String {
    match expected {
        "missing value" | "missing value for key" => "a value is missing".to_owned(),
        "string values must be quoted" => "a text has no quotes".to_owned(),
        other => format!("this is not TOML: {other}"),
    }
}

/// The key and the value of a line; the key may be in quotes.
pub(super) fn assignment(line: &str) -> Option<(&str, &str)> {
    split_key(line, '=')
}

pub(super) fn split_key(line: &str, sign: char) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let from = match line.chars().next().filter(|c| "\"'".contains(*c)) {
        Some(quote) => line[1..].find(quote)? + 2,
        None => 0,
    };
    let at = from + line[from..].find(sign)?;
    Some((&line[..at], &line[at + 1..]))
}

/// The characters of a value outside of its texts.
pub(super) fn outside_of_texts(value: &str) -> impl Iterator<Item = (usize, char)> {
    let mut inside = None;
    value.char_indices().filter(move |(_, c)| match inside {
        Some(quote) => {
            if *c == quote {
                inside = None;
            }
            false
        }
        None => {
            if "\"'".contains(*c) {
                inside = Some(*c);
            }
            inside.is_none()
        }
    })
}

/// Several things to write, in a sentence.
pub(super) fn alternatives(all: &[String]) -> String {
    crate::config::names::or(&all.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>())
}

pub(super) fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}
