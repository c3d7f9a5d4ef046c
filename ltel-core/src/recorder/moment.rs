//! What holds when an event comes in: the run, the source, the time.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Now, Timestamp};
use crate::event::Event;
use crate::runs::{RunInfo, SourceInfo};

/// The run, the source, the time and the options at an event, a tick or the end of the run. For a closure of a derived recorder
/// it is the argument after the options, and has the recorder's `#[state]` too.
///
/// ```
/// use ltel_core::prelude::*;
/// use ltel_core::replay::{Replay, request};
///
/// /// Failures that come one after another.
/// #[derive(Recorder)]
/// #[recorder(on = Request)]
/// struct Streaks {
///     /// Failures since the last success.
///     #[gauge(value = |r, _, cx| {
///         *cx.state = if r.error.is_some() { *cx.state + 1 } else { 0 };
///         *cx.state
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
pub struct Moment<'a, O, S = NoState> {
    /// In a closure of a derived recorder, its `#[state]`: `&mut`, and `&` where the closure computes a label.
    pub state: S,
    run: &'a RunInfo,
    pub(super) source: Option<&'a Arc<SourceInfo>>,
    now: Now,
    pub(super) complete: bool,
    options: &'a O,
    // The current event; `None` in `tick` and `finish`.
    pub(super) event: Option<Event<'a>>,
}

/// Stands for the `#[state]` of a recorder that has none. A hand-written recorder keeps its state in `self`.
#[derive(Clone, Copy, Debug)]
pub struct NoState;

impl<'a, O> Moment<'a, O> {
    pub(super) const fn new(
        (run, options): (&'a RunInfo, &'a O),
        (source, now): (Option<&'a Arc<SourceInfo>>, Now),
    ) -> Self {
        Self { state: NoState, run, source, now, complete: false, options, event: None }
    }

    /// The same moment, for a closure that uses this state. It borrows nothing from this one, so what a closure returns
    /// may borrow from the state while the recorder writes.
    #[doc(hidden)]
    #[inline]
    pub const fn with_state<S>(&self, state: S) -> Moment<'a, O, S> {
        let Self { run, source, now, complete, options, event, .. } = *self;
        Moment { state, run, source, now, complete, options, event }
    }
}

impl<'a, O, S> Moment<'a, O, S> {
    /// The run.
    pub const fn run(&self) -> &'a RunInfo {
        self.run
    }

    /// The source of the event; in `tick` and `finish` the run's master or only process, if it is known.
    pub fn source(&self) -> Option<&'a SourceInfo> {
        self.source.map(|s| &**s)
    }

    /// Whether the event is from the process that reports for the run: the master or the only process; in a run without
    /// either, each worker. Use it to count once per run what all processes report, or what the master sums up.
    pub fn speaks_for_run(&self) -> bool {
        self.run.is_told_by(self.source())
    }

    /// The current wall-clock time, for timestamps: it may jump. An event's own time is [`Event::time`].
    pub const fn now(&self) -> Timestamp {
        self.now.wall
    }

    /// How long ltel has known the run, by a clock that never jumps: for measuring.
    pub const fn elapsed(&self) -> Duration {
        self.now.since(self.run.begun)
    }

    /// In `finish`, whether nothing of the run is missing: each of its sources is done, and each request was
    /// seen. False before that. Records emitted in `finish` of a run that is not complete automatically carry
    /// `complete: false`.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The recorder's options.
    pub const fn options(&self) -> &'a O {
        self.options
    }
}
