//! What is not TOML, in plain words. TOML's parser says what it did not expect; here it is said what people have likely meant, and
//! what to write.

use std::cell::RefCell;
use std::ops::Range;

use ltel_core::backend::ConfigError;
use toml::de::DeTable;

use super::bare::{self, quoted};
use super::{quoting, thresholds, twice, unclosed};

/// Finds the errors of a text that is TOML. What is suggested is tried with it: what would be refused is not suggested.
pub(super) type Check<'c> = dyn Fn(&str) -> Vec<ConfigError> + 'c;

/// The errors of a file that is not TOML: at most one for each line, since those behind it follow from the first.
pub(super) fn errors(text: &str, check: &Check<'_>) -> Vec<ConfigError> {
    let mark = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut errors = without_mark(&text[mark..], check);
    for error in &mut errors {
        error.span = error.span.start + mark..error.span.end + mark;
    }
    errors
}

fn without_mark(text: &str, check: &Check<'_>) -> Vec<ConfigError> {
    if let Some(error) = other_format(text) {
        return vec![error];
    }
    let unclosed = unclosed::find(text);
    let mut errors: Vec<_> = unclosed.iter().map(|unclosed| unclosed.error(text)).collect();
    // The rest is read as if they were closed.
    let mut closed = text.to_owned();
    for unclosed in unclosed.iter().rev() {
        closed.insert_str(unclosed.end, unclosed.close());
    }
    let (mut lines, found) = faults(&closed);
    for Fault { line, span, message } in found {
        let trial = Trial { lines: RefCell::new(lines), line, check };
        let mut error = Line::at(&closed, line, &trial).error(&closed, span, &message);
        lines = trial.lines.into_inner();
        let inserted = |at: usize| {
            let before = unclosed.iter().scan(0, |shift, one| {
                let from = one.end + *shift;
                *shift += one.close().len();
                Some((from, one.close().len()))
            });
            before.filter(|(from, _)| *from < at).map(|(_, length)| length).sum::<usize>()
        };
        error.span = error.span.start - inserted(error.span.start)..error.span.end - inserted(error.span.end);
        errors.push(error);
    }
    errors
}

/// What TOML's parser says about a line.
struct Fault {
    line: usize,
    span: Range<usize>,
    message: String,
}

/// The first fault of each line with one, and the lines of the file, those empty.
fn faults(text: &str) -> (Vec<String>, Vec<Fault>) {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut faults: Vec<Fault> = Vec::new();
    // The parser does not see all of them at once: it leaves out what is behind a fault.
    loop {
        let rest = lines.join("\n");
        let (_, found) = DeTable::parse_recoverable(&rest);
        let before = faults.len();
        for error in &found {
            let span = error.span().unwrap_or(0..0);
            // At the end of a file without a line of its own, the line before is meant.
            let is_behind = span.start == rest.len() && rest.ends_with('\n');
            let line = rest.get(..span.start - usize::from(is_behind)).unwrap_or(&rest).matches('\n').count();
            // The lines of a table without its name seem to be of the one before.
            let follows = before > 0 && error.message().starts_with("duplicate key");
            match faults.iter().position(|fault| fault.line == line) {
                Some(at) if faults[at].span.start <= span.start => {}
                Some(at) => faults[at] = Fault { line, span, message: error.message().to_owned() },
                None if follows => {}
                None => faults.push(Fault { line, span, message: error.message().to_owned() }),
            }
            // As long as it was, so that the places stay.
            lines[line] = " ".repeat(lines[line].len());
        }
        if found.is_empty() || (faults.len() == before && lines.join("\n") == rest) {
            break;
        }
    }
    faults.sort_by_key(|fault| fault.line);
    (lines, faults)
}

/// A file that is in another format as a whole.
fn other_format(text: &str) -> Option<ConfigError> {
    let format = if text.trim_start().starts_with('{') {
        "JSON"
    } else if is_yaml(text) {
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

/// Whether nothing in a file is of TOML, and a table or several keys are of YAML.
fn is_yaml(text: &str) -> bool {
    let cut = |line: &'_ str| line.split(" #").next().unwrap_or_default().trim().to_owned();
    let lines: Vec<_> = text.lines().map(cut).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let is_entry = |line: &str| {
        let entry = line.trim_start_matches("- ");
        entry.split_once(':').is_some_and(|(key, rest)| {
            is_key(key.trim().trim_matches(['"', '\''])) && (rest.is_empty() || rest.starts_with(' '))
        })
    };
    let Some(first) = lines.first() else { return false };
    if first == "---" {
        return true;
    }
    let is_of_toml =
        |line: &String| line.starts_with('[') || line.split_once('=').is_some_and(|(key, _)| is_key(key.trim()));
    let is_table = |line: &str| line.ends_with(':') || line.ends_with('}') || line.ends_with(']');
    is_entry(first) && !lines.iter().any(is_of_toml) && (lines.len() > 1 || is_table(first))
}

/// The file as it is when what is suggested is followed; lines with errors that are not mended yet are empty.
struct Trial<'c> {
    lines: RefCell<Vec<String>>,
    line: usize,
    check: &'c Check<'c>,
}

impl Trial<'_> {
    /// Whether a text can stand in the place of the line.
    fn accepts(&self, line: &str) -> bool {
        let mut lines = self.lines.borrow_mut();
        let before = std::mem::replace(&mut lines[self.line], line.to_owned());
        let from: usize = lines[..self.line].iter().map(|line| line.len() + 1).sum();
        let text = lines.join("\n");
        let is_here = |error: &ConfigError| {
            let is_about_line = (from..from + line.len()).contains(&error.span.start) && !error.span.is_empty();
            // What a table lacks may be on lines with errors; a variable may be set where ltel runs.
            let is_elsewhere = line.starts_with('[') && error.message.contains(" has no ");
            is_about_line && !is_elsewhere && !error.message.contains("is not set")
        };
        let accepted = DeTable::parse(&text).is_ok() && !(self.check)(&text).iter().any(is_here);
        if !accepted {
            lines[self.line] = before;
        }
        accepted
    }
}

/// The line of an error.
struct Line<'a> {
    text: &'a str,
    /// Its place in the file.
    from: usize,
    trial: &'a Trial<'a>,
}

impl<'a> Line<'a> {
    fn at(file: &'a str, line: usize, trial: &'a Trial<'a>) -> Self {
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

/// The key and the value of a line; the key may be in quotes.
fn assignment(line: &str) -> Option<(&str, &str)> {
    split_key(line, '=')
}

fn split_key(line: &str, sign: char) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let from = match line.chars().next().filter(|c| "\"'".contains(*c)) {
        Some(quote) => line[1..].find(quote)? + 2,
        None => 0,
    };
    let at = from + line[from..].find(sign)?;
    Some((&line[..at], &line[at + 1..]))
}

/// The characters of a value outside of its texts.
fn outside_of_texts(value: &str) -> impl Iterator<Item = (usize, char)> {
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
fn alternatives(all: &[String]) -> String {
    super::names::or(&all.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>())
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first error of a file, and its help.
    fn said(text: &str) -> String {
        let errors = errors(text, &|_| Vec::new());
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
            ("level", "info"),
            ("testplan", "checkout test"),
            ("listen", "localhost:9464"),
            ("match", "^/item"),
        ] {
            assert_eq!(said(&format!("{key} = {value}\n")), quotes(key, value), "{value}");
            assert_eq!(said(&format!("[x]\r\n{key} = {value} # why\r\ny = 1\r\n")), quotes(key, value), "{value}");
        }
        for (text, expected) in [
            ("a = True", "`True` is not a value -> write `a = true`"),
            ("a = yes", "`yes` is not a value -> write `a = true`"),
            ("a = null", "TOML has no `null` -> remove the line: without it, the default applies"),
            ("a = 1,000", "`1,000` is not a number of TOML -> write `a = 1.000` or `a = 1000`"),
            ("a = 0,5", "`0,5` is not a number of TOML -> write `a = 0.5`"),
            ("a = 95%", "`95%` is not a number of TOML -> write `a = 0.95` or `a = 95`"),
            ("a = 50, 95", "`50, 95` is not a list of TOML -> write `a = [50, 95]`"),
            ("a = (50, 95)", "`(50, 95)` is not a list of TOML -> write `a = [50, 95]`"),
            ("a = [50 95]", "a comma is missing between two values of a list -> write `a = [50, 95]`"),
            ("a = $KEY", "ltel does not fill in `$KEY` -> write `a = { env = \"KEY\" }`"),
            ("a = { b: 1 }", "`:` stands where TOML has `=` -> write `a = { b = 1 }`"),
            ("a = { \"b\" }", "a table stands here, without keys -> write `a = [\"b\"]`"),
            ("a = \"\"\"x", "the closing `\"\"\"` is missing -> write `a = \"x\"`"),
            ("a = 'x\"", "a text that begins with `'` ends with `\"` -> write `a = 'x'`"),
            (
                "a = \"x\", b = \"y\"",
                "two keys stand on one line -> write each key on a line of its own, without commas",
            ),
            ("[a]]", "there is a `]` too many -> write `[a]`"),
            ("= 1", "a key is missing before `=` -> a line is a key and its value: `key = \"value\"`"),
            ("\u{feff}a = b", "`b` has no quotes -> text needs quotes: `a = \"b\"`"),
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
            ("a = [x, y]", "the texts of a list have no quotes -> write `a = [\"x\", \"y\"]`"),
            ("a = { b = x }", "`x` has no quotes -> text needs quotes: `\"x\"`"),
            ("a = [\"x\" \"y\"]", "a comma is missing between two values of a list -> write `a = [\"x\", \"y\"]`"),
            ("a = [\"x\"", "the closing `]` of a list is missing -> write `a = [\"x\"]`"),
            ("a = { b = 1", "the closing `}` of a table is missing -> write `a = { b = 1 }`"),
            (
                "[a] b = 1",
                "`b = 1` stands behind the name of a table -> write the keys of a table on lines of their own, below its name",
            ),
        ] {
            assert_eq!(said(&format!("{text}\n")), expected, "{text}");
        }
        for (text, format) in [
            ("{\"backends\": {}}", "JSON"),
            ("\u{feff}{\"a\": 1}", "JSON"),
            ("a: 1s\nb:\n  c:\n", "YAML"),
            ("a: {b: {}}", "YAML"),
            ("backends:\n  json:\n", "YAML"),
            ("---\na: 1\n", "YAML"),
        ] {
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
