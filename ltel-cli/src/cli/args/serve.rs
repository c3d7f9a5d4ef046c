//! `ltel-cli` without a command.

use clap::Args;

use super::ConfigArg;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Exit after the first complete run, for a container beside Locust's in a Job (`exit_after_run = true`).
    ///
    /// If no run begins within `start_timeout` (5m), or if Locust connects, disconnects without starting a test and does
    /// not come back within `grace` (10s), ltel-cli prints the reason and exits with code 1. A native sidecar of Kubernetes
    /// does without: it would be started again. See `ltel-cli example kubernetes`.
    #[arg(long)]
    pub(crate) once: bool,
}
