//! `ltel-cli recorders`.

use clap::{Args, ValueEnum};

use super::{ConfigArg, FileArg};

#[derive(Debug, Args)]
pub(crate) struct RecordersArgs {
    #[command(flatten)]
    pub(super) file: Option<FileArg>,
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// The output format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// A table, for people.
    Table,
    /// JSON, for machines.
    Json,
}
