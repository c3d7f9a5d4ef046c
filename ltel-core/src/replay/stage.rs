//! What plays the steps of a replay.

use std::sync::Arc;
use std::time::Duration;

use super::event::OwnedEvent;
use super::output::ReplayOutput;
use super::withheld::Withheld;
use super::{BEGIN, Step};
use crate::clock::{Now, Timestamp};
use crate::figures::{self, RunFigures};
use crate::meter::Collector;
use crate::names::Rules;
use crate::recorder::{AnyRecorder, Emitted, Origin, Spec};
use crate::runs::SourceInfo;
use crate::source::Source;

/// A recorder, and the processes and the time around it.
pub(super) struct Stage {
    pub(super) recorder: Box<dyn AnyRecorder>,
    pub(super) now: Timestamp,
    pub(super) every: Option<Duration>,
    pub(super) sources: Vec<Arc<SourceInfo>>,
    pub(super) withheld: Withheld,
    pub(super) rules: Rules,
    pub(super) out: Emitted,
}

impl Stage {
    /// Plays these steps.
    pub(super) fn play(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Event(event, source) => {
                    let source = self.meet(source);
                    let origin = Origin { source: Some(&source), now: at(self.now) };
                    if let Some(event) = self.withheld.apply(event.event).and_then(|event| renamed(&self.rules, event))
                    {
                        event.at(self.now, |event| self.recorder.record(event, origin, &mut self.out));
                    }
                }
                Step::Advance(time) => self.advance(self.now + time),
                Step::Gone(source) => {
                    let source = self.meet(source);
                    self.recorder.source_gone(source.index);
                }
            }
        }
    }

    /// Completes the run.
    #[track_caller]
    pub(super) fn finish(&mut self, spec: &Spec) {
        let source = self.coordinator();
        let origin = Origin { source: source.as_ref(), now: at(self.now) };
        self.recorder.finish(true, origin, &mut self.out);
        if !self.out.mismatches.is_empty() {
            let all: Vec<_> = self.out.mismatches.iter().map(ToString::to_string).collect();
            panic!("the recorder `{}` does not match its spec:\n- {}", spec.name, all.join("\n- "));
        }
    }

    /// What the recorder has emitted.
    pub(super) fn output(self, collector: &Collector) -> ReplayOutput {
        ReplayOutput::new(collector, &self.out, self.withheld.names(), &*self.recorder)
    }

    /// The final figures.
    pub(super) fn figures(&mut self) -> Option<RunFigures> {
        let source = self.coordinator();
        let origin = Origin { source: source.as_ref(), now: at(self.now) };
        self.recorder.figures(figures::Stage::Final { complete: true }, origin)
    }

    fn meet(&mut self, source: Source) -> Arc<SourceInfo> {
        if let Some(known) = self.sources.iter().find(|known| known.source == source) {
            return Arc::clone(known);
        }
        let index = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
        let source = Arc::new(SourceInfo::new(index, source));
        self.sources.push(Arc::clone(&source));
        source
    }

    fn coordinator(&self) -> Option<Arc<SourceInfo>> {
        self.sources.iter().find(|source| source.source.coordinates()).cloned()
    }

    // Ticks lie at whole intervals from the beginning.
    fn advance(&mut self, until: Timestamp) {
        let source = self.coordinator();
        if let Some(every) = self.every {
            let passed = u64::try_from(self.now.since(BEGIN).as_nanos() / every.as_nanos()).unwrap_or(u64::MAX);
            let every = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
            let mut next = BEGIN + Duration::from_nanos((passed + 1).saturating_mul(every));
            while next <= until {
                let origin = Origin { source: source.as_ref(), now: at(next) };
                self.recorder.tick(origin, &mut self.out);
                next = next + Duration::from_nanos(every);
            }
        }
        self.now = until;
    }
}

/// The event with its name by the rules; `None` if they drop it.
fn renamed(rules: &Rules, mut event: OwnedEvent) -> Option<OwnedEvent> {
    if let OwnedEvent::Request(request) = &mut event {
        request.name = rules.apply(&request.method, &request.name, |_| ())?.into_owned().into();
    }
    Some(event)
}

// In a replay both clocks go on alike.
fn at(wall: Timestamp) -> Now {
    Now { wall, steady: wall.since(BEGIN) }
}
