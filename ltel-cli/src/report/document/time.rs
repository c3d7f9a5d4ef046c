//! Times in a document.

use std::fmt;

use ltel_core::Timestamp;
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment, written as RFC 3339 in UTC, with milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub(crate) Timestamp);

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        // A document keeps milliseconds: what is read equals what was written.
        Self(Timestamp::from_nanos(time.as_nanos() / 1_000_000 * 1_000_000))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        match humantime::parse_rfc3339(&text) {
            Ok(time) => Ok(Self(time.into())),
            Err(_) => {
                Err(D::Error::invalid_value(Unexpected::Str(&text), &"a time such as `2026-01-31T12:00:00.000Z`"))
            }
        }
    }
}
