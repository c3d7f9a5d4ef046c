//! Levels of Python's logging.

use schemars::JsonSchema;
use serde::Deserialize;

/// A level of Python's logging, by its name in lower case; its number is Python's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For those who look for a mistake.
    Debug = 10,
    /// All is as it should be.
    Info = 20,
    /// Something is not as expected.
    Warning = 30,
    /// Something did not work.
    Error = 40,
    /// Nothing works.
    Critical = 50,
}

impl LogLevel {
    /// Its number in Python.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }
}
