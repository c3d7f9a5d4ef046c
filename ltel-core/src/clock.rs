//! The only place that reads the system's clock. Everything else gets its time as a value, so that
//! a replay of events gives the same telemetry every time.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: nanoseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// From seconds since the Unix epoch, as Python's `time.time()` gives them. What is negative,
    /// not a number or beyond the year 2554 is clamped: a load test's clock may be wrong, but its
    /// telemetry must still be exported.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates, which is the clamp
    pub fn from_secs(secs: f64) -> Self {
        // Whole microseconds: an f64 of today's date holds no more.
        Self(((secs * 1e6).round() as u64).saturating_mul(1_000))
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub fn as_secs(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The time from `earlier` to this one; zero if `earlier` is in the future.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(value: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_nanos(value.0)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(value: SystemTime) -> Self {
        let since = value.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// RFC 3339 in UTC with milliseconds and `Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis((*self).into()).fmt(f)
    }
}

/// A moment, by both clocks. The wall clock may jump, in either direction and by any amount: use it for timestamps, not to wait
/// or measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For timestamps.
    pub wall: Timestamp,
    /// The time since ltel started, by a clock that never jumps: for waiting and measuring.
    pub steady: Duration,
}

impl Now {
    /// This moment plus a duration.
    #[must_use]
    pub fn later(self, time: Duration) -> Self {
        Self { wall: self.wall + time, steady: self.steady.saturating_add(time) }
    }

    /// The steady time from `earlier` to this moment; zero if `earlier` is in the future.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.steady.saturating_sub(earlier.steady)
    }
}

/// The source of the wall-clock time.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The system's clock.
    System,
    /// A clock that stands still until it is set: for replays and tests.
    Manual(Timestamp),
}

impl Clock {
    /// The time now.
    #[must_use]
    #[allow(clippy::disallowed_methods)] // this is the place
    pub fn now(self) -> Timestamp {
        match self {
            Self::System => SystemTime::now().into(),
            Self::Manual(at) => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_as_rfc3339_with_milliseconds() {
        let at = Timestamp::from_secs(1_700_000_000.123_4);
        assert_eq!(at.to_string(), "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn clamps_what_no_clock_says() {
        for (secs, nanos) in [(-1.0, 0), (f64::NAN, 0), (1e300, u64::MAX)] {
            assert_eq!(Timestamp::from_secs(secs).as_nanos(), nanos);
        }
        // The end of the range must still print.
        assert!(!Timestamp::from_secs(f64::INFINITY).to_string().is_empty());
    }
}
