//! Reads one table of a configuration file and finds all of its errors. serde stops at the first error; here the key with
//! the error is reported and removed, and the rest is read again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use ltel_core::backend::TablePlace;
use ltel_core::options::Keys;
use ltel_core::schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use super::kind::{of_key, schema_of, takes_variables, text, words};
use super::load::RawTop;
use super::misplaced::tables_of;
use super::names::{did_you_mean, list, or};
use super::variables;
use super::wrong_value::{WrongValue, first_paragraph};
use ltel_core::backend::ConfigError;

/// A table, with its header or key.
#[derive(Clone, Debug)]
pub(super) struct Section<'a> {
    /// Its name in messages: `[recorders.stats]`.
    pub(super) title: String,
    pub(super) header: Range<usize>,
    table: DeTable<'a>,
}

impl<'a> Section<'a> {
    pub(super) fn new(title: impl Into<String>, header: Range<usize>, table: DeTable<'a>) -> Self {
        Self { title: title.into(), header, table }
    }

    /// Its place in the file.
    pub(super) fn place(&self) -> TablePlace {
        TablePlace { title: self.title.clone(), header: self.header.clone() }
    }

    /// The tables in this table, each as a section of its own.
    pub(super) fn into_sections(self, errors: &mut Vec<ConfigError>) -> Vec<(String, Section<'a>)> {
        let parent = self.title.trim_matches(['[', ']']).to_owned();
        let mut sections = Vec::new();
        for (key, value) in self.table {
            let name = key.get_ref().to_string();
            match value.into_inner() {
                DeValue::Table(table) => {
                    let title = format!("[{parent}.{name}]");
                    sections.push((name, Section::new(title, key.span(), table)));
                }
                other => errors.push(
                    ConfigError::new(format!("`{name}` in [{parent}] is {}, not a table", article(&other)), key.span())
                        .help(format!("each entry of [{parent}] must be a table: write `[{parent}.{name}]`")),
                ),
            }
        }
        sections.sort_by_key(|(_, section)| section.header.start);
        sections
    }

    /// Its keys, with their places, and their values, in the order of the file.
    pub(super) fn into_entries(self) -> Vec<(String, Range<usize>, Spanned<DeValue<'a>>)> {
        let entries = self.table.into_iter();
        let mut entries: Vec<_> = entries.map(|(key, value)| (key.get_ref().to_string(), key.span(), value)).collect();
        entries.sort_by_key(|(_, key, _)| key.start);
        entries
    }

    /// What it says, without its places, and the content of the files of certificates and secrets that it names.
    pub(super) fn fingerprint(&self) -> String {
        let mut out = String::new();
        fingerprint(&self.table, &mut out);
        out
    }

    /// Whether one of its keys looks like this one of `known`, misspelt.
    pub(super) fn misspells(&self, name: &str, known: &[&str]) -> bool {
        self.table.keys().any(|key| did_you_mean(key.get_ref(), known.iter().copied()) == Some(name))
    }

    /// The names of the tables, and of the lists of tables, in this table.
    pub(super) fn names_of_tables(&self) -> Vec<(String, Range<usize>)> {
        let is_table = |value: &DeValue<'_>| match value {
            DeValue::Table(_) => true,
            DeValue::Array(items) => items.iter().any(|item| item.get_ref().is_table()),
            _ => false,
        };
        let tables = self.table.iter().filter(|(_, value)| is_table(value.get_ref()));
        tables.map(|(key, _)| (key.get_ref().to_string(), key.span())).collect()
    }

    /// Removes a key, and returns its value.
    pub(super) fn take(&mut self, key: &str) -> Option<Spanned<DeValue<'a>>> {
        self.table.remove(key)
    }

    /// Sets a key that the file does not have, to a value in TOML.
    pub(super) fn filled(mut self, key: &'a str, value: &'a str) -> Self {
        if !self.table.contains_key(key)
            && let Ok(value) = DeValue::parse(value)
        {
            self.table.insert(Spanned::new(self.header.clone(), key.into()), value);
        }
        self
    }

    /// Removes a table, and returns it.
    pub(super) fn take_section(&mut self, key: &str, errors: &mut Vec<ConfigError>) -> Option<Section<'a>> {
        let header = self.table.get_key_value(key)?.0.span();
        let title = match self.title.trim_matches(['[', ']']) {
            "" => format!("[{key}]"),
            parent => format!("[{parent}.{key}]"),
        };
        match self.table.remove(key)?.into_inner() {
            DeValue::Table(table) => Some(Section::new(title, header, table)),
            other => {
                let mut entries = Vec::new();
                if ["recorders", "backends"].contains(&key) {
                    entries = tables_of(key, &other);
                }
                let titles = if entries.is_empty() { vec![title] } else { entries };
                let each = if titles.len() > 1 { ", each" } else { "" };
                let titles = list(titles.iter().map(String::as_str));
                let help = format!("write {titles}{each} on a line of its own, and its keys below");
                errors.push(
                    ConfigError::new(format!("{} is {}, not a table", self.named(key), article(&other)), header)
                        .help(help),
                );
                None
            }
        }
    }

    /// Removes the keys of `T`, and reads them.
    pub(super) fn take_common<T: DeserializeOwned + JsonSchema>(&mut self, errors: &mut Vec<ConfigError>) -> Option<T> {
        let keys = Keys::of::<T>();
        let listed = keys.listed().unwrap_or_default();
        let (common, rest) = std::mem::take(&mut self.table)
            .into_iter()
            .partition::<Vec<_>, _>(|(key, _)| listed.contains(&key.get_ref().as_ref()));
        self.table = rest.into_iter().collect();
        let common = Section::new(self.title.clone(), self.header.clone(), common.into_iter().collect());
        common.read_with(keys, &[], &|| schema_of(T::json_schema), errors, |value| T::deserialize(value))
    }

    /// Reads the whole table as a `T`. `also` are keys that were removed before.
    pub(super) fn read<T: DeserializeOwned + JsonSchema>(
        self,
        also: &[&str],
        errors: &mut Vec<ConfigError>,
    ) -> Option<T> {
        self.read_with(Keys::of::<T>(), also, &|| schema_of(T::json_schema), errors, |value| T::deserialize(value))
    }

    /// Reports keys that were not read by options whose type does not list its keys.
    fn unread(&self, keys: Keys, errors: &mut Vec<ConfigError>) {
        for key in keys.unknown(&self.table) {
            if let Some((typed, _)) = self.table.get_key_value(key.as_str()) {
                errors.push(ConfigError::new(format!("unknown key {}", self.named(&key)), typed.span()));
            }
        }
    }

    /// Removes and reports keys whose texts other tools would fill in.
    fn take_references(&mut self, schema: &dyn Fn() -> Value, wrong: &mut Vec<String>, errors: &mut Vec<ConfigError>) {
        for (span, reference) in variables::find(&self.table) {
            if let Some(found) = take_innermost(&mut self.table, &span, &self.title) {
                let path: Vec<_> = found.path.iter().map(String::as_str).collect();
                let named = named(&found.title, &found.key);
                let schema = schema();
                if let [above @ .., "env"] = &path[..]
                    && let Some(owner) = above.last()
                    && of_key(&schema, above).is_some_and(takes_variables)
                {
                    errors.push(reference.in_env(&named, span));
                    // What has no `env` now is not wrong again.
                    remove(&mut self.table, above);
                    wrong.push((*owner).to_owned());
                } else {
                    errors.push(reference.error(&found.key, &named, of_key(&schema, &path), span));
                }
                wrong.push(found.key);
            }
        }
    }

    fn named(&self, key: &str) -> String {
        named(&self.title, key)
    }

    /// Reads the whole table with a function that knows `keys`. `schema` says what they take, if there are errors to be told.
    pub(super) fn read_with<T>(
        mut self,
        keys: Keys,
        also: &[&str],
        schema: &dyn Fn() -> Value,
        errors: &mut Vec<ConfigError>,
        mut read: impl FnMut(ValueDeserializer<'_>) -> Result<T, Error>,
    ) -> Option<T> {
        let listed = keys.listed();
        let unknown: Vec<_> = self
            .table
            .keys()
            .filter(|key| listed.is_some_and(|listed| !listed.contains(&key.get_ref().as_ref())))
            .map(|key| (key.get_ref().to_string(), key.span()))
            .collect();
        for (key, span) in unknown {
            self.table.remove(key.as_str());
            let known = || listed.unwrap_or_default().iter().chain(also).copied();
            let error = ConfigError::new(format!("unknown key {}", self.named(&key)), span);
            errors.push(error.help(key_help(&key, &known().collect::<Vec<_>>(), &schema())));
        }
        let mut wrong = Vec::new();
        self.take_references(schema, &mut wrong, errors);
        loop {
            let value = Spanned::new(self.header.clone(), DeValue::Table(self.table.clone()));
            let error = match read(ValueDeserializer::from(value)) {
                // The valid keys are read all the same, to find their errors too.
                Ok(value) => {
                    if listed.is_none() {
                        self.unread(keys, errors);
                    }
                    return Some(value);
                }
                Err(error) => error,
            };
            // A key that was removed for its error is not missing.
            if quoted(error.message(), "missing field ").is_some_and(|(key, _)| wrong.iter().any(|have| have == key)) {
                return None;
            }
            let span = error.span().unwrap_or_else(|| self.header.clone());
            match take_innermost(&mut self.table, &span, &self.title) {
                Some(found) => {
                    // What would be refused next is not suggested.
                    let mut accepts = |value: &str| {
                        let Ok(value) = DeValue::parse(value) else { return false };
                        let value = Spanned::new(span.clone(), value.into_inner());
                        let table = with_value(&self.table, &found.path, value, &span);
                        let whole = Spanned::new(self.header.clone(), DeValue::Table(table));
                        let refused = read(ValueDeserializer::from(whole)).err();
                        refused.is_none_or(|error| !error.span().is_some_and(|of| contains(&span, &of)))
                    };
                    errors.push(found.error(error.message(), span.clone(), &schema(), &mut accepts));
                    wrong.push(found.key);
                }
                None => {
                    errors.push(of_table(&self.title, error.message(), &schema(), self.header.clone()));
                    return None;
                }
            }
        }
    }
}

/// An error that is about a whole table.
fn of_table(title: &str, message: &str, schema: &Value, header: Range<usize>) -> ConfigError {
    let Some((key, _)) = quoted(message, "missing field ") else {
        return ConfigError::new(format!("{title}: {message}"), header);
    };
    let of = of_key(schema, &[key]);
    let what = of.and_then(words).map_or(String::new(), |words| format!(", {words}"));
    let description = of.and_then(|of| text(of, "description")).map(first_paragraph);
    let description = description.map_or(String::new(), |description| format!("\n`{key}`: {description}"));
    ConfigError::new(format!("{title} has no `{key}`"), header).help(format!("add `{key}`{what}{description}"))
}

/// A key with an error, and its table.
struct WrongKey<'a> {
    title: String,
    /// The keys that lead to it, itself the last.
    path: Vec<String>,
    key: String,
    value: DeValue<'a>,
}

impl WrongKey<'_> {
    /// Rewords serde's message.
    fn error(
        &self,
        message: &str,
        span: Range<usize>,
        schema: &Value,
        accepts: &mut dyn FnMut(&str) -> bool,
    ) -> ConfigError {
        let named = named(&self.title, &self.key);
        let path: Vec<_> = self.path.iter().map(String::as_str).collect();
        if let Some((key, rest)) = quoted(message, "unknown field ").filter(|(key, _)| *key == self.key) {
            let known: Vec<_> = rest.split('`').skip(1).step_by(2).collect();
            let table = path.split_last().and_then(|(_, above)| of_key(schema, above)).unwrap_or(&Value::Null);
            return ConfigError::new(format!("unknown key {named}"), span).help(key_help(key, &known, table));
        }
        if let Some((value, rest)) = quoted(message, "unknown variant ") {
            let known: Vec<_> = rest.split('`').skip(1).step_by(2).collect();
            let error = ConfigError::new(format!("{named}: unknown value `{value}`"), span);
            return match did_you_mean(value, known.iter().copied()) {
                Some(name) => error.help(format!("did you mean `{name}`?")),
                None => error
                    .help(format!("it can be {}", or(&known.iter().map(|of| format!("`{of}`")).collect::<Vec<_>>()))),
            };
        }
        if let Some((missing, _)) = quoted(message, "missing field ") {
            let parent = self.title.trim_matches(['[', ']']);
            let of = of_key(schema, &path).unwrap_or(&Value::Null);
            return of_table(&format!("[{parent}.{}]", self.key), &format!("missing field `{missing}`"), of, span);
        }
        if let Some((_, expected)) = message.split_once(", expected struct ") {
            let _ = expected;
            let parent = self.title.trim_matches(['[', ']']);
            return ConfigError::new(format!("{named} must be a table"), span)
                .help(format!("write `[{parent}.{}]` on a line of its own, and its keys below", self.key));
        }
        WrongValue { key: &self.key, named, value: &self.value, message, schema: of_key(schema, &path) }
            .error(span, accepts)
    }
}

/// The help for a key in a table, if it is one of those above all tables.
pub(super) fn above_all_tables(key: &str) -> Option<String> {
    let is_one = Keys::of::<RawTop>().listed().is_some_and(|top| top.contains(&key));
    is_one.then(|| format!("`{key}` belongs above the first table: move this line to the top of the file"))
}

/// What an unknown key is likely meant to be.
fn key_help(key: &str, known: &[&str], schema: &Value) -> String {
    const KINDS: [&str; 4] = ["counter", "up_down_counter", "gauge", "histogram"];
    // Words of other tools.
    const HABITS: &[(&str, &str)] = &[
        ("attributes", "fields"),
        ("attributes", "labels"),
        ("bounds", "buckets"),
        ("condition", "when"),
        ("count", "counter"),
        ("distribution", "histogram"),
        ("event", "on"),
        ("filter", "when"),
        ("if", "when"),
        ("level", "severity"),
        ("pattern", "match"),
        ("regex", "match"),
        ("replacement", "replace"),
        ("sum", "counter"),
        ("summary", "histogram"),
        ("tags", "labels"),
        ("timer", "histogram"),
        ("updown", "up_down_counter"),
        ("updowncounter", "up_down_counter"),
    ];
    let habit = || HABITS.iter().find(|(typed, meant)| *typed == key && known.contains(meant)).map(|(_, meant)| *meant);
    if let Some(help) = above_all_tables(key).filter(|_| !known.contains(&"grace")) {
        return help;
    }
    let near = did_you_mean(key, known.iter().copied()).or_else(habit);
    match near {
        Some(kind) if KINDS.contains(&kind) => {
            format!("did you mean `{kind}`? The kinds of metrics are {}", list(KINDS.into_iter()))
        }
        Some(name) => {
            let description = of_key(schema, &[name]).and_then(|of| text(of, "description")).map(first_paragraph);
            let description = description.map_or(String::new(), |description| format!("\n`{name}`: {description}"));
            format!("did you mean `{name}`?{description}")
        }
        None if known.is_empty() => "it has no keys of its own".to_owned(),
        None => format!("the keys here are {}", list(known.iter().copied())),
    }
}

fn fingerprint(table: &DeTable<'_>, out: &mut String) {
    // By name: the order of keys says nothing.
    let entries: BTreeMap<_, _> = table.iter().map(|(key, value)| (key.get_ref(), value.get_ref())).collect();
    for (key, value) in entries {
        let _ = write!(out, "{key:?}=");
        match value {
            DeValue::Table(inner) => {
                out.push('{');
                fingerprint(inner, out);
                out.push('}');
            }
            DeValue::String(text) => {
                let _ = write!(out, "{text:?}");
                if key == "file" || key.ends_with("_file") {
                    let _ = write!(out, "{:?}", std::fs::read(&**text).ok());
                }
            }
            DeValue::Array(items) => items.iter().for_each(|item| plain(item.get_ref(), out)),
            other => plain(other, out),
        }
        out.push(';');
    }
}

fn plain(value: &DeValue<'_>, out: &mut String) {
    match value {
        DeValue::Table(inner) => fingerprint(inner, out),
        DeValue::Array(items) => items.iter().for_each(|item| plain(item.get_ref(), out)),
        DeValue::String(text) => drop(write!(out, "{text:?},")),
        DeValue::Boolean(yes) => drop(write!(out, "{yes},")),
        DeValue::Integer(number) => drop(write!(out, "{number},")),
        DeValue::Float(number) => drop(write!(out, "{number},")),
        DeValue::Datetime(time) => drop(write!(out, "{time},")),
    }
}

/// The text in backticks after a message's beginning, and the rest of the message.
fn quoted<'a>(message: &'a str, begin: &str) -> Option<(&'a str, &'a str)> {
    message.strip_prefix(begin)?.strip_prefix('`')?.split_once('`')
}

/// Removes what a path of keys leads to.
fn remove(table: &mut DeTable<'_>, path: &[&str]) {
    match path {
        [] => {}
        [key] => drop(table.remove(*key)),
        [key, rest @ ..] => {
            if let Some(DeValue::Table(inner)) = table.get_mut(*key).map(Spanned::get_mut) {
                remove(inner, rest);
            }
        }
    }
}

/// The table with a value in the place of what was removed from it.
fn with_value<'a>(
    table: &DeTable<'a>,
    path: &[String],
    value: Spanned<DeValue<'a>>,
    span: &Range<usize>,
) -> DeTable<'a> {
    let mut whole = table.clone();
    let Some((key, above)) = path.split_last() else { return whole };
    let mut inner = &mut whole;
    for name in above {
        let Some(DeValue::Table(next)) = inner.get_mut(name.as_str()).map(Spanned::get_mut) else {
            return table.clone();
        };
        inner = next;
    }
    inner.insert(Spanned::new(span.clone(), key.clone().into()), value);
    whole
}

/// Removes the innermost key that an error is about.
fn take_innermost<'a>(table: &mut DeTable<'a>, span: &Range<usize>, title: &str) -> Option<WrongKey<'a>> {
    let mut found = None;
    for (key, value) in table.iter_mut() {
        let is_here = contains(&key.span(), span) || contains(&value.span(), span);
        let name = key.get_ref().to_string();
        if let DeValue::Table(inner) = value.get_mut()
            && let Some(mut wrong) =
                take_innermost(inner, span, &format!("[{}.{name}]", title.trim_matches(['[', ']'])))
        {
            wrong.path.insert(0, name);
            return Some(wrong);
        }
        if is_here {
            found = Some(name);
        }
    }
    let key = found?;
    let value = table.remove(key.as_str())?.into_inner();
    Some(WrongKey { title: title.to_owned(), path: vec![key.clone()], key, value })
}

fn named(title: &str, key: &str) -> String {
    if title.is_empty() { format!("`{key}`") } else { format!("`{key}` in {title}") }
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// What a value is, in a sentence.
pub(super) fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
