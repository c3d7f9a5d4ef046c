//! A run at work: its sources, its recorders, and the way of their output to the backends. When it ends, everything that
//! belongs to it ends with it.

use std::sync::Arc;
use std::time::Duration;

use ltel_core::Timestamp;
use ltel_core::account::Account;
use ltel_core::event::{Event, Request, Task};
use ltel_core::meter;
use ltel_core::recorder::{AnyRecorder, Emitted, Origin};
use ltel_core::run::{Run, RunInfo, SourceInfo};

use crate::backends::{Backend, Entry, Feed, Spans};
use crate::config::RecorderConfig;
use crate::report;

/// A run at work.
#[derive(Debug)]
pub(crate) struct ActiveRun {
    pub(crate) run: Run,
    recorders: Vec<AtWork>,
    backends: Arc<[Backend]>,
    // Used again and again: an event that emits nothing costs no allocation.
    out: Emitted,
}

/// A recorder instance at work.
#[derive(Debug)]
struct AtWork {
    name: String,
    recorder: Box<dyn AnyRecorder>,
    routes: Vec<usize>,
    every: Duration,
    next_tick: Timestamp,
}

impl ActiveRun {
    /// Begins a run: builds each recorder, with a meter for each backend that it is routed to.
    pub(crate) fn begin(info: RunInfo, recorders: &[RecorderConfig], backends: &Arc<[Backend]>) -> Self {
        tracing::info!("run {} of testplan `{}` begins", info.run_id, info.testplan);
        let info = Arc::new(info);
        let build = |config: &RecorderConfig| {
            let mut meters = Vec::new();
            if !config.spec.instruments.is_empty() {
                for backend in config.backends.iter().map(|&index| &backends[index]) {
                    let Some(settings) = &backend.meter else { continue };
                    let (meter, collector) = meter::meter(settings, config.spec.scope, config.series_limit);
                    meters.push(meter);
                    backend.begin(Feed { run: Some(Arc::clone(&info)), collector, interval: config.interval });
                }
            }
            let every = config.backends.iter().map(|&index| config.interval.unwrap_or(backends[index].interval)).min();
            let every = every.or(config.interval).unwrap_or(Duration::from_secs(3));
            AtWork {
                name: config.name.clone(),
                recorder: config.factory.build(&config.name, Arc::clone(&info), &meters, config.series_limit),
                routes: config.backends.clone(),
                every,
                next_tick: info.begun + every,
            }
        };
        let recorders = recorders.iter().map(build).collect();
        Self { run: Run::new(info), recorders, backends: Arc::clone(backends), out: Emitted::default() }
    }

    /// Lets the recorders see an event of a source.
    pub(crate) fn record(&mut self, event: &Event<'_>, source: u32, now: Timestamp) {
        let origin = Origin { source: Some(self.run.source(source)), now };
        for at_work in &mut self.recorders {
            at_work.recorder.record(event, origin, &mut self.out);
            send(&mut self.out, origin.source, &at_work.routes, &self.backends, self.run.info());
        }
    }

    /// Lets the recorders see a batch of requests of a source.
    pub(crate) fn record_requests(&mut self, rows: &[Request<'_>], source: u32, now: Timestamp) {
        let origin = Origin { source: Some(self.run.source(source)), now };
        for at_work in &mut self.recorders {
            at_work.recorder.record_requests(rows, origin, &mut self.out);
            send(&mut self.out, origin.source, &at_work.routes, &self.backends, self.run.info());
        }
        self.run.recorded(source, rows.len() as u64);
    }

    /// Lets the recorders see a batch of tasks of a source.
    pub(crate) fn record_tasks(&mut self, tasks: &[Task<'_>], source: u32, now: Timestamp) {
        let origin = Origin { source: Some(self.run.source(source)), now };
        for at_work in &mut self.recorders {
            for task in tasks {
                at_work.recorder.record(&Event::Task(task), origin, &mut self.out);
            }
            send(&mut self.out, origin.source, &at_work.routes, &self.backends, self.run.info());
        }
    }

    /// A source is gone before it was done: what stood for it ends.
    pub(crate) fn source_gone(&mut self, source: u32) {
        for at_work in &mut self.recorders {
            at_work.recorder.source_gone(source);
        }
    }

    /// When the next recorder's interval ends.
    pub(crate) fn next_tick(&self) -> Option<Timestamp> {
        self.recorders.iter().map(|at_work| at_work.next_tick).min()
    }

    /// Lets those recorders act whose interval has ended.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        let origin = Origin { source: self.run.coordinator(), now };
        for at_work in self.recorders.iter_mut().filter(|at_work| at_work.next_tick <= now) {
            at_work.next_tick = now + at_work.every;
            at_work.recorder.tick(origin, &mut self.out);
            send(&mut self.out, origin.source, &at_work.routes, &self.backends, self.run.info());
        }
    }

    /// Ends the run: final figures, the report, and the last collection by each backend.
    pub(crate) fn finish(mut self, now: Timestamp) -> Account {
        let origin = Origin { source: self.run.coordinator(), now };
        for at_work in &mut self.recorders {
            at_work.recorder.finish(origin, &mut self.out);
            send(&mut self.out, origin.source, &at_work.routes, &self.backends, self.run.info());
        }
        let account = self.run.account();
        report::log(self.run.info(), &account);
        let overflowed = self.recorders.iter().map(|at_work| (at_work.name.as_str(), at_work.recorder.overflowed()));
        let record = Arc::new(report::record(&self.run, &account, overflowed, now));
        let report = Entry { run: Arc::clone(self.run.info()), record };
        for backend in &*self.backends {
            backend.end(&report);
        }
        account
    }
}

fn send(
    out: &mut Emitted,
    source: Option<&Arc<SourceInfo>>,
    routes: &[usize],
    backends: &[Backend],
    run: &Arc<RunInfo>,
) {
    for record in out.records.drain(..) {
        let record = Arc::new(record);
        for &index in routes {
            backends[index].record(Entry { run: Arc::clone(run), record: Arc::clone(&record) });
        }
    }
    if !out.spans.is_empty() {
        let spans = Arc::new(std::mem::take(&mut out.spans));
        for &index in routes {
            backends[index].spans(Spans { run: Arc::clone(run), source: source.cloned(), data: Arc::clone(&spans) });
        }
    }
}
