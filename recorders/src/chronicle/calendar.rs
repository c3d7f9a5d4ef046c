//! Which point of the timeline a time belongs to.

use std::collections::BTreeMap;

use ltel_core::runs::RunInfo;

/// More points than this are merged.
pub(super) const POINTS: u32 = 512;

// In seconds. Clocks of several hosts differ by less, and requests are reported after the test has started.
const SLACK: f64 = 10.0;

// In seconds. What comes later than this was reported by a clock that is wrong: it would make all points so long that nothing can be
// seen in them.
const LATEST: f64 = 3_600.0;

/// Points of equal length, in whole seconds, from the first thing that happened on.
#[derive(Debug)]
pub(super) struct Calendar {
    begun: Option<f64>,
    step: u32,
    len: u32,
    /// The point that was asked for last, from and until when it is.
    current: u32,
    from: f64,
    until: f64,
    /// Sources whose clocks are wrong, and by how much.
    wrong: BTreeMap<u32, f64>,
}

/// Where a time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// In this point.
    Point(u32),
    /// It was before the first one: so many points have come before it. Ask again.
    Before(u32),
    /// There would be too many points: merge them first.
    TooMany,
}

impl Default for Calendar {
    fn default() -> Self {
        Self { begun: None, step: 1, len: 0, current: 0, from: 0.0, until: 0.0, wrong: BTreeMap::new() }
    }
}

impl Calendar {
    #[inline]
    pub(super) fn is_current(&self, at: f64) -> bool {
        self.from <= at && at < self.until
    }

    #[inline]
    pub(super) const fn current(&self) -> u32 {
        self.current
    }

    pub(super) const fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// When the first point begins, in seconds since the epoch.
    pub(super) fn begun(&self) -> f64 {
        self.begun.unwrap_or(0.0)
    }

    /// The length of a point in seconds.
    pub(super) const fn step(&self) -> u32 {
        self.step
    }

    /// How many points there are.
    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    /// When something happened that this source says happened at `at`. What cannot be was told by a clock that is wrong: then it
    /// happened now, and so it is corrected from then on, until the clock is right again.
    pub(super) fn believed(&mut self, at: f64, source: u32, now: f64, run: &RunInfo) -> f64 {
        let begun = run.begun.wall.as_secs();
        let earliest = run.started.unwrap_or(begun).min(begun).max(begun - LATEST) - SLACK;
        if (earliest.max(now - SLACK)..=now + SLACK).contains(&at) {
            self.wrong.remove(&source);
            return at;
        }
        let corrected = at + self.wrong.get(&source).copied().unwrap_or(0.0);
        if (earliest..=now + SLACK).contains(&corrected) {
            return corrected;
        }
        if at.is_finite() {
            self.wrong.insert(source, now - at);
        }
        now
    }

    /// Where a time is. It becomes the current point.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates
    pub(super) fn find(&mut self, at: f64) -> Found {
        let begun = *self.begun.get_or_insert_with(|| at.floor());
        let step = f64::from(self.step);
        let point = ((at - begun) / step).floor();
        if point < 0.0 {
            let points = (-point) as u32;
            if self.len.saturating_add(points) > POINTS {
                return Found::TooMany;
            }
            self.begun = Some(begun - f64::from(points) * step);
            self.len += points;
            self.until = self.from;
            return Found::Before(points);
        }
        if point >= f64::from(POINTS) {
            return Found::TooMany;
        }
        self.from = begun + point * step;
        self.until = self.from + step;
        self.current = point as u32;
        self.len = self.len.max(self.current + 1);
        Found::Point(self.current)
    }

    /// Points become twice as long.
    pub(super) const fn halve(&mut self) {
        self.step = self.step.saturating_mul(2);
        self.len = self.len.div_ceil(2);
        self.until = self.from;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ltel_core::{Now, Timestamp};

    use super::*;

    fn run(begun: f64, started: Option<f64>) -> RunInfo {
        let begun = Now { wall: Timestamp::from_secs(begun), steady: Duration::ZERO };
        RunInfo { begun, started, ..RunInfo::default() }
    }

    /// Scenario: sources whose clocks are right, two hours wrong, or no numbers. Guarantees: what may be late is believed; what cannot
    /// be happened when it came, and keeps its distances.
    #[test]
    fn what_is_believed() {
        let (mut calendar, run) = (Calendar::default(), run(10_000.0, None));
        for (source, at, now, expected) in [
            (0, 10_000.5, 10_001.0, 10_000.5),
            (0, 9_995.0, 10_001.0, 9_995.0),
            (0, 10_005.0, 10_001.0, 10_005.0),
            (1, 2_800.0, 10_001.0, 10_001.0),
            (1, 2_801.0, 10_005.0, 10_002.0),
            // Its clock was set.
            (1, 17_200.0, 17_205.0, 17_200.0),
            (2, 17_200.0, 10_001.0, 10_001.0),
            (2, 17_201.0, 10_001.0, 10_002.0),
            // It is right again.
            (2, 10_002.0, 10_004.0, 10_002.0),
            (2, 10_003.0, 10_006.0, 10_003.0),
            (3, f64::NAN, 10_001.0, 10_001.0),
            (3, 10_002.0, 10_002.0, 10_002.0),
            (4, f64::MAX, 10_001.0, 10_001.0),
            (4, 9_999.0, 10_002.0, 9_999.0),
        ] {
            let got = calendar.believed(at, source, now, &run);
            assert!((got - expected).abs() < 1e-6, "{at} of {source} at {now}: {got}, not {expected}");
        }
        // ltel came later than the test: the requests before are late.
        let late = self::run(10_000.0, Some(9_000.0));
        let got = calendar.believed(9_500.0, 0, 10_001.0, &late);
        assert!((got - 9_500.0).abs() < 1e-6, "{got}");
    }

    #[test]
    fn points_are_found_in_any_order() {
        let mut calendar = Calendar::default();
        assert_eq!(calendar.find(100.7), Found::Point(0));
        assert!(calendar.is_current(100.0) && !calendar.is_current(101.0));
        assert_eq!(calendar.find(103.2), Found::Point(3));
        assert_eq!(calendar.find(98.5), Found::Before(2));
        assert!(!calendar.is_current(103.2), "points have other numbers now");
        assert_eq!(calendar.find(98.5), Found::Point(0));
        assert_eq!((calendar.len(), calendar.begun().to_bits()), (6, 98_f64.to_bits()));
        assert_eq!(calendar.find(98.0 + f64::from(POINTS)), Found::TooMany);
        calendar.halve();
        assert_eq!((calendar.len(), calendar.step()), (3, 2));
        assert_eq!(calendar.find(98.0 + f64::from(POINTS)), Found::Point(POINTS / 2));
        assert_eq!(calendar.find(103.2), Found::Point(2));
        calendar.find(98.0 + 2.0 * f64::from(POINTS) - 1.0);
        assert_eq!(calendar.find(97.9), Found::TooMany);
    }
}
