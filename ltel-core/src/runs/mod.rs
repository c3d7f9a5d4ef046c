//! Runs: which sources take part in them, what each has sent, what became of that, and when a run is complete. No I/O, no
//! clock, no task.

mod info;
mod run;
mod account;

pub use account::{DropReason, RunAccount, SourceAccount, SourceStatus};
pub use info::{RunInfo, SourceInfo};
pub use run::{MASTER, Progress, Run};
