//! A recorder in an active run. If it panics, the others go on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use ltel_core::Now;
use ltel_core::exemplar::KeepExemplars;
use ltel_core::meter::{self, MeterSettings};
use ltel_core::recorder::{AnyRecorder, Emitted, Origin, RunMemory, SeriesLimits};
use ltel_core::runs::RunInfo;
use ltel_core::text::{panic_message, printable};

use super::report;
use crate::config::RecorderConfig;
use crate::deliver::{BackendHandle, Feed, RunRecord, SpanBatch};

/// A recorder instance in an active run.
#[derive(Debug)]
pub(super) struct ActiveRecorder {
    name: String,
    /// Of its instruments, records and spans.
    scope: &'static str,
    has_figures: bool,
    keeps_names: bool,
    state: State,
    routes: Vec<usize>,
    every: Duration,
    next_tick: Duration,
}

/// What a recorder could not record as it should.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Events that found its series limit reached.
    pub(super) overflowed: u64,
    /// Values that an expression of the configuration did not have.
    pub(super) values_left_out: u64,
}

/// A panic leaves a recorder in an unknown state, so it is not called again.
#[derive(Debug)]
enum State {
    Working(Box<dyn AnyRecorder>),
    Panicked { message: String, counts: Counts },
    Ended { counts: Counts },
}

impl ActiveRecorder {
    /// Builds the recorder for a run, with the meters of the backends that it is routed to. Without `traces` no request has a trace
    /// context, and no meter makes room for exemplars.
    pub(super) fn begin(
        config: &RecorderConfig,
        run: &Arc<RunInfo>,
        backends: &[Arc<BackendHandle>],
        memory: &Arc<RunMemory>,
        traces: bool,
    ) -> Self {
        let limits = SeriesLimits { count: config.series_limit, memory: Arc::clone(memory) };
        let (mut with_points, mut settings) = (Vec::new(), Vec::new());
        if config.factory.has_points() {
            for backend in config.backends.iter().map(|&index| &backends[index]) {
                let Some(of_backend) = &backend.meter else { continue };
                let exemplars = if traces { of_backend.exemplars } else { KeepExemplars::No };
                settings.push(MeterSettings { exemplars, ..of_backend.clone() });
                with_points.push(backend);
            }
        }
        let (meters, collectors) = meter::meters(&settings, config.spec.scope, config.series_limit);
        for (backend, collector) in with_points.into_iter().zip(collectors) {
            backend.begin(Feed { run: Some(Arc::clone(run)), collector, interval: config.interval });
        }
        let every = config.backends.iter().map(|&index| config.interval.unwrap_or(backends[index].interval)).min();
        let every = every.or(config.interval).unwrap_or(Duration::from_secs(3));
        Self {
            name: config.name.clone(),
            scope: config.spec.scope,
            has_figures: config.factory.has_figures(),
            keeps_names: config.factory.keeps_names(),
            state: build(config, run, &meters, limits),
            routes: config.backends.clone(),
            every,
            next_tick: run.begun.steady.saturating_add(every),
        }
    }

    /// Lets the recorder act. If it panics, its gauges end for all sources.
    pub(super) fn act(
        &mut self,
        run: &RunInfo,
        sources: u32,
        out: &mut Emitted,
        act: impl FnOnce(&mut dyn AnyRecorder, &mut Emitted),
    ) {
        let State::Working(recorder) = &mut self.state else { return };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| act(&mut **recorder, out))) {
            // Gauges that stand still are worse than none.
            (0..sources).for_each(|source| recorder.source_gone(source));
            let message = told(&self.name, run, &*payload);
            self.end(run);
            self.state = State::Panicked { message, counts: self.counts() };
        }
    }

    /// Finishes the recorder, which may panic as well.
    pub(super) fn end(&mut self, run: &RunInfo) {
        if !matches!(self.state, State::Working(_)) {
            return;
        }
        let counts = self.counts();
        let recorder = std::mem::replace(&mut self.state, State::Ended { counts });
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(recorder))) {
            self.state = State::Panicked { message: told(&self.name, run, &*payload), counts };
        }
    }

    /// Whether it sees all requests by Locust's own names.
    pub(super) const fn keeps_names(&self) -> bool {
        self.keeps_names
    }

    /// Whether it has the figures of the run; if so, it keeps them.
    pub(super) fn keep_figures(&mut self) -> bool {
        match &mut self.state {
            State::Working(recorder) if self.has_figures => {
                recorder.keep_figures();
                true
            }
            _ => false,
        }
    }

    /// A source left before it was done: ends its gauges.
    pub(super) fn source_gone(&mut self, source: u32) {
        if let State::Working(recorder) = &mut self.state {
            recorder.source_gone(source);
        }
    }

    /// When its interval ends, unless it has panicked.
    pub(super) fn next_tick(&self) -> Option<Duration> {
        matches!(self.state, State::Working(_)).then_some(self.next_tick)
    }

    /// Whether its interval has ended; if so, the next one begins.
    pub(super) fn is_due(&mut self, now: Now) -> bool {
        let due = self.next_tick <= now.steady;
        if due {
            self.next_tick = now.steady.saturating_add(self.every);
        }
        due
    }

    /// The name of the instance.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How many series it has, if it works.
    pub(super) fn series(&self) -> usize {
        match &self.state {
            State::Working(recorder) => recorder.series(),
            State::Panicked { .. } | State::Ended { .. } => 0,
        }
    }

    /// What it could not record as it should.
    pub(super) fn counts(&self) -> Counts {
        match &self.state {
            State::Working(recorder) => {
                Counts { overflowed: recorder.overflowed(), values_left_out: recorder.left_out() }
            }
            State::Panicked { counts, .. } | State::Ended { counts } => *counts,
        }
    }

    /// Its panic message.
    pub(super) fn panicked(&self) -> Option<&str> {
        match &self.state {
            State::Working(_) | State::Ended { .. } => None,
            State::Panicked { message, .. } => Some(message),
        }
    }

    /// Passes what it has emitted to its backends.
    pub(super) fn send(
        &self,
        run: &Arc<RunInfo>,
        backends: &[Arc<BackendHandle>],
        origin: Origin<'_>,
        out: &mut Emitted,
    ) {
        for mismatch in out.mismatches.drain(..) {
            tracing::error!("recorder `{}` does not match its spec: {mismatch}", self.name);
        }
        for notice in out.notices.drain(..) {
            tracing::warn!("[recorders.{}]: {}", self.name, printable(&notice));
        }
        self.route_records(run, out, |backend, record| backends[backend].record(record));
        if !out.spans.is_empty() {
            let data = Arc::new(out.spans.take());
            for &index in &self.routes {
                let (run, source, data) = (Arc::clone(run), origin.source.cloned(), Arc::clone(&data));
                backends[index].spans(SpanBatch { run, source, scope: self.scope, data });
            }
        }
    }

    /// Takes the records out of what it has emitted, once for each of its backends.
    pub(super) fn route_records(&self, run: &Arc<RunInfo>, out: &mut Emitted, mut to: impl FnMut(usize, RunRecord)) {
        for record in out.records.drain(..) {
            let record = Arc::new(record);
            for &backend in &self.routes {
                to(backend, RunRecord { run: Arc::clone(run), scope: self.scope, record: Arc::clone(&record) });
            }
        }
    }
}

fn build(config: &RecorderConfig, run: &Arc<RunInfo>, meters: &[meter::Meter], limits: SeriesLimits) -> State {
    let build = || config.factory.build(&config.name, Arc::clone(run), meters, limits);
    match catch_unwind(AssertUnwindSafe(build)) {
        Ok(recorder) => State::Working(recorder),
        Err(payload) => State::Panicked { message: told(&config.name, run, &*payload), counts: Counts::default() },
    }
}

/// Logs a panic, and returns its message. The panic hook has logged the place.
fn told(recorder: &str, run: &RunInfo, payload: &(dyn Any + Send)) -> String {
    let text = panic_message(payload);
    let (run, shown) = (report::name(run), printable(text));
    tracing::error!("recorder `{recorder}` panicked, and records nothing more of {run}: {shown}");
    text.to_owned()
}
