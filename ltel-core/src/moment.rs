//! The moment of an event, for the closures of a derived recorder.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::recorder::Context;
use crate::runs::{RunInfo, SourceInfo};

/// When and where an event is seen, and what the recorder has kept: the third argument of a closure.
///
/// ```
/// use ltel_core::prelude::*;
/// use ltel_core::replay::{Replay, local, request};
///
/// /// Failures that come one after another.
/// #[derive(Recorder)]
/// #[recorder(on = Request)]
/// struct Streaks {
///     /// Failures since the last success.
///     #[gauge(value = |r, _, m| {
///         *m.state = if r.error.is_some() { *m.state + 1 } else { 0 };
///         *m.state
///     })]
///     length: Gauge<u64>,
///     #[state]
///     failures: u64,
/// }
///
/// let failure = request("GET", "/").raised("Timeout");
/// let out = Replay::of::<Streaks>().event(failure.clone()).event(failure).finish();
/// assert_eq!(out.value("streaks.length", &[]), 2.0);
/// ```
#[derive(Debug)]
pub struct Moment<'a, S> {
    /// The recorder's `#[state]`, or `()` if it has none.
    pub state: &'a mut S,
    run: &'a RunInfo,
    source: Option<&'a SourceInfo>,
    now: Timestamp,
    elapsed: Duration,
}

impl<'a, S> Moment<'a, S> {
    #[doc(hidden)]
    #[inline]
    pub fn new<O>(cx: &Context<'a, O>, state: &'a mut S) -> Self {
        Self { state, run: cx.run(), source: cx.source(), now: cx.now(), elapsed: cx.elapsed() }
    }

    /// The run.
    pub const fn run(&self) -> &'a RunInfo {
        self.run
    }

    /// The Locust process that the event is from.
    pub const fn source(&self) -> Option<&'a SourceInfo> {
        self.source
    }

    /// Whether the event is from the process that speaks for the run: the master or the only one; in a run that has neither,
    /// each worker. What happens in all processes alike, such as `test_start`, is then seen once per run.
    pub fn speaks_for_run(&self) -> bool {
        self.run.is_told_by(self.source)
    }

    /// The time now by the wall clock, for stamps: it may jump. An event's own time is in the event.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// How long ltel has known the run, by a clock that never jumps: for what measures.
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
    }
}
