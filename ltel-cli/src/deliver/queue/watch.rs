//! Access to a running queue from outside: its figures, and requests to reopen files.

use std::sync::Arc;

use ltel_core::backend::{DeliveryAccount, Signal};

use super::Queue;
use super::state::{Job, Shared};
use crate::config::QueueLimits;

/// Asks a pipe to reopen its files.
#[derive(Debug)]
pub(in crate::deliver) struct Reopener(pub(super) Arc<Shared>);

impl Reopener {
    pub(in crate::deliver) fn reopen(&self) {
        if !self.0.lock().jobs.iter().any(|job| matches!(job, Job::Reopen)) {
            self.0.push(Job::Reopen);
        }
    }
}

/// A view of a running backend.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) name: String,
    pub(crate) account: Arc<DeliveryAccount>,
    queues: Vec<(&'static [Signal], Arc<Shared>, QueueLimits)>,
}

impl Watch {
    pub(in crate::deliver) fn new(name: &str, account: &Arc<DeliveryAccount>, queues: &[Queue]) -> Self {
        let queues =
            queues.iter().map(|queue| (queue.takes.signals, Arc::clone(&queue.shared), queue.limits)).collect();
        Self { name: name.to_owned(), account: Arc::clone(account), queues }
    }

    /// The signals that it takes.
    pub(crate) fn signals(&self) -> impl Iterator<Item = Signal> {
        self.queues.iter().flat_map(|(signals, ..)| signals.iter().copied())
    }

    /// How many items of a signal wait, and how many may. Points do not wait.
    pub(crate) fn queue(&self, signal: Signal) -> Option<(u64, u64)> {
        let (_, shared, limits) = self.queues.iter().find(|(signals, ..)| signals.contains(&signal))?;
        let waiting = shared.lock().waiting[signal as usize].items;
        (signal != Signal::Metrics).then_some((waiting as u64, limits.items as u64))
    }
}
