//! Every stage, and how they hang together:
//!
//! ```text
//! Locust --frames--> listen -> connection -> runs -> recorders -> backends --> JSON | OTLP | Prometheus
//!        <---acks---
//! ```
//!
//! Each arrow is a bounded queue, or (to the backends) one that drops and counts. A connection waits for the runs: its
//! socket's buffers fill, then the plugin's own. The runs wait for nobody.

use std::sync::Arc;
use std::time::Duration;

use ltel_core::wire::PROTOCOL;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::backends::summary::Summary;
use crate::backends::{self, Delivered, Feed};
use crate::config::{BackendConfig, BackendKind, Config};
use crate::faults::Faults;
use crate::internal::{self, Observed};
use crate::listen::Listeners;
use crate::runs::{Outcome, Runs, Status};

// Frames between the connections and the runs, so that neither waits for the other at each frame.
const DELIVERIES: usize = 64;

/// How long backends may take to bring out what is left when everything else is over.
pub(crate) const DRAIN: Duration = Duration::from_secs(30);

/// All stages at work.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) summary: Arc<Summary>,
    stop: watch::Sender<bool>,
    faults: Arc<Faults>,
    listening: JoinHandle<()>,
    runs: JoinHandle<Outcome>,
    backends: Vec<AtWork>,
}

#[derive(Debug)]
struct AtWork {
    config: BackendConfig,
    account: Arc<backends::Account>,
    task: JoinHandle<()>,
}

/// What is left when all stages are over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) summary: Arc<Summary>,
    pub(crate) backends: Vec<(BackendConfig, Delivered)>,
    pub(crate) faults: Arc<Faults>,
}

impl Pipeline {
    /// Starts all stages.
    pub(crate) fn start(config: Config, listeners: Listeners) -> Result<Self, backends::StartError> {
        let faults = Arc::new(Faults::default());
        let summary = Arc::new(Summary::default());

        let mut at_work = Vec::new();
        let mut handles = Vec::new();
        for backend in &config.backends {
            let (handle, task) = backends::start(backend, &summary)?;
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
                let collector = internal::metrics(settings, &observed);
                backend.begin(Feed { run: None, collector, interval: None });
            }
        }
        let runs = Runs::new(Arc::new(config), handles.into(), Arc::clone(&faults), status_sender);
        let runs = tokio::spawn(runs.work(deliveries, stopped));

        for address in listeners.addresses() {
            tracing::info!("listening on {address} (protocol {PROTOCOL})");
        }
        let listening = tokio::spawn(listeners.serve(deliver, Arc::clone(&faults)));
        Ok(Self { status, summary, stop, faults, listening, runs, backends: at_work })
    }

    /// Ends all stages in order: no more connections, open runs completed, backends drained.
    pub(crate) async fn end(self) -> Ended {
        self.listening.abort();
        self.stop.send_replace(true);
        let outcome = self.runs.await.unwrap_or_else(|error| {
            tracing::error!("the runs ended badly: {error}");
            Outcome::default()
        });
        // The runs held the backends' queues: now each brings out what it has, and ends.
        let deadline = tokio::time::Instant::now() + DRAIN;
        let mut accounts = Vec::new();
        for backend in self.backends {
            let abort = backend.task.abort_handle();
            if timeout(deadline.saturating_duration_since(tokio::time::Instant::now()), backend.task).await.is_err() {
                tracing::warn!(
                    "backend `{}` did not finish within {} s: given up",
                    backend.config.name,
                    DRAIN.as_secs()
                );
                abort.abort();
                backend.account.given_up();
            }
            accounts.push((backend.config, backend.account.delivered()));
        }
        Ended { outcome, summary: self.summary, backends: accounts, faults: self.faults }
    }
}
