//! Reads one table of a configuration file and finds all of its errors. serde stops at the first error; here the key with
//! the error is reported and removed, and the rest is read again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use ltel_core::backend::TablePlace;
use ltel_core::options::Keys;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use super::names::{did_you_mean, list};
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
                    ConfigError::new(
                        format!("`{name}` in [{parent}] is {}, not a table", article(other.type_str())),
                        key.span(),
                    )
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
                errors.push(
                    ConfigError::new(
                        format!("{} is {}, not a table", self.named(key), article(other.type_str())),
                        header,
                    )
                    .help(format!("write `{title}` on a line of its own, and its keys below")),
                );
                None
            }
        }
    }

    /// Removes the keys of `T`, and reads them.
    pub(super) fn take_common<T: DeserializeOwned>(&mut self, errors: &mut Vec<ConfigError>) -> Option<T> {
        let keys = Keys::of::<T>();
        let listed = keys.listed().unwrap_or_default();
        let (common, rest) = std::mem::take(&mut self.table)
            .into_iter()
            .partition::<Vec<_>, _>(|(key, _)| listed.contains(&key.get_ref().as_ref()));
        self.table = rest.into_iter().collect();
        let common = Section::new(self.title.clone(), self.header.clone(), common.into_iter().collect());
        common.read_with(keys, &[], errors, |value| T::deserialize(value))
    }

    /// Reads the whole table as a `T`. `also` are keys that were removed before.
    pub(super) fn read<T: DeserializeOwned>(self, also: &[&str], errors: &mut Vec<ConfigError>) -> Option<T> {
        self.read_with(Keys::of::<T>(), also, errors, |value| T::deserialize(value))
    }

    /// Reports keys that were not read by options whose type does not list its keys.
    fn unread(&self, keys: Keys, errors: &mut Vec<ConfigError>) {
        for key in keys.unknown(&self.table) {
            if let Some((typed, _)) = self.table.get_key_value(key.as_str()) {
                errors.push(ConfigError::new(format!("unknown key {}", self.named(&key)), typed.span()));
            }
        }
    }

    fn named(&self, key: &str) -> String {
        named(&self.title, key)
    }

    /// Reads the whole table with a function that knows `keys`.
    pub(super) fn read_with<T>(
        mut self,
        keys: Keys,
        also: &[&str],
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
            errors.push(error.help(key_help(&key, &known().collect::<Vec<_>>())));
        }
        let mut wrong = Vec::new();
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
                    errors.push(found.error(error.message(), span));
                    wrong.push(found.key);
                }
                None => {
                    errors.push(ConfigError::new(format!("{}: {}", self.title, error.message()), self.header.clone()));
                    return None;
                }
            }
        }
    }
}

/// A key with an error, and its table.
struct WrongKey {
    title: String,
    key: String,
}

impl WrongKey {
    /// Rewords serde's message. If serde changes its texts, they are shown as they are.
    fn error(&self, message: &str, span: Range<usize>) -> ConfigError {
        let named = named(&self.title, &self.key);
        if let Some((key, rest)) = quoted(message, "unknown field ").filter(|(key, _)| *key == self.key) {
            let known: Vec<_> = rest.split('`').skip(1).step_by(2).collect();
            return ConfigError::new(format!("unknown key {named}"), span).help(key_help(key, &known));
        }
        if let Some((value, rest)) = quoted(message, "unknown variant ") {
            let known: Vec<_> = rest.split('`').skip(1).step_by(2).collect();
            let error = ConfigError::new(format!("{named}: unknown value `{value}`"), span);
            return match did_you_mean(value, known.iter().copied()) {
                Some(name) => error.help(format!("did you mean `{name}`?")),
                None => error.help(format!("it can be {}", either(&known))),
            };
        }
        if let Some((what, _)) = message.split_once(", expected struct ") {
            let parent = self.title.trim_matches(['[', ']']);
            return ConfigError::new(format!("{named}: {what}, expected a table"), span)
                .help(format!("write `[{parent}.{}]` on a line of its own, and its keys below", self.key));
        }
        // A map is a table in TOML.
        ConfigError::new(format!("{named}: {}", message.replace("expected a map", "expected a table")), span)
    }
}

/// What an unknown key is likely meant to be.
fn key_help(key: &str, known: &[&str]) -> String {
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
    let near = did_you_mean(key, known.iter().copied()).or_else(habit);
    match near {
        Some(kind) if KINDS.contains(&kind) => {
            format!("did you mean `{kind}`? The kinds of metrics are {}", list(KINDS.into_iter()))
        }
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("the keys here are {}", list(known.iter().copied())),
    }
}

/// Values in a message: `a`, `b` or `c`.
fn either(values: &[&str]) -> String {
    let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
    match &values[..] {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => values.concat(),
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

/// Removes the innermost key that an error is about.
fn take_innermost(table: &mut DeTable<'_>, span: &Range<usize>, title: &str) -> Option<WrongKey> {
    let mut found = None;
    for (key, value) in table.iter_mut() {
        let is_here = contains(&key.span(), span) || contains(&value.span(), span);
        let name = key.get_ref().to_string();
        if let DeValue::Table(inner) = value.get_mut()
            && let Some(wrong) = take_innermost(inner, span, &format!("[{}.{name}]", title.trim_matches(['[', ']'])))
        {
            return Some(wrong);
        }
        if is_here {
            found = Some(name);
        }
    }
    let key = found?;
    table.remove(key.as_str());
    Some(WrongKey { title: title.to_owned(), key })
}

fn named(title: &str, key: &str) -> String {
    if title.is_empty() { format!("`{key}`") } else { format!("`{key}` in {title}") }
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// The name of a type in a sentence.
pub(super) fn article(type_name: &str) -> String {
    let article = if type_name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {type_name}")
}
