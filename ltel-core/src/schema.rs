//! What types of options look like in the JSON Schema of the configuration file, where their own type does not say: write
//! `#[schemars(with = "Option<schema::Duration>")]` on a field. A [`toml::Spanned`] is as what it holds:
//! `#[schemars(with = "Option<String>")]`.
//!
//! ```
//! use std::time::Duration;
//!
//! use ltel_core::prelude::*;
//! use ltel_core::schema;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Options {
//!     /// Responses that take longer are slow.
//!     #[serde(default, deserialize_with = "read")]
//!     #[schemars(with = "Option<schema::Duration>", extend("default" = "1s"))]
//!     limit: Option<Duration>,
//! }
//! # fn read<'de, D: serde::Deserializer<'de>>(_: D) -> Result<Option<Duration>, D::Error> { Ok(None) }
//!
//! let schema = schemars::schema_for!(Options);
//! assert_eq!(schema.pointer("/properties/limit/description"), Some(&"Responses that take longer are slow.".into()));
//! ```

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A duration as people write it: `3s`, `500ms`, `1m 30s`.
#[derive(Clone, Copy, Debug)]
pub struct Duration;

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "a duration",
            "type": "string",
            "pattern": r"^\s*([0-9]+\s*(nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds|second|secs|sec|s|minutes|minute|mins|min|m|hours|hour|hrs|hr|h|days|day|d|weeks|week|wks|wk|w|months|month|years|year|yrs|yr|y)\s*)+$",
            "examples": ["3s", "500ms", "1m 30s"],
        })
    }
}

/// A number of bytes: `"8MiB"`, `"500 kB"` or `1048576`.
#[derive(Clone, Copy, Debug)]
pub struct Bytes;

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "bytes".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "a size",
            "type": ["string", "integer"],
            "pattern": r"^\s*[0-9]+(\.[0-9]*)?\s*([kKmMgGtTpPeE][iI]?)?[bB]?\s*$",
            "minimum": 0,
            "examples": ["8MiB", "500kB", 1_048_576],
        })
    }
}

/// A list of upper bounds of a histogram, ascending.
#[derive(Clone, Copy, Debug)]
pub struct Buckets;

impl JsonSchema for Buckets {
    fn schema_name() -> Cow<'static, str> {
        "buckets".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "a list of numbers, each greater than the one before",
            "type": "array",
            "items": { "type": "number" },
            "uniqueItems": true,
        })
    }
}

/// An address to listen on: `127.0.0.1:9464`.
#[derive(Clone, Copy, Debug)]
pub struct Address;

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "address".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "an IP address and a port", "type": "string", "examples": ["127.0.0.1:4327"] })
    }
}

/// A text that is an expression in CEL.
#[derive(Clone, Copy, Debug)]
pub struct Cel;

impl JsonSchema for Cel {
    fn schema_name() -> Cow<'static, str> {
        "cel".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "an expression in CEL, in quotes", "type": "string" })
    }
}
