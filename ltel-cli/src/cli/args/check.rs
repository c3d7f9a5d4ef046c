//! `ltel-cli check`.

use clap::{Args, ValueEnum};

use super::{ConfigArg, FileArg};

pub(super) const EXAMPLES: &str = "\
Examples:
  ltel-cli check telemetry.toml
  ltel-cli check telemetry.toml --print > whole.toml
  ltel-cli check telemetry.toml --format json | jq -r '.diagnostics[] | \"\\(.file):\\(.line): \\(.message)\"'";

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(super) file: Option<FileArg>,
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Print the whole configuration that results, as a file: with defaults, the environment and options, each value with where it
    /// comes from. Tokens, headers and passwords are blanked.
    #[arg(long, conflicts_with = "format")]
    pub(crate) print: bool,
    /// The output format.
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    pub(crate) format: CheckFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// Tables on stdout, errors and warnings on stderr, for people.
    Text,
    /// One JSON document on stdout, whether the configuration is valid or not, for machines.
    Json,
}
