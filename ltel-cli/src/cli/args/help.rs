//! `ltel-cli help`.

use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  ltel-cli help config                  every key of the configuration
  ltel-cli help config backends.otlp    the keys of one table
  ltel-cli help environment             the variables that ltel follows";

#[derive(Debug, Args)]
pub(crate) struct HelpArgs {
    /// A command; `config`, and a table of the configuration; or a page. Without it, all of them are listed.
    #[arg(value_name = "TOPIC")]
    pub(crate) topic: Vec<String>,
}
