//! The output of the runs: to the recorders of active runs, to the backends, and to the log.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ltel_core::Now;
use ltel_core::recorder::RecorderMemory;
use ltel_core::runs::{Effects, Notice, Run, RunIndex, RunInfo, Seen, SourceIndex, SourceInfo};
use ltel_core::source::Source;
use ltel_core::wire::WrongFields;
use ltel_recorders::SCOPE;

use super::active_run::ActiveRun;
use super::equipment::Equipment;
use super::report::{self, Shortfall};
use super::verdict::Verdict;
use crate::deliver::RunRecord;
use crate::ingest::Faults;

/// The active runs, and what they need.
#[derive(Debug)]
pub(super) struct ActiveRuns {
    // Of runs that begin.
    equipment: Arc<Equipment>,
    faults: Arc<Faults>,
    memory: Arc<RecorderMemory>,
    // By the slot of their index. A run ends on the equipment that it began with.
    active: Vec<Option<(RunIndex, Arc<Equipment>, ActiveRun)>>,
    // When the next recorder's interval ends.
    next_tick: Option<Duration>,
    // Of the runs that ended last: their reports may be corrected.
    shortfalls: VecDeque<(Arc<RunInfo>, Shortfall)>,
    pub(super) verdict: Verdict,
}

impl ActiveRuns {
    pub(super) fn new(equipment: Arc<Equipment>, faults: Arc<Faults>) -> Self {
        let limits = equipment.config.limits;
        let memory = Arc::new(RecorderMemory::new(limits.recorder_bytes, limits.runs));
        let verdict = Verdict::expecting(equipment.has_thresholds());
        Self { equipment, faults, memory, active: Vec::new(), next_tick: None, shortfalls: VecDeque::new(), verdict }
    }

    /// Runs that begin from now on have this equipment.
    pub(super) fn equip(&mut self, equipment: Arc<Equipment>) {
        self.verdict.expect(equipment.has_thresholds());
        self.equipment = equipment;
    }

    /// The equipment of a run; without one, of runs that begin.
    pub(super) fn equipment(&self, run: Option<RunIndex>) -> &Arc<Equipment> {
        let of = run.and_then(|run| self.active.get(run.slot())?.as_ref());
        of.map_or(&self.equipment, |(_, equipment, _)| equipment)
    }

    /// All equipment that is in use.
    pub(super) fn all_equipment(&self) -> impl Iterator<Item = &Arc<Equipment>> {
        self.active.iter().flatten().map(|(_, equipment, _)| equipment).chain([&self.equipment])
    }

    /// When the next recorder's interval ends.
    pub(super) const fn next_tick(&self) -> Option<Duration> {
        self.next_tick
    }

    /// Lets those recorders act whose interval has ended.
    pub(super) fn tick(&mut self, runs: &ltel_core::runs::Runs, now: Now) {
        for (index, _, active) in self.active.iter_mut().flatten() {
            if active.next_tick().is_some_and(|due| due <= now.steady) {
                let Some(run) = runs.run(*index) else { unreachable!("a run is active from its begin to its end") };
                active.tick(run, now);
            }
        }
        self.find_next_tick();
    }

    /// The runs whose test has to stop, and why.
    pub(super) fn stops(&self) -> impl Iterator<Item = (RunIndex, &Arc<str>)> {
        self.active.iter().flatten().filter_map(|(index, _, active)| Some((*index, active.stop()?)))
    }

    fn find_next_tick(&mut self) {
        self.next_tick = self.active.iter().flatten().filter_map(|(.., active)| active.next_tick()).min();
    }

    fn active(&mut self, run: RunIndex) -> &mut ActiveRun {
        match self.active.get_mut(run.slot()) {
            Some(Some((.., active))) => active,
            _ => unreachable!("a run is active from its begin to its end"),
        }
    }
}

impl Effects for ActiveRuns {
    fn new_run_id(&mut self) -> String {
        uuid::Uuid::new_v4().simple().to_string()[..8].to_owned()
    }

    fn begin(&mut self, run: RunIndex, info: &Arc<RunInfo>) {
        if self.active.len() <= run.slot() {
            self.active.resize_with(run.slot() + 1, || None);
        }
        let active = ActiveRun::begin(info, &self.equipment.config, &self.equipment.backends, &self.memory.begin_run());
        self.next_tick = self.next_tick.into_iter().chain(active.next_tick()).min();
        self.active[run.slot()] = Some((run, Arc::clone(&self.equipment), active));
    }

    fn see(&mut self, run: RunIndex, source: &Arc<SourceInfo>, seen: Seen<'_>, now: Now) -> u64 {
        self.active(run).see(source, seen, now)
    }

    fn source_gone(&mut self, run: RunIndex, source: SourceIndex, now: Now) {
        self.active(run).source_gone(source, now);
    }

    fn end(&mut self, run: RunIndex, state: &Run, now: Now) -> bool {
        let Some((_, _equipment, active)) = self.active.get_mut(run.slot()).and_then(Option::take) else {
            unreachable!("a run is active from its begin to its end")
        };
        let shortfall = active.finish(state, &mut self.verdict, now);
        self.find_next_tick();
        let is_whole = shortfall.panicked.is_empty();
        if !shortfall.is_nothing() {
            if self.shortfalls.len() >= self.equipment.config.limits.ended_runs {
                self.shortfalls.pop_front();
            }
            self.shortfalls.push_back((Arc::clone(state.info()), shortfall));
        }
        is_whole
    }

    fn corrected(&mut self, state: &Run, now: Now) {
        let account = state.account();
        let nothing = Shortfall::default();
        let shortfall = self.shortfalls.iter().find(|(run, _)| Arc::ptr_eq(run, state.info()));
        let report = shortfall.map_or(&nothing, |(_, shortfall)| shortfall).report(&account, state.is_whole());
        report.log_correction(state.info());
        let record = Arc::new(report.record(report::CORRECTION, state, now));
        // The backends of the run itself may have ended.
        for backend in &*self.equipment.backends {
            backend.record(RunRecord { run: Arc::clone(state.info()), scope: SCOPE, record: Arc::clone(&record) });
        }
    }

    fn fault(&mut self, kind: &'static str, times: u64, details: &dyn fmt::Display) {
        self.faults.count_all(kind.into(), times, details);
    }

    fn wrong(&mut self, wrong: &WrongFields, source: &Source) {
        if !wrong.is_empty() {
            self.faults.count_fields(wrong, &source.label());
        }
    }

    fn warn(&mut self, notice: Notice<'_>) {
        tracing::warn!("{notice}");
    }
}
