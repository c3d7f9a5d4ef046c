//! The peak memory of a process.

use crate::process::Process;

/// The most that it has had at a time, in MiB.
pub fn peak_mib(process: &Process) -> u64 {
    process.status("VmHWM").expect("a process that has not ended") / 1_024
}
