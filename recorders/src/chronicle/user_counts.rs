//! How many users ran.

use std::collections::BTreeMap;

use super::{at_point, merge_pairs};

/// The users of a run in each point of its timeline, by what was reported.
#[derive(Debug, Default)]
pub(super) struct UserCounts {
    /// By the source that reports them: one source, except in runs without a master.
    now: BTreeMap<u32, u64>,
    /// The sum of them: adding them up for each report of thousands of sources would take too long.
    all: u128,
    points: Vec<Option<u64>>,
}

impl UserCounts {
    /// A source has so many users.
    pub(super) fn set(&mut self, source: u32, count: u64, point: u32) {
        let before = self.now.insert(source, count).unwrap_or(0);
        self.all = self.all - u128::from(before) + u128::from(count);
        *at_point(&mut self.points, point, None) = Some(u64::try_from(self.all).unwrap_or(u64::MAX));
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Scenario: ten thousand workers without a master, each of which reports its users every second; one of them reports any number.
    /// Guarantees: their sum is right, and it costs no look at all of them for each report.
    #[test]
    #[allow(clippy::disallowed_methods)] // a test of how long it takes
    fn of_thousands_of_sources() {
        let (mut users, begun) = (UserCounts::default(), Instant::now());
        for point in 0..20 {
            for source in 0..10_000 {
                users.set(source, u64::from(point + source % 2), point);
            }
            users.set(7, u64::MAX, point);
            users.set(7, u64::from(point), point);
        }
        let expected: Vec<_> = (0..20).map(|point| Some(point * 10_000 + 4_999)).collect();
        assert_eq!(users.points(20), expected);
        users.set(3, u64::MAX, 20);
        assert_eq!(users.points(21)[20], Some(u64::MAX));
        // Some ten milliseconds; a minute if each report looks at all.
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }
}
