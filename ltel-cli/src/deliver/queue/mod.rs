//! The queue of a backend's pipe: bounded in items and in bytes, so that a backend that hangs takes a limited amount of
//! memory. The runs never wait for it: items that do not fit are dropped and counted.

mod state;
mod intake;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use ltel_core::backend::{DeliveryAccount, Feed, RunRecord, Signal, SpanBatch};
use ltel_core::figures::RunFigures;
use ltel_core::runs::RunInfo;

use super::size;
use crate::config::QueueLimits;
pub(super) use intake::{Batch, Intake, Work};
pub(super) use state::EndedRun;
use state::{Job, Shared, State, stamp};
pub(super) use watch::Reopener;
pub(crate) use watch::Watch;

/// The bytes of a waiting run that is over, besides its points and its records.
const ENDED_RUN: usize = 512;

/// The sending end of a queue.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) takes: PipeInputs,
    backend: String,
    limits: QueueLimits,
    account: Arc<DeliveryAccount>,
    shared: Arc<Shared>,
}

/// The signals and limits of a pipe.
#[derive(Clone, Copy, Debug)]
pub(super) struct PipeInputs {
    pub(super) signals: &'static [Signal],
    pub(super) figures: bool,
    /// How often its points are collected, unless a recorder has an interval; absent if its sink collects them.
    pub(super) every: Option<Duration>,
}

impl Queue {
    pub(super) fn new(
        backend: &str,
        takes: PipeInputs,
        limits: QueueLimits,
        account: &Arc<DeliveryAccount>,
    ) -> (Self, Intake) {
        let shared = Arc::<Shared>::default();
        let (backend, account) = (backend.to_owned(), Arc::clone(account));
        let queue = Self { takes, backend, limits, account, shared: Arc::clone(&shared) };
        (queue, Intake { shared })
    }

    pub(super) fn has(&self, signal: Signal) -> bool {
        self.takes.signals.contains(&signal)
    }

    /// A run's recorder begins. Adds its feed directly: if the worker hangs, the run may end before the worker would see
    /// it.
    pub(super) fn begin(&self, feed: Feed) {
        match self.takes.every {
            Some(every) => self.shared.lock().schedule(feed, every),
            None => self.push(Job::Begin(feed)),
        }
        self.shared.ready.notify_one();
    }

    /// Adds a record, if there is room.
    pub(super) fn record(&self, record: RunRecord) {
        let bytes = size::record(&record.record);
        let mut state = self.shared.lock();
        let room = state.room(Signal::Logs, self.limits);
        if state.gone || (1 <= room.items && bytes <= room.bytes) {
            self.admit(&mut state, Signal::Logs, (1, bytes), Job::Record(record, bytes));
        } else {
            drop(state);
            self.dropped(Signal::Logs, 1);
        }
    }

    /// Adds as many of these spans as there is room for.
    pub(super) fn spans(&self, mut batch: SpanBatch) {
        let all = batch.data.len();
        let whole = size::spans(&batch.data);
        let mut state = self.shared.lock();
        let room = state.room(Signal::Traces, self.limits);
        let (items, bytes) = if state.gone || (all <= room.items && whole <= room.bytes) {
            (all, whole)
        } else {
            let mut bytes = 0;
            let sizes = batch.data.iter().take(room.items).map(size::span);
            let fitting = sizes.take_while(|size| {
                let fits = bytes + size <= room.bytes;
                bytes += if fits { size } else { &0 };
                fits
            });
            let items = fitting.count();
            // A copy, so that spans that do not fit are freed.
            batch.data = Arc::new(batch.data.first(items));
            (items, bytes)
        };
        if items > 0 {
            self.admit(&mut state, Signal::Traces, (items, bytes), Job::Spans(batch, bytes));
        }
        drop(state);
        if items < all {
            self.dropped(Signal::Traces, (all - items) as u64);
        }
    }

    /// Adds the latest figures of a run, and replaces its waiting ones.
    pub(super) fn figures(&self, run: &Arc<RunInfo>, figures: &Arc<RunFigures>) {
        let mut state = self.shared.lock();
        for job in &mut state.jobs {
            if let Job::Figures(of, waiting) = job
                && Arc::ptr_eq(of, run)
            {
                *waiting = Arc::clone(figures);
                return;
            }
        }
        drop(state);
        self.push(Job::Figures(Arc::clone(run), Arc::clone(figures)));
    }

    /// A run is over. Its final points are collected at once: they take much less memory than their instruments, and many
    /// runs may wait for a receiver that hangs. Its final records wait with them, so that those of other runs cannot take their
    /// place. If they are too large together, the largest runs are dropped, the oldest of these first.
    pub(super) fn end(&self, run: &Arc<RunInfo>, records: Vec<RunRecord>) {
        let feeds = self.shared.lock().take_feeds(run);
        // Their time is set below, in the order in which they leave.
        let points: Vec<_> = feeds.iter().filter_map(|scheduled| scheduled.collect(true)).collect();
        let sizes = points
            .iter()
            .map(|points| size::points(&points.points))
            .fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        let record_bytes: usize = records.iter().map(|record| size::record(&record.record)).sum();
        let seen: Vec<_> = feeds.iter().filter(|scheduled| scheduled.seen).map(|scheduled| scheduled.id).collect();
        let bytes = ENDED_RUN + size::run(run) + sizes.1 + record_bytes;
        self.account.admitted(Signal::Metrics, sizes.0);
        self.account.admitted(Signal::Logs, records.len() as u64);
        let mut given_up = Vec::new();
        {
            let mut state = self.shared.lock();
            if state.gone {
                return;
            }
            state.ended += bytes;
            let at = state.time_of_collection();
            let points = points.into_iter().map(|points| stamp(points, at)).collect();
            state.jobs.push_back(Job::End(EndedRun { run: Arc::clone(run), points, records, seen, bytes }));
            while state.ended > self.limits.bytes {
                // The only one stays, however large it is.
                let Some(index) = state.largest_end() else { break };
                if let Some(Job::End(ended)) = state.jobs.remove(index) {
                    state.ended -= ended.bytes;
                    given_up.push((state.remove_begins(&ended.run), ended));
                }
            }
        }
        self.shared.ready.notify_one();
        for (feeds, ended) in given_up {
            self.give_up(&feeds, &ended);
        }
    }

    /// Drops the final points and records of a waiting run.
    fn give_up(&self, begins: &[Feed], ended: &EndedRun) {
        let unread =
            begins.iter().filter_map(|feed| feed.collector.collect().ok()).map(|points| size::points(&points).0);
        let unread: u64 = unread.sum();
        self.account.admitted(Signal::Metrics, unread);
        let points = unread + ended.points.iter().map(|points| size::points(&points.points).0).sum::<u64>();
        let run = ltel_core::text::shortened(&ended.run.run_id, 64);
        // The pipe of another signal has none.
        let lost = |what: &str| format!("its queue has no room for the final {what} of run {run}");
        let mut first = Vec::new();
        if points > 0 && self.account.failed_points(points, true, false, lost("points")) {
            first.push("points");
        }
        let records = ended.records.len() as u64;
        if records > 0 && self.account.failed(Signal::Logs, records, lost("records")) {
            first.push("records");
        }
        for what in first {
            tracing::error!(
                "backend `{}` is too slow: {}, so they are lost (later losses are counted, not logged)",
                self.backend,
                lost(what)
            );
        }
        // Not of the others: a sink that hangs sees no new feeds, so that this is bounded.
        if !ended.seen.is_empty() {
            self.push(Job::FeedsLost(ended.seen.clone()));
        }
    }

    /// Asks the sink to reopen its files. Does not keep the queue open.
    pub(super) fn reopener(&self) -> Reopener {
        Reopener(Arc::clone(&self.shared))
    }

    /// Closes the sending end.
    pub(super) fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.ready.notify_one();
    }

    fn admit(&self, state: &mut State, signal: Signal, (items, bytes): (usize, usize), job: Job) {
        // If the receiving end is closed, the item has failed, and the account counts it.
        self.account.admitted(signal, items as u64);
        if !state.gone {
            let waiting = &mut state.waiting[signal as usize];
            waiting.items += items;
            waiting.bytes += bytes;
            state.jobs.push_back(job);
            self.shared.ready.notify_one();
        }
    }

    fn push(&self, job: Job) {
        self.shared.push(job);
    }

    fn dropped(&self, signal: Signal, count: u64) {
        if self.account.dropped(signal, count) {
            let (backend, items) = (&self.backend, signal.items());
            tracing::warn!("backend `{backend}` is too slow: its queue is full, {items} are dropped and counted");
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close();
    }
}
