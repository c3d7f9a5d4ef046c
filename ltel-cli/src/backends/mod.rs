//! Backends: where telemetry goes. Each has a task and a bounded queue of its own, so that a slow or dead one never slows
//! another, nor Locust. A backend never knows which recorders there are.

pub(crate) mod json;
pub(crate) mod otlp;
pub(crate) mod prometheus;
pub(crate) mod summary;
mod account;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ltel_core::Timestamp;
use ltel_core::meter::{Collector, MeterSettings};
use ltel_core::record::Record;
use ltel_core::run::RunInfo;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::clock;
use crate::config::{BackendConfig, BackendKind};
pub(crate) use account::{Account, Delivered};

/// What takes telemetry somewhere. Counts what it delivered and what it could not.
trait Sink: Send + 'static {
    /// Takes the points of one or more recorders.
    fn metrics(&mut self, batch: Vec<Collected>) -> impl Future<Output = ()> + Send;
    /// Takes structured events.
    fn records(&mut self, batch: Vec<Entry>) -> impl Future<Output = ()> + Send;
    /// Brings out what it holds back. Called at least once a second, and at the end of each run.
    fn flush(&mut self) -> impl Future<Output = ()> + Send;
}

/// The points of one recorder in one run.
#[derive(Debug)]
struct Collected {
    run: Arc<RunInfo>,
    /// Tells the feeds of a backend apart.
    feed: u64,
    metrics: ResourceMetrics,
    at: Timestamp,
    /// Whether the run is over and these are its final points.
    last: bool,
}

/// A structured event and the run it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) run: Arc<RunInfo>,
    pub(crate) record: Arc<Record>,
}

/// The metrics of one recorder in one run, for one backend.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) run: Arc<RunInfo>,
    pub(crate) collector: Collector,
    /// The recorder's own interval, if it has one.
    pub(crate) interval: Option<Duration>,
}

#[derive(Debug)]
enum Command {
    Begin(Feed),
    Record(Entry),
    End { run: Arc<RunInfo>, report: Entry },
}

/// A backend at work.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) name: String,
    pub(crate) interval: Duration,
    /// How it wants metrics; absent if it takes none.
    pub(crate) meter: Option<MeterSettings>,
    pub(crate) account: Arc<Account>,
    queue: UnboundedSender<Command>,
    waiting: Arc<AtomicUsize>,
    limit: usize,
}

impl Backend {
    /// A run's recorder begins: its metrics are there to be collected.
    pub(crate) fn begin(&self, feed: Feed) {
        self.send(Command::Begin(feed));
    }

    /// A structured event. Dropped and counted if too many wait already.
    pub(crate) fn record(&self, entry: Entry) {
        // Bounded: a backend that hangs must cost no more memory than its queue.
        if self.waiting.load(Ordering::Relaxed) >= self.limit {
            self.account.dropped_record(&self.name);
            return;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.send(Command::Record(entry));
    }

    /// A run is over: collect its metrics a last time, and bring out everything. The report comes last of all.
    pub(crate) fn end(&self, report: Entry) {
        self.send(Command::End { run: Arc::clone(&report.run), report });
    }

    fn send(&self, command: Command) {
        // Fails only when the backend's task has ended: then ltel is stopping, or stdout is closed.
        let _ = self.queue.send(command);
    }
}

/// Why a backend cannot start.
pub(crate) type StartError = String;

/// Starts a backend. Its task ends when the [`Backend`] is dropped and everything has been brought out.
pub(crate) fn start(
    config: &BackendConfig,
    summary: &Arc<summary::Summary>,
) -> Result<(Backend, JoinHandle<()>), StartError> {
    let account = Arc::new(Account::default());
    let (queue, commands) = unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let work =
        Work { interval: config.interval, commands, waiting: Arc::clone(&waiting), feeds: Vec::new(), next_feed: 0 };
    let settings = |resource, exponential| MeterSettings { resource, temporality: config.temporality, exponential };
    let (meter, task) = match &config.kind {
        BackendKind::Json(json) => {
            let sink = json::JsonSink::open(json, config.temporality, Arc::clone(&account))?;
            let resource = opentelemetry_sdk::Resource::builder_empty().build();
            (Some(settings(resource, false)), tokio::spawn(work.run(sink)))
        }
        BackendKind::Otlp(otlp) => {
            let sink = otlp::OtlpSink::connect(&config.name, otlp, config.temporality, Arc::clone(&account))?;
            (Some(settings(otlp.resource.clone(), otlp.exponential)), tokio::spawn(work.run(sink)))
        }
        BackendKind::Prometheus(prometheus) => {
            let backend = prometheus::Prometheus::start(&config.name, prometheus, Arc::clone(&account))?;
            // Scrapes come when they come: there is nothing to collect at an interval.
            let task = tokio::spawn(backend.run(work.commands, work.waiting));
            // The resource is a family of its own, `target_info`, and so not the meters'.
            let resource = opentelemetry_sdk::Resource::builder_empty().build();
            (Some(settings(resource, false)), task)
        }
        BackendKind::Summary => {
            (None, tokio::spawn(work.run(summary::SummarySink::new(Arc::clone(summary), Arc::clone(&account)))))
        }
    };
    let backend = Backend {
        name: config.name.clone(),
        interval: config.interval,
        meter,
        account,
        queue,
        waiting,
        limit: config.queue,
    };
    Ok((backend, task))
}

/// A backend's task: what it has to collect, and when.
struct Work {
    interval: Duration,
    commands: UnboundedReceiver<Command>,
    waiting: Arc<AtomicUsize>,
    feeds: Vec<Scheduled>,
    next_feed: u64,
}

struct Scheduled {
    id: u64,
    feed: Feed,
    every: Duration,
    due: Instant,
}

impl Work {
    async fn run(mut self, mut sink: impl Sink) {
        let mut flush = interval(Duration::from_secs(1));
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.feeds.iter().map(|scheduled| scheduled.due).min();
            let due = async move {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.command(command, &mut sink).await,
                    None => break,
                },
                () = due => self.collect_due(&mut sink).await,
                _ = flush.tick() => sink.flush().await,
            }
        }
        sink.flush().await;
    }

    async fn command(&mut self, command: Command, sink: &mut impl Sink) {
        let mut records = Vec::new();
        let mut next = Some(command);
        // Whatever waits already, in one go.
        while let Some(command) = next.take() {
            match command {
                Command::Record(entry) => {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    records.push(entry);
                }
                Command::Begin(feed) => {
                    let every = feed.interval.unwrap_or(self.interval);
                    self.feeds.push(Scheduled { id: self.next_feed, feed, every, due: Instant::now() + every });
                    self.next_feed += 1;
                }
                Command::End { run, report } => {
                    if !records.is_empty() {
                        sink.records(std::mem::take(&mut records)).await;
                    }
                    self.end(&run, report, sink).await;
                }
            }
            if records.len() < 1_000 {
                next = self.commands.try_recv().ok();
            }
        }
        if !records.is_empty() {
            sink.records(records).await;
        }
    }

    async fn collect_due(&mut self, sink: &mut impl Sink) {
        let now = Instant::now();
        let mut batch = Vec::new();
        for scheduled in self.feeds.iter_mut().filter(|scheduled| scheduled.due <= now) {
            // From now, not from when it was due: what was missed while a receiver hung is not made up for.
            scheduled.due = now + scheduled.every;
            batch.extend(collect(scheduled, false));
        }
        sink.metrics(batch).await;
    }

    async fn end(&mut self, run: &Arc<RunInfo>, report: Entry, sink: &mut impl Sink) {
        let (ended, rest) = std::mem::take(&mut self.feeds).into_iter().partition(|s| Arc::ptr_eq(&s.feed.run, run));
        self.feeds = rest;
        let ended: Vec<Scheduled> = ended;
        let batch: Vec<_> = ended.iter().filter_map(|scheduled| collect(scheduled, true)).collect();
        if !batch.is_empty() {
            sink.metrics(batch).await;
        }
        sink.records(vec![report]).await;
        sink.flush().await;
    }
}

fn collect(scheduled: &Scheduled, last: bool) -> Option<Collected> {
    match scheduled.feed.collector.collect() {
        Ok(metrics) => Some(Collected {
            run: Arc::clone(&scheduled.feed.run),
            feed: scheduled.id,
            metrics,
            at: clock::now(),
            last,
        }),
        Err(error) => {
            tracing::error!("metrics cannot be collected: {error}");
            None
        }
    }
}
