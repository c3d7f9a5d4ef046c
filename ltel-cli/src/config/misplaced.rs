//! Tables of recorders and backends in another form or place than they have: `recorders = ["stats"]`, `[[backends]]`, `[json]`.

use ltel_core::backend::ConfigError;
use ltel_core::registry::Registry;
use toml::de::{DeTable, DeValue};

use super::load::TABLES;
use super::section::Section;

/// The tables that a value in the place of `[recorders]` or `[backends]` means: its texts, or what its tables have as `type` or `name`.
pub(super) fn tables_of(parent: &str, value: &DeValue<'_>) -> Vec<String> {
    let of_table = |table: &DeTable<'_>| {
        ["type", "name"].iter().find_map(|key| table.get(*key)?.get_ref().as_str().map(ToOwned::to_owned))
    };
    let of = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Table(table) => of_table(table),
        _ => None,
    };
    let names: Vec<_> = match value {
        DeValue::Array(items) => items.iter().filter_map(|item| of(item.get_ref())).collect(),
        one => of(one).into_iter().collect(),
    };
    let is_name = |name: &String| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    names.iter().filter(|name| is_name(name)).map(|name| format!("[{parent}.{name}]")).collect()
}

/// Removes and reports tables at the top of the file that belong into another one. Returns which tables were meant.
pub(super) fn take(file: &mut Section<'_>, registry: &Registry, errors: &mut Vec<ConfigError>) -> Vec<&'static str> {
    let mut meant = Vec::new();
    for (name, header) in file.names_of_tables() {
        let parents =
            [("backends", registry.backend_type(&name).is_some()), ("recorders", registry.get(&name).is_some())];
        let parent = parents.into_iter().find(|(_, is_known)| *is_known).map(|(parent, _)| parent);
        // A header in quotes is one name, not two.
        let dotted = name.split_once('.').and_then(|(begin, _)| TABLES.into_iter().find(|table| *table == begin));
        let (parent, title) = match (parent, dotted) {
            (Some(parent), _) => (parent, format!("[{parent}.{name}]")),
            (None, Some(parent)) => (parent, format!("[{name}]")),
            (None, None) => continue,
        };
        file.take(&name);
        meant.push(parent);
        let help = match dotted {
            Some(_) => format!("write `{title}`, without quotes"),
            None => format!("write `{title}`: `{name}` is a type of {parent}"),
        };
        errors.push(ConfigError::new(format!("there is no table `{name}`"), header).help(help));
    }
    meant
}
