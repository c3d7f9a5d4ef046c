//! Locust's statistics go back to zero while the test runs (`--reset-stats`): in the master, and in each worker on its own,
//! a moment later. The frames of different processes reach ltel in any order; what counts is the order within each.
//!
//! - what a worker reports before its own reset is not in Locust's figures, though it may reach ltel after the master's;
//! - what it reports after its own reset is in them, though it may reach ltel before the master's;
//! - a worker that never resets (without `--reset-stats`) counts from the master's reset on.

use std::collections::BTreeMap;
use std::sync::Arc;

use ltel_core::recorder::RunMemory;

use super::table::Table;

/// Figures that may or may not count; it is not known yet. Empty unless statistics are reset.
#[derive(Debug, Default)]
pub(super) struct Resets {
    // How often the master, or the only process, has reset.
    master: u32,
    // By worker.
    workers: BTreeMap<u32, u32>,
    // Of workers that have not followed the master's last reset yet: they count unless the worker follows.
    provisional: BTreeMap<u32, Table>,
    // Of workers that were ahead of the master's reset: they count after that as well.
    early: BTreeMap<u32, Table>,
}

/// Where a request is counted.
pub(super) enum Place<'a> {
    Main,
    Aside(&'a mut Table),
}

impl Resets {
    /// Whether nothing has been reset so far.
    #[inline]
    pub(super) fn none(&self) -> bool {
        self.master == 0 && self.workers.is_empty()
    }

    /// Where a request of this worker is counted.
    pub(super) fn place(&mut self, worker: u32, error_limit: usize, memory: &Arc<RunMemory>) -> Place<'_> {
        let new = || Table::new(error_limit, Arc::clone(memory));
        let own = self.workers.get(&worker).copied().unwrap_or(0);
        match own.cmp(&self.master) {
            std::cmp::Ordering::Equal => Place::Main,
            std::cmp::Ordering::Less => Place::Aside(self.provisional.entry(worker).or_insert_with(new)),
            std::cmp::Ordering::Greater => Place::Aside(self.early.entry(worker).or_insert_with(new)),
        }
    }

    /// Whether a reset of this worker is one that the master has not had yet.
    pub(super) fn leads(&self, worker: u32) -> bool {
        self.workers.get(&worker).copied().unwrap_or(0) >= self.master
    }

    /// The master has reset: what workers that were ahead of it have counted since their own resets.
    pub(super) fn master(&mut self) -> BTreeMap<u32, Table> {
        self.master += 1;
        self.provisional.clear();
        std::mem::take(&mut self.early)
    }

    /// A worker has reported to a master that has reset, and has not reset itself: it does not follow. What counts for good.
    pub(super) fn stays(&mut self, worker: u32) -> Option<Table> {
        let own = self.workers.entry(worker).or_default();
        *own = self.master.max(*own);
        self.provisional.remove(&worker)
    }

    /// A worker has reset.
    pub(super) fn worker(&mut self, worker: u32) {
        *self.workers.entry(worker).or_default() += 1;
        self.provisional.remove(&worker);
    }

    /// At the end: the figures beside the main ones that count after all.
    pub(super) fn settle(&mut self) -> Vec<Table> {
        std::mem::take(&mut self.provisional)
            .into_values()
            .chain(std::mem::take(&mut self.early).into_values())
            .collect()
    }

    /// The figures beside the main ones that count as things stand.
    pub(super) fn aside(&self) -> impl Iterator<Item = &Table> {
        self.provisional.values().chain(self.early.values())
    }
}
