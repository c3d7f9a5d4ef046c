//! `ltel-cli run`.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use super::{BackendArgs, ConfigArg};
use crate::cli::terminal::ProgressMode;

pub(super) const EXIT_CODES: &str = "\
Exit codes: the command's own; 128 plus the signal's number if a signal ended it.
  99   a threshold is broken, whatever the command's own is; or there are thresholds, and the command recorded no test
       and succeeded
  1    an address is in use; or the command succeeded, but a part of ltel panicked, a file of --report or --junit was not written,
       or telemetry was lost (--strict)
  2    the configuration is invalid; the command was not started
  126  the command cannot be executed
  127  the command was not found

Examples:
  ltel-cli run locust -f locustfile.py --headless -u 100 -t 5m
  ltel-cli run --otlp http://127.0.0.1:4317 --report report.html locust -f locustfile.py --headless -t 5m
  ltel-cli run --strict --config telemetry.toml locust -f locustfile.py --headless -t 5m";

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    #[command(flatten)]
    pub(crate) backends: BackendArgs,
    /// Fail if telemetry is lost: exit with 1 where Locust exits with 0.
    ///
    /// Telemetry is lost if no test was recorded, if a run is incomplete, if requests were dropped or came too late, or if
    /// a backend dropped items, failed, had items rejected or did not finish. One line says what was lost.
    #[arg(long)]
    pub(crate) strict: bool,
    /// How to show that the test goes on, on stderr. Default: auto; with -q off, with a log of JSON plain.
    ///
    /// Rate and p95 are those of the last five seconds. The line needs a terminal: Locust then gets a pseudoterminal for its
    /// output, which appears above the line, as it is; keys and signals reach Locust as always.
    #[arg(long, value_name = "MODE", value_enum)]
    pub(crate) progress: Option<ProgressMode>,
    /// What to print when the test is over. Default: table; with -q or a log of JSON off.
    ///
    /// With `markdown` and `json`, stdout has nothing else: without a configuration, telemetry goes to a file, as at a terminal.
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) summary: Option<SummaryFormat>,
    /// The Locust command, such as `locust -f locustfile.py`. All that follows its first word is its own, options too. A `--` may
    /// stand before it.
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// What to print when a test is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SummaryFormat {
    /// Nothing, except what was lost.
    Off,
    /// A table, on stderr.
    Table,
    /// A page of Markdown for each test, on stdout, such as for a step summary of CI.
    Markdown,
    /// A JSON document with all figures for each test, on stdout.
    Json,
}
