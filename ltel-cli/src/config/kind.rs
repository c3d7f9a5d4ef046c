//! What a key of the configuration takes, in words. They come from the JSON Schema of its options, so that the errors, the
//! reference and the schema itself cannot differ.

use ltel_core::schemars::generate::SchemaSettings;
use ltel_core::schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use super::names::or;
use super::schema::tidy;

/// The schema of a type of options, complete in itself.
pub(crate) fn schema_of(schema: impl FnOnce(&mut SchemaGenerator) -> Schema) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = schema(&mut settings.into_generator()).to_value();
    tidy(&mut schema);
    schema
}

/// The schema of a key within tables within a table.
pub(crate) fn of_key<'a>(schema: &'a Value, path: &[&str]) -> Option<&'a Value> {
    let [key, rest @ ..] = path else { return Some(schema) };
    let own = schema.get("properties").and_then(|keys| keys.get(*key));
    let any = || schema.get("additionalProperties").filter(|any| any.is_object());
    if let Some(found) = own.or_else(any) {
        return of_key(found, rest);
    }
    branches(schema).find_map(|branch| of_key(branch, path))
}

/// The schemas of which one holds.
pub(crate) fn branches(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)).filter_map(Value::as_array).flatten()
}

/// What a value of this schema is: "a whole number, 1 or more".
pub(crate) fn words(schema: &Value) -> Option<String> {
    if let Some(title) = text(schema, "title") {
        return Some(with_example(title.to_owned(), schema));
    }
    if let Some(value) = schema.get("const") {
        return Some(format!("`{value}`"));
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return Some(either(values.iter().map(|value| format!("`{value}`"))));
    }
    let all: Vec<_> = branches(schema).collect();
    if !all.is_empty() {
        let words = all.into_iter().map(words).collect::<Option<Vec<_>>>()?;
        return Some(either(words.into_iter()));
    }
    match schema.get("type")? {
        Value::String(of) => of_type(of, schema),
        Value::Array(all) => {
            let words = all.iter().map(|of| of_type(of.as_str()?, schema)).collect::<Option<Vec<_>>>()?;
            Some(either(words.into_iter()))
        }
        _ => None,
    }
}

fn of_type(name: &str, schema: &Value) -> Option<String> {
    Some(match name {
        "boolean" => "`true` or `false`".to_owned(),
        "integer" => format!("a whole number{}", range(schema)),
        "number" => format!("a number{}", range(schema)),
        "string" => with_example("a text".to_owned(), schema),
        "array" => match schema.get("items").and_then(words) {
            Some(item) => format!("a list of {}", several(&item)),
            None => "a list".to_owned(),
        },
        "object" => of_table(schema),
        _ => return None,
    })
}

fn of_table(schema: &Value) -> String {
    let keys = schema.get("properties").and_then(Value::as_object);
    if let Some(keys) = keys.filter(|keys| keys.len() == 1)
        && let Some((key, of)) = keys.iter().next()
        && of.get("type").is_some_and(|of| of == "string")
    {
        let example = of.get("examples").and_then(|all| all.get(0)).and_then(Value::as_str).unwrap_or("NAME");
        return format!("`{{ {key} = \"{example}\" }}`");
    }
    match schema.get("additionalProperties").filter(|_| keys.is_none()).and_then(words) {
        Some(value) if value.starts_with("a table") => format!("a table of {}", several(&value)),
        Some(value) => format!("a table, each value {value}"),
        None => "a table".to_owned(),
    }
}

/// The words for several of a kind: "a text" -> "texts".
fn several(item: &str) -> String {
    for (one, many) in [
        ("a whole number", "whole numbers"),
        ("a number", "numbers"),
        ("a text", "texts"),
        ("a duration", "durations"),
        ("a table", "tables"),
    ] {
        if let Some(rest) = item.strip_prefix(one) {
            return format!("{many}{rest}");
        }
    }
    item.to_owned()
}

fn range(schema: &Value) -> String {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    // Unsigned numbers of Rust have a bound that says nothing to people.
    let most = bound("maximum").filter(|most| *most < 1e15);
    match (bound("minimum"), most, bound("exclusiveMinimum"), bound("exclusiveMaximum")) {
        (Some(least), Some(most), ..) => format!(" from {least} to {most}"),
        (Some(least), None, _, Some(most)) => format!(", {least} or more and less than {most}"),
        (None, Some(most), Some(least), _) => format!(", more than {least} and {most} or less"),
        (None, None, Some(least), Some(most)) => format!(" between {least} and {most}"),
        (Some(least), None, ..) => format!(", {least} or more"),
        (None, Some(most), ..) => format!(", {most} or less"),
        (None, None, Some(least), None) => format!(", more than {least}"),
        (None, None, None, Some(most)) => format!(", less than {most}"),
        (None, None, None, None) => String::new(),
    }
}

fn with_example(words: String, schema: &Value) -> String {
    let examples = schema.get("examples").and_then(Value::as_array);
    let mut texts = examples.into_iter().flatten().filter(|example| example.is_string()).peekable();
    if texts.peek().is_none() {
        return words;
    }
    format!("{words}, such as {}", either(texts.map(|example| format!("`{example}`"))))
}

fn either(words: impl Iterator<Item = String>) -> String {
    or(&words.collect::<Vec<_>>())
}

pub(crate) fn text<'a>(schema: &'a Value, key: &str) -> Option<&'a str> {
    schema.get(key).and_then(Value::as_str)
}

/// Whether a value of this schema can be of a type of JSON.
pub(crate) fn takes(schema: &Value, name: &str) -> bool {
    let is = |of: &Value| of == name || (name == "integer" && of == "number");
    let own = match schema.get("type") {
        Some(Value::Array(all)) => all.iter().any(is),
        Some(one) => is(one),
        None => false,
    };
    own || branches(schema).any(|branch| takes(branch, name))
}

/// Whether a value of this schema can be `{ env = "NAME" }`.
pub(crate) fn takes_variables(schema: &Value) -> bool {
    schema.pointer("/properties/env").is_some() || branches(schema).any(takes_variables)
}
