//! The command line's commands and options.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::terminal::ProgressMode;
use crate::config::LabelArg;

/// Telemetry for Locust load tests: JSON lines and OpenTelemetry, exact to the last request.
///
/// Without a command, ltel-cli serves: it listens for Locust processes that have the `ltel_locust` plugin, records run after
/// run, and ends at SIGTERM or Ctrl-C. If a run is active then, ltel-cli takes no new connections and waits for the run to
/// complete, for at most `grace` (10s); another signal ends the wait. SIGHUP reopens its output files and reads the configuration
/// again: the next run begins with it, or, if it has errors, everything stays as it was.
#[derive(Debug, Parser)]
#[command(name = "ltel-cli", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  ltel-cli demo                                        see it work, on real Locust
  ltel-cli run -- locust -f locustfile.py --headless   run a test with telemetry; no change to the locustfile
  ltel-cli --config telemetry.toml                     serve; Locust connects to LTEL_ADDRESS
  ltel-cli check --config telemetry.toml               show what would run
  ltel-cli new shop-telemetry                          create your own recorder, in Rust

Exit codes:
  0   success
  1   failure: an address is in use, no run began within `start_timeout` (--once), a part of ltel panicked,
      or telemetry was lost; the last line says which
  2   the configuration or the command line is invalid; nothing was started
  99  a threshold is broken (--once)
  `run` exits with Locust's exit code, or with 99; see `ltel-cli run --help`.

Logs go to stderr. Set RUST_LOG=debug for more.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const RUN_EXIT_CODES: &str = "\
Exit codes: the command's own; 128 plus the signal's number if a signal ended it.
  99   a threshold is broken, whatever the command's own is; or there are thresholds, and the command recorded no test
       and succeeded
  1    an address is in use; or the command succeeded, but a part of ltel panicked, a file of --report was not written,
       or telemetry was lost (--strict)
  2    the configuration is invalid; the command was not started
  126  the command cannot be executed
  127  the command was not found

Examples:
  ltel-cli run -- locust -f locustfile.py --headless -u 100 -t 5m
  ltel-cli run --strict --config telemetry.toml -- locust -f locustfile.py --headless -t 5m";

const CHECK_EXAMPLES: &str = "\
Examples:
  ltel-cli check --config telemetry.toml
  ltel-cli check --config telemetry.toml --format json | jq -r '.diagnostics[] | \"\\(.file):\\(.line): \\(.message)\"'";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  ltel-cli schema > ltel.schema.json
  sed -i '1i #:schema ./ltel.schema.json' telemetry.toml";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  bash  ltel-cli completions bash > ~/.local/share/bash-completion/completions/ltel-cli
  zsh   ltel-cli completions zsh > ~/.zfunc/_ltel-cli     in a folder of $fpath
  fish  ltel-cli completions fish > ~/.config/fish/completions/ltel-cli.fish";

const COMPARE_EXAMPLES: &str = "\
Examples:
  ltel-cli run --report main.json -- locust -f locustfile.py --headless -u 100 -t 5m
  ltel-cli compare main.json branch.json
  ltel-cli compare main.json branch.json --fail-above 10%        fail a build: exit code 99
  ltel-cli compare main.json a.json b.json --html compared.html  a page for a browser
  ltel-cli compare main.json branch.json --format markdown >> $GITHUB_STEP_SUMMARY";

const COMPARE_VERDICTS: &str = "\
Verdicts:
  surely slower                the true change is greater than --min-change, at a confidence of 99 %
  maybe slower                 there is a change, at 95 %, and it looks greater than --min-change
  no difference that matters   neither, and no more than four times --min-change can hide in the noise
  too few requests to say      or too much noise, or too short: more than that could hide in it

How it is decided:
  Bounds of percentiles are order statistics of all response times; those of failures are Wilson's and Newcombe's. Requests of one
  moment resemble each other, so they count less than independent ones: how much less is estimated from how the figures of both runs
  scatter over time, second by second. The confidence holds for all figures together (Bonferroni), so a hundred endpoints give no
  more false alarms than one. A machine that is busier on one day than on another is in no single run: repeat a surprising result.
  Two runs are compared as they are; different users, hosts, run times and the like are said first.

  --min-change and --fail-above are percent of the baseline. A failure ratio changes by percentage points instead, and one point
  counts as 10 %: with 5 %, half a point matters.

Exit codes:
  0   compared
  2   a file cannot be read, is no report of ltel, or has a schema that this version does not know
  99  --fail-above: something is surely worse by more (at 99 %): slower, more failures, fewer requests per second; or a run
      cannot pass: it has no requests, is incomplete, was still running or stopped by a threshold, has no request to an endpoint
      of the baseline, or nothing could be judged. Stderr says which";

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The JSON documents of the runs, the baseline first.
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// What stdout gets.
    #[arg(long, value_enum, default_value_t = CompareFormat::Text)]
    pub(crate) format: CompareFormat,
    /// Show the endpoints that do not differ, too (in text; other formats have them).
    #[arg(long)]
    pub(crate) all: bool,
    /// Also write a page for a browser, all in one file.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// What changes by less does not matter.
    #[arg(long, value_name = "PERCENT", default_value = "5%")]
    pub(crate) min_change: Percent,
    /// Exit with 99 if something is surely worse by more than this, or if that cannot be judged.
    #[arg(long, value_name = "PERCENT")]
    pub(crate) fail_above: Option<Percent>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CompareFormat {
    /// A table, for people.
    Text,
    /// Markdown, for a CI's summary.
    Markdown,
    /// JSON, for machines.
    Json,
}

/// A number of percent, such as `10%`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Percent(pub(crate) f64);

impl std::str::FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').ok_or("give percent, such as `10%`")?;
        match number.trim_end().parse::<f64>() {
            Ok(percent) if (0.0..=1_000.0).contains(&percent) => Ok(Self(percent)),
            _ => Err("give percent from 0 to 1000, such as `10%`".to_owned()),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Exit after the first complete run, for a sidecar in a Kubernetes Job (`exit_after_run = true`).
    ///
    /// If no run begins within `start_timeout` (5m), or if Locust connects, disconnects without starting a test and does
    /// not come back within `grace` (10s), ltel-cli prints the reason and exits with code 1.
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigArg {
    /// The configuration file (TOML). Default: the built-in recorders that cost Locust nothing, as JSON lines on stdout; where
    /// `run` is at a terminal, in a file that it names.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A label on everything that is emitted, such as `region=eu`. It adds to `[labels]` of the configuration, or replaces one of
    /// them; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) label: Vec<LabelArg>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Try it: run real Locust against a small built-in server for ten seconds.
    ///
    /// Needs Python 3. The first run installs Locust in a virtual environment in your cache folder.
    Demo(DemoArgs),
    /// Run Locust with telemetry. The locustfile needs no change.
    ///
    /// ltel-cli listens on a private socket, loads the plugin into Locust, passes on its output and signals, and exits when
    /// every Locust process has delivered its data. A signal to ltel-cli also ends processes that the command left behind.
    ///
    /// At a terminal, a line below Locust's output shows the test as it goes on, and a table follows at the end. Without a
    /// configuration, telemetry goes to a new file in `$XDG_STATE_HOME/ltel` (`~/.local/state/ltel`), which keeps the last 20; in a
    /// pipe, to stdout.
    #[command(after_long_help = RUN_EXIT_CODES)]
    Run(RunArgs),
    /// Check a configuration and print what would run. Exits with 0 if it is valid, 2 if not.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// List the recorders and what each emits; with a configuration, those that it runs, under their own names.
    Recorders(RecordersArgs),
    /// Print the JSON Schema of the configuration file, with every recorder and backend of this program.
    ///
    /// Editors check and complete a file by it: those with taplo (VS Code's "Even Better TOML", Helix, Neovim) where the first line of
    /// the file is `#:schema ./ltel.schema.json`.
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema,
    /// Print a script that makes a shell complete ltel-cli's commands and options.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Write Grafana dashboards and Prometheus alert rules for the metrics of the built-in recorders.
    ///
    /// Import the JSON files in Grafana (Dashboards, New, Import), or put them into a folder that it provisions. Two of them ask a
    /// Prometheus data source, one asks Loki. Files of the same names are replaced.
    Dashboards(DashboardsArgs),
    /// Compare runs: what became slower or faster, and whether it is more than noise.
    ///
    /// Takes the JSON documents of two or more runs; the first is the baseline. For each endpoint and for all together it compares
    /// p50, p95, p99, the failure ratio and the requests per second, with confidence intervals.
    #[command(after_help = COMPARE_EXAMPLES, after_long_help = format!("{COMPARE_VERDICTS}\n\n{COMPARE_EXAMPLES}"))]
    Compare(CompareArgs),
    /// Create a crate for your own recorder, with a test and a configuration.
    New(NewArgs),
    /// Print the folder of the Python plugin, for PYTHONPATH.
    ///
    /// With it on PYTHONPATH, `import ltel_locust` works without pip. Add its subfolder `ltel_locust/autoload` too, and the
    /// locustfile needs no import.
    PluginPath,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Also send the telemetry to an OTLP receiver, such as <http://127.0.0.1:4317>.
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<String>,
    /// The receiver's protocol. Default: grpc for port 4317, http/protobuf for other ports.
    #[arg(long, value_name = "PROTOCOL", requires = "otlp", value_parser = ["grpc", "http/protobuf", "http/json"])]
    pub(crate) otlp_protocol: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Fail if telemetry is lost: exit with 1 where Locust exits with 0.
    ///
    /// Telemetry is lost if no test was recorded, if a run is incomplete, if requests were dropped or came too late, or if
    /// a backend dropped items, failed, had items rejected or did not finish. One line says what was lost.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Show the test in a browser while it runs; the page's URL is printed.
    ///
    /// Default: 127.0.0.1:4329, or another port if that one is taken. An address that other machines can reach gets a random
    /// token, which is part of the URL; it is not encrypted, unless a `[backends.page]` of the configuration has `tls`.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "")]
    pub(crate) page: Option<PageAddress>,
    /// Write a report about the test: `.html` (a page), `.json` (all figures), `.md` (a summary) or `.xml` (thresholds, for a CI).
    ///
    /// The name's ending says which; may be given several times. `{run_id}` in the name becomes the run's id.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Vec<String>,
    /// How to show that the test goes on, on stderr.
    ///
    /// Rate and p95 are those of the last five seconds. The line needs a terminal: Locust then gets a pseudoterminal for its
    /// output, which appears above the line, as it is; keys and signals reach Locust as always.
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    pub(crate) progress: ProgressMode,
    /// What to print when the test is over.
    ///
    /// With `markdown` and `json`, stdout has nothing else: without a configuration, telemetry goes to a file, as at a terminal.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) summary: SummaryFormat,
    /// The Locust command, after `--`.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Where `run --page` listens: at an address, or wherever there is room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageAddress(pub(crate) Option<SocketAddr>);

impl FromStr for PageAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = (!text.is_empty()).then(|| text.parse()).transpose();
        address.map(Self).map_err(|_| "write an IP address and a port, such as 127.0.0.1:4329")
    }
}

/// What to print when a test is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SummaryFormat {
    /// Nothing, except what was lost.
    Off,
    /// A table, on stderr.
    #[default]
    Table,
    /// A page of Markdown for each test, on stdout, such as for a step summary of CI.
    Markdown,
    /// A JSON document with all figures for each test, on stdout.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The crate's folder. Its last part is the crate's name, such as `shop-telemetry`.
    #[arg(value_name = "NAME")]
    pub(crate) path: PathBuf,
    /// Depend on ltel's crates in this checkout. Default: the crates that this binary was built from.
    #[arg(long, value_name = "FOLDER", conflicts_with = "git")]
    pub(crate) ltel: Option<PathBuf>,
    /// Depend on ltel's crates in this git repository.
    #[arg(long, value_name = "URL")]
    pub(crate) git: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
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

#[derive(Debug, Args)]
pub(crate) struct RecordersArgs {
    /// List the recorders of this configuration file (TOML), declared ones too.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The output format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: ShellName,
}

/// A shell.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ShellName {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}

#[derive(Debug, Args)]
pub(crate) struct DashboardsArgs {
    /// The folder for the files. It is created if needed.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// A table, for people.
    Table,
    /// JSON, for machines.
    Json,
}
