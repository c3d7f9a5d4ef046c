//! The table of a declared recorder, as it is written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::event::{EventKind, LogLevel};
use crate::expression::{Entries, Written};

use super::plan::Plan;

/// The options of a declared recorder.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclaredOptions {
    /// The event that it sees: `request`, `task`, `users`, `custom`, ...
    #[schemars(schema_with = "events")]
    pub(super) on: Option<Spanned<String>>,
    /// Whether each Locust process has its own series.
    #[serde(default)]
    pub(super) per: RawPer,
    /// One sentence for people.
    pub(super) description: Option<String>,
    /// For `on = "log"`: the least level of the messages that it sees.
    #[schemars(with = "Option<LogLevel>")]
    pub(super) level: Option<Spanned<LogLevel>>,
    /// Its metrics, by what their names end with.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, RawMetric>")]
    pub(super) metrics: Entries<RawMetric>,
    /// Its records, by what their names end with.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, RawRecord>")]
    pub(super) records: Entries<RawRecord>,
    /// What it does, once the options are checked.
    #[serde(skip)]
    pub(super) plan: Option<Plan>,
}

fn events(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
    json_schema!({ "type": "string", "enum": names })
}

/// `per`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum RawPer {
    /// Each Locust process has its own series.
    #[default]
    Source,
    /// The processes of a run share their series.
    Run,
}

/// One metric. It has one of the first four keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as `{ histogram = \"response_time\" }` or `{ counter = true }`"
)]
pub(super) struct RawMetric {
    /// Adds the value, or 1 for each event if this is `true`.
    #[schemars(with = "Option<Counted>")]
    pub(super) counter: Option<Spanned<Counted>>,
    /// Adds the value, which may be negative.
    #[schemars(with = "Option<String>")]
    pub(super) up_down_counter: Option<Spanned<Formula>>,
    /// Keeps the last value.
    #[schemars(with = "Option<String>")]
    pub(super) gauge: Option<Spanned<Formula>>,
    /// Records the distribution of the values.
    #[schemars(with = "Option<String>")]
    pub(super) histogram: Option<Spanned<Formula>>,
    /// The condition for an event to be recorded.
    #[schemars(with = "Option<String>")]
    pub(super) when: Option<Spanned<String>>,
    /// The unit, in UCUM.
    #[schemars(with = "Option<String>")]
    pub(super) unit: Option<Spanned<String>>,
    /// One sentence for people.
    pub(super) description: Option<String>,
    /// A histogram's upper bounds, ascending, in its unit.
    #[schemars(with = "Option<Vec<f64>>")]
    pub(super) buckets: Option<Spanned<Vec<Spanned<f64>>>>,
    /// Constant labels of this metric.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Written>")]
    pub(super) labels: Entries<Written>,
    /// The whole name, if it is not to begin with the name of the recorder's table.
    #[schemars(with = "Option<String>")]
    pub(super) name: Option<Spanned<String>>,
}

/// One kind of record.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as `{ when = \"error != null\", fields = { request = \"name\" } }`"
)]
pub(super) struct RawRecord {
    /// The condition for an event to have a record.
    #[schemars(with = "Option<String>")]
    pub(super) when: Option<Spanned<String>>,
    /// The severity.
    #[serde(default)]
    pub(super) severity: RawSeverity,
    /// Its `telemetry_type`.
    #[serde(default)]
    pub(super) kind: RawKind,
    /// Its fields.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Written>")]
    pub(super) fields: Entries<Written>,
    /// One sentence for people.
    pub(super) description: Option<String>,
    /// The whole name, if it is not to begin with the name of the recorder's table.
    #[schemars(with = "Option<String>")]
    pub(super) name: Option<Spanned<String>>,
}

/// The severity of a record.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum RawSeverity {
    #[default]
    Info,
    Warning,
    Error,
}

/// The `telemetry_type` of a record.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum RawKind {
    #[default]
    Event,
    Metrics,
}

/// The expression that gives the values of a metric.
#[derive(Debug)]
pub(super) struct Formula(pub(super) String);

impl<'de> Deserialize<'de> for Formula {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Formula;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an expression in quotes, which gives the value; events are counted by `counter = true`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Formula, E> {
                Ok(Formula(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// What a counter adds.
#[derive(Debug)]
pub(super) enum Counted {
    /// 1 for each event.
    Events,
    /// The value of an expression.
    Expression(String),
}

impl JsonSchema for Counted {
    fn schema_name() -> Cow<'static, str> {
        "Counted".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": true }, { "type": "string" }] })
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Counted;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true` to count events, or an expression in quotes")
            }

            fn visit_bool<E: Error>(self, counts: bool) -> Result<Counted, E> {
                if counts {
                    Ok(Counted::Events)
                } else {
                    Err(E::custom("it counts nothing: write `true`, or leave the metric out"))
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Counted, E> {
                Ok(Counted::Expression(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
