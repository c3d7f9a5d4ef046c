//! What waits for a backend: bounded, so that one that hangs costs no more memory than that. The runs never wait for it: what
//! finds no room is dropped, and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{DeliveryAccount, Job};
use crate::config::Signal;

/// The way into a backend, or into a part of it that works on its own.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) signals: &'static [Signal],
    commands: UnboundedSender<Job>,
    waiting: Arc<Waiting>,
    limit: usize,
}

/// The other end.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) commands: UnboundedReceiver<Job>,
    waiting: Arc<Waiting>,
}

/// How many items of each signal wait. Points do not: they are collected when it is time.
#[derive(Debug, Default)]
struct Waiting([AtomicUsize; Signal::ALL.len()]);

impl Waiting {
    fn of(&self, signal: Signal) -> &AtomicUsize {
        &self.0[signal as usize]
    }
}

impl Queue {
    pub(super) fn new(signals: &'static [Signal], limit: usize) -> (Self, Intake) {
        let (sender, commands) = unbounded_channel();
        let waiting = Arc::<Waiting>::default();
        (Self { signals, commands: sender, waiting: Arc::clone(&waiting), limit }, Intake { commands, waiting })
    }

    /// Sends what needs no room.
    pub(super) fn send(&self, command: Job) {
        // Fails only when the backend's task has ended: then ltel is stopping, or stdout is closed.
        let _ = self.commands.send(command);
    }

    /// Sends so many items of a signal, if there is room.
    pub(super) fn offer(&self, command: Job, signal: Signal, items: usize, backend: &str, account: &DeliveryAccount) {
        let waiting = self.waiting.of(signal);
        if waiting.load(Ordering::Relaxed) >= self.limit {
            account.dropped(backend, signal, items as u64);
            return;
        }
        waiting.fetch_add(items, Ordering::Relaxed);
        account.admitted(signal, items as u64);
        self.send(command);
    }
}

impl Intake {
    /// So many items have found their place in the backend.
    pub(super) fn taken(&self, signal: Signal, items: usize) {
        self.waiting.of(signal).fetch_sub(items, Ordering::Relaxed);
    }
}

/// How a backend does, for whoever wants to know while it works.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) name: String,
    pub(crate) account: Arc<DeliveryAccount>,
    queues: Vec<(&'static [Signal], Arc<Waiting>, usize)>,
}

impl Watch {
    pub(super) fn new(name: &str, account: &Arc<DeliveryAccount>, queues: &[Queue]) -> Self {
        let queue = |queue: &Queue| (queue.signals, Arc::clone(&queue.waiting), queue.limit);
        let queues = queues.iter().map(queue).collect();
        Self { name: name.to_owned(), account: Arc::clone(account), queues }
    }

    /// The signals it takes.
    pub(crate) fn signals(&self) -> impl Iterator<Item = Signal> {
        self.queues.iter().flat_map(|(signals, ..)| signals.iter().copied())
    }

    /// How many items of a signal wait, and how many may. Points do not wait.
    pub(crate) fn queue(&self, signal: Signal) -> Option<(u64, u64)> {
        let (_, waiting, limit) = self.queues.iter().find(|(signals, ..)| signals.contains(&signal))?;
        let waiting = waiting.of(signal).load(Ordering::Relaxed) as u64;
        (signal != Signal::Metrics).then_some((waiting, *limit as u64))
    }
}
