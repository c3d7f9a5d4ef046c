//! What the runs want done: by recorders, by people, by those who wait for an end.

use std::fmt;
use std::sync::Arc;

use super::index::{RunIndex, SourceIndex};
use super::info::{RunInfo, SourceInfo};
use super::run::Run;
use crate::clock::Now;
use crate::event::{Event, Request, Task};
use crate::source::Source;
use crate::wire::WrongFields;

/// Takes what comes out of [`super::Runs`], in order. What it is given may borrow from the frame, so nothing is copied.
pub trait Effects {
    /// An id for a run whose sources do not give it one.
    fn new_run_id(&mut self) -> String;

    /// A run begins.
    fn begin(&mut self, run: RunIndex, info: &Arc<RunInfo>);

    /// A source of a run that is at work has something for its recorders.
    fn see(&mut self, run: RunIndex, source: &Arc<SourceInfo>, seen: Seen<'_>, now: Now);

    /// A source is gone before it was done: its gauges end.
    fn source_gone(&mut self, run: RunIndex, source: SourceIndex);

    /// A run ends. Whether its recorders lost nothing.
    fn end(&mut self, run: RunIndex, state: &Run, now: Now) -> bool;

    /// More was lost of a run that has ended, or less: its account is another now.
    fn corrected(&mut self, state: &Run, now: Now);

    /// A client did something wrong so many times.
    fn fault(&mut self, kind: &'static str, times: u64, details: &dyn fmt::Display);

    /// What was not understood of a frame.
    fn wrong(&mut self, wrong: &WrongFields, source: &Source);

    /// People should know this.
    fn warn(&mut self, notice: Notice<'_>);
}

/// What recorders are to see.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// One event.
    Event(Event<'a>),
    /// A batch of requests.
    Requests(&'a [Request<'a>]),
    /// A batch of task executions.
    Tasks(&'a [Task<'a>]),
}

/// What people should know of a run.
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
    /// Another run with this id is at work.
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
    /// As many runs are at work as may be.
    TooManyRuns {
        /// The limit.
        limit: usize,
    },
    /// A run has as many sources as it may have.
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
                "run {}: its master never reached ltel, and what only a master knows is missing: does it load the plugin, and \
                 know the address (LTEL_ADDRESS)?",
                p(run_id)
            ),
            Self::NoWorker { run_id, worker } => write!(
                f,
                "run {}: worker {} never reached ltel, and its requests are missing: does it load the plugin, and know the \
                 address (LTEL_ADDRESS)?",
                p(run_id),
                p(worker)
            ),
            Self::SameIdAtOnce { asked_id, run_id } => write!(
                f,
                "two tests call themselves run {} at the same time: this one is reported as {}; give each its own \
                 LTEL_RUN_ID, or none",
                p(asked_id),
                p(run_id)
            ),
            Self::SameIdAgain { asked_id } => write!(
                f,
                "a run with the id {} has ended before; this is another (LTEL_RUN_ID given twice?)",
                p(asked_id)
            ),
            Self::TooManyRuns { limit } => write!(
                f,
                "a run is refused: {limit} runs are at work, which is the limit (`max_runs` in [limits]); its requests are \
                 dropped and counted"
            ),
            Self::TooManySources { run_id, limit } => write!(
                f,
                "run {}: a source is refused: it has {limit}, which is the limit (`max_sources` in [limits]); the requests of \
                 others are dropped and counted",
                p(run_id)
            ),
        }
    }
}
