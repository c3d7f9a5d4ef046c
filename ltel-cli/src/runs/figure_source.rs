//! The figures of an active run: asked of the recorder that has them, with what only ltel knows.

use std::time::Duration;

use ltel_core::Now;
use ltel_core::figures::{Annotation, AnnotationKind, RunFigures, Stage};
use ltel_core::recorder::{AnyRecorder, Emitted, Origin};
use ltel_core::runs::{Run, RunInfo, SourceInfo};
use tokio::time::Instant;

use super::active_recorder::ActiveRecorder;

// How often, at most. Those who watch a test see it change each second.
const EVERY: Duration = Duration::from_secs(1);

// Taking figures of thousands of endpoints takes time: no more than this part of all time.
const PART: u32 = 50;

// Bounded: workers may come and go at any rate.
const ANNOTATIONS: usize = 1_000;

/// Asks a recorder for the figures of its run.
#[derive(Debug)]
pub(super) struct FigureSource {
    // Its index among the run's recorders.
    recorder: usize,
    due: Duration,
    // Workers that came and went.
    annotations: Vec<Annotation>,
}

impl FigureSource {
    /// The first recorder that has figures.
    pub(super) fn find(recorders: &mut [ActiveRecorder], run: &RunInfo) -> Option<Self> {
        let recorder = recorders.iter_mut().position(ActiveRecorder::keep_figures)?;
        Some(Self { recorder, due: run.begun.steady.saturating_add(EVERY), annotations: Vec::new() })
    }

    /// When they are due.
    pub(super) const fn due(&self) -> Duration {
        self.due
    }

    /// A source has joined the run, or has left before it was done.
    pub(super) fn changed(&mut self, source: &SourceInfo, kind: AnnotationKind, now: Now) {
        if !source.source.coordinates() && self.annotations.len() < ANNOTATIONS {
            let source = Some(source.label.clone());
            self.annotations.push(Annotation { time: now.wall, kind, source, text: String::new() });
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
        figures.account = run.account();
        figures.annotations.extend(self.annotations.iter().cloned());
        figures.annotations.sort_by_key(|annotation| annotation.time);
        self.due = now.steady.saturating_add(EVERY.max(asked.elapsed() * PART));
        Some(figures)
    }
}
