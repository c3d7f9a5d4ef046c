//! The receiving end of a queue.

use std::sync::Arc;

use ltel_core::backend::{CollectedPoints, Feed, RunRecord, Signal, SpanBatch};
use ltel_core::figures::RunFigures;
use ltel_core::runs::RunInfo;
use tokio::time::Instant;

use super::state::{EndedRun, Job, Shared, Waiting, stamp};

/// The receiving end of a queue.
#[derive(Debug)]
pub(in crate::deliver) struct Intake {
    pub(super) shared: Arc<Shared>,
}

/// Items that are taken out together.
#[derive(Debug)]
pub(in crate::deliver) enum Work {
    Begin(Feed),
    Batch(Batch),
    Figures(Arc<RunInfo>, Arc<RunFigures>),
    End(EndedRun),
    FeedsLost(Vec<u64>),
    Reopen,
}

/// Records and spans. They count as waiting until the sink has taken them: otherwise a receiver that hangs would make us
/// hold a second queue.
#[derive(Debug, Default)]
pub(in crate::deliver) struct Batch {
    pub(in crate::deliver) records: Vec<RunRecord>,
    pub(in crate::deliver) spans: Vec<SpanBatch>,
    waiting: [Waiting; Signal::ALL.len()],
}

impl Batch {
    fn add(&mut self, signal: Signal, items: usize, bytes: usize) {
        let waiting = &mut self.waiting[signal as usize];
        waiting.items += items;
        waiting.bytes += bytes;
    }

    fn items(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.items).sum()
    }
}

impl Intake {
    /// Waits until there is something to do; `false` when the queue is closed and empty.
    pub(in crate::deliver) async fn ready(&self) -> bool {
        loop {
            {
                let mut state = self.shared.lock();
                if std::mem::take(&mut state.rescheduled) || !state.jobs.is_empty() {
                    return true;
                }
                if state.closed {
                    return false;
                }
            }
            self.shared.ready.notified().await;
        }
    }

    /// Whether the sending end is closed.
    pub(in crate::deliver) fn is_closed(&self) -> bool {
        self.shared.lock().closed
    }

    /// Takes out the next items: at most about this many records and spans.
    pub(in crate::deliver) fn take(&self, most: usize) -> Option<Work> {
        let mut state = self.shared.lock();
        let mut batch = Batch::default();
        while batch.items() < most {
            match state.jobs.front()? {
                Job::Record(..) | Job::Spans(..) => {}
                _ if batch.items() > 0 => break,
                _ => {}
            }
            match state.jobs.pop_front()? {
                Job::Record(record, bytes) => {
                    batch.add(Signal::Logs, 1, bytes);
                    batch.records.push(record);
                }
                Job::Spans(spans, bytes) => {
                    batch.add(Signal::Traces, spans.data.len(), bytes);
                    batch.spans.push(spans);
                }
                Job::Begin(feed) => return Some(Work::Begin(feed)),
                Job::Figures(run, figures) => return Some(Work::Figures(run, figures)),
                Job::FeedsLost(feeds) => return Some(Work::FeedsLost(feeds)),
                Job::Reopen => return Some(Work::Reopen),
                Job::End(ended) => {
                    state.ended -= ended.bytes;
                    return Some(Work::End(ended));
                }
            }
            if state.jobs.is_empty() {
                break;
            }
        }
        Some(Work::Batch(batch))
    }

    /// Called when the sink has taken the items.
    pub(in crate::deliver) fn taken(&self, batch: &Batch, signal: Signal) {
        let (mut state, taken) = (self.shared.lock(), batch.waiting[signal as usize]);
        let waiting = &mut state.waiting[signal as usize];
        waiting.items -= taken.items;
        waiting.bytes -= taken.bytes;
    }

    /// When the next feed is due.
    pub(in crate::deliver) fn next_due(&self) -> Option<Instant> {
        self.shared.lock().feeds.iter().map(|scheduled| scheduled.due).min()
    }

    /// Collects the feed that has been due the longest. Not while a run that is over waits: its points are older.
    pub(in crate::deliver) fn collect_due(&self, now: Instant) -> Option<Vec<CollectedPoints>> {
        let (scheduled, at) = {
            let mut state = self.shared.lock();
            if state.ended > 0 {
                return None;
            }
            let at = state.time_of_collection();
            let due = state.feeds.iter_mut().filter(|scheduled| scheduled.due <= now);
            let scheduled = due.min_by_key(|scheduled| scheduled.due)?;
            // From now, not from when it was due: collections missed while a receiver hung are skipped.
            scheduled.due = Instant::now() + scheduled.every;
            scheduled.seen = true;
            let before = scheduled.clone();
            scheduled.since = at;
            (before, at)
        };
        Some(Vec::from_iter(scheduled.collect(false).map(|points| stamp(points, at))))
    }

    /// Collects the remaining feeds.
    pub(in crate::deliver) fn collect_rest(&self) -> Vec<CollectedPoints> {
        let (feeds, at) = {
            let mut state = self.shared.lock();
            (std::mem::take(&mut state.feeds), state.time_of_collection())
        };
        feeds.iter().filter_map(|scheduled| scheduled.collect(false)).map(|points| stamp(points, at)).collect()
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.gone = true;
        // Dropped outside of the lock: runs end here.
        let rest = (std::mem::take(&mut state.jobs), std::mem::take(&mut state.feeds));
        drop(state);
        drop(rest);
    }
}
