//! What goes wrong at the edges: counted by kind, and told to people once per kind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Faults of clients, by kind.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<BTreeMap<&'static str, u64>>);

impl Faults {
    /// Counts a fault of this kind. The first is logged with its details.
    pub(crate) fn count(&self, kind: &'static str, details: &dyn fmt::Display) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(kind).or_default();
        *count += 1;
        if *count == 1 {
            tracing::warn!("{kind}: {details} (further ones are counted, not logged)");
        }
    }

    /// How often each kind occurred.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
