//! The last figures of each run, for the line while a test runs and the table at the end of `run` and `demo`.

use std::sync::{Arc, Mutex, PoisonError};

use ltel_core::backend::{Backend, BackendSpec, Check, Defaults, Pipe, Signal, Sink, Start, StartError, Takes};
use ltel_core::figures::RunFigures;
use ltel_core::recorder::NoOptions;
use ltel_core::runs::RunInfo;

use crate::config::values::MAX_DURATION;

// Bounded: an ltel may serve runs for months.
const RUNS: usize = 16;

/// The latest figures of the last runs, in the order in which the runs began.
#[derive(Debug, Default)]
pub(crate) struct Summary(Mutex<Vec<(Arc<RunInfo>, Arc<RunFigures>)>>);

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
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_active = |(_, figures): &&(_, Arc<RunFigures>)| !figures.is_final();
        let (run, figures) = runs.iter().rev().find(is_active).or(runs.last())?;
        let active = runs.iter().filter(is_active).count();
        Some(Current { run: Arc::clone(run), figures: Arc::clone(figures), active })
    }

    /// The latest figures of this run, if it had any and is among the last ones.
    pub(crate) fn figures(&self, run: &Arc<RunInfo>) -> Option<Arc<RunFigures>> {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.iter().find(|(have, _)| Arc::ptr_eq(have, run)).map(|(_, figures)| Arc::clone(figures))
    }

    fn take(&self, run: Arc<RunInfo>, figures: Arc<RunFigures>) {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, have)) = runs.iter_mut().find(|(have, _)| Arc::ptr_eq(have, &run)) {
            *have = figures;
            return;
        }
        if runs.len() >= RUNS {
            runs.remove(0);
        }
        runs.push((run, figures));
    }
}

/// The backend that keeps figures in a [`Summary`]. Configurations cannot select it: `run` and `demo` add it.
#[derive(Clone, Debug)]
pub(crate) struct SummaryBackend(pub(crate) Arc<Summary>);

impl Backend for SummaryBackend {
    type Options = NoOptions;

    const SPEC: &'static BackendSpec = &BackendSpec::new("summary", "The table at the end of `run` and `demo`.");

    fn check(_: NoOptions, _: &mut Check<'_>) -> Option<Self> {
        Some(Self(Arc::default()))
    }

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
        // Only the final figures: the recorder's own interval stays as it is.
        Defaults { interval: MAX_DURATION, own_metrics: false, ..Defaults::default() }
    }

    fn start(&self, _: &Start) -> Result<Vec<Pipe>, StartError> {
        Ok(vec![Pipe::new(&[], SummarySink(Arc::clone(&self.0))).with_figures()])
    }
}

struct SummarySink(Arc<Summary>);

impl Sink for SummarySink {
    async fn figures(&mut self, run: Arc<RunInfo>, figures: Arc<RunFigures>) {
        self.0.take(run, figures);
    }
}
