//! What a configuration has in the place of a value: an expression or a constant.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;
use toml::Spanned;

/// A table's entries, by their names. Their order is that of their places.
pub type Entries<T> = BTreeMap<Spanned<String>, Spanned<T>>;

/// An expression, or `{ value = ... }`: a constant.
#[derive(Clone, Debug)]
pub enum Written {
    /// An expression.
    Expression(String),
    /// A text, a number or a bool.
    Constant(Json),
}

impl JsonSchema for Written {
    fn schema_name() -> Cow<'static, str> {
        "ExpressionOrConstant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An expression, or a constant as `{ value = ... }`.",
            "anyOf": [
                { "title": "an expression in CEL, in quotes", "type": "string" },
                {
                    "title": "a constant as `{ value = ... }`",
                    "type": "object",
                    "properties": { "value": { "type": ["string", "number", "boolean"] } },
                    "required": ["value"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an expression in quotes, or a constant as `{ value = ... }`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Written, E> {
                Ok(Written::Expression(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
                let mut constant = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key != "value" {
                        return Err(A::Error::unknown_field(&key, &["value"]));
                    }
                    let Constant(value) = map.next_value()?;
                    constant = Some(value);
                }
                constant.map(Written::Constant).ok_or_else(|| A::Error::missing_field("value"))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A text, a number or a bool.
struct Constant(Json);

impl<'de> Deserialize<'de> for Constant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Constant;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, `true` or `false`")
            }

            fn visit_bool<E: Error>(self, bool: bool) -> Result<Constant, E> {
                Ok(Constant(bool.into()))
            }

            fn visit_i64<E: Error>(self, int: i64) -> Result<Constant, E> {
                Ok(Constant(int.into()))
            }

            fn visit_f64<E: Error>(self, double: f64) -> Result<Constant, E> {
                Ok(Constant(double.into()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Constant, E> {
                Ok(Constant(text.into()))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
