//! What waits for a pipe of a backend: bounded in items and in bytes, so that one that hangs costs no more memory than that. The
//! runs never wait for it: what finds no room is dropped, and counted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ltel_core::backend::{CollectedPoints, DeliveryAccount, Feed, RunRecord, Signal, SpanBatch};
use ltel_core::figures::RunFigures;
use ltel_core::runs::RunInfo;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::size;
use crate::clock;
use crate::config::QueueLimits;

/// What a run that is over costs while it waits, beside its points and its report.
const ENDED_RUN: usize = 512;

/// The way into a pipe.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) takes: Takes,
    backend: String,
    limits: QueueLimits,
    account: Arc<DeliveryAccount>,
    shared: Arc<Shared>,
}

/// What a pipe takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Takes {
    pub(super) signals: &'static [Signal],
    pub(super) figures: bool,
    /// How often its points are collected, where a recorder has no interval; absent if its sink collects them.
    pub(super) every: Option<Duration>,
}

/// The other end.
#[derive(Debug)]
pub(super) struct Intake {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    /// By signal. Points do not wait, but for those of runs that are over.
    waiting: [Waiting; Signal::ALL.len()],
    /// Bytes of the runs that are over and wait.
    ended: usize,
    feeds: Vec<Scheduled>,
    next_feed: u64,
    /// Whether feeds were added since the worker last looked when it is to collect.
    rescheduled: bool,
    /// Nothing more is put in.
    closed: bool,
    /// Nothing more is taken out.
    gone: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    items: usize,
    bytes: usize,
}

/// A feed that is collected at an interval.
#[derive(Debug)]
struct Scheduled {
    id: u64,
    feed: Feed,
    every: Duration,
    due: Instant,
}

/// What a pipe is to do.
#[derive(Debug)]
enum Job {
    Begin(Feed),
    Record(RunRecord, usize),
    Spans(SpanBatch, usize),
    Figures(Arc<RunInfo>, Arc<RunFigures>),
    End(EndedRun),
    FeedsLost(Vec<u64>),
    Reopen,
}

/// A run that is over.
#[derive(Debug)]
pub(super) struct EndedRun {
    pub(super) run: Arc<RunInfo>,
    /// Its final points.
    pub(super) points: Vec<CollectedPoints>,
    /// For the pipe that takes structured events.
    pub(super) report: Option<RunRecord>,
    bytes: usize,
}

/// What is taken out at once.
#[derive(Debug)]
pub(super) enum Work {
    Begin(Feed),
    Batch(Batch),
    Figures(Arc<RunInfo>, Arc<RunFigures>),
    End(EndedRun),
    FeedsLost(Vec<u64>),
    Reopen,
}

/// Records and spans. They count as waiting until the sink has them: a receiver that hangs must not have us hold a second queue.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) records: Vec<RunRecord>,
    pub(super) spans: Vec<SpanBatch>,
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

impl Queue {
    pub(super) fn new(
        backend: &str,
        takes: Takes,
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

    /// A run's recorder begins. Its feed does not wait for the worker: if that hangs, the run may end before it sees it.
    pub(super) fn begin(&self, feed: Feed) {
        match self.takes.every {
            Some(every) => self.shared.lock().schedule(feed, every),
            None => self.push(Job::Begin(feed)),
        }
        self.shared.ready.notify_one();
    }

    /// Puts a record in, if there is room.
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

    /// Puts in as many of these spans as there is room for.
    pub(super) fn spans(&self, mut batch: SpanBatch) {
        let all = batch.data.len();
        let whole: usize = batch.data.iter().map(size::span).sum();
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
            // A copy, so that those which find no room are let go.
            batch.data = Arc::new(batch.data[..items].to_vec());
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

    /// Puts the latest figures of a run in. Those that wait already are out of date.
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

    /// A run is over. Its final points are collected here and now: they take much less memory than the instruments that they are
    /// from, and a receiver that hangs may have many runs wait for it. If they are too many, the oldest are given up.
    pub(super) fn end(&self, run: &Arc<RunInfo>, report: Option<RunRecord>) {
        let feeds = self.shared.lock().take_feeds(run);
        let points: Vec<_> = feeds.iter().filter_map(|scheduled| scheduled.collect(true)).collect();
        let sizes = points
            .iter()
            .map(|points| size::points(&points.metrics))
            .fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        let report_bytes = report.as_ref().map_or(0, |report| size::record(&report.record));
        let bytes = ENDED_RUN + sizes.1 + report_bytes;
        self.account.admitted(Signal::Metrics, sizes.0);
        self.account.admitted(Signal::Logs, u64::from(report.is_some()));
        let mut given_up = Vec::new();
        {
            let mut state = self.shared.lock();
            if state.gone {
                return;
            }
            state.ended += bytes;
            state.jobs.push_back(Job::End(EndedRun { run: Arc::clone(run), points, report, bytes }));
            while state.ended > self.limits.bytes {
                let mut ends = state.jobs.iter().enumerate().filter(|(_, job)| matches!(job, Job::End(_)));
                // The newest stays, however large it is.
                let (Some((index, _)), Some(_)) = (ends.next(), ends.next()) else { break };
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

    /// The final points of a run do not wait any longer.
    fn give_up(&self, begins: &[Feed], ended: &EndedRun) {
        let unread =
            begins.iter().filter_map(|feed| collect(feed, 0, true)).map(|points| size::points(&points.metrics).0);
        let unread: u64 = unread.sum();
        self.account.admitted(Signal::Metrics, unread);
        let points = unread + ended.points.iter().map(|points| size::points(&points.metrics).0).sum::<u64>();
        let run = ltel_core::text::shortened(&ended.run.run_id, 64);
        let why = format!("the final points of run {run} did not find room in the queue");
        if self.account.failed_points(points, true, false, why) {
            tracing::error!(
                "backend `{}` is too slow: runs that are over wait for it, and the final points of the oldest are lost, \
                 first those of run {run} (further ones are counted)",
                self.backend
            );
        }
        if ended.report.is_some() {
            self.account.failed(Signal::Logs, 1, "a run report did not find room in the queue");
        }
        self.push(Job::FeedsLost(ended.points.iter().map(|points| points.feed).collect()));
    }

    /// Asks the sink to open its files again. Does not keep the queue open.
    pub(super) fn reopener(&self) -> Reopener {
        Reopener(Arc::clone(&self.shared))
    }

    /// Nothing more is put in.
    pub(super) fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.ready.notify_one();
    }

    fn admit(&self, state: &mut State, signal: Signal, (items, bytes): (usize, usize), job: Job) {
        // Where nothing is taken out any more, it has failed: the account knows.
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
            tracing::warn!("backend `{backend}` is too slow: its queue is full, {items} are dropped (and counted)");
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close();
    }
}

/// Asks a pipe to open its files again.
#[derive(Debug)]
pub(super) struct Reopener(Arc<Shared>);

impl Reopener {
    pub(super) fn reopen(&self) {
        if !self.0.lock().jobs.iter().any(|job| matches!(job, Job::Reopen)) {
            self.0.push(Job::Reopen);
        }
    }
}

impl Shared {
    fn push(&self, job: Job) {
        let mut state = self.lock();
        if !state.gone {
            state.jobs.push_back(job);
        }
        drop(state);
        self.ready.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn room(&self, signal: Signal, limits: QueueLimits) -> Waiting {
        let waiting = self.waiting[signal as usize];
        Waiting { items: limits.items.saturating_sub(waiting.items), bytes: limits.bytes.saturating_sub(waiting.bytes) }
    }

    /// Has a feed collected at its interval.
    fn schedule(&mut self, feed: Feed, every: Duration) {
        if self.gone {
            return;
        }
        let (id, every) = (self.next_feed, feed.interval.unwrap_or(every));
        self.next_feed += 1;
        self.rescheduled = true;
        self.feeds.push(Scheduled { id, feed, every, due: Instant::now() + every });
    }

    fn take_feeds(&mut self, run: &Arc<RunInfo>) -> Vec<Scheduled> {
        self.feeds.extract_if(.., |scheduled| scheduled.feed.is_of(run)).collect()
    }

    fn remove_begins(&mut self, run: &Arc<RunInfo>) -> Vec<Feed> {
        let mut begins = Vec::new();
        self.jobs.retain_mut(|job| match job {
            Job::Begin(feed) if feed.is_of(run) => {
                begins.push(feed.clone());
                false
            }
            _ => true,
        });
        begins
    }
}

impl Scheduled {
    fn collect(&self, last: bool) -> Option<CollectedPoints> {
        collect(&self.feed, self.id, last)
    }
}

fn collect(feed: &Feed, id: u64, last: bool) -> Option<CollectedPoints> {
    let metrics = feed.collector.collect().inspect_err(|error| tracing::error!("metrics cannot be collected: {error}"));
    Some(CollectedPoints { run: feed.run.clone(), feed: id, metrics: metrics.ok()?, at: clock::now(), last })
}

impl Intake {
    /// Waits until there is something to do; `false` if nothing will be any more.
    pub(super) async fn ready(&self) -> bool {
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

    /// Whether nothing more is put in.
    pub(super) fn is_closed(&self) -> bool {
        self.shared.lock().closed
    }

    /// Takes out what is to be done next: of records and spans about so many, if so many wait.
    pub(super) fn take(&self, most: usize) -> Option<Work> {
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

    /// What was taken out has found its place in the sink.
    pub(super) fn taken(&self, batch: &Batch, signal: Signal) {
        let (mut state, taken) = (self.shared.lock(), batch.waiting[signal as usize]);
        let waiting = &mut state.waiting[signal as usize];
        waiting.items -= taken.items;
        waiting.bytes -= taken.bytes;
    }

    /// When the next feed is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.shared.lock().feeds.iter().map(|scheduled| scheduled.due).min()
    }

    /// Collects the feed that has been due the longest.
    pub(super) fn collect_due(&self, now: Instant) -> Option<Vec<CollectedPoints>> {
        let (id, feed) = {
            let mut state = self.shared.lock();
            let due = state.feeds.iter_mut().filter(|scheduled| scheduled.due <= now);
            let scheduled = due.min_by_key(|scheduled| scheduled.due)?;
            // From now, not from when it was due: what was missed while a receiver hung is not made up for.
            scheduled.due = Instant::now() + scheduled.every;
            (scheduled.id, scheduled.feed.clone())
        };
        Some(Vec::from_iter(collect(&feed, id, false)))
    }

    /// Collects the feeds that are left.
    pub(super) fn collect_rest(&self) -> Vec<CollectedPoints> {
        let feeds = std::mem::take(&mut self.shared.lock().feeds);
        feeds.iter().filter_map(|scheduled| scheduled.collect(false)).collect()
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.gone = true;
        // Let go outside of the lock: runs end here.
        let rest = (std::mem::take(&mut state.jobs), std::mem::take(&mut state.feeds));
        drop(state);
        drop(rest);
    }
}

/// How a backend does, while it works.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) name: String,
    pub(crate) account: Arc<DeliveryAccount>,
    queues: Vec<(&'static [Signal], Arc<Shared>, QueueLimits)>,
}

impl Watch {
    pub(super) fn new(name: &str, account: &Arc<DeliveryAccount>, queues: &[Queue]) -> Self {
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
