//! Compares typed names with known ones, and lists names in messages.

/// The name of `known` that is close to `typed`, if there is one.
pub(crate) fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(typed, name), name))
        .filter(|(distance, name)| *distance <= 1 + typed.len().max(name.len()) / 4)
        .min()
        .map(|(_, name)| name)
}

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
