//! What a backend delivered, and what it could not.

use std::sync::{Mutex, PoisonError};

use crate::config::Signal;

/// One backend's account, shared with whoever shows it.
#[derive(Debug, Default)]
pub(crate) struct DeliveryAccount(Mutex<Delivered>);

/// Figures of a backend since its start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivered {
    metrics: Figures,
    logs: Figures,
    traces: Figures,
    /// Points of final figures that did not arrive: these do not come again.
    pub(crate) lost_final_points: u64,
    /// Whether it was still busy when ltel had to end: what it held is lost.
    pub(crate) given_up: bool,
    /// The last failure.
    pub(crate) last_error: Option<String>,
}

/// What became of the items of one signal: points of instruments, structured events, or spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Found room in the queue.
    pub(crate) admitted: u64,
    /// Taken.
    pub(crate) delivered: u64,
    /// Found the queue full.
    pub(crate) dropped: u64,
    /// In exports that failed. Cumulative points come again with the next export, others do not.
    pub(crate) failed: u64,
    /// Refused by a receiver that took the rest (OTLP's partial success).
    pub(crate) rejected: u64,
    /// Exports that failed.
    pub(crate) failed_exports: u64,
}

impl Figures {
    /// Items that are gone for good or for now.
    pub(crate) const fn lost(&self) -> u64 {
        self.dropped + self.failed + self.rejected
    }
}

impl Delivered {
    /// The figures of one signal.
    pub(crate) const fn of(&self, signal: Signal) -> &Figures {
        match signal {
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
            Signal::Traces => &self.traces,
        }
    }

    /// The same, to change them.
    pub(crate) const fn of_mut(&mut self, signal: Signal) -> &mut Figures {
        match signal {
            Signal::Metrics => &mut self.metrics,
            Signal::Logs => &mut self.logs,
            Signal::Traces => &mut self.traces,
        }
    }

    /// Whether all that was to be delivered was.
    pub(crate) fn is_whole(&self) -> bool {
        !self.given_up && self.lost_final_points == 0 && Signal::ALL.iter().all(|&signal| self.of(signal).lost() == 0)
    }
}

impl DeliveryAccount {
    pub(crate) fn delivered(&self) -> Delivered {
        self.lock().clone()
    }

    /// Its task was ended: whatever it held has failed.
    pub(crate) fn given_up(&self) {
        let mut account = self.lock();
        account.given_up = true;
        for signal in Signal::ALL {
            let figures = account.of_mut(signal);
            let settled = figures.delivered + figures.failed + figures.rejected;
            figures.failed += figures.admitted.saturating_sub(settled);
        }
    }

    pub(super) fn admitted(&self, signal: Signal, count: u64) {
        self.lock().of_mut(signal).admitted += count;
    }

    pub(super) fn dropped(&self, backend: &str, signal: Signal, count: u64) {
        let mut account = self.lock();
        let figures = account.of_mut(signal);
        if figures.dropped == 0 {
            let items = signal.items();
            tracing::warn!("backend `{backend}` is too slow: its queue is full, {items} are dropped (and counted)");
        }
        figures.dropped += count;
    }

    pub(super) fn update(&self, update: impl FnOnce(&mut Delivered)) {
        update(&mut self.lock());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Delivered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_backend_held_when_it_was_given_up_has_failed() {
        let account = DeliveryAccount::default();
        account.admitted(Signal::Traces, 100);
        account.dropped("collector", Signal::Traces, 7);
        account.update(|account| {
            let figures = account.of_mut(Signal::Traces);
            figures.delivered += 20;
            figures.rejected += 3;
            figures.failed += 10;
        });
        account.given_up();
        let delivered = account.delivered();
        let spans = *delivered.of(Signal::Traces);
        assert_eq!(spans.delivered + spans.rejected + spans.failed, spans.admitted);
        assert_eq!((spans.failed, spans.lost()), (77, 87));
        assert_eq!(*delivered.of(Signal::Logs), Figures::default());
    }
}
