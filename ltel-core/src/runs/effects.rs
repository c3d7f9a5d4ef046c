//! The outputs of the state machine: events for recorders, notices for people, and the ends of runs.

use std::fmt;
use std::sync::Arc;

use super::index::{RunIndex, SourceIndex};
use super::info::{RunInfo, SourceInfo};
use super::run::Run;
use crate::clock::Now;
use crate::event::{Event, Measurement, Request, Task};
use crate::source::Source;
use crate::wire::WrongFields;

/// Takes the outputs of [`super::Runs`], in order. They may borrow from the frame, so nothing is copied.
pub trait Effects {
    /// Returns an id for a run whose sources do not give one.
    fn new_run_id(&mut self) -> String;

    /// A run begins.
    fn begin(&mut self, run: RunIndex, info: &Arc<RunInfo>);

    /// A source of an active run has input for the recorders. Returns how many of its requests the rules of the configuration
    /// drop ([`crate::names`]).
    fn see(&mut self, run: RunIndex, source: &Arc<SourceInfo>, seen: Seen<'_>, now: Now) -> u64;

    /// A source disconnected before it was done: its gauges end.
    fn source_gone(&mut self, run: RunIndex, source: SourceIndex, now: Now);

    /// A run ends. Returns whether its recorders lost nothing.
    fn end(&mut self, run: RunIndex, state: &Run, now: Now) -> bool;

    /// The account of an ended run has changed: more or fewer requests are missing.
    fn corrected(&mut self, state: &Run, now: Now);

    /// A client made this mistake `count` times.
    fn fault(&mut self, kind: &'static str, times: u64, details: &dyn fmt::Display);

    /// Fields of a frame had wrong values.
    fn wrong(&mut self, wrong: &WrongFields, source: &Source);

    /// A notice for people.
    fn warn(&mut self, notice: Notice<'_>);
}

/// Input for recorders.
#[derive(Clone, Debug)]
pub enum Seen<'a> {
    /// One event.
    Event(Event<'a>),
    /// A batch of requests.
    Requests(Vec<Request<'a>>),
    /// A batch of task executions.
    Tasks(&'a [Task<'a>]),
    /// A batch of values of the locustfile's own metrics.
    Measurements(&'a [Measurement<'a>]),
}

/// A problem of a run that people should know about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    /// Its master has not connected.
    NoMaster {
        /// The run's id.
        run_id: &'a str,
    },
    /// A worker that its master named has not connected.
    NoWorker {
        /// The run's id.
        run_id: &'a str,
        /// Locust's id of the worker.
        worker: &'a str,
    },
    /// Another active run has this id.
    SameIdAtOnce {
        /// The id that was asked for.
        asked_id: &'a str,
        /// The run's id instead.
        run_id: &'a str,
    },
    /// Another run with this id has ended.
    SameIdAgain {
        /// The id.
        asked_id: &'a str,
    },
    /// The limit of active runs is reached.
    TooManyRuns {
        /// The limit.
        limit: usize,
    },
    /// A run has reached its limit of sources.
    TooManySources {
        /// The run's id.
        run_id: &'a str,
        /// The limit.
        limit: usize,
    },
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::text::printable as p;
        match *self {
            Self::NoMaster { run_id } => write!(
                f,
                "run {}: its master never reached ltel, so data that only a master has is missing: check that it loads the plugin \
                 and that LTEL_ADDRESS is right",
                p(run_id)
            ),
            Self::NoWorker { run_id, worker } => write!(
                f,
                "run {}: worker {} never reached ltel, so its requests are missing: check that it loads the plugin and that \
                 LTEL_ADDRESS is right",
                p(run_id),
                p(worker)
            ),
            Self::SameIdAtOnce { asked_id, run_id } => write!(
                f,
                "two tests use the run id {} at the same time: this one is reported as {}; set a different LTEL_RUN_ID for \
                 each, or unset it",
                p(asked_id),
                p(run_id)
            ),
            Self::SameIdAgain { asked_id } => write!(
                f,
                "the run id {} was used by a run that has ended; this is a new run: set a different LTEL_RUN_ID, or unset it",
                p(asked_id)
            ),
            Self::TooManyRuns { limit } => write!(
                f,
                "a run is refused: {limit} runs are active, which is the limit (`max_runs` in [limits]); its requests are \
                 dropped and counted"
            ),
            Self::TooManySources { run_id, limit } => write!(
                f,
                "run {}: a source is refused: the run has {limit}, which is the limit (`max_sources` in [limits]); the \
                 requests of refused sources are dropped and counted",
                p(run_id)
            ),
        }
    }
}
