//! What must not be shown of a configuration: tokens, headers, and passwords in URLs.

use std::borrow::Cow;

use toml::Value;

/// What stands in place of a secret.
const BLANK: &str = "***";

/// Words in the names of keys and of a URL's parameters that hold secrets.
const WORDS: [&str; 11] = [
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "apikey",
    "api_key",
    "api-key",
    "headers",
    "auth",
    "signature",
];

/// Whether a key of this name holds a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // The file itself is no secret.
    !name.ends_with("_file") && WORDS.iter().any(|word| name.contains(word))
}

/// The value without secrets. Where a secret is to be found, such as `{ env = "NAME" }`, stays.
pub(super) fn blanked(value: &Value, is_secret: bool) -> Value {
    match value {
        Value::String(_) if is_secret => BLANK.into(),
        Value::String(text) => without_password(text).into_owned().into(),
        Value::Array(items) => items.iter().map(|item| blanked(item, is_secret)).collect::<Vec<_>>().into(),
        Value::Table(table) if is_place(table) => value.clone(),
        Value::Table(table) => {
            let each =
                |(name, value): (&String, &Value)| (name.clone(), blanked(value, is_secret || self::is_secret(name)));
            Value::Table(table.iter().map(each).collect())
        }
        other => other.clone(),
    }
}

fn is_place(table: &toml::Table) -> bool {
    table.len() == 1 && table.iter().all(|(key, value)| (key == "env" || key == "file") && value.is_str())
}

/// A URL without its user and without parameters that are secrets; any other text as it is.
fn without_password(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return text.into() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority.to_owned(), |(_, host)| format!("{BLANK}@{host}"));
    let Some((path, query)) = path.split_once('?') else { return format!("{scheme}://{host}{path}").into() };
    let parameter = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={BLANK}"),
        _ => pair.to_owned(),
    };
    let query: Vec<_> = query.split('&').map(parameter).collect();
    format!("{scheme}://{host}{path}?{}", query.join("&")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, shown: &str) {
        let table: toml::Table = toml::from_str(written).expect("TOML");
        for (key, value) in &table {
            assert_eq!(format!("{key} = {}", blanked(value, is_secret(key))), shown, "{written}");
        }
    }

    /// Guarantees: no secret is shown, wherever it stands; where it is to be found is.
    #[test]
    fn no_secret_is_shown() {
        check("token = 'abc'", "token = \"***\"");
        check("token = { env = 'X' }", "token = { env = \"X\" }");
        check("token = { file = '/run/secret' }", "token = { file = \"/run/secret\" }");
        check(
            "headers = { api-key = 'abc', x = { env = 'X' } }",
            "headers = { api-key = \"***\", x = { env = \"X\" } }",
        );
        check("traces = { headers = { x = 'abc' } }", "traces = { headers = { x = \"***\" } }");
        check("url = 'https://user:pass@host:1/a?b=c'", "url = \"https://***@host:1/a?b=c\"");
        check("url = 'https://host?api_key=abc&b=c'", "url = \"https://host?api_key=***&b=c\"");
        check("broker_password = 'abc'", "broker_password = \"***\"");
        check("key_file = 'server.key'", "key_file = \"server.key\"");
        check("token_file = 'token'", "token_file = \"token\"");
        check("output = 'a@b.jsonl'", "output = \"a@b.jsonl\"");
    }
}
