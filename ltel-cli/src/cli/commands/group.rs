//! The process group of a command, and the processes that the command leaves behind in it.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

// Only the parent of a process learns of its end.
const POLL: Duration = Duration::from_millis(20);

/// Makes ltel adopt processes that outlive their parent in the command. Otherwise process 1 would adopt them: it may take
/// its time to reap them, and until then they count as members of the group.
pub(super) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_child_subreaper(true);
}

/// The process group created for a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group(Pid);

impl Group {
    /// The group that this process leads.
    pub(super) const fn led_by(leader: Pid) -> Self {
        Self(leader)
    }

    /// Sends a signal to each process of the group.
    pub(super) fn signal(self, signal: Signal) {
        // Fails only if the last of them has just ended.
        let _ = killpg(self.0, signal);
    }

    /// Whether no process of the group is left. Call it after its leader has ended and was waited for.
    pub(super) fn is_empty(self) -> bool {
        // Reaps those members that ltel has adopted and that have ended.
        let ours = Pid::from_raw(-self.0.as_raw());
        while waitpid(ours, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status.pid().is_some()) {}
        killpg(self.0, None) == Err(Errno::ESRCH)
    }

    /// Waits until no process of the group is left.
    pub(super) async fn emptied(self) {
        while !self.is_empty() {
            tokio::time::sleep(POLL).await;
        }
    }
}
