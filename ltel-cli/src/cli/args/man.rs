//! `ltel-cli man`.

use std::path::PathBuf;

use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  ltel-cli man | man -l -                            read the page of the program
  ltel-cli man --out ~/.local/share/man/man1         install all pages, for `man ltel-cli-run` and the like";

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write the pages of the program and of each command into this folder. It is created if needed.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
