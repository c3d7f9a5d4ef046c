//! An active run: its recorders, and the paths of their output to the backends. Everything that belongs to a run ends with
//! it.

use std::sync::Arc;
use std::time::Duration;

use ltel_core::Now;
use ltel_core::event::Event;
use ltel_core::figures::Stage;
use ltel_core::recorder::{Emitted, Origin, RunMemory};
use ltel_core::runs::{Run, RunInfo, Seen, SourceIndex, SourceInfo};

use super::active_recorder::ActiveRecorder;
use super::report::{self, Report};
use crate::config::RecorderConfig;
use crate::deliver::{BackendHandle, RunRecord};

/// An active run.
#[derive(Debug)]
pub(super) struct ActiveRun {
    info: Arc<RunInfo>,
    recorders: Vec<ActiveRecorder>,
    backends: Arc<[BackendHandle]>,
    // Sources that its recorders know.
    sources: u32,
    // Reused: an event that emits nothing costs no allocation.
    out: Emitted,
}

impl ActiveRun {
    /// Begins a run: builds each recorder, with a meter for each backend that it is routed to.
    pub(super) fn begin(
        info: &Arc<RunInfo>,
        recorders: &[RecorderConfig],
        backends: &Arc<[BackendHandle]>,
        memory: &Arc<RunMemory>,
    ) -> Self {
        tracing::info!("{} of testplan `{}` begins", report::name(info), report::testplan(info));
        let recorders = recorders.iter().map(|config| ActiveRecorder::begin(config, info, backends, memory)).collect();
        Self { info: Arc::clone(info), recorders, backends: Arc::clone(backends), sources: 0, out: Emitted::default() }
    }

    /// Lets the recorders see what a source sent.
    pub(super) fn see(&mut self, source: &Arc<SourceInfo>, seen: Seen<'_>, now: Now) {
        self.sources = self.sources.max(source.index.saturating_add(1));
        let origin = Origin { source: Some(source), now };
        for active in &mut self.recorders {
            active.act(&self.info, self.sources, &mut self.out, |recorder, out| match seen {
                Seen::Event(event) => recorder.record(&event, origin, out),
                Seen::Requests(rows) => recorder.record_requests(rows, origin, out),
                Seen::Tasks(tasks) => tasks.iter().for_each(|task| recorder.record(&Event::Task(task), origin, out)),
            });
            active.send(&self.info, &self.backends, origin, &mut self.out);
        }
    }

    /// A source left before it was done: ends its gauges.
    pub(super) fn source_gone(&mut self, source: SourceIndex) {
        for active in &mut self.recorders {
            active.source_gone(source.get());
        }
    }

    /// When the next recorder's interval ends.
    pub(super) fn next_tick(&self) -> Option<Duration> {
        self.recorders.iter().filter_map(ActiveRecorder::next_tick).min()
    }

    /// Lets those recorders act whose interval has ended.
    pub(super) fn tick(&mut self, coordinator: Option<&Arc<SourceInfo>>, now: Now) {
        let origin = Origin { source: coordinator, now };
        for active in self.recorders.iter_mut().filter_map(|active| active.is_due(now).then_some(active)) {
            active.act(&self.info, self.sources, &mut self.out, |recorder, out| recorder.tick(origin, out));
            active.send(&self.info, &self.backends, origin, &mut self.out);
        }
    }

    /// Ends the run: final figures, the report, and the last collection by each backend. Returns whether no recorder has
    /// panicked.
    pub(super) fn finish(mut self, run: &Run, now: Now) -> bool {
        let account = run.account();
        let origin = Origin { source: run.coordinator(), now };
        let so_far = account.is_whole() && self.recorders.iter().all(|active| active.panicked().is_none());
        // All recorders finish before anything is sent: if one panics, no figures are complete.
        let mut emitted = Vec::new();
        for active in &mut self.recorders {
            let mut out = Emitted::default();
            active.act(&self.info, self.sources, &mut out, |recorder, out| recorder.finish(so_far, origin, out));
            active.end(&self.info);
            emitted.push(out);
        }
        let panicked: Vec<_> =
            self.recorders.iter().filter_map(|active| Some((active.name(), active.panicked()?))).collect();
        let recorders_are_whole = panicked.is_empty();
        let complete = account.is_whole() && recorders_are_whole;
        // With the end of the run, and not with the records of runs in progress: these may fill the queue.
        let mut last_records = vec![Vec::new(); self.backends.len()];
        for (active, mut out) in self.recorders.iter().zip(emitted) {
            if !complete {
                mark_incomplete(&mut out);
            }
            active.route_records(&self.info, &mut out, |backend, record| last_records[backend].push(record));
            active.send(&self.info, &self.backends, origin, &mut out);
        }
        let report = Report {
            account: &account,
            complete,
            overflowed: self.recorders.iter().map(|active| (active.name(), active.overflowed())).collect(),
            panicked,
        };
        report.log(&self.info);
        let record = Arc::new(report.record(report::NAME, run, now));
        for (backend, mut records) in self.backends.iter().zip(last_records) {
            records.push(RunRecord { run: Arc::clone(&self.info), record: Arc::clone(&record) });
            backend.end(&self.info, records);
        }
        recorders_are_whole
    }
}

/// Marks the last figures of an incomplete run, of all recorders.
fn mark_incomplete(out: &mut Emitted) {
    for record in &mut out.records {
        match record.fields.iter_mut().find(|(name, _)| name == "complete") {
            Some((_, complete)) => *complete = false.into(),
            None => record.fields.push(("complete".into(), false.into())),
        }
    }
    for figures in &mut out.figures {
        if let Stage::Final { complete } = &mut figures.stage {
            *complete = false;
        }
    }
}
