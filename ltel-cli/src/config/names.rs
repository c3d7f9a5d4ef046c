//! Compares typed names with known ones, and lists names in messages.

pub(crate) use ltel_core::text::did_you_mean;

/// Names in a message: `a`, `b` and `c`.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    join(names.into_iter().map(|name| format!("`{name}`")).collect())
}

/// Parts of a sentence: a, b and c.
pub(crate) fn join(mut parts: Vec<String>) -> String {
    match parts.pop() {
        None => "none".to_owned(),
        Some(last) if parts.is_empty() => last,
        Some(last) => format!("{} and {last}", parts.join(", ")),
    }
}
