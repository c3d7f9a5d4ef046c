//! The Locust processes that generate the load.

use std::sync::Arc;

use crate::runs::SourceInfo;

/// What a Locust process used of its host. A generator that is short of CPU measures itself and not the system under test.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GeneratorFigures {
    /// The process; absent for one that never connected.
    pub source: Option<Arc<SourceInfo>>,
    /// The label `source_id`.
    pub label: String,
    /// The greatest CPU usage within each point of the run's timeline, in percent of one core; absent where it is not known. There
    /// may be fewer points than on the timeline, and none if a run has hundreds of processes: the greatest of all is known still.
    pub cpu_percent: Vec<Option<f32>>,
    /// The greatest resident memory within each point, in bytes.
    pub memory_bytes: Vec<Option<u64>>,
    /// The greatest CPU usage of all, in percent of one core.
    pub max_cpu_percent: Option<f64>,
    /// The mean of all CPU samples.
    pub mean_cpu_percent: Option<f64>,
    /// The greatest resident memory of all, in bytes.
    pub max_memory_bytes: Option<u64>,
    /// How often Locust itself has warned of its CPU usage.
    pub cpu_warnings: u64,
}

impl GeneratorFigures {
    /// Percent of one core beyond which Locust warns: its response times may then be its own delays.
    pub const BUSY_PERCENT: f64 = 90.0;

    /// Whether it may have been the bottleneck.
    #[must_use]
    pub fn was_busy(&self) -> bool {
        self.cpu_warnings > 0 || self.max_cpu_percent.is_some_and(|percent| percent > Self::BUSY_PERCENT)
    }
}
