//! All backends that run: those of the configuration, and those of earlier ones that have not ended yet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ltel_core::backend::BackendEnd;

use crate::config::BackendConfig;
use crate::deliver::{Delivered, RunningBackend};

/// All running backends, and the accounts of those that have ended before ltel does.
#[derive(Clone, Debug, Default)]
pub(super) struct Fleet(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    running: Vec<RunningBackend>,
    // One for each name, however often the configuration was read.
    ended: Vec<(BackendConfig, Delivered)>,
}

impl Fleet {
    pub(super) fn add(&self, backend: RunningBackend) {
        self.lock().running.push(backend);
    }

    /// How many run, without those that have ended meanwhile.
    pub(super) fn count(&self) -> usize {
        let mut state = self.lock();
        let all = std::mem::take(&mut state.running).into_iter();
        let (ended, running): (Vec<_>, Vec<_>) = all.partition(|of| of.task.is_finished());
        state.running = running;
        for RunningBackend { config, account, .. } in ended {
            book(&mut state.ended, config, account.snapshot());
        }
        state.running.len()
    }

    /// Whether one of them has panicked, or a part of one.
    pub(super) fn has_panicked(&self) -> bool {
        let panicked = |delivered: &Delivered| matches!(delivered.ended, BackendEnd::Panicked(_));
        let state = self.lock();
        state.ended.iter().any(|(_, delivered)| panicked(delivered))
            || state.running.iter().any(|backend| panicked(&backend.account.snapshot()))
    }

    /// Has all of them open their files again.
    pub(super) fn reopen(&self) {
        self.lock().running.iter().for_each(|backend| backend.reopen()());
    }

    /// Those that run, to wait for them.
    pub(super) fn take(&self) -> Vec<RunningBackend> {
        std::mem::take(&mut self.lock().running)
    }

    /// The accounts of those that have ended.
    pub(super) fn ended(&self) -> Vec<(BackendConfig, Delivered)> {
        std::mem::take(&mut self.lock().ended)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the account of a backend to that of earlier ones of its name.
pub(super) fn book(accounts: &mut Vec<(BackendConfig, Delivered)>, config: BackendConfig, delivered: Delivered) {
    match accounts.iter_mut().find(|(have, _)| have.name == config.name) {
        Some(have) => {
            have.0 = config;
            have.1.add(delivered);
        }
        None => accounts.push((config, delivered)),
    }
}
