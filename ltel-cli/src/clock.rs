//! The system's clocks, for stamps and for what waits or measures. Timeouts use tokio's.

use std::time::Duration;

use ltel_core::{Clock, Now, Timestamp};
use tokio::time::Instant;

/// The wall-clock time, for timestamps.
pub(crate) fn now() -> Timestamp {
    Clock::System.now()
}

/// Both clocks, as the runs read them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    // tokio's, which tests can pause.
    start: Instant,
    wall: fn() -> Timestamp,
}

impl Clocks {
    /// Starts the steady clock.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), wall: now }
    }

    /// The same, with another wall clock.
    #[cfg(test)]
    pub(crate) fn with_wall(wall: fn() -> Timestamp) -> Self {
        Self { wall, ..Self::start() }
    }

    /// The instant of a steady time, capped in the far future.
    pub(crate) fn instant(&self, steady: Duration) -> Instant {
        const FAR: Duration = Duration::from_hours(24 * 365 * 30);
        self.start + steady.min(FAR)
    }

    /// The time now.
    pub(crate) fn now(&self) -> Now {
        Now { wall: (self.wall)(), steady: self.start.elapsed() }
    }
}
