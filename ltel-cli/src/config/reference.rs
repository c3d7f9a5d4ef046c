//! The reference of the configuration: every key with its description, made from the schema of the types of recorders and backends
//! of this program.

use ltel_core::names::RuleOptions;
use ltel_core::registry::Registry;
use ltel_core::schemars::JsonSchema;
use serde_json::{Map, Value};

use super::backends::RawBackend;
use super::health::RawHealth;
use super::kind::{branches, schema_of, text, words};
use super::labels::RawLabel;
use super::limits::RawLimits;
use super::listen::RawListen;
use super::load::RawTop;
use super::names::or;
use super::recorders::RawRecorder;
use super::thresholds::RawCheck;

/// A table of the configuration.
#[derive(Debug)]
pub(crate) struct Part {
    /// What `help config` knows it by: `backends.otlp`.
    pub(crate) topic: String,
    /// As it is written in the file: `[backends.otlp]`.
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) keys: Vec<Key>,
}

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    /// With the keys of the tables that it is in: `tls.ca_file`. `NAME` stands for any name.
    pub(crate) name: String,
    /// What it takes, in words.
    pub(crate) takes: String,
    pub(crate) description: String,
    /// Its default, as it is written in the file.
    pub(crate) default: Option<String>,
    pub(crate) is_required: bool,
}

/// All tables, in the order of their explanation.
pub(crate) fn reference(registry: &Registry) -> Vec<Part> {
    let part = |topic: &str, title: &str, description: &str, schema: &Value| Part {
        topic: topic.to_owned(),
        title: title.to_owned(),
        description: description.to_owned(),
        keys: keys_of(schema),
    };
    let of = |topic: &str, schema: Value| {
        let description = text(&schema, "description").unwrap_or_default().to_owned();
        part(topic, &format!("[{topic}]"), &description, &schema)
    };
    let mut parts = vec![
        part(
            "top",
            "above all tables",
            "The keys of the file itself, above its first table.",
            &schema_of(RawTop::json_schema),
        ),
        of("listen", schema_of(RawListen::json_schema)),
        of("health", schema_of(RawHealth::json_schema)),
        of("limits", schema_of(RawLimits::json_schema)),
        labels(),
        part(
            "names",
            "[[names]]",
            "Rules for the names of requests, in order: the first that matches wins. See `help names`.",
            &schema_of(RuleOptions::json_schema),
        ),
        part(
            "thresholds",
            "[thresholds]",
            "What must hold of a run for it to pass. A key is `all`, for all requests together, or a pattern of endpoints, such as \
             `\"GET /search\"`; its value is a check, such as `\"p95 < 500ms\"`, a table with the keys below, or a list of these. \
             `baseline` is the JSON report of an earlier run, for checks that compare with it. See `help thresholds`.",
            &schema_of(RawCheck::json_schema),
        ),
        part(
            "recorders",
            "[recorders.NAME]",
            "What turns events into telemetry. The table's name is the recorder's type, unless `type` is set. These keys are of all \
             recorders:",
            &schema_of(RawRecorder::json_schema),
        ),
    ];
    for type_ in registry.types() {
        let (name, schema) = (type_.spec.name, schema_of(|generator| type_.schema(generator)));
        let topic = format!("recorders.{name}");
        parts.push(part(&topic, &format!("[{topic}]"), type_.spec.description, &schema));
    }
    parts.push(part(
        "backends",
        "[backends.NAME]",
        "Where telemetry goes. The table's name is the backend's type, unless `type` is set. These keys are of all backends:",
        &schema_of(RawBackend::json_schema),
    ));
    for type_ in registry.backend_types() {
        let (name, schema) = (type_.spec.name, schema_of(|generator| type_.schema(generator)));
        let topic = format!("backends.{name}");
        parts.push(part(&topic, &format!("[{topic}]"), type_.spec.description, &schema));
    }
    parts
}

fn labels() -> Part {
    let schema = schema_of(RawLabel::json_schema);
    Part {
        topic: "labels".to_owned(),
        title: "[labels]".to_owned(),
        description:
            "Constants on everything that is emitted: points, records, spans, the reports of runs. See `help labels`."
                .to_owned(),
        keys: vec![Key {
            name: "NAME".to_owned(),
            takes: words(&schema).unwrap_or_default(),
            description: text(&schema, "description").unwrap_or_default().to_owned(),
            default: None,
            is_required: false,
        }],
    }
}

fn keys_of(schema: &Value) -> Vec<Key> {
    let mut keys = Vec::new();
    collect(schema, "", &mut keys);
    keys
}

/// Adds the keys of a table, each followed by those within it.
fn collect(schema: &Value, above: &str, keys: &mut Vec<Key>) {
    let required = schema.get("required").and_then(Value::as_array);
    let mut before: Vec<(&Map<String, Value>, &str)> = Vec::new();
    for (name, of) in properties(schema).into_iter().flatten() {
        let full = format!("{above}{name}");
        let own = inner(of);
        let alike = own.and_then(|own| before.iter().find(|(have, _)| *have == own)).map(|(_, name)| *name);
        let takes = match alike {
            Some(first) => format!("a table with the keys of `{above}{first}`"),
            None => words(of).unwrap_or_else(|| "a value".to_owned()),
        };
        keys.push(Key {
            name: full.clone(),
            takes,
            description: text(of, "description").unwrap_or_default().to_owned(),
            default: of.get("default").map(as_toml),
            is_required: required.is_some_and(|required| required.iter().any(|key| key == name)),
        });
        let (Some(own), None) = (own, alike) else { continue };
        before.push((own, name));
        match named(of) {
            Some(any) => collect(any, &format!("{full}.NAME."), keys),
            None => collect(of, &format!("{full}."), keys),
        }
    }
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    let own = schema.get("properties").and_then(Value::as_object);
    own.or_else(|| branches(schema).find_map(properties))
}

/// The tables of a table whose keys are names.
fn named(schema: &Value) -> Option<&Value> {
    schema.get("additionalProperties").filter(|any| properties(any).is_some())
}

/// The keys within a key, unless they are a way to write one value, such as `{ env = "NAME" }`.
fn inner(schema: &Value) -> Option<&Map<String, Value>> {
    let own = named(schema).map_or_else(|| properties(schema), properties);
    own.filter(|own| own.len() > 1)
}

/// A value of JSON as TOML writes it.
fn as_toml(value: &Value) -> String {
    match value {
        Value::Array(items) if items.len() > 8 => match (items.first(), items.last()) {
            (Some(first), Some(last)) => format!("{} values from {} to {}", items.len(), as_toml(first), as_toml(last)),
            _ => String::new(),
        },
        Value::Array(items) => format!("[{}]", items.iter().map(as_toml).collect::<Vec<_>>().join(", ")),
        Value::Object(keys) if keys.is_empty() => "none".to_owned(),
        Value::Object(keys) => {
            let keys: Vec<_> = keys
                .iter()
                .filter(|(_, of)| !of.is_null())
                .map(|(key, of)| format!("{key} = {}", as_toml(of)))
                .collect();
            format!("{{ {} }}", keys.join(", "))
        }
        other => other.to_string(),
    }
}

impl Key {
    /// What it takes and its default, in one line.
    pub(crate) fn kind(&self) -> String {
        let default = match (&self.default, self.is_required) {
            (_, true) => "; required".to_owned(),
            (Some(default), _) => format!("; default: {default}"),
            (None, _) => String::new(),
        };
        format!("{}{default}", self.takes)
    }
}

/// The parts that a topic is about: itself, and those below it.
pub(crate) fn about<'a>(parts: &'a [Part], topic: &str) -> Result<Vec<&'a Part>, String> {
    let topic = topic.trim_matches(['[', ']']);
    let found: Vec<_> = parts
        .iter()
        .filter(|part| part.topic == topic || part.topic.strip_prefix(topic).is_some_and(|rest| rest.starts_with('.')))
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let by_type: Vec<_> = parts.iter().filter(|part| part.topic.rsplit('.').next() == Some(topic)).collect();
    if !by_type.is_empty() {
        return Ok(by_type);
    }
    Err(or(&parts.iter().map(|part| format!("`{}`", part.topic)).collect::<Vec<_>>()))
}
