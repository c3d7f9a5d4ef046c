//! Every stage, and how they hang together:
//!
//! ```text
//! Locust --frames--> listen -> connection -> runs -> recorders -> backends --> JSON | OTLP | Prometheus
//!        <---acks---
//! ```
//!
//! Each arrow is a bounded queue, or (to the backends) one that drops and counts. A connection waits for the runs: its
//! socket's buffers fill, then the plugin's own. The runs wait for nobody.

mod own_metrics;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use ltel_core::wire::PROTOCOL;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::TaskTracker;

use crate::config::{BackendConfig, BackendKind, Config};
use crate::deliver::summary::Summary;
use crate::deliver::{self, DRAIN, Delivered, Feed};
use crate::runs::faults::Faults;

use crate::ingest::Listeners;
use crate::runs::{Outcome, Runs, Status};
use own_metrics::Observed;

// Frames between the connections and the runs, so that neither waits for the other at each frame.
const DELIVERIES: usize = 64;

/// How long clients may take to hear that their last frames were recorded. One that does not listen is not waited for.
const ANSWER: Duration = Duration::from_secs(1);

/// How long people wait without a word.
const TELL_AFTER: Duration = Duration::from_secs(2);

/// All stages at work.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) summary: Arc<Summary>,
    stop: watch::Sender<bool>,
    faults: Arc<Faults>,
    listening: JoinHandle<()>,
    answers: TaskTracker,
    runs: JoinHandle<Outcome>,
    backends: Vec<AtWork>,
}

#[derive(Debug)]
struct AtWork {
    config: BackendConfig,
    account: Arc<deliver::Account>,
    task: JoinHandle<()>,
}

/// What is left when all stages are over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    /// Whether any client has ever connected.
    pub(crate) met: bool,
    pub(crate) summary: Arc<Summary>,
    pub(crate) backends: Vec<(BackendConfig, Delivered)>,
    pub(crate) faults: Arc<Faults>,
}

impl Pipeline {
    /// Starts all stages.
    pub(crate) fn start(config: Config, listeners: Listeners) -> Result<Self, deliver::StartError> {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let faults = Arc::new(Faults::default());
        let summary = Arc::new(Summary::default());

        let mut at_work = Vec::new();
        let mut handles = Vec::new();
        for backend in &config.backends {
            let (handle, task) = deliver::start(backend, &summary)?;
            at_work.push(AtWork { config: backend.clone(), account: Arc::clone(&handle.account), task });
            handles.push(handle);
        }

        let (stop, stopped) = watch::channel(false);
        let (status_sender, status) = watch::channel(Status::default());
        let (deliver, deliveries) = mpsc::channel(DELIVERIES);
        let to_tell = |config: &BackendConfig| !matches!(config.kind, BackendKind::Summary);
        let watches = handles.iter().zip(&config.backends).filter(|(_, config)| to_tell(config));
        let observed = Arc::new(Observed {
            backends: watches.map(|(backend, _)| backend.watch()).collect(),
            faults: Arc::clone(&faults),
            status: status.clone(),
        });
        for (backend, _) in handles.iter().zip(&config.backends).filter(|(_, config)| config.internal_metrics) {
            if let Some(settings) = &backend.meter {
                let collector = own_metrics::metrics(settings, &observed);
                backend.begin(Feed { run: None, collector, interval: None });
            }
        }
        let runs = Runs::new(Arc::new(config), handles.into(), Arc::clone(&faults), status_sender);
        let runs = tokio::spawn(runs.work(deliveries, stopped));

        for address in listeners.addresses() {
            tracing::info!("listening on {address} (protocol {PROTOCOL})");
        }
        let answers = TaskTracker::new();
        let listening = tokio::spawn(listeners.serve(deliver, Arc::clone(&faults), answers.clone()));
        Ok(Self { status, summary, stop, faults, listening, answers, runs, backends: at_work })
    }

    /// Takes no more connections. Those that are open stay.
    pub(crate) fn close(&self) {
        self.listening.abort();
    }

    /// Waits until no run is at work. Clients that are still connected may have something left for a run that is over, so they
    /// have the grace period to leave.
    pub(crate) async fn drained(&self, grace: Duration) {
        let mut status = self.status.clone();
        let at_rest = |status: &Status| status.active == 0;
        // An error: the runs have ended.
        let _ = status.wait_for(at_rest).await;
        let _ = timeout(grace, status.wait_for(|status| status.active == 0 && status.connected == 0)).await;
        let _ = status.wait_for(at_rest).await;
    }

    /// Ends all stages in order: no more connections, open runs completed, backends drained. Whoever is in a hurry interrupts:
    /// what backends still hold then is given up, and counted.
    pub(crate) async fn end(self, interrupted: impl Future<Output = ()>) -> Ended {
        self.close();
        self.stop.send_replace(true);
        let outcome = self.runs.await.unwrap_or_else(|error| {
            tracing::error!("the runs ended badly: {error}");
            Outcome::default()
        });
        // The runs held the backends' queues: now each brings out what it has, and ends.
        let begun = Instant::now();
        let mut patience = Patience { tell: Some(begun + TELL_AFTER), end: begun + DRAIN };
        let mut interrupted = pin!(interrupted);
        let mut accounts = Vec::new();
        for mut backend in self.backends {
            let ended = patience.wait(&backend.config.name, &mut backend.task, interrupted.as_mut()).await;
            if !ended {
                backend.task.abort();
                let _ = backend.task.await;
                backend.account.given_up();
            }
            accounts.push((backend.config, backend.account.delivered()));
        }
        // The runs let go of their clients too. Without its last acknowledgement a Locust would wait, and call its frames lost.
        self.answers.close();
        let _ = timeout(ANSWER, self.answers.wait()).await;
        let met = self.status.borrow().met;
        Ended { outcome, met, summary: self.summary, backends: accounts, faults: self.faults }
    }
}

/// How long backends are waited for.
struct Patience {
    // When people are told what they wait for, if they have not been.
    tell: Option<Instant>,
    end: Instant,
}

impl Patience {
    /// Whether a backend has ended.
    async fn wait(
        &mut self,
        name: &str,
        task: &mut JoinHandle<()>,
        mut interrupted: Pin<&mut impl Future<Output = ()>>,
    ) -> bool {
        loop {
            tokio::select! {
                biased;
                _ = &mut *task => return true,
                () = sleep_until(self.end) => {
                    tracing::warn!("backend `{name}` did not finish: given up");
                    return false;
                }
                () = interrupted.as_mut(), if self.end > Instant::now() => {
                    tracing::warn!("interrupted: what backends have not brought out is given up");
                    self.end = Instant::now();
                    return false;
                }
                () = sleep_until(self.tell.unwrap_or(self.end)), if self.tell.is_some() => {
                    self.tell = None;
                    tracing::info!(
                        "waiting for backend `{name}` to bring out what it has, for {} s at most; another signal gives it up",
                        DRAIN.as_secs()
                    );
                }
            }
        }
    }
}
