//! An active run: its recorders, and the paths of their output to the backends. Everything that belongs to a run ends with
//! it.

use std::sync::Arc;
use std::time::Duration;

use ltel_core::Now;
use ltel_core::event::{Event, Request};
use ltel_core::figures::{Annotation, AnnotationKind, RunFigures, Stage};
use ltel_core::names::Renamer;
use ltel_core::recorder::{AnyRecorder, Emitted, Origin, RunMemory};
use ltel_core::runs::{Run, RunInfo, Seen, SourceIndex, SourceInfo};
use ltel_recorders::SCOPE;

use super::active_recorder::ActiveRecorder;
use super::figure_source::FigureSource;
use super::judge::{self, Judge, Order};
use super::name_watch::NameWatch;
use super::report::{self, Shortfall};
use super::verdict::Verdict;
use crate::config::Config;
use crate::deliver::{BackendHandle, RunRecord};

/// How often a run is judged that a threshold may stop, at least.
const LOOK: Duration = Duration::from_secs(2);

/// An active run.
#[derive(Debug)]
pub(super) struct ActiveRun {
    info: Arc<RunInfo>,
    recorders: Vec<ActiveRecorder>,
    // If there are rules for names, and recorders that they are for.
    names: Option<Renamer>,
    watch: NameWatch,
    backends: Arc<[Arc<BackendHandle>]>,
    // If a backend shows them, or thresholds judge them.
    figures: Option<FigureSource>,
    // Those that were shown last.
    shown: Option<Arc<RunFigures>>,
    // If there are thresholds.
    judge: Option<Judge>,
    // Sources that its recorders know, by index: they need not begin to send in that order.
    sources: Vec<Option<Arc<SourceInfo>>>,
    // Reused: an event that emits nothing costs no allocation.
    out: Emitted,
}

impl ActiveRun {
    /// Begins a run: builds each recorder, with the meters of the backends that it is routed to.
    pub(super) fn begin(
        info: &Arc<RunInfo>,
        config: &Config,
        backends: &Arc<[Arc<BackendHandle>]>,
        memory: &Arc<RunMemory>,
    ) -> Self {
        tracing::info!("{} of testplan `{}` begins", report::name(info), report::testplan(info));
        let (recorders, traces) = (config.recorders.iter(), config.needs().trace.is_some());
        let mut recorders: Vec<_> =
            recorders.map(|recorder| ActiveRecorder::begin(recorder, info, backends, memory, traces)).collect();
        let figures =
            if config.wants_figures() { FigureSource::find(&mut recorders, info, config.grace) } else { None };
        let renames = !config.names.is_empty() && recorders.iter().any(|active| !active.keeps_names());
        Self {
            info: Arc::clone(info),
            recorders,
            watch: NameWatch::new(Arc::clone(&config.names), renames),
            names: renames.then(|| Renamer::new(Arc::clone(&config.names), Arc::clone(memory))),
            backends: Arc::clone(backends),
            figures,
            shown: None,
            judge: Judge::of(&config.thresholds, info),
            sources: Vec::new(),
            out: Emitted::default(),
        }
    }

    /// Lets the recorders see what a source sent. Returns how many requests a rule drops.
    pub(super) fn see(&mut self, source: &Arc<SourceInfo>, seen: Seen<'_>, now: Now) -> u64 {
        if self.sources.get(source.index as usize).is_none_or(Option::is_none) {
            self.joined(source, now);
        }
        let origin = Origin { source: Some(source), now };
        match seen {
            Seen::Requests(rows) => return self.requests(rows, origin),
            Seen::Event(event) => self.each(origin, |_| true, |recorder, out| recorder.record(&event, origin, out)),
            Seen::Tasks(tasks) => self.each(
                origin,
                |_| true,
                |recorder, out| tasks.iter().for_each(|task| recorder.record(&Event::Task(task), origin, out)),
            ),
            Seen::Measurements(values) => self.each(
                origin,
                |_| true,
                |recorder, out| {
                    for value in values {
                        recorder.record(&Event::Measurement(value), origin, out);
                    }
                },
            ),
        }
        0
    }

    /// Returns how many of them a rule drops.
    fn requests(&mut self, rows: Vec<Request<'_>>, origin: Origin<'_>) -> u64 {
        self.watch.look(&rows);
        let Some(mut names) = self.names.take() else {
            self.each(origin, |_| true, |recorder, out| recorder.record_requests(&rows, origin, out));
            return 0;
        };
        self.each(origin, ActiveRecorder::keeps_names, |recorder, out| recorder.record_requests(&rows, origin, out));
        let (rows, dropped) = names.apply(rows);
        self.each(origin, |active| !active.keeps_names(), |recorder, out| recorder.record_requests(&rows, origin, out));
        self.names = Some(names);
        dropped
    }

    /// Says that there are many names, if that is so.
    fn watch(&mut self) {
        let series = self.recorders.iter().map(ActiveRecorder::series).max().unwrap_or(0);
        let keeps = || self.recorders.iter().all(ActiveRecorder::keeps_names);
        if let Some(message) = self.watch.tick(series, keeps) {
            tracing::warn!("{}: {message}", report::name(&self.info));
        }
    }

    /// Lets some recorders see something, and passes on what they emit.
    fn each(
        &mut self,
        origin: Origin<'_>,
        who: impl Fn(&ActiveRecorder) -> bool,
        see: impl Fn(&mut dyn AnyRecorder, &mut Emitted),
    ) {
        let sources = self.source_count();
        for active in self.recorders.iter_mut().filter(|active| who(active)) {
            active.act(&self.info, sources, &mut self.out, &see);
            active.send(&self.info, &self.backends, origin, &mut self.out);
        }
    }

    fn joined(&mut self, source: &Arc<SourceInfo>, now: Now) {
        let index = source.index as usize;
        if self.sources.len() <= index {
            self.sources.resize(index + 1, None);
        }
        self.sources[index] = Some(Arc::clone(source));
        if let Some(figures) = &mut self.figures {
            figures.joined(source, now);
        }
    }

    fn source_count(&self) -> u32 {
        u32::try_from(self.sources.len()).unwrap_or(u32::MAX)
    }

    /// A source left before it was done: ends its gauges.
    pub(super) fn source_gone(&mut self, source: SourceIndex, now: Now) {
        if let (Some(figures), Some(Some(left))) = (&mut self.figures, self.sources.get(source.get() as usize)) {
            figures.disconnected(left, now);
        }
        for active in &mut self.recorders {
            active.source_gone(source.get());
        }
    }

    /// When the next recorder's interval ends.
    pub(super) fn next_tick(&self) -> Option<Duration> {
        let figures = self.figures.as_ref().map(FigureSource::due);
        self.recorders.iter().filter_map(ActiveRecorder::next_tick).chain(figures).min()
    }

    /// Lets those recorders act whose interval has ended, and takes figures if they are due.
    pub(super) fn tick(&mut self, run: &Run, now: Now) {
        let (origin, sources) = (Origin { source: run.coordinator(), now }, self.source_count());
        self.watch();
        for active in self.recorders.iter_mut().filter_map(|active| active.is_due(now).then_some(active)) {
            active.act(&self.info, sources, &mut self.out, |recorder, out| recorder.tick(origin, out));
            active.send(&self.info, &self.backends, origin, &mut self.out);
        }
        if self.figures.as_ref().is_some_and(|figures| figures.due() <= now.steady) {
            match self.take_figures(Stage::Running, run, now) {
                Some(mut figures) => {
                    self.look(&mut figures, now);
                    self.show(figures);
                }
                // Their recorder has panicked.
                None => self.figures = None,
            }
        }
    }

    /// Judges the figures as things stand.
    fn look(&mut self, figures: &mut RunFigures, now: Now) {
        let Some(judge) = &mut self.judge else { return };
        let order = judge.look(figures, now);
        let Some(source) = &mut self.figures else { return };
        if order == Some(Order::GoesOn) {
            tracing::warn!(
                "{}: the test goes on, though it was told to stop: Locust waits for its users (--stop-timeout), or its plugin is \
                 older than this ltel",
                report::name(&self.info)
            );
        }
        if let Some(Order::Stop(why)) = order {
            tracing::warn!("{}: stopping the test: {why}", report::name(&self.info));
            let annotation =
                Annotation { time: now.wall, kind: AnnotationKind::Abort, source: None, text: why.to_string() };
            figures.annotations.push(annotation.clone());
            source.mark(annotation);
        } else if judge.may_abort() {
            source.due_by(now.steady.saturating_add(LOOK));
        }
    }

    /// Why its test has to stop, if it does.
    pub(super) fn stop(&self) -> Option<&Arc<str>> {
        self.judge.as_ref().and_then(Judge::stop)
    }

    fn take_figures(&mut self, stage: Stage, run: &Run, now: Now) -> Option<RunFigures> {
        let sources = self.source_count();
        self.figures.as_mut()?.take(stage, run, (&mut self.recorders, sources), now)
    }

    fn show(&mut self, figures: RunFigures) {
        let figures = Arc::new(figures);
        for backend in &*self.backends {
            backend.figures(&self.info, &figures);
        }
        self.shown = Some(figures);
    }

    /// Ends the run: final figures, judgements, the report, and the last collection by each backend.
    pub(super) fn finish(mut self, run: &Run, verdict: &mut Verdict, now: Now) -> Shortfall {
        self.watch();
        let account = run.account();
        let origin = Origin { source: run.coordinator(), now };
        let so_far = account.is_whole() && self.recorders.iter().all(|active| active.panicked().is_none());
        // All recorders finish before anything is sent: if one panics, no figures are complete.
        let mut emitted = Vec::new();
        let sources = self.source_count();
        for active in &mut self.recorders {
            let mut out = Emitted::default();
            active.act(&self.info, sources, &mut out, |recorder, out| recorder.finish(so_far, origin, out));
            emitted.push(out);
        }
        let figures = self.take_figures(Stage::Final { complete: so_far }, run, now);
        for active in &mut self.recorders {
            active.end(&self.info);
        }
        let panicked: Vec<_> =
            self.recorders.iter().filter_map(|active| Some((active.name(), active.panicked()?))).collect();
        let complete = account.is_whole() && panicked.is_empty();
        // With the end of the run, and not with the records of runs in progress: these may fill the queue.
        let mut last_records = vec![Vec::new(); self.backends.len()];
        for (active, mut out) in self.recorders.iter().zip(emitted) {
            if !complete {
                mark_incomplete(&mut out);
            }
            if account.filtered() > 0 && !active.keeps_names() {
                mark_filtered(&mut out, account.filtered());
            }
            active.route_records(&self.info, &mut out, |backend, record| last_records[backend].push(record));
            active.send(&self.info, &self.backends, origin, &mut out);
        }
        let have_figures = figures.is_some();
        let figures = figures.map(|figures| RunFigures { stage: Stage::Final { complete }, ..figures });
        let figures = match &self.judge {
            Some(judge) => {
                let figures = judge.finish(figures, &panicked, run, now);
                let judgements = &figures.thresholds;
                judge::log(judgements, &self.info);
                verdict.add(&self.info, judgements);
                for judgement in judgements {
                    let record = Arc::new(judge::record(judgement, run, now));
                    for records in &mut last_records {
                        records.push(RunRecord {
                            run: Arc::clone(&self.info),
                            scope: SCOPE,
                            record: Arc::clone(&record),
                        });
                    }
                }
                Some(figures)
            }
            None => figures,
        };
        let figures = match self.shown.take() {
            // Their recorder has panicked: the last ones are better than none.
            Some(last) if !have_figures => Some(RunFigures {
                time: now.wall,
                stage: Stage::Final { complete },
                account: account.clone(),
                thresholds: figures.map(|figures| figures.thresholds).unwrap_or_default(),
                ..Arc::unwrap_or_clone(last)
            }),
            _ => figures,
        };
        if let Some(figures) = figures.map(Arc::new) {
            self.backends.iter().for_each(|backend| backend.figures(&self.info, &figures));
        }
        let shortfall = Shortfall {
            counts: self.recorders.iter().map(|active| (active.name().to_owned(), active.counts())).collect(),
            panicked: panicked.into_iter().map(|(name, why)| (name.to_owned(), why.to_owned())).collect(),
        };
        let report = shortfall.report(&account, complete);
        report.log(&self.info);
        if let Some(unused) =
            self.names.as_ref().and_then(|names| unused(names, account.recorded() + account.filtered()))
        {
            tracing::info!("{}: {unused}", report::name(&self.info));
        }
        let record = Arc::new(report.record(report::NAME, run, now));
        for (backend, mut records) in self.backends.iter().zip(last_records) {
            records.push(RunRecord { run: Arc::clone(&self.info), scope: SCOPE, record: Arc::clone(&record) });
            backend.end(&self.info, records);
        }
        shortfall
    }
}

/// What to say about rules that have matched none of a run's requests.
fn unused(names: &Renamer, requests: u64) -> Option<String> {
    let lines: Vec<_> = names.unused().map(|line| line.to_string()).collect();
    match (&*lines, requests) {
        ([], _) | (_, 0) => None,
        ([line], _) => Some(format!("the rule of [[names]] at line {line} matched no request")),
        (lines, _) => Some(format!("the rules of [[names]] at lines {} matched no request", lines.join(", "))),
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
}

/// Marks the last figures of a recorder that has not seen these requests of the run, unless it has a field of this name.
fn mark_filtered(out: &mut Emitted, requests: u64) {
    for record in &mut out.records {
        if record.fields.iter().all(|(name, _)| name != "filtered") {
            record.fields.push(("filtered".into(), requests.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use ltel_core::source::{Source, SourceKind};

    use super::*;

    /// Guarantees: a run says which rules matched nothing, unless it had no requests.
    #[test]
    fn rules_that_matched_nothing_are_said() {
        let rules =
            "[[names]]\nmatch = '^/a'\ndrop = true\n[[names]]\ncut_query = true\n[[names]]\nmatch = 'b'\ndrop = true";
        let memory = Arc::new(ltel_core::recorder::RecorderMemory::new(1 << 20, 0)).begin_run();
        let mut names = Renamer::new(Arc::new(ltel_core::names::Rules::read(rules).expect("rules")), memory);
        let mut see = |name: &str| {
            names.apply(vec![Request { name: name.into(), ..Request::default() }]);
            unused(&names, 1)
        };
        assert_eq!(see("/a").unwrap(), "the rules of [[names]] at lines 4, 6 matched no request");
        assert_eq!(see("/c?d").unwrap(), "the rule of [[names]] at line 6 matched no request");
        assert_eq!(see("/b"), None);
    }

    /// Scenario: three workers of which the last one is the first to send. Guarantees: each of them joins, once, by its own name.
    #[test]
    fn workers_in_any_order() {
        let info = Arc::<RunInfo>::default();
        let mut run = ActiveRun {
            figures: Some(FigureSource::of(0, &info, Duration::ZERO)),
            info,
            recorders: Vec::new(),
            names: None,
            watch: NameWatch::default(),
            backends: Arc::default(),
            shown: None,
            judge: None,
            sources: Vec::new(),
            out: Emitted::default(),
        };
        for index in [2, 0, 1, 0, 2] {
            let worker = Source { kind: SourceKind::Worker, worker_index: Some(index), ..Source::default() };
            run.see(&Arc::new(SourceInfo::new(index, worker)), Seen::Requests(Vec::new()), Now::default());
        }
        let joined: Vec<_> = run.figures.unwrap().annotations.into_iter().filter_map(|mark| mark.source).collect();
        assert_eq!(joined, ["worker-2", "worker-0", "worker-1"]);
    }
}
