//! What must not be shown of a configuration: tokens, headers, and passwords and keys in URLs.
//!
//! The schema says what is secret. Backends of others may have secrets that their schema calls a text: there, and in a resource, the
//! name of the key says it. Everything else is shown as it is: a label `author` is no secret, nor is a threshold of `/auth/login`.

use serde_json::Value as Json;
use toml::{Table, Value};

use crate::config::url::{BLANK, shown_url};

/// Words in the names of keys that hold secrets. Some also end other words, as in `accesstoken`.
const WORDS: [&str; 14] = [
    "key",
    "accesskey",
    "licensekey",
    "privatekey",
    "secretkey",
    "pass",
    "pwd",
    "auth",
    "authorization",
    "signature",
    "header",
    "bearer",
    "cookie",
    "pat",
];
const ENDINGS: [&str; 7] = ["token", "secret", "password", "passwd", "passphrase", "credential", "apikey"];

/// Last words of names that say where or how a secret is, not what it is.
const OUTER: [&str; 6] = ["file", "path", "url", "mode", "type", "method"];

/// Finds secrets in a table of a configuration.
#[derive(Clone, Copy)]
pub(super) struct Secrets<'a> {
    /// The schema of the whole configuration; without it nothing is secret.
    root: Option<&'a Json>,
    /// That of the table.
    table: Option<&'a Json>,
    /// Whether names of keys tell as well, and texts may be URLs.
    by_name: bool,
}

impl<'a> Secrets<'a> {
    /// A table without secrets.
    pub(super) const NONE: Self = Self { root: None, table: None, by_name: false };

    /// Those that the schema calls so. `table` is the pointer to the table's schema.
    pub(super) fn by_schema(root: &'a Json, table: &str) -> Self {
        Self { root: Some(root), table: root.pointer(table), by_name: false }
    }

    /// Those too that names tell, and those in URLs.
    pub(super) fn by_name(root: &'a Json, table: &str) -> Self {
        Self { by_name: true, ..Self::by_schema(root, table) }
    }

    /// The table within this one.
    pub(super) fn within(self, key: &str) -> Self {
        Self { table: self.of_key(self.table, key), ..self }
    }

    /// The value of a key without secrets. Where a secret is to be found, such as `{ env = "NAME" }`, stays.
    pub(super) fn blanked(self, key: &str, value: &Value) -> Value {
        if self.root.is_none() {
            return value.clone();
        }
        let is_named = self.by_name && names_a_secret(key);
        self.value(value, self.of_key(self.table, key), is_named)
    }

    fn value(self, value: &Value, schema: Option<&'a Json>, is_named: bool) -> Value {
        let is_secret = schema.is_some_and(is_secret);
        let schema = self.resolved(schema);
        let is_map = schema.is_some_and(|schema| schema.get("additionalProperties").is_some_and(Json::is_object));
        let is_choice = schema.is_some_and(|schema| schema.get("enum").is_some() || schema.get("const").is_some());
        match value {
            Value::String(_) if is_secret || (is_named && !is_choice) => BLANK.into(),
            Value::String(text) if self.by_name && text.contains("://") => shown_url(text).into(),
            Value::Array(items) => {
                let schema = schema.and_then(|schema| schema.get("items"));
                items.iter().map(|item| self.value(item, schema, is_secret || is_named)).collect::<Vec<_>>().into()
            }
            // A header may be called `env`.
            Value::Table(table) if is_place(table) && !is_map => value.clone(),
            Value::Table(table) => {
                let each = |(key, value): (&String, &Value)| {
                    let is_named = is_secret || is_named || (self.by_name && names_a_secret(key));
                    (key.clone(), self.value(value, self.of_key(schema, key), is_named))
                };
                Value::Table(table.iter().map(each).collect())
            }
            other => other.clone(),
        }
    }

    /// The schema of a key of a table.
    fn of_key(self, table: Option<&'a Json>, key: &str) -> Option<&'a Json> {
        let table = self.resolved(table)?;
        let own = table.get("properties").and_then(|properties| properties.get(key));
        own.or_else(|| table.get("additionalProperties"))
    }

    fn resolved(self, schema: Option<&'a Json>) -> Option<&'a Json> {
        let reference = schema?.get("$ref").and_then(Json::as_str);
        match reference {
            Some(reference) => self.root?.pointer(reference.trim_start_matches('#')),
            None => schema,
        }
    }
}

/// Whether it is the schema of [`Secret`](crate::config::values::Secret).
fn is_secret(schema: &Json) -> bool {
    schema.get("$ref").and_then(Json::as_str) == Some("#/$defs/Secret")
}

fn is_place(table: &Table) -> bool {
    table.len() == 1 && table.iter().all(|(key, value)| (key == "env" || key == "file") && value.is_str())
}

/// Whether the words of a name say that it holds a secret.
fn names_a_secret(name: &str) -> bool {
    let words = words(name);
    let word = |word: &String| {
        let word = word.strip_suffix('s').filter(|word| !word.ends_with('s')).unwrap_or(word);
        WORDS.contains(&word) || ENDINGS.iter().any(|ending| word.ends_with(ending))
    };
    !words.last().is_some_and(|last| OUTER.contains(&last.as_str())) && words.iter().any(word)
}

/// The words of a name such as `api-key`, `apiKey` or `db.api_key`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (was_lower && c.is_uppercase()) {
            words.push(String::new());
        }
        was_lower = c.is_lowercase() || c.is_numeric();
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(secrets: Secrets<'_>, written: &str, shown: &str) {
        let table: Table = toml::from_str(written).expect("TOML");
        for (key, value) in &table {
            assert_eq!(format!("{key} = {}", secrets.blanked(key, value)), shown, "{written}");
        }
    }

    /// Guarantees: no secret of a backend is shown, wherever it stands; where it is to be found is, and so is what is no secret.
    #[test]
    fn secrets_of_backends() {
        let schema = crate::config::schema(&crate::with_backends(ltel_recorders::registry()));
        for (kind, written, shown) in [
            ("page", "token = 'S'", "token = \"***\""),
            ("page", "token = { env = 'X' }", "token = { env = \"X\" }"),
            ("page", "token = { file = '/run/secret' }", "token = { file = \"/run/secret\" }"),
            ("page", "tls = { key_file = 'a.key' }", "tls = { key_file = \"a.key\" }"),
            ("otlp", "headers = { a = 'S', x = { env = 'X' } }", "headers = { a = \"***\", x = { env = \"X\" } }"),
            ("otlp", "headers = { env = 'S' }", "headers = { env = \"***\" }"),
            ("otlp", "headers = { file = 'S' }", "headers = { file = \"***\" }"),
            ("otlp", "headers = { env = { env = 'X' } }", "headers = { env = { env = \"X\" } }"),
            ("otlp", "traces = { headers = { file = 'S' } }", "traces = { headers = { file = \"***\" } }"),
            ("otlp", "endpoint = 'https://u:S@h:1/a?b=S&c'", "endpoint = \"https://***@h:1/a?b=***&***\""),
            ("otlp", "traces = { endpoint = 'http://h/?k=S' }", "traces = { endpoint = \"http://h/?k=***\" }"),
            (
                "otlp",
                "resource = { 'db.pass' = 'S', author = 'me' }",
                "resource = { author = \"me\", \"db.pass\" = \"***\" }",
            ),
            ("otlp", "resource = { licenseKey = 'S', n = 7 }", "resource = { licenseKey = \"***\", n = 7 }"),
            ("otlp", "resource = { repo = 'https://S@h/r' }", "resource = { repo = \"https://***@h/r\" }"),
            ("report", "trace_url = 'https://h/{trace_id}?org=1'", "trace_url = \"https://h/{trace_id}?org=***\""),
        ] {
            check(Secrets::by_name(&schema, &format!("/$defs/backend.{kind}")), written, shown);
        }
    }

    /// Guarantees: a backend of someone else, whose schema knows no secrets, shows none either; it is valid as it is printed.
    #[test]
    fn secrets_of_backends_of_others() {
        let text = json!({ "type": "string" });
        let schema = json!({ "table": { "properties": {
            "broker_password": text, "brokers": { "type": "array", "items": text }, "headers": { "additionalProperties": text },
            "auth_mode": { "type": "string", "enum": ["oauth"] }, "auth": { "type": "string", "enum": ["oauth"] }, "password_file": text,
        } } });
        for (written, shown) in [
            ("broker_password = 'S'", "broker_password = \"***\""),
            ("brokers = ['amqp://u:S@h']", "brokers = [\"amqp://***@h\"]"),
            ("headers = { env = 'S' }", "headers = { env = \"***\" }"),
            ("auth_mode = 'oauth'", "auth_mode = \"oauth\""),
            ("auth = 'oauth'", "auth = \"oauth\""),
            ("password_file = 'a'", "password_file = \"a\""),
            ("apiKey = { env = 'X' }", "apiKey = { env = \"X\" }"),
            ("sasl = { password = 'S', user = 'me' }", "sasl = { password = \"***\", user = \"me\" }"),
        ] {
            check(Secrets::by_name(&schema, "/table"), written, shown);
        }
    }

    #[test]
    fn names_that_tell() {
        for name in [
            "api-key",
            "x.api.key",
            "apikey",
            "AccessToken",
            "accesstokens",
            "db.passwd",
            "DB_PASSWORD",
            "Authorization",
        ] {
            assert!(names_a_secret(name), "{name}");
        }
        for name in ["author", "monkey", "authentic", "passenger", "compass", "key_file", "token-url", "keyboard", ""] {
            assert!(!names_a_secret(name), "{name}");
        }
    }
}
