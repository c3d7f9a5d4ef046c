//! The JSON Schema of the configuration file, with the types of recorders and backends of this binary: editors complete and check
//! the file with it.
//!
//! A table of `[recorders]` and `[backends]` has the keys of its type, and its type is its key `type` or its name. `if` and `then`
//! say that to validators, and each mistake has its own message. Editors such as those with taplo complete by `anyOf` only, so what
//! can be written is listed there too, beside `true`, which allows everything.

use ltel_core::names::RuleOptions;
use ltel_core::options::Keys;
use ltel_core::registry::Registry;
use ltel_core::schemars::generate::SchemaSettings;
use ltel_core::schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::backends::RawBackend;
use super::health::RawHealth;
use super::labels::RawLabel;
use super::limits::RawLimits;
use super::listen::RawListen;
use super::load::RawTop;
use super::recorders::RawRecorder;
use super::thresholds::RawCheck;

/// The dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a file for a binary with these types.
#[must_use]
pub fn schema(registry: &Registry) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let recorders: Vec<_> = registry
        .types()
        .map(|of| Type {
            name: of.spec.name,
            description: of.spec.description,
            keys: of.options,
            options: of.schema(&mut generator),
        })
        .collect();
    let backends: Vec<_> = registry
        .backend_types()
        .map(|of| Type {
            name: of.spec.name,
            description: of.spec.description,
            keys: of.options,
            options: of.schema(&mut generator),
        })
        .collect();
    let mut file = object::<RawTop>(&mut generator);
    let kinds = [
        ("recorder", "What turns events into telemetry.", recorders, object::<RawRecorder>(&mut generator)),
        ("backend", "Where telemetry goes.", backends, object::<RawBackend>(&mut generator)),
    ];
    let check = generator.subschema_for::<RawCheck>().to_value();
    let (listen, limits) = (generator.subschema_for::<RawListen>(), generator.subschema_for::<RawLimits>());
    let health = generator.subschema_for::<RawHealth>();
    let label = generator.subschema_for::<RawLabel>().to_value();
    let rule = generator.subschema_for::<RuleOptions>().to_value();
    let mut definitions = generator.take_definitions(true);
    let properties = entry(&mut file, "properties");
    properties.insert("listen".to_owned(), listen.to_value());
    properties.insert("health".to_owned(), health.to_value());
    properties.insert("limits".to_owned(), limits.to_value());
    let labels = "Constants on everything that is emitted: points, records, spans, the reports of runs.";
    let labels = json!({ "description": labels, "type": "object", "additionalProperties": label });
    properties.insert("labels".to_owned(), labels);
    let names = "Rules for the names of requests, in order: the first that matches wins.";
    properties.insert("names".to_owned(), json!({ "description": names, "type": "array", "items": rule }));
    for (kind, description, types, common) in kinds {
        properties.insert(format!("{kind}s"), tables(kind, description, &types));
        definitions.insert(kind.to_owned(), any_type(kind, &types, &common));
        for of in &types {
            definitions.insert(of.definition(kind), of.table(&common));
        }
    }
    properties.insert("thresholds".to_owned(), thresholds(&check));
    let mut whole = json!({
        "$schema": DIALECT,
        "title": "ltel's configuration",
        "description": "The configuration of ltel, the telemetry of Locust load tests.",
        "type": "object",
        "properties": file.get("properties"),
        "additionalProperties": false,
        "anyOf": [{ "required": ["backends"] }, { "required": ["thresholds"] }],
        "$defs": definitions,
    });
    tidy(&mut whole);
    whole
}

/// A type of recorders or backends.
struct Type {
    name: &'static str,
    description: &'static str,
    keys: Keys,
    options: Schema,
}

impl Type {
    /// The name of its definition. A `.` is in no name of a Rust type, so none is there twice.
    fn definition(&self, kind: &str) -> String {
        format!("{kind}.{}", self.name)
    }

    fn reference(&self, kind: &str) -> Value {
        json!({ "$ref": format!("#/$defs/{}", self.definition(kind)) })
    }

    /// A table of this type: its own keys and those of all types.
    fn table(&self, common: &Map<String, Value>) -> Value {
        let mut common = common.clone();
        let own = entry(&mut common, "properties");
        own.insert("type".to_owned(), json!({ "const": self.name, "description": self.description }));
        let options = self.options.clone().to_value();
        let composed = ["oneOf", "anyOf", "allOf", "$ref"];
        let is_plain = |options: &&Map<String, Value>| {
            options.get("type").is_some_and(|of| of == "object")
                && composed.iter().all(|key| !options.contains_key(*key))
        };
        let Some(object) = options.as_object().filter(is_plain) else {
            return json!({
                "description": self.description,
                "type": "object",
                "allOf": [common, options],
                "unevaluatedProperties": false,
            });
        };
        let mut table = object.clone();
        table.remove("title");
        table.insert("description".to_owned(), self.description.into());
        table.insert("type".to_owned(), "object".into());
        let properties = entry(&mut table, "properties");
        for (key, value) in entry(&mut common, "properties").iter() {
            properties.insert(key.clone(), value.clone());
        }
        // A type that does not list its keys may take any, as a map does.
        if self.keys.listed().is_some() || !table.contains_key("additionalProperties") {
            table.insert("additionalProperties".to_owned(), false.into());
        }
        table.into()
    }
}

/// The schema of `[recorders]` or `[backends]`: tables of these types.
fn tables(kind: &str, description: &str, types: &[Type]) -> Value {
    let any_type = json!({ "$ref": format!("#/$defs/{kind}") });
    let named: Map<String, Value> = types
        .iter()
        .map(|of| {
            let table = json!({
                "description": of.description,
                "type": "object",
                "if": { "required": ["type"] },
                "then": any_type,
                "else": of.reference(kind),
                "anyOf": [of.reference(kind), true],
            });
            (of.name.to_owned(), table)
        })
        .collect();
    json!({ "description": description, "type": "object", "properties": named, "additionalProperties": any_type })
}

/// The schema of a table with a `type`, which is one of these.
fn any_type(kind: &str, types: &[Type], common: &Map<String, Value>) -> Value {
    let by_type = types.iter().map(|of| {
        json!({
            "if": { "type": "object", "required": ["type"], "properties": { "type": { "const": of.name } } },
            "then": of.reference(kind),
        })
    });
    let complete = types.iter().map(|of| of.reference(kind)).chain([true.into()]);
    let mut properties = common.get("properties").cloned().unwrap_or_default();
    if let Some(of) = properties.get_mut("type").and_then(Value::as_object_mut) {
        of.insert("enum".to_owned(), types.iter().map(|of| of.name).collect());
    }
    json!({
        "description": format!("A {kind} with a name of its own and a `type`."),
        "type": "object",
        "required": ["type"],
        "properties": properties,
        "allOf": by_type.collect::<Vec<_>>(),
        "anyOf": complete.collect::<Vec<_>>(),
    })
}

/// The schema of `[thresholds]`.
fn thresholds(check: &Value) -> Value {
    let text = json!({ "type": "string", "examples": ["p95 < 500ms", "failure_ratio < 1%", "rps > 100"] });
    let item = json!({ "anyOf": [text, check] });
    let checks = |of: &str| {
        json!({
            "description": of,
            "anyOf": [text, check, { "type": "array", "items": item, "minItems": 1 }],
        })
    };
    json!({
        "description": "What must hold of a run for it to pass.",
        "type": "object",
        "properties": {
            "all": checks("Checks of all requests together, such as `p95 < 500ms`."),
            "baseline": {
                "type": "string",
                "description": "The JSON document of an earlier run, which checks such as `p95 < baseline + 10%` compare with.",
            },
        },
        "additionalProperties": checks("Checks of each endpoint that the pattern matches, such as `p95 < 500ms`."),
    })
}

/// The schema of a struct.
fn object<T: JsonSchema>(generator: &mut SchemaGenerator) -> Map<String, Value> {
    match T::json_schema(generator).to_value() {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// An object within an object.
fn entry<'a>(object: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = object.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(inner) => inner,
        _ => unreachable!("it has just become one"),
    }
}

/// Takes out what TOML does not have and what says nothing to people: `null`, the formats of Rust's numbers, the lines and links of rustdoc.
pub(super) fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("format").and_then(Value::as_str).is_some_and(is_of_rust) {
                object.remove("format");
            }
            let mut only = None;
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|of| of != "null");
                only = if let [one] = &types[..] { Some(one.clone()) } else { None };
            }
            if let Some(only) = only {
                object.insert("type".to_owned(), only);
            }
            let mut only = None;
            if let Some(Value::Array(any)) = object.get_mut("anyOf") {
                let before = any.len();
                any.retain(|of| of != &json!({ "type": "null" }));
                only = if before != any.len() && any.len() == 1 { any.pop() } else { None };
            }
            if let Some(Value::Object(only)) = only {
                object.remove("anyOf");
                for (key, value) in only {
                    object.entry(key).or_insert(value);
                }
            }
            if let Some(Value::Array(values)) = object.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if let Some(Value::String(text)) = object.get_mut("description") {
                let paragraphs: Vec<_> =
                    text.split("\n\n").map(|of| of.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
                *text = paragraphs.join("\n\n").replace("[`", "`").replace("`]", "`");
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn is_of_rust(format: &str) -> bool {
    format.starts_with("uint") || format.starts_with("int") || ["double", "float"].contains(&format)
}
