//! A running backend: its handle, which takes telemetry to deliver, and the task that runs its pipes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ltel_core::backend::{BackendEnd, DeliveryAccount, Ending, Feed, Pipe, RunRecord, Signal, SpanBatch, Start};
use ltel_core::figures::RunFigures;
use ltel_core::meter::MeterSettings;
use ltel_core::runs::RunInfo;
use ltel_core::text::{panic_message, printable};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::DRAIN;
use super::queue::{PipeInputs, Queue, Reopener, Watch};
use super::worker::Worker;
use crate::config::BackendConfig;

/// The way to a backend. When dropped, the backend delivers what it holds, and ends.
#[derive(Debug)]
pub(crate) struct BackendHandle {
    pub(crate) name: String,
    pub(crate) interval: Duration,
    /// How it collects points; absent if it takes none.
    pub(crate) meter: Option<MeterSettings>,
    account: Arc<DeliveryAccount>,
    ending: Ending,
    queues: Vec<Queue>,
}

impl BackendHandle {
    /// A run's recorder begins: its points can be collected.
    pub(crate) fn begin(&self, feed: Feed) {
        if let Some(queue) = self.queue(Signal::Metrics) {
            queue.begin(feed);
        }
    }

    /// Delivers a record. Dropped and counted if the queue is full.
    pub(crate) fn record(&self, record: RunRecord) {
        if let Some(queue) = self.queue(Signal::Logs) {
            queue.record(record);
        }
    }

    /// Delivers spans. Those that do not fit in the queue are dropped and counted.
    pub(crate) fn spans(&self, spans: SpanBatch) {
        if let Some(queue) = self.queue(Signal::Traces) {
            queue.spans(spans);
        }
    }

    /// Delivers the figures of a run, for a backend that shows them.
    pub(crate) fn figures(&self, run: &Arc<RunInfo>, figures: &Arc<RunFigures>) {
        for queue in self.queues.iter().filter(|queue| queue.takes.figures) {
            queue.figures(run, figures);
        }
    }

    /// A run is over: collects its points a last time, and delivers everything of it. These are its final records, which follow
    /// the points.
    pub(crate) fn end(&self, run: &Arc<RunInfo>, mut records: Vec<RunRecord>) {
        for queue in &self.queues {
            let records = if queue.has(Signal::Logs) { std::mem::take(&mut records) } else { Vec::new() };
            queue.end(run, records);
        }
    }

    /// A view of its queues and its account.
    pub(crate) fn watch(&self) -> Watch {
        Watch::new(&self.name, &self.account, &self.queues)
    }

    fn queue(&self, signal: Signal) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.has(signal))
    }
}

impl Drop for BackendHandle {
    fn drop(&mut self) {
        self.ending.begin();
    }
}

/// The task of a backend. It ends after the [`BackendHandle`] is dropped, when everything is delivered.
#[derive(Debug)]
pub(crate) struct RunningBackend {
    pub(crate) config: BackendConfig,
    pub(crate) account: Arc<DeliveryAccount>,
    pub(crate) task: JoinHandle<()>,
    reopeners: Arc<[Reopener]>,
}

impl RunningBackend {
    /// Reopens its files at their paths, after the old files were moved.
    pub(crate) fn reopen(&self) -> impl Fn() + Send + use<> {
        let reopeners = Arc::clone(&self.reopeners);
        move || reopeners.iter().for_each(Reopener::reopen)
    }

    /// Ends it at once: items that it holds have failed.
    pub(crate) async fn give_up(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
        self.account.close(&Signal::ALL, BackendEnd::GivenUp);
    }
}

/// Why a backend cannot start.
#[derive(Debug, Error)]
#[error("backend `{backend}`: {error}")]
pub(crate) struct StartError {
    backend: String,
    error: ltel_core::backend::StartError,
}

impl From<StartError> for String {
    fn from(error: StartError) -> Self {
        error.to_string()
    }
}

/// Starts a backend.
pub(crate) fn start(config: &BackendConfig) -> Result<(BackendHandle, RunningBackend), StartError> {
    let (account, ending) = (Arc::<DeliveryAccount>::default(), Ending::default());
    let start = Start {
        name: config.name.clone(),
        temporality: config.temporality,
        queue_bytes: config.queue.bytes,
        drain: DRAIN,
        account: Arc::clone(&account),
        ending: ending.clone(),
    };
    let pipes = config.backend.start(&start).map_err(|error| StartError { backend: config.name.clone(), error })?;
    tracing::debug!("backend `{}` has started: {}", config.name, printable(&config.backend.destination()));
    let takes_points = pipes.iter().any(|pipe| pipe.signals.contains(&Signal::Metrics));
    let mut queues = Vec::new();
    let mut workers = Vec::new();
    for Pipe { signals, figures, collects, sink } in pipes {
        let takes = PipeInputs { signals, figures, every: (!collects).then_some(config.interval) };
        let (queue, intake) = Queue::new(&config.name, takes, config.queue, &account);
        queues.push(queue);
        workers.push((signals, Worker { intake, sink, account: Arc::clone(&account) }));
    }
    let reopeners = queues.iter().map(Queue::reopener).collect();
    let handle = BackendHandle {
        name: config.name.clone(),
        interval: config.interval,
        meter: takes_points.then(|| config.backend.meter(config.temporality)),
        account: Arc::clone(&account),
        ending,
        queues,
    };
    let task = tokio::spawn(supervise(config.name.clone(), workers, Arc::clone(&account)));
    Ok((handle, RunningBackend { config: config.clone(), account, task, reopeners }))
}

/// Runs the pipes of a backend, and closes the account of each when it ends, even by a panic.
async fn supervise(backend: String, workers: Vec<(&'static [Signal], Worker)>, account: Arc<DeliveryAccount>) {
    let mut tasks = JoinSet::new();
    let mut signals_of = HashMap::new();
    let is_last = |signals: &[Signal]| signals.contains(&Signal::Metrics);
    let others = workers.iter().filter(|(signals, _)| !is_last(signals)).count();
    let (left, _) = watch::channel(others);
    for (signals, worker) in workers {
        let mut left = left.subscribe();
        let task = if is_last(signals) {
            tasks.spawn(worker.run(async move {
                let _ = left.wait_for(|left| *left == 0).await;
            }))
        } else {
            tasks.spawn(worker.run(async {}))
        };
        signals_of.insert(task.id(), signals);
    }
    while let Some(ended) = tasks.join_next_with_id().await {
        let (id, how) = match ended {
            Ok((id, ())) => (id, BackendEnd::Well),
            Err(error) => {
                let id = error.id();
                let message = match error.try_into_panic() {
                    Ok(panic) => printable(panic_message(&*panic)).to_string(),
                    Err(error) => error.to_string(),
                };
                tracing::error!(
                    "backend `{backend}` panicked, and everything it is given from now on is lost: {message}"
                );
                (id, BackendEnd::Panicked(message))
            }
        };
        let signals = signals_of.remove(&id).unwrap_or_default();
        account.close(signals, how);
        if !is_last(signals) {
            left.send_modify(|left| *left -= 1);
        }
    }
}
