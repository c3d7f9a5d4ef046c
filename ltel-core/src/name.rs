//! The rules for names. That of metrics is the OpenTelemetry specification's "Instrument name syntax". The SDK silently drops other
//! instruments, so names are checked before: where a spec is written ([`crate::recorder::InstrumentSpec`], when it
//! is compiled), and where a table of the configuration gives its recorder a name.

/// The longest name of a metric, in bytes.
const MOST: usize = 255;

/// The longest name of a recorder whose metrics are named after it: it leaves room for a dot and a field.
const MOST_OF_RECORDER: usize = 199;

/// Whether an instrument can have this name: it starts with a letter of ASCII, and holds letters and digits of ASCII,
/// `_`, `.`, `-` and `/`; at most 255.
///
/// ```
/// use ltel_core::name::is_metric_name;
///
/// assert!(is_metric_name("http.client.request.duration"));
/// assert!(!is_metric_name("2xx"));
/// ```
#[must_use]
pub const fn is_metric_name(name: &str) -> bool {
    let name = name.as_bytes();
    !name.is_empty() && name.len() <= MOST && name[0].is_ascii_alphabetic() && has_valid_characters(name)
}

const fn has_valid_characters(name: &[u8]) -> bool {
    let mut at = 0;
    while at < name.len() {
        if !name[at].is_ascii_alphanumeric() && !matches!(name[at], b'_' | b'.' | b'-' | b'/') {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether metrics can be named after a recorder with this name: `<name>.<field>`.
#[must_use]
pub const fn begins_metric_names(name: &str) -> bool {
    is_metric_name(name) && name.len() <= MOST_OF_RECORDER
}

/// Whether this can be the field in `<name>.<field>`.
#[must_use]
pub const fn ends_metric_names(field: &str) -> bool {
    let field = field.as_bytes();
    !field.is_empty() && field.len() < MOST - MOST_OF_RECORDER && has_valid_characters(field)
}

/// A metric's name without case and punctuation: OpenTelemetry takes names that differ in case for one, and Prometheus has no
/// punctuation but `_`.
#[must_use]
pub fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// Names that a label cannot have, because every point already has a field with this name: those of the context, and those
/// of the point itself.
pub const RESERVED_LABELS: &[&str] = &[
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
pub const RESERVED_FIELDS: &[&str] =
    &["source", "source_id", "run_id", "testplan", "time", "telemetry_type", "telemetry_name"];

/// Whether this can be the name of a label, of a record or of a record's field, where it is not reserved.
#[must_use]
pub const fn is_key(name: &str) -> bool {
    !name.is_empty() && has_valid_characters(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, expected) in [
            ("a", true),
            ("http.client/request-duration_2", true),
            ("", false),
            ("_a", false),
            ("2xx", false),
            ("a b", false),
            ("\u{e9}", false),
            ("a\u{e9}", false),
        ] {
            assert_eq!(is_metric_name(name), expected, "{name}");
            assert_eq!(begins_metric_names(name), expected, "{name}");
        }
        assert!(is_metric_name(&"a".repeat(255)) && !is_metric_name(&"a".repeat(256)));
        assert!(ends_metric_names(&"_".repeat(55)) && !ends_metric_names(&"_".repeat(56)) && !ends_metric_names(""));
        assert!(begins_metric_names(&"a".repeat(199)) && !begins_metric_names(&"a".repeat(200)));
    }
}
