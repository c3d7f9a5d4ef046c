//! What a backend delivered, and what it could not.

use std::sync::{Mutex, PoisonError};

/// One backend's account, shared with whoever shows it.
#[derive(Debug, Default)]
pub(crate) struct Account(Mutex<Delivered>);

/// Figures of a backend since its start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivered {
    /// Points of instruments that were taken.
    pub(crate) points: u64,
    /// Structured events that were taken.
    pub(crate) records: u64,
    /// Structured events that found the queue full, or could not be written.
    pub(crate) dropped_records: u64,
    /// Exports that failed, and points in them. Cumulative points come again with the next export.
    pub(crate) failed_exports: u64,
    pub(crate) failed_points: u64,
    /// Points of final figures that did not arrive: these do not come again.
    pub(crate) lost_final_points: u64,
    /// Whether it was still busy when ltel had to end: what it held is lost.
    pub(crate) given_up: bool,
    /// The last failure.
    pub(crate) last_error: Option<String>,
}

impl Account {
    pub(crate) fn delivered(&self) -> Delivered {
        self.lock().clone()
    }

    pub(crate) fn given_up(&self) {
        self.lock().given_up = true;
    }

    pub(super) fn dropped_record(&self, backend: &str) {
        let mut account = self.lock();
        account.dropped_records += 1;
        if account.dropped_records == 1 {
            tracing::warn!(
                "backend `{backend}` is too slow: its queue is full, structured events are dropped (and counted)"
            );
        }
    }

    pub(super) fn update(&self, update: impl FnOnce(&mut Delivered)) {
        update(&mut self.lock());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Delivered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
