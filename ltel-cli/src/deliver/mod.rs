//! Backends: where telemetry goes. Each has a task and a bounded queue of its own, so that a slow or dead one never slows
//! another, nor Locust. A backend never knows which recorders there are.

pub(crate) mod json;
pub(crate) mod otlp;
pub(crate) mod prometheus;
pub(crate) mod summary;
mod account;
mod queue;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ltel_core::Timestamp;
use ltel_core::figures::RunFigures;
use ltel_core::meter::{Collector, MeterSettings};
use ltel_core::record::Record;
use ltel_core::runs::{RunInfo, SourceInfo};
use ltel_core::trace::SpanData;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::clock;
use crate::config::{BackendConfig, BackendKind, Signal};
pub(crate) use account::{Delivered, DeliveryAccount};
pub(crate) use queue::Watch;
use queue::{Intake, Queue};

/// How long backends may take to bring out what is left when everything else is over.
pub(crate) const DRAIN: Duration = Duration::from_secs(30);

/// What takes telemetry somewhere. Counts what it delivered and what it could not. It gets the signals of its queue only.
trait Sink: Send + 'static {
    /// Takes the points of one or more recorders.
    fn metrics(&mut self, _batch: Vec<CollectedPoints>) -> impl Future<Output = ()> + Send {
        async {}
    }
    /// Takes structured events.
    fn records(&mut self, _batch: Vec<RunRecord>) -> impl Future<Output = ()> + Send {
        async {}
    }
    /// Takes spans.
    fn spans(&mut self, _batch: Vec<SpanBatch>) -> impl Future<Output = ()> + Send {
        async {}
    }
    /// Takes the figures of a run.
    fn figures(&mut self, _run: Arc<RunInfo>, _figures: Arc<RunFigures>) -> impl Future<Output = ()> + Send {
        async {}
    }
    /// ltel is about to end: what comes now is the last.
    fn ending(&mut self) {}
    /// Brings out what it holds back. Called at least once a second, and at the end of each run.
    fn flush(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
    /// Brings out what it holds back, and waits until it has arrived. Called once, at the end.
    fn finish(&mut self) -> impl Future<Output = ()> + Send {
        self.flush()
    }
}

/// What a structured event or a span says to people.
fn message(kind: &str, name: &str) -> String {
    format!("Recording telemetry {kind}: {name}")
}

/// The points of one recorder in one run.
#[derive(Debug)]
struct CollectedPoints {
    run: Option<Arc<RunInfo>>,
    /// Tells the feeds of a backend apart.
    feed: u64,
    metrics: ResourceMetrics,
    at: Timestamp,
    /// Whether the run is over and these are its final points.
    last: bool,
}

/// A structured event and the run it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct RunRecord {
    pub(crate) run: Arc<RunInfo>,
    pub(crate) record: Arc<Record>,
}

/// Spans and the run they belong to.
#[derive(Clone, Debug)]
pub(crate) struct SpanBatch {
    pub(crate) run: Arc<RunInfo>,
    /// The Locust process they are from.
    pub(crate) source: Option<Arc<SourceInfo>>,
    // Shared by the backends that take them.
    pub(crate) data: Arc<Vec<SpanData>>,
}

/// The metrics of one recorder in one run, for one backend; or those of ltel itself.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Absent for metrics of ltel itself, which belong to no run.
    pub(crate) run: Option<Arc<RunInfo>>,
    pub(crate) collector: Collector,
    /// The recorder's own interval, if it has one.
    pub(crate) interval: Option<Duration>,
}

#[derive(Debug)]
enum Job {
    Begin(Feed),
    Record(RunRecord),
    Spans(SpanBatch),
    Figures {
        run: Arc<RunInfo>,
        figures: Arc<RunFigures>,
    },
    /// The report is for the queue that takes structured events.
    End {
        run: Arc<RunInfo>,
        report: Option<RunRecord>,
    },
}

/// A backend at work.
#[derive(Debug)]
pub(crate) struct BackendHandle {
    pub(crate) name: String,
    pub(crate) interval: Duration,
    /// How it wants metrics; absent if it takes none.
    pub(crate) meter: Option<MeterSettings>,
    pub(crate) account: Arc<DeliveryAccount>,
    takes_figures: bool,
    queues: Vec<Queue>,
}

impl BackendHandle {
    /// A run's recorder begins: its metrics are there to be collected.
    pub(crate) fn begin(&self, feed: Feed) {
        if let Some(queue) = self.queue(Signal::Metrics) {
            queue.send(Job::Begin(feed));
        }
    }

    /// A structured event. Dropped and counted if too many wait already.
    pub(crate) fn record(&self, entry: RunRecord) {
        self.offer(Job::Record(entry), Signal::Logs, 1);
    }

    /// Spans. Dropped and counted if too many wait already.
    pub(crate) fn spans(&self, spans: SpanBatch) {
        let items = spans.data.len();
        self.offer(Job::Spans(spans), Signal::Traces, items);
    }

    /// The figures of a run, for a backend that shows them to people.
    pub(crate) fn figures(&self, run: &Arc<RunInfo>, figures: &Arc<RunFigures>) {
        if self.takes_figures {
            for queue in &self.queues {
                queue.send(Job::Figures { run: Arc::clone(run), figures: Arc::clone(figures) });
            }
        }
    }

    fn offer(&self, command: Job, signal: Signal, items: usize) {
        if let Some(queue) = self.queue(signal) {
            queue.offer(command, signal, items, &self.name, &self.account);
        }
    }

    /// A run is over: collect its metrics a last time, and bring out everything. The report is the last record of its run.
    pub(crate) fn end(&self, report: &RunRecord) {
        for queue in &self.queues {
            let report_here = queue.signals.contains(&Signal::Logs).then(|| report.clone());
            if report_here.is_some() {
                self.account.admitted(Signal::Logs, 1);
            }
            queue.send(Job::End { run: Arc::clone(&report.run), report: report_here });
        }
    }

    /// For whoever wants to know how it does.
    pub(crate) fn watch(&self) -> Watch {
        Watch::new(&self.name, &self.account, &self.queues)
    }

    fn queue(&self, signal: Signal) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.signals.contains(&signal))
    }
}

/// Why a backend cannot start.
pub(crate) type StartError = String;

/// Starts a backend. Its task ends when the [`BackendHandle`] is dropped and everything has been brought out.
pub(crate) fn start(
    config: &BackendConfig,
    summary: &Arc<summary::Summary>,
) -> Result<(BackendHandle, JoinHandle<()>), StartError> {
    let account = Arc::new(DeliveryAccount::default());
    let mut queues = Vec::new();
    let mut queue = |signals| {
        let (queue, waited) = Queue::new(signals, config.queue);
        queues.push(queue);
        waited
    };
    let settings = |resource, exponential| MeterSettings { resource, temporality: config.temporality, exponential };
    let (meter, task) = match &config.kind {
        BackendKind::Json(json) => {
            let sink = json::JsonSink::open(json, config.temporality, Arc::clone(&account))?;
            let signals: &[_] = if json.spans { &Signal::ALL } else { &[Signal::Metrics, Signal::Logs] };
            let resource = opentelemetry_sdk::Resource::builder_empty().build();
            (Some(settings(resource, false)), tokio::spawn(Work::new(config, queue(signals)).run(sink)))
        }
        BackendKind::Otlp(otlp) => {
            // One queue per signal: they may go to different receivers, of which one is slow.
            let otlp::Sinks { metrics, spans, logs } =
                otlp::Sinks::connect(&config.name, otlp, config.temporality, &account)?;
            let mut others = JoinSet::new();
            let meter = metrics.is_some().then(|| settings(otlp.resource.clone(), otlp.exponential));
            if let Some(sink) = spans {
                others.spawn(Work::new(config, queue(&[Signal::Traces])).run(sink));
            }
            if let Some(sink) = logs {
                others.spawn(Work::new(config, queue(&[Signal::Logs])).run(sink));
            }
            let others = async move { while others.join_next().await.is_some() {} };
            let task = match metrics {
                Some(sink) => tokio::spawn(Work::new(config, queue(&[Signal::Metrics])).run_beside(others, sink)),
                None => tokio::spawn(others),
            };
            (meter, task)
        }
        BackendKind::Prometheus(prometheus) => {
            let backend = prometheus::Prometheus::start(&config.name, prometheus, Arc::clone(&account))?;
            // Scrapes come when they come: there is nothing to collect at an interval.
            let task = tokio::spawn(backend.run(queue(&[Signal::Metrics]).commands));
            // The resource is a family of its own, `target_info`, and so not the meters'.
            let resource = opentelemetry_sdk::Resource::builder_empty().build();
            (Some(settings(resource, false)), task)
        }
        BackendKind::Summary => {
            let sink = summary::SummarySink::new(Arc::clone(summary));
            (None, tokio::spawn(Work::new(config, queue(&[])).run(sink)))
        }
    };
    let takes_figures = matches!(config.kind, BackendKind::Summary);
    Ok((
        BackendHandle { name: config.name.clone(), interval: config.interval, meter, account, takes_figures, queues },
        task,
    ))
}

/// A backend's task: what it has to collect, and when.
struct Work {
    interval: Duration,
    queue: Intake,
    feeds: Vec<Scheduled>,
    next_feed: u64,
}

/// What was taken from the queue at once.
#[derive(Default)]
struct Batch {
    records: Vec<RunRecord>,
    spans: Vec<SpanBatch>,
}

impl Batch {
    fn items(&self) -> usize {
        self.records.len() + self.spans.iter().map(|spans| spans.data.len()).sum::<usize>()
    }

    // They wait until the sink has them: a receiver that hangs must not have us hold a second queue.
    async fn give_to(&mut self, sink: &mut impl Sink, queue: &Intake) {
        if !self.records.is_empty() {
            let records = std::mem::take(&mut self.records);
            let items = records.len();
            sink.records(records).await;
            queue.taken(Signal::Logs, items);
        }
        if !self.spans.is_empty() {
            let spans = std::mem::take(&mut self.spans);
            let items = spans.iter().map(|spans| spans.data.len()).sum();
            sink.spans(spans).await;
            queue.taken(Signal::Traces, items);
        }
    }
}

struct Scheduled {
    id: u64,
    feed: Feed,
    every: Duration,
    due: Instant,
}

impl Work {
    fn new(config: &BackendConfig, queue: Intake) -> Self {
        Self { interval: config.interval, queue, feeds: Vec::new(), next_feed: 0 }
    }

    async fn run(self, sink: impl Sink) {
        self.run_beside(async {}, sink).await;
    }

    /// With the rest of its backend, which ends first: so the last figures of ltel itself hold what that has sent.
    async fn run_beside(mut self, others: impl Future<Output = ()>, mut sink: impl Sink) {
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
                command = self.queue.commands.recv() => match command {
                    Some(command) => self.command(command, &mut sink).await,
                    None => break,
                },
                () = due => self.collect_due(&mut sink).await,
                _ = flush.tick() => sink.flush().await,
            }
        }
        sink.ending();
        others.await;
        // Those of ltel itself; all runs are over.
        let rest: Vec<_> = self.feeds.iter().filter_map(|scheduled| collect(scheduled, false)).collect();
        if !rest.is_empty() {
            sink.metrics(rest).await;
        }
        sink.finish().await;
    }

    async fn command(&mut self, command: Job, sink: &mut impl Sink) {
        if self.queue.commands.is_closed() {
            sink.ending();
        }
        let mut taken = Batch::default();
        let mut next = Some(command);
        // Whatever waits already, in one go.
        while let Some(command) = next.take() {
            match command {
                Job::Record(entry) => taken.records.push(entry),
                Job::Spans(spans) => taken.spans.push(spans),
                Job::Begin(feed) => {
                    let every = feed.interval.unwrap_or(self.interval);
                    self.feeds.push(Scheduled { id: self.next_feed, feed, every, due: Instant::now() + every });
                    self.next_feed += 1;
                }
                Job::Figures { run, figures } => sink.figures(run, figures).await,
                Job::End { run, report } => {
                    taken.give_to(sink, &self.queue).await;
                    self.end(&run, report, sink).await;
                }
            }
            if taken.items() < 1_000 {
                next = self.queue.commands.try_recv().ok();
            }
        }
        taken.give_to(sink, &self.queue).await;
    }

    /// One recorder after the other, each collected when the one before it has arrived.
    async fn collect_due(&mut self, sink: &mut impl Sink) {
        let now = Instant::now();
        loop {
            // A receiver may take its time for each: a run that ends in between is not to wait for all of them.
            if let Ok(command) = self.queue.commands.try_recv() {
                self.command(command, sink).await;
            }
            let due = self.feeds.iter_mut().filter(|scheduled| scheduled.due <= now);
            let Some(scheduled) = due.min_by_key(|scheduled| scheduled.due) else { break };
            // From now, not from when it was due: what was missed while a receiver hung is not made up for.
            scheduled.due = Instant::now() + scheduled.every;
            let collected = collect(scheduled, false);
            sink.metrics(Vec::from_iter(collected)).await;
        }
    }

    async fn end(&mut self, run: &Arc<RunInfo>, report: Option<RunRecord>, sink: &mut impl Sink) {
        let (ended, rest) = std::mem::take(&mut self.feeds)
            .into_iter()
            .partition(|s| s.feed.run.as_ref().is_some_and(|of| Arc::ptr_eq(of, run)));
        self.feeds = rest;
        let ended: Vec<Scheduled> = ended;
        let batch: Vec<_> = ended.iter().filter_map(|scheduled| collect(scheduled, true)).collect();
        if !batch.is_empty() {
            sink.metrics(batch).await;
        }
        if let Some(report) = report {
            sink.records(vec![report]).await;
        }
        sink.flush().await;
    }
}

fn collect(scheduled: &Scheduled, last: bool) -> Option<CollectedPoints> {
    match scheduled.feed.collector.collect() {
        Ok(metrics) => Some(CollectedPoints {
            run: scheduled.feed.run.clone(),
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
