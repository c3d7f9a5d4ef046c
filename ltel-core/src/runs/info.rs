//! The identity of runs, and the sources of a run.

use std::sync::Arc;

use opentelemetry::KeyValue;

use crate::clock::Now;
use crate::source::Source;

/// The identity of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunInfo {
    /// One per run, the same on all nodes.
    pub run_id: String,
    /// The name of the test plan.
    pub testplan: String,
    /// When ltel first heard of it.
    pub begun: Now,
    /// When its test started, in seconds since the epoch by the clock of the source that reported it, if one did. It lies before
    /// `begun` if ltel was started while the test was running.
    pub started: Option<f64>,
    /// Whether a master or a local runner speaks for it. A run whose master does not load the plugin has only workers.
    pub coordinated: bool,
    /// `[labels]` of the configuration: constants on everything that is emitted.
    pub labels: Arc<[KeyValue]>,
}

impl Default for RunInfo {
    fn default() -> Self {
        Self {
            run_id: String::new(),
            testplan: String::new(),
            begun: Now::default(),
            started: None,
            coordinated: true,
            labels: Arc::default(),
        }
    }
}

impl RunInfo {
    /// Whether this source reports for the run: it is the master or the only process, or the run has neither and
    /// each worker reports for its part. True without a source.
    #[must_use]
    pub fn is_told_by(&self, source: Option<&SourceInfo>) -> bool {
        !self.coordinated || source.is_none_or(|source| source.source.coordinates())
    }

    pub(crate) fn identity(&self) -> [KeyValue; 2] {
        [
            KeyValue::new("run_id", Arc::<str>::from(&*self.run_id)),
            KeyValue::new("testplan", Arc::<str>::from(&*self.testplan)),
        ]
    }
}

/// A source as a member of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceInfo {
    /// Its index among the run's sources, from 0.
    pub index: u32,
    /// The Locust process.
    pub source: Source,
    /// The label `source_id`.
    pub label: String,
}

impl SourceInfo {
    /// The source with this index in its run.
    #[must_use]
    pub fn new(index: u32, source: Source) -> Self {
        let label = source.label();
        Self { index, source, label }
    }

    pub(crate) fn labels(&self) -> [KeyValue; 2] {
        [KeyValue::new("source", self.source.runner()), KeyValue::new("source_id", Arc::<str>::from(&*self.label))]
    }
}
