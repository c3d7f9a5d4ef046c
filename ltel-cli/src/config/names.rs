//! Compares typed names with known ones, and lists names in messages.

use ltel_core::text;

pub(crate) use ltel_core::text::{did_you_mean, join};

/// Names in a message, in the order of the alphabet: `a`, `b` and `c`.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    text::list(names)
}

/// Parts of a sentence: a, b or c.
pub(crate) fn or(parts: &[String]) -> String {
    match parts {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => parts.concat(),
    }
}
