//! Reads one table of a configuration file and finds everything that is wrong with it. serde stops at the first error;
//! here the key that it stumbled over is reported, taken out, and the rest is read again.

use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_aux::serde_introspection::serde_introspect;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use super::error::{ConfigError, did_you_mean};

/// A table, and the header or key that it stands under.
#[derive(Clone, Debug)]
pub(super) struct Section<'a> {
    /// For people: `[recorders.stats]`.
    pub(super) title: String,
    pub(super) header: Range<usize>,
    table: DeTable<'a>,
}

impl<'a> Section<'a> {
    pub(super) fn new(title: impl Into<String>, header: Range<usize>, table: DeTable<'a>) -> Self {
        Self { title: title.into(), header, table }
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
                    .help(format!("each entry of [{parent}] is a table of its own: write `[{parent}.{name}]`")),
                ),
            }
        }
        sections.sort_by_key(|(_, section)| section.header.start);
        sections
    }

    /// Takes a key out.
    pub(super) fn take(&mut self, key: &str) -> Option<Spanned<DeValue<'a>>> {
        self.table.remove(key)
    }

    /// With a value, written as TOML, for a key that the file leaves open.
    pub(super) fn filled(mut self, key: &'a str, value: &'a str) -> Self {
        if !self.table.contains_key(key)
            && let Ok(value) = DeValue::parse(value)
        {
            self.table.insert(Spanned::new(self.header.clone(), key.into()), value);
        }
        self
    }

    /// Takes a table out.
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

    /// Splits off the keys of `T`, and reads them.
    pub(super) fn take_common<T: DeserializeOwned>(&mut self, errors: &mut Vec<ConfigError>) -> Option<T> {
        let keys = serde_introspect::<T>();
        let (common, rest) = std::mem::take(&mut self.table)
            .into_iter()
            .partition::<Vec<_>, _>(|(key, _)| keys.contains(&key.get_ref().as_ref()));
        self.table = rest.into_iter().collect();
        let common = Section::new(self.title.clone(), self.header.clone(), common.into_iter().collect());
        common.read_with(keys, &[], errors, |value| T::deserialize(value))
    }

    /// Reads the whole table as a `T`. `also` are keys that were taken out before.
    pub(super) fn read<T: DeserializeOwned>(self, also: &[&str], errors: &mut Vec<ConfigError>) -> Option<T> {
        self.read_with(serde_introspect::<T>(), also, errors, |value| T::deserialize(value))
    }

    fn named(&self, key: &str) -> String {
        if self.title.is_empty() { format!("`{key}`") } else { format!("`{key}` in {}", self.title) }
    }

    /// Reads the whole table with a function. `keys` are those that it knows.
    pub(super) fn read_with<T>(
        mut self,
        keys: &[&str],
        also: &[&str],
        errors: &mut Vec<ConfigError>,
        read: impl Fn(ValueDeserializer<'_>) -> Result<T, Error>,
    ) -> Option<T> {
        let unknown: Vec<_> = self
            .table
            .keys()
            .filter(|key| !keys.contains(&key.get_ref().as_ref()))
            .map(|key| (key.get_ref().to_string(), key.span()))
            .collect();
        for (key, span) in unknown {
            self.table.remove(key.as_str());
            let known = || keys.iter().chain(also).copied();
            let error = ConfigError::new(format!("unknown key {}", self.named(&key)), span);
            errors.push(match did_you_mean(&key, known()) {
                Some(name) => error.help(format!("did you mean `{name}`?")),
                None => error.help(format!("the keys here are {}", list(known()))),
            });
        }
        loop {
            let value = Spanned::new(self.header.clone(), DeValue::Table(self.table.clone()));
            let error = match read(ValueDeserializer::from(value)) {
                // What is right is read even so: its own errors are to be found as well.
                Ok(value) => return Some(value),
                Err(error) => error,
            };
            let span = error.span().unwrap_or_else(|| self.header.clone());
            let culprit = self
                .table
                .iter()
                .find(|(key, value)| contains(&key.span(), &span) || contains(&value.span(), &span))
                .map(|(key, _)| key.get_ref().to_string());
            match culprit {
                Some(key) => {
                    errors.push(ConfigError::new(format!("{}: {}", self.named(&key), error.message()), span));
                    self.table.remove(key.as_str());
                }
                None => {
                    errors.push(ConfigError::new(format!("{}: {}", self.title, error.message()), self.header.clone()));
                    return None;
                }
            }
        }
    }
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Names for people: `a`, `b` and `c`.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    names.sort();
    match names.pop() {
        None => "none".to_owned(),
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} and {last}", names.join(", ")),
    }
}

fn article(type_name: &str) -> String {
    let article = if type_name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {type_name}")
}
