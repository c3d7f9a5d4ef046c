//! The last figures of each run, for the line while a test runs and the table at the end of `run` and `demo`.

mod own_metrics;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ltel_core::Recorder as _;
use ltel_core::backend::{
    Backend, BackendSpec, Check, CollectedPoints, Defaults, DeliveryAccount, Pipe, Signal, Sink, Start, StartError,
    Takes,
};
use ltel_core::declared::Declared;
use ltel_core::figures::RunFigures;
use ltel_core::recorder::NoOptions;
use ltel_core::runs::RunInfo;
use ltel_recorders::Custom;

use crate::config::{Config, RecorderConfig};
use crate::deliver::defaults_for_figures;
pub(crate) use own_metrics::{OwnMetric, OwnValue};

// Bounded: an ltel may serve runs for months.
const RUNS: usize = 16;

/// The latest figures of the last runs, in the order in which the runs began.
#[derive(Debug, Default)]
pub(crate) struct Summary(Mutex<Vec<RunSummary>>);

#[derive(Debug)]
struct RunSummary {
    run: Arc<RunInfo>,
    figures: Option<Arc<RunFigures>>,
    own_metrics: Vec<OwnMetric>,
}

/// The figures of the run that began last.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) run: Arc<RunInfo>,
    pub(crate) figures: Arc<RunFigures>,
    /// Runs that are not over.
    pub(crate) active: usize,
}

impl Summary {
    /// The run that began last, of those that are not over if there is one.
    pub(crate) fn current(&self) -> Option<Current> {
        let runs = self.runs();
        let with_figures = || runs.iter().filter_map(|of| Some((&of.run, of.figures.as_ref()?)));
        let is_active = |(_, figures): &(&Arc<RunInfo>, &Arc<RunFigures>)| !figures.is_final();
        let (run, figures) = with_figures().rfind(is_active).or_else(|| with_figures().next_back())?;
        let active = with_figures().filter(is_active).count();
        Some(Current { run: Arc::clone(run), figures: Arc::clone(figures), active })
    }

    /// The latest figures of this run, if it had any and is among the last ones.
    pub(crate) fn figures(&self, run: &Arc<RunInfo>) -> Option<Arc<RunFigures>> {
        self.runs().iter().find(|of| Arc::ptr_eq(&of.run, run))?.figures.clone()
    }

    /// What recorders of one's own have counted in this run.
    pub(crate) fn own_metrics(&self, run: &Arc<RunInfo>) -> Vec<OwnMetric> {
        self.runs().iter().find(|of| Arc::ptr_eq(&of.run, run)).map(|of| of.own_metrics.clone()).unwrap_or_default()
    }

    fn runs(&self) -> MutexGuard<'_, Vec<RunSummary>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, run: &Arc<RunInfo>, change: impl FnOnce(&mut RunSummary)) {
        let mut runs = self.runs();
        if let Some(of) = runs.iter_mut().find(|of| Arc::ptr_eq(&of.run, run)) {
            return change(of);
        }
        if runs.len() >= RUNS {
            runs.remove(0);
        }
        let mut of = RunSummary { run: Arc::clone(run), figures: None, own_metrics: Vec::new() };
        change(&mut of);
        runs.push(of);
    }
}

/// The backend that keeps figures in a [`Summary`]. Configurations cannot select it: `run` and `demo` add it.
#[derive(Clone, Debug)]
pub(crate) struct SummaryBackend(pub(crate) Arc<Summary>);

impl SummaryBackend {
    /// Gives it the points of declared recorders, of the locustfile's own metrics, and of recorders that do not come with ltel, which it shows.
    pub(crate) fn route(config: &mut Config) {
        let Some(index) = config.backends.iter().position(|of| of.backend.spec().name == Self::SPEC.name) else {
            return;
        };
        let built_in = ltel_recorders::registry();
        let is_ltels = |name: &str| {
            ![Custom::SPEC.name, Declared::SPEC.name].contains(&name)
                && built_in.types().any(|known| known.spec.name == name)
        };
        let own = |of: &&mut RecorderConfig| !is_ltels(of.spec.name);
        config.recorders.iter_mut().filter(own).for_each(|recorder| recorder.backends.push(index));
    }
}

impl Backend for SummaryBackend {
    type Options = NoOptions;

    const SPEC: &'static BackendSpec = &BackendSpec::new("summary", "The table at the end of `run` and `demo`.");

    fn check(_: NoOptions, _: &mut Check<'_>) -> Option<Self> {
        Some(Self(Arc::default()))
    }

    /// No file can ask for it. It gets the points of those recorders that [`run`](crate::cli) gives it.
    fn takes(&self, _: Signal) -> Takes {
        Takes::No
    }

    fn takes_figures(&self) -> bool {
        true
    }

    fn destination(&self) -> String {
        "the table at the end".to_owned()
    }

    fn defaults(&self) -> Defaults {
        defaults_for_figures()
    }

    fn start(&self, cx: &Start) -> Result<Vec<Pipe>, StartError> {
        let sink = SummarySink { summary: Arc::clone(&self.0), account: Arc::clone(&cx.account) };
        Ok(vec![Pipe::new(&[Signal::Metrics], sink).with_figures()])
    }
}

struct SummarySink {
    summary: Arc<Summary>,
    account: Arc<DeliveryAccount>,
}

impl Sink for SummarySink {
    async fn figures(&mut self, run: Arc<RunInfo>, figures: Arc<RunFigures>) {
        self.summary.of(&run, |of| of.figures = Some(figures));
    }

    async fn points(&mut self, batch: Vec<CollectedPoints>) {
        for collected in batch {
            let metrics = own_metrics::of(&collected);
            self.account.delivered(Signal::Metrics, metrics.iter().map(|metric| metric.series).sum());
            if let Some(run) = collected.run.as_ref().filter(|_| collected.last) {
                self.summary.of(run, |of| of.own_metrics.extend(metrics));
            }
        }
    }
}
