//! What a backend does that its table does not say, for `check --print`.

use ltel_core::backend::Environment;
use opentelemetry_sdk::Resource;
use toml::{Table, Value};

use crate::config::environment::pairs;

/// A key that a table leaves open.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    /// The table within the backend's own, such as `traces`.
    pub(crate) within: Option<&'static str>,
    pub(crate) key: String,
    /// Its value; absent if no file can say it.
    pub(crate) value: Option<Value>,
    /// Where the value comes from: a variable, or `default`.
    pub(crate) origin: String,
}

/// What stands behind a value that nothing sets.
pub(crate) const DEFAULT: &str = "default";

impl Setting {
    pub(crate) fn new(key: impl Into<String>, value: impl Into<Value>, origin: impl Into<String>) -> Self {
        Self { within: None, key: key.into(), value: Some(value.into()), origin: origin.into() }
    }

    /// The first of these variables that is set, else the default.
    pub(super) fn of_variable(key: &str, value: impl Into<Value>, variables: &[&str], env: &Environment) -> Self {
        let set = variables.iter().find(|name| env.get(name).is_some());
        Self::new(key, value, (*set.unwrap_or(&DEFAULT)).to_owned())
    }
}

/// The attributes of a resource, stated or not, except for those that every start has anew.
pub(super) fn resource(resource: &Resource, table: &Table, env: &Environment) -> Option<Setting> {
    let mut attributes = table.get("resource").and_then(Value::as_table).cloned().unwrap_or_default();
    let mut origins = Vec::new();
    let variable = "OTEL_RESOURCE_ATTRIBUTES";
    let named = env.get(variable).and_then(|text| pairs(&text).ok()).unwrap_or_default();
    let named = named.into_iter().map(|(key, _)| (key, variable));
    let service = if env.get("OTEL_SERVICE_NAME").is_some() { "OTEL_SERVICE_NAME" } else { DEFAULT };
    for (key, origin) in named.chain([("service.name".to_owned(), service)]) {
        let value = resource.get(&opentelemetry::Key::new(key.clone()));
        if let (false, Some(value)) = (attributes.contains_key(&key), value) {
            origins.push(format!("`{key}`: {origin}"));
            attributes.insert(key, Value::String(value.to_string()));
        }
    }
    (!origins.is_empty()).then(|| Setting::new("resource", attributes, origins.join(", ")))
}
