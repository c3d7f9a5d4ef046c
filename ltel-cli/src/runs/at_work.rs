//! A run at work: its sources, its recorders, and the way of their output to the backends. When it ends, everything that
//! belongs to it ends with it.

use std::sync::Arc;
use std::time::Duration;

use ltel_core::Now;
use ltel_core::event::{Event, Request, Task};
use ltel_core::recorder::{Emitted, Origin};
use ltel_core::runs::RunAccount;
use ltel_core::runs::{Run, RunInfo};
use ltel_core::source::SourceKind;

use crate::config::RecorderConfig;
use crate::deliver::{BackendHandle, RunRecord};
use crate::runs::report::Report;

use super::recorder_at_work::AtWork;

/// A run at work.
#[derive(Debug)]
pub(crate) struct ActiveRun {
    pub(crate) run: Run,
    /// The id that its sources know it by. Another test may have come with the same before.
    pub(crate) asked_id: String,
    /// The `client_id` of the master or local runner whose run it is, where it is known.
    pub(crate) coordinator: Option<String>,
    /// Whether one of its sources is in another test by now: who begins a test without saying which one is not in this.
    pub(crate) left: bool,
    recorders: Vec<AtWork>,
    backends: Arc<[BackendHandle]>,
    // Used again and again: an event that emits nothing costs no allocation.
    out: Emitted,
}

impl ActiveRun {
    /// Begins a run: builds each recorder, with a meter for each backend that it is routed to.
    pub(crate) fn begin(
        info: RunInfo,
        asked_id: String,
        recorders: &[RecorderConfig],
        backends: &Arc<[BackendHandle]>,
    ) -> Self {
        tracing::info!("run {} of testplan `{}` begins", info.run_id, info.testplan);
        let info = Arc::new(info);
        let recorders = recorders.iter().map(|config| AtWork::begin(config, &info, backends)).collect();
        Self {
            run: Run::new(info),
            asked_id,
            coordinator: None,
            left: false,
            recorders,
            backends: Arc::clone(backends),
            out: Emitted::default(),
        }
    }

    /// Whether workers can be sources of it: a local runner has none.
    pub(crate) fn takes_workers(&self) -> bool {
        self.run.coordinator().is_none_or(|coordinator| coordinator.source.kind == SourceKind::Master)
    }

    /// Lets the recorders see an event of a source.
    pub(crate) fn record(&mut self, event: &Event<'_>, source: u32, now: Now) {
        let origin = Origin { source: Some(self.run.source(source)), now };
        for at_work in &mut self.recorders {
            at_work.act(&self.run, &self.backends, origin, &mut self.out, |recorder, out| {
                recorder.record(event, origin, out);
            });
        }
    }

    /// Lets the recorders see a batch of requests of a source.
    pub(crate) fn record_requests(&mut self, rows: &[Request<'_>], source: u32, now: Now) {
        let origin = Origin { source: Some(self.run.source(source)), now };
        for at_work in &mut self.recorders {
            at_work.act(&self.run, &self.backends, origin, &mut self.out, |recorder, out| {
                recorder.record_requests(rows, origin, out);
            });
        }
        self.run.recorded(source, rows.len() as u64);
    }

    /// Lets the recorders see a batch of tasks of a source.
    pub(crate) fn record_tasks(&mut self, tasks: &[Task<'_>], source: u32, now: Now) {
        let origin = Origin { source: Some(self.run.source(source)), now };
        for at_work in &mut self.recorders {
            at_work.act(&self.run, &self.backends, origin, &mut self.out, |recorder, out| {
                for task in tasks {
                    recorder.record(&Event::Task(task), origin, out);
                }
            });
        }
    }

    /// A source is gone before it was done: what stood for it ends.
    pub(crate) fn source_gone(&mut self, source: u32) {
        for at_work in &mut self.recorders {
            at_work.source_gone(source);
        }
    }

    /// When the next recorder's interval ends.
    pub(crate) fn next_tick(&self) -> Option<Duration> {
        self.recorders.iter().filter_map(AtWork::next_tick).min()
    }

    /// Lets those recorders act whose interval has ended.
    pub(crate) fn tick(&mut self, now: Now) {
        let origin = Origin { source: self.run.coordinator(), now };
        for at_work in self.recorders.iter_mut().filter_map(|at_work| at_work.is_due(now).then_some(at_work)) {
            at_work.act(&self.run, &self.backends, origin, &mut self.out, |recorder, out| recorder.tick(origin, out));
        }
    }

    /// Ends the run: final figures, the report, and the last collection by each backend. Its account, and whether nothing is
    /// missing.
    pub(crate) fn finish(mut self, now: Now) -> (RunAccount, bool) {
        let origin = Origin { source: self.run.coordinator(), now };
        let complete =
            self.run.account().is_whole() && self.recorders.iter().all(|at_work| at_work.panicked().is_none());
        for at_work in &mut self.recorders {
            at_work.act(&self.run, &self.backends, origin, &mut self.out, |recorder, out| {
                recorder.finish(complete, origin, out);
            });
        }
        let report = Report {
            account: self.run.account(),
            overflowed: self.recorders.iter().map(|at_work| (at_work.name(), at_work.overflowed())).collect(),
            panicked: self.recorders.iter().filter_map(|at_work| Some((at_work.name(), at_work.panicked()?))).collect(),
        };
        report.log(self.run.info());
        let entry = RunRecord { run: Arc::clone(self.run.info()), record: Arc::new(report.record(&self.run, now)) };
        for backend in &*self.backends {
            backend.end(&entry);
        }
        let complete = report.is_whole();
        (report.account, complete)
    }
}
