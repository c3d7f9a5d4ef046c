//! A recorder's spec as text, for snapshots.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::recorder::{InstrumentSpec, Per, Recorder, Spec};

/// What a recorder emits, as stable text and as `Serialize`. Use it to pin names, units and labels in a snapshot test.
///
/// ```
/// use ltel_core::prelude::*;
///
/// /// Checkout traffic.
/// #[derive(Recorder)]
/// #[recorder(on = Request, labels(method))]
/// struct Checkout {
///     /// Requests that raised.
///     #[counter(when = |r| r.error.is_some())]
///     failures: Counter,
/// }
///
/// assert_eq!(ltel_core::replay::spec::<Checkout>().to_string(), "\
/// checkout, per source: Checkout traffic.
/// labels: method
///
/// checkout.failures (counter, 1): Requests that raised.
/// ");
/// ```
#[must_use]
pub fn spec<R: Recorder>() -> SpecSnapshot {
    SpecSnapshot::new(R::SPEC)
}

/// A recorder's spec, as data.
#[derive(Clone, Debug, Serialize)]
pub struct SpecSnapshot {
    name: &'static str,
    description: &'static str,
    per: &'static str,
    labels: &'static [&'static str],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    needs: Vec<&'static str>,
    instruments: Vec<InstrumentEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    records: Vec<RecordEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spans: Vec<SpanEntry>,
}

#[derive(Clone, Debug, Serialize)]
struct InstrumentEntry {
    name: String,
    kind: &'static str,
    unit: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'static str, &'static str>,
    #[serde(skip_serializing_if = "<[f64]>::is_empty")]
    buckets: &'static [f64],
}

#[derive(Clone, Debug, Serialize)]
struct RecordEntry {
    name: &'static str,
    description: &'static str,
    fields: &'static [&'static str],
}

#[derive(Clone, Debug, Serialize)]
struct SpanEntry {
    name: &'static str,
    description: &'static str,
    attributes: &'static [&'static str],
}

impl SpecSnapshot {
    /// The spec of a recorder in a table with its type's name.
    #[must_use]
    pub fn new(spec: &'static Spec) -> Self {
        let instrument = |instrument: &InstrumentSpec| InstrumentEntry {
            name: instrument.full_name(spec.name),
            kind: instrument.kind.as_str(),
            unit: instrument.unit,
            description: instrument.description,
            labels: instrument.attributes.iter().copied().collect(),
            buckets: instrument.buckets,
        };
        let needs = spec.needs;
        let needs = [
            (needs.usage, "usage"),
            (needs.url, "url"),
            (needs.user_class, "user_class"),
            (needs.context, "context"),
            (needs.request_length, "request_length"),
        ];
        Self {
            name: spec.name,
            description: spec.description,
            per: match spec.per {
                Per::Source => "source",
                Per::Run => "run",
            },
            labels: spec.labels,
            needs: needs.into_iter().filter_map(|(needed, name)| needed.then_some(name)).collect(),
            instruments: spec.instruments.iter().map(instrument).collect(),
            records: spec
                .records
                .iter()
                .map(|record| RecordEntry { name: record.name, description: record.description, fields: record.fields })
                .collect(),
            spans: spec
                .spans
                .iter()
                .map(|span| SpanEntry { name: span.name, description: span.description, attributes: span.attributes })
                .collect(),
        }
    }
}

impl fmt::Display for SpecSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, per {}: {}", self.name, self.per, self.description)?;
        if !self.labels.is_empty() {
            writeln!(f, "labels: {}", self.labels.join(", "))?;
        }
        if !self.needs.is_empty() {
            writeln!(f, "needs: {}", self.needs.join(", "))?;
        }
        if !self.instruments.is_empty() {
            writeln!(f)?;
        }
        for instrument in &self.instruments {
            let InstrumentEntry { name, kind, unit, description, .. } = instrument;
            writeln!(f, "{name} ({kind}, {unit}): {description}")?;
            for (label, value) in &instrument.labels {
                writeln!(f, "  {label}={value}")?;
            }
            if !instrument.buckets.is_empty() {
                let buckets: Vec<_> = instrument.buckets.iter().map(ToString::to_string).collect();
                writeln!(f, "  buckets: {}", buckets.join(", "))?;
            }
        }
        if !self.records.is_empty() {
            writeln!(f)?;
        }
        for record in &self.records {
            writeln!(f, "{} (record): {}", record.name, record.description)?;
            if !record.fields.is_empty() {
                writeln!(f, "  fields: {}", record.fields.join(", "))?;
            }
        }
        if !self.spans.is_empty() {
            writeln!(f)?;
        }
        for span in &self.spans {
            writeln!(f, "{} (span): {}", span.name, span.description)?;
            writeln!(f, "  attributes: {}", span.attributes.join(", "))?;
        }
        Ok(())
    }
}
