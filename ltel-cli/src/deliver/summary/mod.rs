//! The figures for people: the table at the end of `run` and `demo`, and their progress. A backend like any other, fed by
//! the `stats` recorder.

use std::sync::{Arc, Mutex, PoisonError};

use ltel_core::record::Record;
use ltel_core::run::RunInfo;

use super::{Account, Entry, Sink};
use crate::config::Signal;

// Bounded: an ltel may serve runs for months.
const RUNS: usize = 16;

/// The figures of the last runs.
#[derive(Debug, Default)]
pub(crate) struct Summary(Mutex<Vec<RunFigures>>);

/// What is known of one run.
#[derive(Clone, Debug)]
pub(crate) struct RunFigures {
    pub(crate) run: Arc<RunInfo>,
    /// The latest total.
    pub(crate) current: Option<Arc<Record>>,
    /// The final total.
    pub(crate) total: Option<Arc<Record>>,
    /// Final figures by endpoint, then by error.
    pub(crate) endpoints: Vec<Arc<Record>>,
    pub(crate) errors: Vec<Arc<Record>>,
}

impl Summary {
    /// The last runs, in the order in which they began.
    pub(crate) fn runs(&self) -> Vec<RunFigures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, Entry { run, record }: Entry) {
        if record.name != ltel_recorders::stats::NAME {
            return;
        }
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = runs.iter().position(|have| Arc::ptr_eq(&have.run, &run)).unwrap_or_else(|| {
            if runs.len() >= RUNS {
                runs.remove(0);
            }
            runs.push(RunFigures { run, current: None, total: None, endpoints: Vec::new(), errors: Vec::new() });
            runs.len() - 1
        });
        let figures = &mut runs[index];
        let text = |field| record.get(field).and_then(|value| value.as_str());
        match (text("stats_type"), text("status")) {
            (Some("current"), _) => figures.current = Some(record),
            (Some("final"), _) => figures.total = Some(record),
            (_, Some("error")) => figures.errors.push(record),
            _ => figures.endpoints.push(record),
        }
    }
}

/// Feeds a [`Summary`].
pub(super) struct SummarySink {
    summary: Arc<Summary>,
    account: Arc<Account>,
}

impl SummarySink {
    pub(super) fn new(summary: Arc<Summary>, account: Arc<Account>) -> Self {
        Self { summary, account }
    }
}

impl Sink for SummarySink {
    async fn records(&mut self, batch: Vec<Entry>) {
        self.account.update(|account| account.of_mut(Signal::Logs).delivered += batch.len() as u64);
        for entry in batch {
            self.summary.take(entry);
        }
    }
}
