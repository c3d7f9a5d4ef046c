//! What is written to stderr, for all commands.

use clap::{ArgAction, Args, ValueEnum};

const HEADING: &str = "Messages";

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct LogArgs {
    /// Only warnings and errors: no table, no progress.
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = HEADING)]
    pub(crate) quiet: bool,
    /// Debug messages too; with `-vv` also trace messages, and more of the libraries.
    ///
    /// `-q` and `-v` win over `RUST_LOG`, which chooses the messages of each module.
    #[arg(long, short, global = true, action = ArgAction::Count, help_heading = HEADING)]
    pub(crate) verbose: u8,
    /// How messages on stderr are written. Locust's own output stays as it is.
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t, help_heading = HEADING)]
    pub(crate) log_format: LogFormat,
}

/// How messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object per line, with `time`, `level`, `message` and fields. There is no table then, unless `--summary` asks for it.
    Json,
}
