//! The time, for those parts that meet the outside world.

use ltel_core::{Clock, Timestamp};

/// The time now.
pub(crate) fn now() -> Timestamp {
    Clock::System.now()
}
