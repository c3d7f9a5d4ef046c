//! A value that serde refuses, in plain words: what the key takes, and what to write. serde's own texts are not for the people who
//! write a configuration.

use ltel_core::backend::ConfigError;
use serde_json::Value;
use std::ops::Range;
use toml::de::DeValue;

use super::kind::{branches, takes, text, words};

/// A key with a value that is refused.
pub(super) struct WrongValue<'a> {
    /// The key, as the file has it.
    pub(super) key: &'a str,
    /// The same with its table, for messages: `` `queue` in [backends.json] ``.
    pub(super) named: String,
    pub(super) value: &'a DeValue<'a>,
    /// What serde says.
    pub(super) message: &'a str,
    /// What the key takes, where the options say so.
    pub(super) schema: Option<&'a Value>,
}

impl WrongValue<'_> {
    /// The error; it suggests only a value that is accepted.
    pub(super) fn error(&self, span: Range<usize>, accepts: &mut dyn FnMut(&str) -> bool) -> ConfigError {
        let Some(expected) = expected(self.message) else {
            // The options' own words.
            return ConfigError::new(format!("{}: {}", self.named, self.message), span);
        };
        let (words, fix) = match of_serde(expected) {
            None => (expected.to_owned(), self.fix(accepts).filter(|_| self.is_duration())),
            Some(plain) => (self.schema.and_then(words).unwrap_or_else(|| plain.to_owned()), self.fix(accepts)),
        };
        let error = ConfigError::new(format!("{} must be {words}", self.named), span);
        let description = self.schema.and_then(|schema| text(schema, "description"));
        let description = description.map(|description| format!("`{}`: {}", self.key, first_paragraph(description)));
        let help: Vec<_> = fix.into_iter().chain(description).collect();
        if help.is_empty() { error } else { error.help(help.join("\n")) }
    }

    /// Whether the value would be right in a list.
    fn fits_an_item(&self, schema: &Value) -> bool {
        let name = match self.value {
            DeValue::String(_) => "string",
            DeValue::Integer(_) => "integer",
            DeValue::Float(_) => "number",
            DeValue::Boolean(_) => "boolean",
            _ => return false,
        };
        schema.get("items").is_some_and(|items| takes(items, name) || items.get("enum").is_some())
            || branches(schema).any(|branch| self.fits_an_item(branch))
    }

    fn is_duration(&self) -> bool {
        self.schema.is_some_and(|schema| is_titled(schema, "a duration"))
    }

    /// What to write instead, if that can be told from the value.
    fn fix(&self, accepts: &mut dyn FnMut(&str) -> bool) -> Option<String> {
        let (key, schema) = (self.key, self.schema?);
        let takes = |name| takes(schema, name);
        let shown = shown(self.value);
        let is_number = matches!(self.value, DeValue::Integer(_) | DeValue::Float(_));
        let mut fixes = Vec::new();
        if let Some(text) = self.value.as_str() {
            let bool = as_bool(text).filter(|_| takes("boolean")).map(|bool| bool.to_string());
            let number = as_number(text).filter(|_| takes("integer"));
            fixes.extend(bool.into_iter().chain(number).map(|value| ("write", value, ", without quotes")));
        }
        if let Some(number) = shown.as_ref().filter(|_| is_number && self.is_duration()) {
            fixes.push(("write a number and its unit, such as", format!("\"{number}s\""), ""));
        }
        if let Some(bool) = shown.as_deref().and_then(as_bool).filter(|_| takes("boolean") && is_number) {
            fixes.push(("write", bool.to_string(), ""));
        }
        if let Some(shown) = shown.as_ref().filter(|_| takes("array") && self.fits_an_item(schema)) {
            let item = if self.value.is_str() { format!("\"{shown}\"") } else { shown.clone() };
            fixes.push(("write a list:", format!("[{item}]"), ""));
        }
        // A switch or a date is hardly meant as a text.
        if let Some(shown) = shown.filter(|_| is_number && takes("string") && !has_form(schema)) {
            fixes.push(("write it in quotes:", format!("\"{shown}\""), ""));
        }
        let fix = fixes.into_iter().find(|(_, value, _)| accepts(value));
        let fix = fix.map(|(write, value, how)| format!("{write} `{key} = {value}`{how}"));
        let is_table = takes("object") && self.value.as_table().is_none();
        fix.or_else(|| {
            is_table.then(|| format!("write `{key} = {{ ... }}`, or a table of its own with its keys below"))
        })
    }
}

/// What serde would have taken; absent if the message is not serde's.
fn expected(message: &str) -> Option<&str> {
    if ["wanted string or table", "u64 value was too large", "integer number overflowed"].contains(&message) {
        return Some(message);
    }
    let is_of_serde = ["invalid type: ", "invalid value: ", "invalid length "].iter().any(|of| message.starts_with(of));
    if !is_of_serde {
        return None;
    }
    message.rsplit_once(", expected ").map(|(_, expected)| expected)
}

/// The plain words for what serde and the crates that read values expect; absent for words of ltel's own.
fn of_serde(expected: &str) -> Option<&'static str> {
    Some(match expected {
        "a boolean" => "`true` or `false`",
        "a string"
        | "string"
        | "variant identifier"
        | "a borrowed string"
        | "a character"
        | "path string"
        | "wanted string or table"
        | "string only"
        | "string or map" => "a text",
        "u64 value was too large" | "integer number overflowed" => "a smaller number",
        "a sequence" => "a list",
        "a map" | "map" | "map with a single key" => "a table",
        "parsable string" | "an integer or string" | "integer overflow" => "a size, such as `\"8MiB\"`",
        "f64" | "f32" | "a number" => "a number",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        of if of.starts_with("a nonzero u") => "a whole number, 1 or more",
        of if of.starts_with("a nonzero i") => "a whole number other than 0",
        of if of.starts_with("struct ") || of.starts_with("enum ") => "a table",
        of if of.starts_with("a tuple") || of.starts_with("an array") || of.starts_with("tuple struct") => "a list",
        _ => return None,
    })
}

/// A word that other formats have for a switch.
fn as_bool(text: &str) -> Option<bool> {
    match &*text.trim().to_ascii_lowercase() {
        "true" | "yes" | "on" | "1" | "y" | "enabled" => Some(true),
        "false" | "no" | "off" | "0" | "n" | "disabled" => Some(false),
        _ => None,
    }
}

/// A text that is a number, or is meant as one: `10`, `10k`, `95%`.
pub(super) fn as_number(text: &str) -> Option<String> {
    let text = text.trim().replace('_', "");
    if let Some(percent) = text.strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok()) {
        return Some((percent / 100.0).to_string());
    }
    if text.parse::<i64>().is_ok() || text.parse::<f64>().is_ok_and(f64::is_finite) {
        return Some(text);
    }
    let factor = match text.chars().next_back()? {
        'k' | 'K' => 1_000,
        'm' | 'M' => 1_000_000,
        _ => return None,
    };
    text[..text.len() - 1].parse::<u64>().ok()?.checked_mul(factor).map(|number| number.to_string())
}

fn shown(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(bool) => bool.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => return None,
    })
}

fn is_titled(schema: &Value, title: &str) -> bool {
    text(schema, "title") == Some(title) || branches(schema).any(|branch| is_titled(branch, title))
}

/// Whether a text of this schema must have a form, so that quotes alone do not help.
fn has_form(schema: &Value) -> bool {
    schema.get("enum").is_some() || schema.get("title").is_some() || branches(schema).any(has_form)
}

pub(super) fn first_paragraph(description: &str) -> &str {
    description.split("\n\n").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_meant_as_a_number() {
        for (text, number) in
            [("10", Some("10")), ("10k", Some("10000")), ("95%", Some("0.95")), ("1_000", Some("1000")), ("long", None)]
        {
            assert_eq!(as_number(text).as_deref(), number, "{text}");
        }
    }
}
