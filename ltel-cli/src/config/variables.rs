//! Texts that other tools would fill in, such as `${LTEL_TOKEN}`. The file is read as it is: a token of this text would be what
//! clients must send.

use std::ops::Range;

use ltel_core::backend::ConfigError;
use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::kind::takes_variables;

/// Texts in which `$` has a meaning of its own, or is what people read.
const EXEMPT: [&str; 9] =
    ["when", "match", "method", "replace", "description", "counter", "up_down_counter", "gauge", "histogram"];

/// Tables of expressions, whose texts in quotes can have a `$`.
const EXPRESSIONS: [&str; 2] = ["labels", "fields"];

/// Words that are filled in, though not by the environment.
const PLACES: [&str; 3] = ["run_id", "trace_id", "span_id"];

/// A part of a text that stands for something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// As it is written.
    pub(super) written: String,
    kind: Kind,
    /// Whether it is all of the text.
    is_whole: bool,
    /// Whether an expression is expected in its place.
    is_expression: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A variable of the environment.
    Variable(String),
    File(String),
}

/// The places of texts with a reference, of a table and all within it.
pub(super) fn find(table: &DeTable<'_>) -> Vec<(Range<usize>, Reference)> {
    let mut found = Vec::new();
    for (key, value) in table {
        let key = &**key.get_ref();
        match value.get_ref() {
            _ if EXEMPT.contains(&key) => {}
            DeValue::Table(expressions) if EXPRESSIONS.contains(&key) => in_expressions(expressions, &mut found),
            _ => within(value.get_ref(), &value.span(), &mut found),
        }
    }
    found
}

/// An expression is no reference unless it is nothing else; constants are texts.
fn in_expressions(table: &DeTable<'_>, found: &mut Vec<(Range<usize>, Reference)>) {
    for value in table.values() {
        match value.get_ref() {
            DeValue::String(text) => {
                let reference = Reference::in_text(text).filter(|reference| reference.is_whole);
                found.extend(reference.map(|of| (value.span(), Reference { is_expression: true, ..of })));
            }
            other => within(other, &value.span(), found),
        }
    }
}

fn within(value: &DeValue<'_>, span: &Range<usize>, found: &mut Vec<(Range<usize>, Reference)>) {
    match value {
        DeValue::String(text) => found.extend(Reference::in_text(text).map(|reference| (span.clone(), reference))),
        DeValue::Array(items) => items.iter().for_each(|item| within(item.get_ref(), &item.span(), found)),
        DeValue::Table(table) => found.append(&mut find(table)),
        _ => {}
    }
}

/// Whether text in two braces can be a name that a tool fills in: `TOKEN`, `.Values.token`, `env "TOKEN"`.
fn is_name_in_braces(inside: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ' ' | '"' | '\'' | '-');
    let begins = inside.trim().starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '.'));
    // One letter is no name, but may be a part of a random token.
    begins && inside.trim().len() > 1 && inside.trim_start().trim_start_matches("env:").chars().all(plain)
}

impl Reference {
    /// The first one in a text, if that is one wherever it stands.
    pub(super) fn in_text(text: &str) -> Option<Self> {
        for (open, close) in [("${", "}"), ("{{", "}}")] {
            let Some((before, rest)) = text.split_once(open) else { continue };
            let Some((inside, after)) = rest.split_once(close) else { continue };
            if open == "{{" && !is_name_in_braces(inside) {
                continue;
            }
            let name = inside.trim().trim_start_matches("env:").trim_start_matches(".Env.");
            let name = name.split([':', '-', '?', ' ']).next().unwrap_or_default();
            let written = format!("{open}{inside}{close}");
            let is_whole = before.is_empty() && after.is_empty();
            return Some(Self { written, kind: Kind::Variable(name.to_owned()), is_whole, is_expression: false });
        }
        let (before, after) = text.split_once('$')?;
        let end =
            after.find(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_').unwrap_or(after.len());
        let (name, rest) = after.split_at(end);
        let begins = before.is_empty() || before.ends_with(' ');
        let is_name = name.len() > 1 && !name.starts_with(|c: char| c.is_ascii_digit());
        (begins && is_name && !rest.starts_with(char::is_alphanumeric)).then(|| Self {
            written: format!("${name}"),
            kind: Kind::Variable(name.to_owned()),
            is_whole: before.is_empty() && rest.is_empty(),
            is_expression: false,
        })
    }

    /// One in a text that can also be `{ env = "NAME" }` or `{ file = "/path" }`, as other tools write these.
    pub(super) fn in_secret(text: &str) -> Option<Self> {
        let of = |kind: Kind| Some(Self { written: text.to_owned(), kind, is_whole: true, is_expression: false });
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        for begin in ["env:", "env.", "ENV:"] {
            if let Some(name) = text.strip_prefix(begin).filter(|name| is_name(name)) {
                return of(Kind::Variable(name.to_owned()));
            }
        }
        let path = text
            .strip_prefix("file:")
            .or_else(|| text.strip_prefix('@'))
            .map(|path| path.strip_prefix("//").unwrap_or(path));
        path.filter(|path| path.starts_with('/')).and_then(|path| of(Kind::File(path.to_owned())))
    }

    /// The error of an `env` with it, in the place of a name.
    pub(super) fn in_env(&self, named: &str, span: Range<usize>) -> ConfigError {
        let error = ConfigError::new(format!("{named} is the name of a variable, not `{}`", self.written), span);
        error.help(match &self.kind {
            Kind::Variable(name) => format!("write the name without `$`: `env = \"{name}\"`"),
            Kind::File(_) => "write the name of a variable: `env = \"NAME\"`".to_owned(),
        })
    }

    /// The error of a key with it.
    pub(super) fn error(&self, key: &str, named: &str, schema: Option<&Value>, span: Range<usize>) -> ConfigError {
        let written = &self.written;
        let message = format!("{named} has `{written}`, which ltel does not fill in");
        let can_be_elsewhere = schema.is_some_and(takes_variables);
        let help = match &self.kind {
            Kind::Variable(name) if PLACES.contains(&&**name) => format!("write `{{{name}}}`"),
            Kind::Variable(name) if self.is_expression => format!(
                "an expression cannot read the environment; a label of all recorders can: write `{key} = {{ env = \"{name}\" }}` in `[labels]`"
            ),
            Kind::Variable(name) if can_be_elsewhere && self.is_whole => {
                format!("write `{key} = {{ env = \"{name}\" }}`")
            }
            Kind::Variable(_) if can_be_elsewhere => {
                format!("put the whole text into a variable, such as `NAME`, and write `{key} = {{ env = \"NAME\" }}`")
            }
            Kind::File(path) => format!("write `{key} = {{ file = \"{path}\" }}`"),
            Kind::Variable(_) => {
                "write the value itself: only tokens, headers and labels can come from the environment, as \
                                  `{ env = \"NAME\" }`; `envsubst` can fill in a file before ltel reads it"
                    .to_owned()
            }
        };
        ConfigError::new(message, span).help(help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_tools_would_fill_in() {
        let variable = |text: &str| Reference::in_text(text).map(|reference| reference.kind);
        for (text, name) in [
            ("${LTEL_TOKEN}", "LTEL_TOKEN"),
            ("$LTEL_TOKEN", "LTEL_TOKEN"),
            ("${env:LTEL_TOKEN}", "LTEL_TOKEN"),
            ("${LTEL_TOKEN:-none}", "LTEL_TOKEN"),
            ("Bearer $TOKEN", "TOKEN"),
            ("Bearer ${token}", "token"),
            ("$HOME/ltel.sock", "HOME"),
            ("/run/${UID}/ltel.sock", "UID"),
            ("{{ TOKEN }}", "TOKEN"),
            ("http://{{host}}:4317", "host"),
        ] {
            assert_eq!(variable(text), Some(Kind::Variable(name.to_owned())), "{text}");
        }
        for text in [
            "pa$$word",
            "a$B",
            "$",
            "$1",
            "$5.00",
            "{run_id}.jsonl",
            "cost$",
            "$ecret",
            "x={{\"y\":1}}",
            "$1aB{{x}}9",
            "a}}b{{",
        ] {
            assert_eq!(variable(text), None, "{text}");
        }
        let of = |text: &str| Reference::in_secret(text).map(|reference| reference.kind);
        assert_eq!(of("env:TOKEN"), Some(Kind::Variable("TOKEN".to_owned())));
        assert_eq!(of("file:///run/token"), Some(Kind::File("/run/token".to_owned())));
        assert_eq!(of("profile:/x"), None);
    }
}
