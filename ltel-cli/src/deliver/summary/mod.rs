//! The last figures of each run, for the table at the end of `run` and `demo`.

use std::sync::{Arc, Mutex, PoisonError};

use ltel_core::figures::RunFigures;
use ltel_core::runs::RunInfo;

use super::Sink;

// Bounded: an ltel may serve runs for months.
const RUNS: usize = 16;

/// The latest figures of the last runs, in the order in which the runs began.
#[derive(Debug, Default)]
pub(crate) struct Summary(Mutex<Vec<(Arc<RunInfo>, Arc<RunFigures>)>>);

impl Summary {
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

/// Feeds a [`Summary`].
pub(super) struct SummarySink(Arc<Summary>);

impl SummarySink {
    pub(super) const fn new(summary: Arc<Summary>) -> Self {
        Self(summary)
    }
}

impl Sink for SummarySink {
    async fn figures(&mut self, run: Arc<RunInfo>, figures: Arc<RunFigures>) {
        self.0.take(run, figures);
    }
}
