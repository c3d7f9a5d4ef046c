//! Waiting for a condition, never for a length of time.

use std::thread;
use std::time::Duration;

use ltel_core::clock::Clock;

/// For what happens within a second on an idle machine.
pub const SOON: Duration = Duration::from_secs(30);

/// For what takes a Locust process to start, or a run to end.
pub const SLOW: Duration = Duration::from_secs(90);

const POLL: Duration = Duration::from_millis(20);

/// Asks until there is an answer; panics with `what` if there is none in time.
pub fn until<T>(what: &str, patience: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Clock::System.now() + patience;
    loop {
        // Asked once more when it is too late: the machine may have stood still since the time before.
        let late = Clock::System.now() >= end;
        if let Some(found) = probe() {
            return found;
        }
        assert!(!late, "not within {patience:?}: {what}");
        thread::sleep(POLL);
    }
}
