//! `ltel-cli dashboards`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct DashboardsArgs {
    /// The folder for the files. It is created if needed.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}
