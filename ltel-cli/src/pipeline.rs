//! All stages, and how they are connected:
//!
//! ```text
//! Locust --frames--> listen -> connection -> runs -> recorders -> backends --> JSON | OTLP | Prometheus
//!        <---acks---, the order to stop
//! ```
//! Each arrow is a bounded queue; the queues to the backends drop and count when full. Connections wait for the runs: then
//! the socket's buffers fill, then the plugin's. The runs never wait.

mod fleet;
mod health;
mod own_metrics;
mod reload;

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use ltel_core::recorder::{Factory, Recorder};
use ltel_core::text::{panic_message, printable};
use ltel_core::wire::PROTOCOL;
use ltel_recorders::Stats;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::TaskTracker;

use crate::config::{BackendConfig, Config, RecorderConfig};
use crate::deliver::summary::Summary;
use crate::deliver::{self, DRAIN, Delivered};

use crate::ingest::{Faults, Listeners};
use crate::runs::{Equipment, Outcome, RunsTask, Status, Verdict};
use fleet::Fleet;
use health::{Health, Readiness};
use own_metrics::OwnMetrics;
use reload::Reloader;

// Frames between the connections and the runs, so that neither waits for the other at each frame.
const DELIVERIES: usize = 64;

/// How long clients have to read their last acknowledgements.
const ANSWER: Duration = Duration::from_secs(1);

/// How long ltel waits before it says what it waits for.
const TELL_AFTER: Duration = Duration::from_secs(2);

/// All running stages.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) summary: Arc<Summary>,
    stop: watch::Sender<bool>,
    faults: Arc<Faults>,
    listening: JoinHandle<Option<()>>,
    answers: TaskTracker,
    runs: JoinHandle<Option<(Outcome, Verdict)>>,
    backends: Fleet,
    readiness: Readiness,
    // Answers probes, if any are asked.
    probes: Option<JoinHandle<Option<()>>>,
    reloader: Option<Reloader>,
    // The task that answers SIGHUP.
    reloading: Option<JoinHandle<()>>,
    failures: StageFailures,
}

/// What remains when all stages have ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    /// Which thresholds the runs have broken.
    pub(crate) verdict: Verdict,
    /// Whether any client has ever connected.
    pub(crate) met: bool,
    pub(crate) summary: Arc<Summary>,
    pub(crate) backends: Vec<(BackendConfig, Delivered)>,
    pub(crate) faults: Arc<Faults>,
    /// The stages that panicked, or did not end in time.
    pub(crate) failures: Vec<String>,
}

/// Which stages failed. Logged at once, and part of the exit code.
#[derive(Clone, Debug)]
struct StageFailures(Arc<watch::Sender<Vec<String>>>);

impl StageFailures {
    fn add(&self, failure: String) {
        tracing::error!("{failure}");
        self.0.send_modify(|failures| failures.push(failure));
    }

    /// Whether there is any.
    fn any(&self) -> bool {
        !self.0.borrow().is_empty()
    }

    /// Runs a stage in its own task. Yields `None` if it panicked.
    fn watch<T: Send + 'static>(
        &self,
        stage: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        let failures = self.clone();
        tokio::spawn(async move {
            match AssertUnwindSafe(work).catch_unwind().await {
                Ok(value) => Some(value),
                Err(panic) => {
                    failures.add(format!(
                        "{stage} panicked, which is a bug of ltel: {}",
                        printable(panic_message(&*panic))
                    ));
                    None
                }
            }
        })
    }
}

impl Pipeline {
    /// Starts all stages.
    pub(crate) fn start(mut config: Config, listeners: Listeners, summary: Arc<Summary>) -> Result<Self, String> {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let probes = config.health.map(health::bind).transpose()?;
        let faults = Arc::new(Faults::default());
        add_figures(&mut config);

        let backends = Fleet::default();
        let mut handles = Vec::new();
        for backend in &config.backends {
            let (handle, running) = deliver::start(backend)?;
            backends.add(running);
            handles.push(Arc::new(handle));
        }

        let (stop, stopped) = watch::channel(false);
        let (status_sender, status) = watch::channel(Status::default());
        let (deliver, deliveries) = mpsc::channel(DELIVERIES);
        let observed =
            Arc::new(OwnMetrics { backends: Mutex::default(), faults: Arc::clone(&faults), status: status.clone() });
        let equipment = Arc::new(Equipment::new(config, handles));
        observed.observe(&equipment);
        for (backend, config) in equipment.backends.iter().zip(&equipment.config.backends) {
            observed.feed(backend, config);
        }
        let (equip, equipments) = mpsc::channel(1);
        let reloader = Reloader::new(&equipment, backends.clone(), equip, observed);
        let runs = RunsTask::new(equipment, Arc::clone(&faults), status_sender);
        let failures = StageFailures(Arc::new(watch::channel(Vec::new()).0));
        let readiness = Readiness::default();
        let health = Health { readiness: readiness.clone(), failures: failures.clone(), backends: backends.clone() };
        let probes = probes.map(|probes| failures.watch("the task that answers probes", health.serve(probes)));
        let runs = failures.watch("the task of the runs", runs.work(deliveries, stopped, equipments));

        let addresses = listeners.addresses();
        let answers = TaskTracker::new();
        let listening = listeners.serve(deliver, Arc::clone(&faults), answers.clone());
        let listening = failures.watch("the task of the listeners", listening);
        readiness.begin();
        // Last: who reads it may count on both.
        for address in addresses {
            tracing::info!("listening on {address} (protocol {PROTOCOL})");
        }
        Ok(Self {
            status,
            summary,
            stop,
            faults,
            listening,
            answers,
            runs,
            backends,
            readiness,
            probes,
            reloader: Some(reloader),
            reloading: None,
            failures,
        })
    }

    /// At each request, until the pipeline ends: reopens the backends' files, and reads the configuration again, with which runs begin from
    /// then on, if it is of a file. `read` is silent about a configuration that is right, and says what is wrong with another.
    pub(crate) fn reload_at(
        &mut self,
        mut requests: watch::Receiver<u64>,
        read: Option<impl Fn() -> Option<Config> + Send + 'static>,
    ) {
        let Some(mut reloader) = self.reloader.take() else { return };
        let backends = self.backends.clone();
        self.reloading = Some(tokio::spawn(async move {
            // Requests that come meanwhile are one.
            while requests.changed().await.is_ok() {
                tracing::info!("SIGHUP: reopening files");
                backends.reopen();
                if let Some(read) = &read {
                    reloader.reload(read()).await;
                }
            }
        }));
    }

    /// Tells probes that ltel ends; Locust can still connect.
    pub(crate) fn end_readiness(&self) {
        self.readiness.end();
    }

    /// Stops accepting connections. Open ones stay.
    pub(crate) fn close(&self) {
        self.readiness.end();
        self.listening.abort();
    }

    /// Waits until a stage fails that ltel cannot work without.
    pub(crate) async fn failed(&self) {
        let _ = self.failures.0.subscribe().wait_for(|failures| !failures.is_empty()).await;
    }

    /// Waits until no run is active. Clients that are still connected may hold data of a run that is over, so they get the
    /// grace period to disconnect.
    pub(crate) async fn drained(&self, grace: Duration) {
        let mut status = self.status.clone();
        let at_rest = |status: &Status| status.active == 0;
        // An error means that the task of the runs has ended.
        let _ = status.wait_for(at_rest).await;
        let _ = timeout(grace, status.wait_for(|status| status.active == 0 && status.connected == 0)).await;
        let _ = status.wait_for(at_rest).await;
    }

    /// Ends all stages in order: stops input, ends active runs, lets backends deliver what they hold. Takes at most
    /// [`DRAIN`], and ends early when `interrupted`: items that backends still hold then are given up, and counted.
    pub(crate) async fn end(mut self, interrupted: impl Future<Output = ()>) -> Ended {
        self.close();
        // From here on no backend starts any more.
        self.reloader = None;
        if let Some(reloading) = self.reloading.take() {
            reloading.abort();
            let _ = reloading.await;
        }
        self.stop.send_replace(true);
        let mut interrupted = pin!(interrupted);
        let mut patience = Patience::begin();
        let outcome = match patience.wait(&mut self.runs, "the last events to be recorded", interrupted.as_mut()).await
        {
            Some(outcome) => outcome.ok().flatten(),
            None => {
                self.failures.add("the last events were not recorded in time".to_owned());
                // It holds the backends' queues: with it, no backend would end.
                patience.give_up();
                None
            }
        };
        let mut accounts = self.backends.ended();
        for mut backend in self.backends.take() {
            let what = format!("backend `{}` to deliver what it holds", backend.config.name);
            match patience.wait(&mut backend.task, &what, interrupted.as_mut()).await {
                Some(_) => {}
                None => {
                    tracing::warn!("backend `{}` did not finish: what it held is lost", backend.config.name);
                    backend.give_up().await;
                }
            }
            fleet::book(&mut accounts, backend.config, backend.account.snapshot());
        }
        // The task of the runs has released its clients too. Without its last acknowledgement, Locust would wait and report
        // lost frames.
        self.answers.close();
        let _ = timeout(ANSWER, self.answers.wait()).await;
        if let Some(probes) = &self.probes {
            probes.abort();
        }
        let met = self.status.borrow().met;
        let failures = self.failures.0.borrow().clone();
        let (outcome, verdict) = outcome.unwrap_or_default();
        Ended { outcome, verdict, met, summary: self.summary, backends: accounts, faults: self.faults, failures }
    }
}

/// Adds a source of figures, if they are wanted and no recorder of the file has them. One that has them without its `when` lends its
/// options.
fn add_figures(config: &mut Config) {
    if config.wants_figures() && !config.recorders.iter().any(|recorder| recorder.factory.has_figures()) {
        let lent = config.recorders.iter().find_map(|of| Some((of.spec, of.factory.for_figures()?, of.series_limit)));
        let (spec, factory, series_limit) = lent.unwrap_or_else(|| {
            let options = ltel_recorders::stats::Options::for_figures();
            (<Stats as Recorder>::SPEC, Box::new(Factory::<Stats>::new(options)), 2_000)
        });
        config.recorders.push(RecorderConfig {
            name: "figures".to_owned(),
            spec,
            factory,
            backends: Vec::new(),
            interval: None,
            series_limit,
        });
    }
}

/// How long to wait for stages.
struct Patience {
    // When to say what ltel waits for; `None` if already said.
    tell: Option<Instant>,
    end: Instant,
}

impl Patience {
    fn begin() -> Self {
        let begun = Instant::now();
        Self { tell: Some(begun + TELL_AFTER), end: begun + DRAIN }
    }

    /// Stops waiting.
    fn give_up(&mut self) {
        self.end = Instant::now();
        self.tell = None;
    }

    /// Waits for the end of a task. Returns `None` if it did not end in time.
    async fn wait<T>(
        &mut self,
        task: &mut JoinHandle<T>,
        what: &str,
        mut interrupted: Pin<&mut impl Future<Output = ()>>,
    ) -> Option<Result<T, JoinError>> {
        loop {
            tokio::select! {
                biased;
                result = &mut *task => return Some(result),
                () = sleep_until(self.end) => return None,
                () = interrupted.as_mut(), if self.end > Instant::now() => {
                    self.give_up();
                    return None;
                }
                () = sleep_until(self.tell.unwrap_or(self.end)), if self.tell.is_some() => {
                    self.tell = None;
                    tracing::info!("waiting at most {} s for {what}; another signal ends the wait", DRAIN.as_secs());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stage_that_panics_is_a_failure() {
        let failures = StageFailures(Arc::new(watch::channel(Vec::new()).0));
        assert_eq!(failures.watch("this stage", async { 7 }).await.unwrap(), Some(7));
        assert!(failures.0.borrow().is_empty());
        assert_eq!(failures.watch("that stage", async { panic!("not {}", "good") }).await.unwrap(), None::<u8>);
        assert_eq!(*failures.0.borrow(), ["that stage panicked, which is a bug of ltel: not good"]);
    }

    #[tokio::test(start_paused = true)]
    async fn all_stages_together_are_waited_for_no_longer_than_the_limit() {
        let begun = Instant::now();
        let mut patience = Patience::begin();
        let mut interrupted = pin!(std::future::pending::<()>());
        for _ in 0..3 {
            let mut hangs = tokio::spawn(std::future::pending::<()>());
            assert!(patience.wait(&mut hangs, "a stage", interrupted.as_mut()).await.is_none());
        }
        assert_eq!(begun.elapsed(), DRAIN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_cuts_the_wait_short() {
        let begun = Instant::now();
        let mut patience = Patience::begin();
        let mut interrupted = pin!(tokio::time::sleep(Duration::from_secs(5)));
        for _ in 0..3 {
            let mut hangs = tokio::spawn(std::future::pending::<()>());
            assert!(patience.wait(&mut hangs, "a stage", interrupted.as_mut()).await.is_none());
        }
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
        // A task that has already ended still yields its value.
        let mut ended = tokio::spawn(async { 7 });
        tokio::task::yield_now().await;
        assert_eq!(patience.wait(&mut ended, "a stage", interrupted.as_mut()).await.unwrap().unwrap(), 7);
    }
}
