//! `ltel-cli init`.

use std::path::PathBuf;

use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  ltel-cli init
  ltel-cli init - | less";

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The file to write; `-` is stdout.
    #[arg(value_name = "FILE", default_value = "telemetry.toml")]
    pub(crate) file: PathBuf,
    /// Replace a file of that name.
    #[arg(long)]
    pub(crate) force: bool,
}
