//! When requests were reported. Only the source knows that, by its wall clock, which may jump while a test runs. ltel's steady
//! clock tells a jump from requests that come late: those of one source come in order, and none before it was reported.

use std::time::Duration;

use ltel_core::prelude::*;

// In seconds. Times within a frame are in no order, and clocks are set by less than this all the time.
const JUMP: f64 = 10.0;

/// The clocks of all sources of a run.
#[derive(Debug, Default)]
pub(super) struct SourceClocks {
    by_source: Vec<Option<SourceClock>>,
    /// The time now, in seconds since the epoch, by a clock that never jumps; and how long ltel has known the run. Requests come in
    /// batches of the same moment.
    now: f64,
    elapsed: Duration,
}

#[derive(Clone, Copy, Debug)]
struct SourceClock {
    /// The sum of its jumps, to be added to its reported times.
    correction: f64,
    /// How far it is ahead of ltel's clock, assuming no delay; the maximum so far.
    ahead: f64,
    /// The latest time that it reported, and when that arrived.
    last: f64,
    came: f64,
}

impl SourceClocks {
    /// The time that the source of this event reports, in seconds since the epoch, as if its clock had never jumped.
    #[inline]
    pub(super) fn corrected<O>(&mut self, time: f64, cx: &Context<'_, O>) -> f64 {
        let Some(source) = cx.source() else { return time };
        let elapsed = cx.elapsed();
        if elapsed != self.elapsed || self.by_source.is_empty() {
            self.elapsed = elapsed;
            self.now = cx.run().begun.wall.as_secs() + elapsed.as_secs_f64();
        }
        let (now, index) = (self.now, source.index as usize);
        if self.by_source.len() <= index {
            self.by_source.resize(index + 1, None);
        }
        let clock = SourceClock { correction: 0.0, ahead: time - now, last: time, came: now };
        self.by_source[index].get_or_insert(clock).corrected(time, now)
    }
}

impl SourceClock {
    #[inline]
    fn corrected(&mut self, time: f64, now: f64) -> f64 {
        let mut corrected = time + self.correction;
        // It may have been behind from the beginning, or its first requests were late: that is not a jump.
        if corrected < self.last - JUMP || corrected > now + self.ahead.max(0.0) + JUMP {
            corrected = self.after_jump(corrected, now);
        }
        self.ahead = self.ahead.max(corrected - now);
        if corrected > self.last {
            (self.last, self.came) = (corrected, now);
        }
        corrected
    }

    #[cold]
    fn after_jump(&mut self, jumped: f64, now: f64) -> f64 {
        let corrected = self.last + (now - self.came);
        self.correction += corrected - jumped;
        corrected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> SourceClock {
        SourceClock { correction: 0.0, ahead: 0.0, last: 1000.0, came: 1000.0 }
    }

    /// (what the source's clock says, when it came, what is made of it)
    fn check(mut clock: SourceClock, said: &[(f64, f64, f64)]) {
        for &(time, came, expected) in said {
            let got = clock.corrected(time, came);
            assert!((got - expected).abs() < 1e-6, "{time} at {came}: {got}, not {expected}");
        }
    }

    #[test]
    fn a_jump_in_either_direction() {
        for hour in [3600.0, -3600.0] {
            let said = [(1001.0, 1001.0, 1001.0), (1002.0 + hour, 1002.0, 1002.0), (1003.0 + hour, 1003.0, 1003.0)];
            check(clock(), &said);
            // And back again.
            check(clock(), &[(1002.0 + hour, 1002.0, 1002.0), (1005.0, 1005.0, 1005.0), (1006.0, 1006.0, 1006.0)]);
        }
    }

    #[test]
    fn what_comes_late_is_no_jump() {
        check(clock(), &[(1001.0, 1060.0, 1001.0), (1059.0, 1060.0, 1059.0), (1061.0, 1061.0, 1061.0)]);
        let late = SourceClock { ahead: -600.0, last: 400.0, ..clock() };
        check(late, &[(400.5, 1000.0, 400.5), (999.0, 1000.0, 999.0), (1001.0, 1001.0, 1001.0)]);
    }

    #[test]
    fn a_clock_that_is_wrong_from_the_beginning() {
        for wrong in [7200.0, -7200.0, -1e9] {
            let clock = SourceClock { ahead: wrong, last: 1000.0 + wrong, ..clock() };
            check(clock, &[(1001.0 + wrong, 1001.0, 1001.0 + wrong), (1050.0 + wrong, 1050.0, 1050.0 + wrong)]);
        }
    }

    #[test]
    fn times_in_no_order_within_a_frame() {
        check(clock(), &[(1005.0, 1006.0, 1005.0), (1003.0, 1006.0, 1003.0), (1006.5, 1006.0, 1006.5)]);
    }
}
