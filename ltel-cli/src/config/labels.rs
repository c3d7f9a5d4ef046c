//! `[labels]`: constants on everything that is emitted.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use ltel_core::backend::{ConfigError, Environment};
use ltel_core::recorder::{LabelNames, constant_label, valid_label};
use ltel_core::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use opentelemetry::KeyValue;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::kind::schema_of;
use super::section::Section;
use super::stated::NO_PLACE;
use super::variables::Reference;
use super::wrong_value::WrongValue;

/// The fields of the records about a run, such as the run report, which carry the labels too.
pub(crate) const FIELDS_OF_RUN: &[&str] = &[
    "complete",
    "duration_seconds",
    "sent",
    "recorded",
    "dropped",
    "dropped_by_reason",
    "sources",
    "missing",
    "filtered",
    "unlisted_sources",
    "late_events",
    "invalid_events",
    "dropped_events",
    "series_limit_reached",
    "recorders_panicked",
    "values_left_out",
    "target",
    "check",
    "passed",
    "quantity",
    "operator",
    "limit",
    "actual",
    "unit",
    "endpoint",
    "reason",
    "aborted",
];

/// One `--label KEY=VALUE`.
#[derive(Clone, Debug)]
pub struct LabelArg {
    name: String,
    value: String,
}

impl FromStr for LabelArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write a name and a value, such as `region=eu`")?;
        valid_label(name).map_err(|(message, help)| format!("{message}: {help}"))?;
        constant_label(name, &value.into())?;
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// A label of `[labels]`, and where it is.
#[derive(Debug)]
pub(super) struct PlacedLabel {
    pub(super) label: KeyValue,
    pub(super) place: Range<usize>,
    /// As people wrote it: `` `region` in [labels] ``.
    pub(super) shown: String,
}

/// Reads `[labels]`. What the command line states replaces what the file does.
pub(super) fn read(
    section: Option<Section<'_>>,
    stated: &[LabelArg],
    env: &Environment,
    errors: &mut Vec<ConfigError>,
) -> Vec<PlacedLabel> {
    let mut labels: Vec<PlacedLabel> = Vec::new();
    let mut names = LabelNames::default();
    for (name, place, value) in section.map(Section::into_entries).unwrap_or_default() {
        if let Some(error) = names.add(&Spanned::new(place.clone(), name.clone())) {
            errors.push(error);
            continue;
        }
        if stated.iter().any(|stated| stated.name == name) {
            continue;
        }
        let span = value.span();
        if let Some(reference) = value.get_ref().as_str().and_then(Reference::in_text) {
            let schema = schema_of(RawLabel::json_schema);
            errors.push(reference.error(&name, &format!("`{name}` in [labels]"), Some(&schema), span));
            continue;
        }
        let env_name = value.get_ref().as_table().and_then(|table| table.get("env"));
        if let Some(reference) = env_name.and_then(|env| Reference::in_text(env.get_ref().as_str()?)) {
            let span = env_name.map_or(span, Spanned::span);
            errors.push(reference.in_env(&format!("`env` in [labels.{name}]"), span));
            continue;
        }
        match RawLabel::deserialize(ValueDeserializer::from(value)) {
            Err(error) => {
                let (schema, shown) = (schema_of(RawLabel::json_schema), format!("`{name}` in [labels]"));
                let (message, span) = (error.message(), error.span().unwrap_or(span));
                let wrong = WrongValue {
                    key: &name,
                    named: shown,
                    value: &DeValue::Boolean(true),
                    message,
                    schema: Some(&schema),
                };
                errors.push(wrong.error(span, &mut |_| false));
            }
            Ok(value) => match value.resolve(env).and_then(|value| constant_label(&name, &value)) {
                Ok(label) => labels.push(PlacedLabel { label, place, shown: format!("`{name}` in [labels]") }),
                Err(message) => errors.push(ConfigError::new(message, span)),
            },
        }
    }
    for LabelArg { name, value } in stated {
        labels.retain(|label| label.label.key.as_str() != name);
        if let Ok(label) = constant_label(name, &value.as_str().into()) {
            labels.push(PlacedLabel { label, place: NO_PLACE, shown: format!("`--label {name}`") });
        }
    }
    for label in &labels {
        if FIELDS_OF_RUN.contains(&label.label.key.as_str()) {
            let message = format!("{} is taken: the records of a run have this field", label.shown);
            errors.push(ConfigError::new(message, label.place.clone()).help("give it another name"));
        }
    }
    labels
}

// What the crate `toml` calls a date.
const DATE: &str = "$__toml_private_datetime";

/// The value of a label: a text, a whole number, `true` or `false`, or `{ env = "NAME" }`.
#[derive(Debug)]
pub(super) enum RawLabel {
    Plain(Json),
    Env(String),
}

impl RawLabel {
    fn resolve(self, env: &Environment) -> Result<Json, String> {
        match self {
            Self::Plain(value) => Ok(value),
            Self::Env(name) => match env.get(&name) {
                Some(text) => Ok(text.into()),
                None => Err(format!("the environment variable `{name}` is not set, or empty")),
            },
        }
    }
}

impl JsonSchema for RawLabel {
    fn schema_name() -> Cow<'static, str> {
        "Label".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, a whole number or a bool; or `{ env = \"NAME\" }`: what the environment variable holds.",
            "anyOf": [
                { "type": ["string", "integer", "boolean"] },
                {
                    "type": "object",
                    "properties": {
                        "env": { "type": "string", "description": "The environment variable that holds the text." },
                    },
                    "required": ["env"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl<'de> Deserialize<'de> for RawLabel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = RawLabel;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number, `true` or `false`, or `{ env = \"NAME\" }`")
            }

            fn visit_bool<E: Error>(self, bool: bool) -> Result<RawLabel, E> {
                Ok(RawLabel::Plain(bool.into()))
            }

            fn visit_i64<E: Error>(self, int: i64) -> Result<RawLabel, E> {
                Ok(RawLabel::Plain(int.into()))
            }

            fn visit_f64<E: Error>(self, double: f64) -> Result<RawLabel, E> {
                Ok(RawLabel::Plain(double.into()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawLabel, E> {
                Ok(RawLabel::Plain(text.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawLabel, A::Error> {
                let mut env = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key == "value" || key == DATE {
                        let value: Json = map.next_value()?;
                        return Err(A::Error::custom(format!("write the value itself: `{value}`")));
                    }
                    if key != "env" {
                        return Err(A::Error::custom("write `{ env = \"NAME\" }`"));
                    }
                    env = Some(RawLabel::Env(map.next_value()?));
                }
                env.ok_or_else(|| A::Error::custom("write `{ env = \"NAME\" }`"))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantees: what is nearly a label is said with what to write; a long text is refused.
    #[test]
    fn values_that_are_no_labels() {
        let read = |toml: &str| {
            let value = ValueDeserializer::parse(toml).unwrap();
            RawLabel::deserialize(value).map_err(|error| error.message().to_owned())
        };
        for (toml, written) in [
            ("2020-01-01", "\"2020-01-01\""),
            ("{ value = 'eu' }", "\"eu\""),
            ("{ value = 3 }", "3"),
            ("{ value = true }", "true"),
        ] {
            assert_eq!(read(toml).unwrap_err(), format!("write the value itself: `{written}`"), "{toml}");
        }
        let long = |count: usize| constant_label("a", &"é".repeat(count).into());
        assert!(long(1_000).is_ok() && long(1_001).unwrap_err().contains("more than 1000 characters"));
    }
}
