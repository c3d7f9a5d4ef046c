//! Types of configuration values: durations, secrets.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use ltel_core::backend::ConfigError;
use ltel_core::schema;
use ltel_core::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use toml::Spanned;

use super::Environment;

/// Longer durations are mistakes, and clocks cannot add them.
pub(crate) const MAX_DURATION: Duration = Duration::from_hours(100 * 365 * 24);

/// A duration as people write it: `3s`, `500ms`, `1m 30s`. Never zero, and never longer than 100 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(pub Duration);

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DurationText { may_be_zero: false }).map(Self)
    }
}

/// A duration like an [`Interval`], which may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay(pub Duration);

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DurationText { may_be_zero: true }).map(Self)
    }
}

impl JsonSchema for Interval {
    fn schema_name() -> Cow<'static, str> {
        schema::Duration::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema::Duration::json_schema(generator)
    }
}

struct DurationText {
    may_be_zero: bool,
}

impl Visitor<'_> for DurationText {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with its unit, such as \"3s\", \"500ms\" or \"1m 30s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        match humantime::parse_duration(text) {
            Ok(duration) if duration.is_zero() && !self.may_be_zero => {
                Err(E::custom("a duration must be longer than zero"))
            }
            Ok(duration) if duration > MAX_DURATION => {
                Err(E::custom(format!("\"{text}\" is too long: a duration may be 100 years at most")))
            }
            Err(humantime::DurationError::NumberOverflow) => {
                Err(E::custom(format!("\"{text}\" is too long: a duration may be 100 years at most")))
            }
            Ok(duration) => Ok(duration),
            Err(_) => Err(E::custom(format!(
                "\"{text}\" is not a duration: write a number and its unit, such as \"3s\", \"500ms\" or \"1m 30s\""
            ))),
        }
    }
}

/// Text that may be secret: the text itself, or where to find it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The text.
    Plain(String),
    /// In this environment variable.
    Env(String),
    /// In this file.
    File(String),
}

impl Secret {
    /// The text itself, or why it is not available.
    pub fn resolve(&self, env: &Environment) -> Result<String, String> {
        match self {
            Self::Plain(text) => Ok(text.clone()),
            Self::Env(name) => env.get(name).ok_or_else(|| format!("the environment variable `{name}` is not set")),
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|error| format!("cannot read `{path}`: {error}")),
        }
    }
}

/// A token that clients must send, or what is wrong with it.
pub(crate) fn token(secret: &Spanned<Secret>, env: &Environment) -> Result<SecretString, ConfigError> {
    let token = secret.get_ref().resolve(env).map_err(|why| ConfigError::new(why, secret.span()))?;
    if token.trim().is_empty() {
        let from = match secret.get_ref() {
            Secret::Plain(_) => String::new(),
            Secret::Env(name) => format!(": the environment variable `{name}` is empty"),
            Secret::File(path) => format!(": `{path}` is empty"),
        };
        return Err(ConfigError::new(format!("the token is empty{from}"), secret.span())
            .help("use a random token, such as the output of `openssl rand -hex 16`; or remove `token`"));
    }
    Ok(token.into())
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let at = |key: &str, what: &str| {
            json_schema!({
                "type": "object",
                "properties": { key: { "type": "string", "description": what } },
                "required": [key],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "description": "Text that may be secret: the text itself, `{ env = \"NAME\" }` or `{ file = \"/path\" }`.",
            "anyOf": [
                { "type": "string" },
                at("env", "The environment variable that holds the text."),
                at("file", "The file that holds the text."),
            ],
        })
    }
}

// Secrets are never shown.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("Plain(..)"),
            Self::Env(name) => write!(f, "Env({name})"),
            Self::File(path) => write!(f, "File({path})"),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, `{ env = \"NAME\" }` or `{ file = \"/path\" }`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::Plain(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
                let wrong = || A::Error::custom("expected `{ env = \"NAME\" }` or `{ file = \"/path\" }`");
                let secret = match map.next_key::<String>()?.as_deref() {
                    Some("env") => Secret::Env(map.next_value()?),
                    Some("file") => Secret::File(map.next_value()?),
                    _ => return Err(wrong()),
                };
                if map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() { Err(wrong()) } else { Ok(secret) }
            }
        }
        deserializer.deserialize_any(TextOrTable)
    }
}
