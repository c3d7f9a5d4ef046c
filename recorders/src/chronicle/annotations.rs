//! What happened to the run as a whole, or to one of its processes.

use ltel_core::Timestamp;
use ltel_core::figures::{Annotation, AnnotationKind};
use ltel_core::runs::SourceInfo;

// Bounded: thousands of workers may each warn every few seconds, and a master may reset its statistics at any rate. Of each kind,
// so that none of them takes the place of another.
const MOST: usize = 200;

/// Annotations, as they came.
#[derive(Debug, Default)]
pub(super) struct Annotations(Vec<Annotation>);

impl Annotations {
    pub(super) fn add(&mut self, time: Timestamp, kind: AnnotationKind, source: Option<&SourceInfo>, text: String) {
        if self.0.iter().filter(|annotation| annotation.kind == kind).count() < MOST {
            self.0.push(Annotation { time, kind, source: source.map(|source| source.label.clone()), text });
        }
    }

    /// In order of time.
    pub(super) fn sorted(&self) -> Vec<Annotation> {
        let mut all = self.0.clone();
        all.sort_by_key(|annotation| annotation.time);
        all
    }
}
