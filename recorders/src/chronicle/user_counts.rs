//! How many users ran.

use std::collections::BTreeMap;

use super::{at_point, merge_pairs};

/// The users of a run in each point of its timeline, by what was reported.
#[derive(Debug, Default)]
pub(super) struct UserCounts {
    /// By the source that reports them: one source, except in runs without a master.
    now: BTreeMap<u32, u64>,
    points: Vec<Option<u64>>,
}

impl UserCounts {
    /// A source has so many users.
    pub(super) fn set(&mut self, source: u32, count: u64, point: u32) {
        self.now.insert(source, count);
        let all = self.now.values().copied().fold(0, u64::saturating_add);
        *at_point(&mut self.points, point, None) = Some(all);
    }

    /// In so many points. Where nobody has reported any, they are as many as before.
    pub(super) fn points(&self, len: usize) -> Vec<Option<u64>> {
        let reported = self.points.iter().copied().chain(std::iter::repeat(None)).take(len);
        let carried = reported.scan(None, |last, count| {
            *last = count.or(*last);
            Some(*last)
        });
        carried.collect()
    }

    /// So many points have come before the first.
    pub(super) fn shift(&mut self, points: u32) {
        self.points.splice(0..0, std::iter::repeat_n(None, points as usize));
    }

    /// Merges points pairwise.
    pub(super) fn halve(&mut self) {
        merge_pairs(&mut self.points, |first, second| second.or(first));
    }
}
