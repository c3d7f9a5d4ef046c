//! Faults of clients: counted by kind, and logged once per kind.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use ltel_core::text::printable;
use ltel_core::wire::WrongFields;

// Bounded: clients choose some field names.
const KINDS: usize = 128;
const OTHERS: &str = "other faults";

/// Faults of clients, by kind.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<BTreeMap<Cow<'static, str>, u64>>);

impl Faults {
    /// Counts a fault of this kind. The first one is logged with its details.
    pub(crate) fn count(&self, kind: impl Into<Cow<'static, str>>, details: &dyn fmt::Display) {
        self.count_all(kind.into(), 1, details);
    }

    /// Counts the fields of a client's frame that were not understood, cut or repaired.
    pub(crate) fn count_fields(&self, wrong: &WrongFields, client: &dyn fmt::Display) {
        for (field, times) in wrong.iter() {
            let details = format!("ignoring a value from {client}");
            self.count_all(format!("field not understood: {field}").into(), times, &details);
        }
        for (field, times) in wrong.cut() {
            let details = format!("{client} sent a longer text than this field may hold");
            self.count_all(format!("text cut: {field}").into(), times, &details);
        }
        for (kind, times) in wrong.mended() {
            let details = format!("{client} sent JSON with a wrong escape or with bytes that are not UTF-8");
            self.count_all(format!("text mended: {kind}").into(), times, &details);
        }
    }

    /// Counts faults of this kind. The first one is logged with its details.
    pub(crate) fn count_all(&self, kind: Cow<'static, str>, times: u64, details: &dyn fmt::Display) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = if counts.len() < KINDS || counts.contains_key(&kind) { kind } else { OTHERS.into() };
        let is_new = !counts.contains_key(&kind);
        if is_new {
            // Both may hold text that a client sent.
            let (kind, details) = (printable(&kind), details.to_string());
            let details = printable(&details);
            tracing::warn!("{kind}: {details} (later ones are counted, not logged)");
        }
        *counts.entry(kind).or_default() += times;
    }

    /// How often each kind occurred.
    pub(crate) fn counts(&self) -> BTreeMap<Cow<'static, str>, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_bounded() {
        let faults = Faults::default();
        for n in 0..1_000 {
            faults.count(format!("kind {n}"), &"");
        }
        faults.count("kind 7", &"");
        let counts = faults.counts();
        assert_eq!(counts.len(), KINDS + 1);
        assert_eq!((counts["kind 7"], counts[OTHERS]), (2, 1_000 - KINDS as u64));
    }
}
