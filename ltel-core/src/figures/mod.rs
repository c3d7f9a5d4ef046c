//! The figures of a run, as a table, a report or a page shows them and thresholds judge them. Typed values, computed once
//! from the run's events by its source of figures ([`crate::recorder::Recorder::figures`]), so that no code has to look up a
//! figure by the name of a field.
//!
//! Units, unless a name says otherwise: response times in milliseconds, lengths in bytes, rates per second.

mod packed;
mod histogram;
mod sketch;
mod timeline;
mod endpoint;
mod error;
mod generator;
mod annotation;
mod test_info;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::runs::RunAccount;
use crate::thresholds::Judgement;

pub use annotation::{Annotation, AnnotationKind};
pub use endpoint::{EndpointFigures, Exemplar};
pub use error::{ErrorFigures, ExceptionFigures};
pub use generator::GeneratorFigures;
pub use histogram::Histogram;
pub use packed::PackedCounts;
pub use sketch::Sketch;
pub use test_info::TestInfo;
pub use timeline::{Point, PointTimes, Timeline};

/// The figures of a run at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFigures {
    /// When they were taken.
    pub time: Timestamp,
    /// Whether these are the final figures of the run, and whether they are complete.
    pub stage: Stage,
    /// What the test is, as Locust said at its start.
    pub test: TestInfo,
    /// When the time began that rates are computed over: the start of the test, or the last reset of the statistics.
    pub begun: Timestamp,
    /// From then until the last request was reported, as in Locust's rates.
    pub duration: Duration,
    /// How many users run, or ran when the test was stopped.
    pub users: u64,
    /// The total of all endpoints.
    pub total: EndpointFigures,
    /// Each endpoint, by name and then by method.
    pub endpoints: Vec<EndpointFigures>,
    /// Each distinct error of requests, by endpoint and then by text.
    pub errors: Vec<ErrorFigures>,
    /// Each distinct exception of user code, the most frequent first.
    pub exceptions: Vec<ExceptionFigures>,
    /// What changed over time. The points of the total and of endpoints lie on it.
    pub timeline: Timeline,
    /// The Locust processes, and what they used of their hosts, by label.
    pub generators: Vec<GeneratorFigures>,
    /// What happened to the run, in order of time.
    pub annotations: Vec<Annotation>,
    /// What happened to each request that Locust counted, as it was known at that time. What comes after the end of a run is in no
    /// figures: a record `ltel.run.correction` tells of it.
    pub account: RunAccount,
    /// Whether requests have Locust's own names in them, whatever the rules of `[[names]]` are: then those that a rule drops are in
    /// them too.
    pub own_names: bool,
    /// Values that recorders have left out, by the name of the recorder: those of expressions without a value, and of metrics that
    /// cannot be. Without those that have left out none.
    pub values_left_out: BTreeMap<String, u64>,
    /// The judgement on each threshold of the configuration, in the order of the file. While a test runs: as things stand.
    pub thresholds: Vec<Judgement>,
}

impl RunFigures {
    /// Whether these are the final figures.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self.stage, Stage::Final { .. })
    }

    /// Whether these are the final figures, and nothing is missing from them.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.stage, Stage::Final { complete: true })
    }
}

/// The progress of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// The run is active: these figures are intermediate.
    #[default]
    Running,
    /// The run is over.
    Final {
        /// Whether every request of the run is in the figures.
        complete: bool,
    },
}
