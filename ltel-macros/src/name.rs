//! The rules for names.

/// Names that a label cannot have, because every point already has a field with this name: those of the context, and those
/// of the point itself.
pub(crate) const RESERVED_LABELS: &[&str] = &[
    "source",
    "source_id",
    "run_id",
    "testplan",
    "time",
    "telemetry_type",
    "telemetry_name",
    "unit",
    "value",
    "count",
    "sum",
    "min",
    "max",
    "bounds",
    "bucket_counts",
];

/// Names that a record's field cannot have, because every record has it already.
pub(crate) const RESERVED_FIELDS: &[&str] =
    &["source", "source_id", "run_id", "testplan", "time", "telemetry_type", "telemetry_name"];

/// Why an instrument cannot have this name, if it cannot. The rule is that of `ltel_core::name`, which checks the generated
/// code at compile time; here the error is reported at the token. `names_are_those_of_the_core` compares the two.
pub(crate) fn metric_name_error(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("the name of a metric cannot be empty".to_owned());
    }
    if name.len() > 255 {
        return Some(format!("the name of a metric can have at most 255 characters, but this has {}", name.len()));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Some(format!("the name of a metric must start with an ASCII letter: `{name}`"));
    }
    character_error(name, "the name of a metric")
}

/// Why the name of a metric cannot end with this field, if it cannot.
pub(crate) fn field_name_error(field: &str) -> Option<String> {
    if field.len() > 55 {
        let length = field.len();
        return Some(format!(
            "a metric is named after this field, so the field can have at most 55 characters, but has {length}"
        ));
    }
    character_error(field, "the name of a metric")
}

fn character_error(name: &str, what: &str) -> Option<String> {
    let bad = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "_.-/".contains(*c)))?;
    Some(format!("{what} can contain ASCII letters, digits, `_`, `.`, `-` and `/`, but not `{bad}`"))
}

/// Why this cannot be the name of a label or of a record's field.
pub(crate) fn key_error(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("the name cannot be empty".to_owned());
    }
    character_error(name, "a name")
}

/// Whether it can be the type of a recorder, as in `[recorders.<name>]`.
pub(crate) fn is_snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// `SlowCheckout` as `slow_checkout`, `HTTPErrors` as `http_errors`.
pub(crate) fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| chars[i]);
        let after = chars.get(i + 1);
        let word_begins = c.is_uppercase()
            && before.is_some_and(|b| b != '_' && (!b.is_uppercase() || after.is_some_and(|a| a.is_lowercase())));
        if word_begins {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}
