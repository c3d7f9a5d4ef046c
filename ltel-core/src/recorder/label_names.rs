//! The names that labels of a configuration can have.

use toml::Spanned;

use crate::backend::ConfigError;
use crate::name::{RESERVED_LABELS, is_key};

use super::Spec;
use super::common::Subject;
use super::mismatch::fits;

/// The longest name of a label.
const MOST: usize = 100;

/// Labels that Prometheus or its text format give their meaning.
const OF_PROMETHEUS: &[&str] = &["le", "quantile", "job", "instance"];

/// Fields that records have without their recorders: the condition of those that are not about all events, and what is missing.
const OF_RECORDS: &[&str] = &["when", "complete", "filtered"];

/// What a label's name must be, for messages.
const RULE: &str = "begin with a letter, then use letters, digits, `_`, `.` and `-`, at most 100";

/// The names of one table of labels, which must differ.
#[derive(Debug, Default)]
pub struct LabelNames(Vec<String>);

impl LabelNames {
    /// Adds a name; returns what is wrong with it.
    pub fn add(&mut self, name: &Spanned<String>) -> Option<ConfigError> {
        let text = name.get_ref();
        if let Err((message, help)) = valid(text) {
            return Some(ConfigError::new(message, name.span()).help(help));
        }
        if let Some(other) = self.0.iter().find(|other| in_prometheus(other) == in_prometheus(text)) {
            let message = format!("the labels `{other}` and `{text}` are one label in Prometheus");
            return Some(ConfigError::new(message, name.span()).help("give one of them another name"));
        }
        self.0.push(text.clone());
        None
    }
}

/// Whether a label can have this name; otherwise what is wrong, and what would be right.
pub fn valid(name: &str) -> Result<(), (String, String)> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if !is_key(name) || !begins || name.contains('/') || name.len() > MOST {
        return Err((format!("`{name}` is not a valid name of a label"), RULE.to_owned()));
    }
    let is = |reserved: &str| in_prometheus(reserved) == in_prometheus(name);
    let help = format!("give the label another name, such as `its_{name}`");
    if RESERVED_LABELS.iter().any(|reserved| is(reserved)) {
        return Err((format!("`{name}` is reserved, because all telemetry has it"), help));
    }
    if OF_RECORDS.iter().any(|reserved| is(reserved)) {
        return Err((format!("`{name}` is reserved: records that are not about all of a run have it"), help));
    }
    if OF_PROMETHEUS.iter().any(|reserved| is(reserved)) || in_prometheus(name).starts_with("otel_") {
        return Err((
            format!("`{name}` is reserved: Prometheus and OpenTelemetry give it a meaning of their own"),
            help,
        ));
    }
    Ok(())
}

/// What of a recorder has this name already. `emits` is the spec whose records and spans count: for a label of the recorder's own
/// table that of its type, since what that table declares may repeat the label.
pub fn taken_by(name: &str, subject: Subject, emits: &Spec) -> Option<String> {
    let spec = subject.spec;
    let is = |other: &str| in_prometheus(other) == in_prometheus(name);
    let recorder = spec.name;
    if spec.labels.iter().any(|label| is(label)) {
        return Some(format!("`{recorder}` has this label"));
    }
    if let Some(of) = spec.instruments.iter().find(|of| of.attributes.iter().any(|(label, _)| is(label))) {
        return Some(format!("the metric `{}` of `{recorder}` has this label", of.name.unwrap_or(of.field)));
    }
    if let Some(of) = emits.records.iter().find(|of| of.fields.iter().any(|field| fits(field, name))) {
        return Some(format!("the record `{}` of `{recorder}` has this field", of.name));
    }
    if let Some(of) = emits.spans.iter().find(|of| of.attributes.contains(&name)) {
        return Some(format!("the span `{}` of `{recorder}` has this attribute", of.name));
    }
    None
}

/// Whether two names are one label, in Prometheus too.
pub(super) fn is_one_label(one: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte.is_ascii_alphanumeric() { byte } else { b'_' };
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(one, other)| plain(one) == plain(other))
}

/// As Prometheus has it.
fn in_prometheus(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
