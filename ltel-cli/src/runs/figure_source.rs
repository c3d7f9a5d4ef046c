//! The figures of an active run: asked of the recorder that has them, with what only ltel knows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ltel_core::figures::{Annotation, AnnotationKind, GeneratorFigures, RunFigures, Stage};
use ltel_core::recorder::{AnyRecorder, Emitted, Origin};
use ltel_core::runs::{Run, RunAccount, RunInfo, SourceInfo, SourceStatus};
use ltel_core::{Now, Timestamp};
use tokio::time::Instant;

use super::active_recorder::ActiveRecorder;

// How often, at most. Those who watch a test see it change each second.
const EVERY: Duration = Duration::from_secs(1);

// Taking figures of thousands of endpoints takes time: no more than this part of all time.
const PART: u32 = 50;

// Bounded: workers may come and go at any rate. Of each kind, so that thousands that join do not take the place of those that leave.
const ANNOTATIONS: usize = 1_000;

/// Asks a recorder for the figures of its run.
#[derive(Debug)]
pub(super) struct FigureSource {
    // Its index among the run's recorders.
    recorder: usize,
    due: Duration,
    // How long a worker may be gone before it has left.
    grace: Duration,
    // Workers that came and went.
    pub(super) annotations: Vec<Annotation>,
    // Workers that have disconnected before they were done, by index.
    gone: BTreeMap<u32, Gone>,
}

#[derive(Debug)]
struct Gone {
    source: Arc<SourceInfo>,
    since: Now,
    told: bool,
}

impl FigureSource {
    /// The first recorder that has figures.
    pub(super) fn find(recorders: &mut [ActiveRecorder], run: &RunInfo, grace: Duration) -> Option<Self> {
        let recorder = recorders.iter_mut().position(ActiveRecorder::keep_figures)?;
        Some(Self::of(recorder, run, grace))
    }

    pub(super) const fn of(recorder: usize, run: &RunInfo, grace: Duration) -> Self {
        let due = run.begun.steady.saturating_add(EVERY);
        Self { recorder, due, grace, annotations: Vec::new(), gone: BTreeMap::new() }
    }

    /// When they are due.
    pub(super) const fn due(&self) -> Duration {
        self.due
    }

    /// A source has joined the run.
    pub(super) fn joined(&mut self, source: &SourceInfo, now: Now) {
        self.changed(source, AnnotationKind::WorkerJoined, now.wall);
    }

    /// A source has disconnected before it was done. It may come back.
    pub(super) fn disconnected(&mut self, source: &Arc<SourceInfo>, now: Now) {
        let new = || Gone { source: Arc::clone(source), since: now, told: false };
        self.gone.entry(source.index).or_insert_with(new);
    }

    fn changed(&mut self, source: &SourceInfo, kind: AnnotationKind, time: Timestamp) {
        if !source.source.coordinates() && self.count(kind) < ANNOTATIONS {
            self.annotations.push(Annotation { time, kind, source: Some(source.label.clone()), text: String::new() });
        }
    }

    fn count(&self, kind: AnnotationKind) -> usize {
        self.annotations.iter().filter(|annotation| annotation.kind == kind).count()
    }

    /// A worker that has been gone for the grace period has left, when it disconnected. One that is back before that has not.
    fn settle_gone(&mut self, account: &RunAccount, is_final: bool, now: Now) {
        if self.gone.is_empty() {
            return;
        }
        let statuses: HashMap<_, _> =
            account.sources.iter().filter_map(|s| Some((s.source.as_ref()?.index, s.status))).collect();
        for (index, mut gone) in std::mem::take(&mut self.gone) {
            match statuses.get(&index) {
                Some(SourceStatus::Missing) => {
                    let has_left = is_final || now.since(gone.since) >= self.grace;
                    if has_left && !gone.told {
                        gone.told = true;
                        self.changed(&gone.source, AnnotationKind::WorkerLeft, gone.since.wall);
                    }
                    self.gone.insert(index, gone);
                }
                Some(_) if gone.told => self.changed(&gone.source, AnnotationKind::WorkerJoined, now.wall),
                _ => {}
            }
        }
    }

    /// Something has happened to the run.
    pub(super) fn mark(&mut self, annotation: Annotation) {
        self.annotations.push(annotation);
    }

    /// They are due by then at the latest.
    pub(super) fn due_by(&mut self, due: Duration) {
        self.due = self.due.min(due);
    }

    /// The figures at this stage; `None` if their recorder has panicked.
    pub(super) fn take(
        &mut self,
        stage: Stage,
        run: &Run,
        (recorders, sources): (&mut [ActiveRecorder], u32),
        now: Now,
    ) -> Option<RunFigures> {
        let asked = Instant::now();
        let origin = Origin { source: run.coordinator(), now };
        let mut figures = None;
        let ask = |recorder: &mut dyn AnyRecorder, _: &mut Emitted| {
            figures = recorder.figures(stage, origin);
        };
        recorders[self.recorder].act(run.info(), sources, &mut Emitted::default(), ask);
        let mut figures = figures?;
        let account = run.account();
        self.settle_gone(&account, stage != Stage::Running, now);
        add_generators(&mut figures.generators, &account);
        figures.account = account;
        figures.own_names = recorders[self.recorder].keeps_names();
        let left_out = recorders.iter().map(|of| (of.name().to_owned(), of.counts().values_left_out));
        figures.values_left_out = left_out.filter(|(_, count)| *count > 0).collect();
        figures.annotations.extend(self.annotations.iter().cloned());
        figures.annotations.sort_by_key(|annotation| annotation.time);
        self.due = now.steady.saturating_add(EVERY.max(asked.elapsed() * PART));
        Some(figures)
    }
}

/// Adds the processes of a run that have not said what they use of their hosts.
fn add_generators(generators: &mut Vec<GeneratorFigures>, account: &RunAccount) {
    let known: HashSet<_> = generators.iter().filter_map(|generator| Some(generator.source.as_ref()?.index)).collect();
    let silent =
        account.sources.iter().filter(|of| of.source.as_ref().is_none_or(|source| !known.contains(&source.index)));
    generators.extend(silent.map(|of| GeneratorFigures {
        source: of.source.clone(),
        label: of.label.clone(),
        ..GeneratorFigures::default()
    }));
    generators.sort_by(|a, b| a.label.cmp(&b.label));
}

#[cfg(test)]
mod tests {
    use ltel_core::source::{Source, SourceKind};

    use super::*;

    /// Scenario: more workers join than are marked, and one leaves. Guarantees: one that leaves is marked, although the
    /// joins have filled their room.
    #[test]
    fn joins_leave_room_for_leaves() {
        let run = RunInfo::default();
        let mut source = FigureSource::of(0, &run, Duration::ZERO);
        for index in 0..2 * ANNOTATIONS {
            let worker = Source { kind: SourceKind::Worker, ..Source::default() };
            source.joined(&SourceInfo::new(u32::try_from(index).unwrap(), worker), Now::default());
        }
        let worker = SourceInfo::new(0, Source { kind: SourceKind::Worker, ..Source::default() });
        source.changed(&worker, AnnotationKind::WorkerLeft, Timestamp::default());
        assert_eq!(source.count(AnnotationKind::WorkerJoined), ANNOTATIONS);
        assert_eq!(source.count(AnnotationKind::WorkerLeft), 1);
    }
}
