//! What went wrong, and how often.

use crate::clock::Timestamp;

/// One distinct error of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorFigures {
    /// The endpoint's method.
    pub method: String,
    /// The endpoint's name.
    pub name: String,
    /// The error's text, as Locust shows it.
    pub error: String,
    /// How often it occurred.
    pub occurrences: u64,
    /// When it occurred first.
    pub first: Timestamp,
    /// When it occurred last.
    pub last: Timestamp,
}

/// One distinct exception of user code, outside any request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionFigures {
    /// The user's class.
    pub user: String,
    /// The exception, as `Class: text`.
    pub error: String,
    /// Python's traceback, of its first occurrence.
    pub traceback: String,
    /// How often it occurred.
    pub occurrences: u64,
    /// When it occurred first.
    pub first: Timestamp,
    /// When it occurred last.
    pub last: Timestamp,
}
