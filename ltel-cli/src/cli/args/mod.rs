//! The command line's commands and options, a file per command.

mod optional_value;
mod log;
mod address;
mod backends;
mod config;
mod serve;
mod run;
mod demo;
mod init;
mod check;
mod recorders;
mod schema;
mod completions;
mod man;
mod dashboards;
mod example;
mod compare;
mod new;
mod help;

use std::ffi::OsString;

use clap::builder::{Resettable, StyledStr};
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::program::Program;
pub(crate) use address::Address;
pub(crate) use backends::BackendArgs;
pub(crate) use check::{CheckArgs, CheckFormat};
pub(crate) use compare::{CompareArgs, CompareFormat};
pub(crate) use completions::{CompletionsArgs, ShellName};
pub(crate) use config::{ConfigArg, FileArg, VARIABLE};
pub(crate) use dashboards::DashboardsArgs;
pub(crate) use demo::DemoArgs;
pub(crate) use example::ExampleArgs;
pub(crate) use help::HelpArgs;
pub(crate) use init::InitArgs;
pub(crate) use log::{LogArgs, LogFormat};
pub(crate) use man::ManArgs;
pub(crate) use new::NewArgs;
pub(crate) use recorders::{Format, RecordersArgs};
pub(crate) use run::{RunArgs, SummaryFormat};
pub(crate) use serve::ServeArgs;

/// Telemetry for Locust load tests: JSON lines and OpenTelemetry, exact to the last request.
///
/// Without a command, ltel-cli serves: it listens for Locust processes that have the `ltel_locust` plugin, records run after
/// run, and ends at SIGTERM or Ctrl-C. If a run is active then, ltel-cli takes no new connections and waits for the run to
/// complete, for at most `grace` (10s); another signal ends the wait. SIGHUP reopens its output files and reads the configuration
/// again: the next run begins with it, or, if it has errors, everything stays as it was.
#[derive(Debug, Parser)]
#[command(name = "ltel-cli", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "\
Examples:
  ltel-cli demo                                        see it work, on real Locust
  ltel-cli run locust -f locustfile.py --headless      run a test with telemetry; no change to the locustfile
  ltel-cli --config telemetry.toml                     serve; Locust connects to LTEL_ADDRESS
  ltel-cli init                                        write a configuration to begin with
  ltel-cli check telemetry.toml                        show what would run
  ltel-cli new shop-telemetry                          create your own recorder, in Rust

Exit codes:
  0   success
  1   failure: an address is in use, no run began within `start_timeout` (--once), a part of ltel panicked,
      or telemetry was lost; the last line says which
  2   the configuration or the command line is invalid; nothing was started
  99  a threshold is broken (--once)
  `run` exits with Locust's exit code, or with 99; see `ltel-cli run --help`.

Messages go to stderr: warnings and errors with -q, more with -v and -vv. Without them, RUST_LOG chooses, such as
RUST_LOG=ltel_cli=debug.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
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
    #[command(after_long_help = run::EXIT_CODES)]
    Run(RunArgs),
    /// Write a configuration with comments, to begin with. It is valid as it is.
    #[command(after_help = init::EXAMPLES)]
    Init(InitArgs),
    /// Check a configuration and print what would run. Exits with 0 if it is valid, 2 if not.
    #[command(after_help = check::EXAMPLES)]
    Check(CheckArgs),
    /// List the recorders and what each emits; with a configuration, those that it runs, under their own names.
    Recorders(RecordersArgs),
    /// Print the JSON Schema of the configuration file, with every recorder and backend of this program.
    ///
    /// Editors check and complete a file by it: those with taplo (VS Code's "Even Better TOML", Helix, Neovim) where the first line of
    /// the file is `#:schema ./ltel.schema.json`.
    #[command(after_help = schema::EXAMPLES)]
    Schema,
    /// Print a script that makes a shell complete ltel-cli's commands and options.
    #[command(after_help = completions::EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the manual page of the program, or write the pages of all commands.
    #[command(after_help = man::EXAMPLES)]
    Man(ManArgs),
    /// Write Grafana dashboards and Prometheus alert rules for the metrics of the built-in recorders.
    ///
    /// Import the JSON files in Grafana (Dashboards, New, Import), or put them into a folder that it provisions. Two of them ask a
    /// Prometheus data source, one asks Loki. Files of the same names are replaced.
    Dashboards(DashboardsArgs),
    /// Print complete examples: containers, Kubernetes, Compose, systemd, CI, and what each receiver of telemetry needs.
    #[command(after_help = example::EXAMPLES)]
    Example(ExampleArgs),
    /// Compare runs: what became slower or faster, and whether it is more than noise.
    ///
    /// Takes the JSON documents of two or more runs; the first is the baseline. For each endpoint and for all together it compares
    /// p50, p95, p99, the failure ratio and the requests per second, with confidence intervals.
    #[command(after_help = compare::EXAMPLES, after_long_help = compare::long_help())]
    Compare(CompareArgs),
    /// Create a crate for your own recorder, with a test and a configuration.
    New(NewArgs),
    /// Print the folder of the Python plugin, for PYTHONPATH.
    ///
    /// With it on PYTHONPATH, `import ltel_locust` works without pip. Add its subfolder `ltel_locust/autoload` too, and the
    /// locustfile needs no import.
    PluginPath,
    /// Print the help of a command, every key of the configuration, or a page about one subject.
    ///
    /// `help config` describes every key of the configuration, with the recorders and backends of this program; `help config
    /// backends.otlp` those of one table. Without a topic, it lists the pages.
    #[command(after_help = help::EXAMPLES)]
    Help(HelpArgs),
}

impl Cli {
    /// Reads a command line. `variable` is the configuration that the environment names.
    pub(super) fn read(
        program: &'static Program,
        args: impl IntoIterator<Item = OsString>,
        variable: Option<OsString>,
    ) -> Result<Self, clap::Error> {
        let mut command = Self::command_of(program);
        let matches = command.try_get_matches_from_mut(optional_value::join(args, &command))?;
        let mut cli = Self::from_arg_matches(&matches)?;
        if let Some(name) = matches.subcommand_name() {
            let moved = cli.move_what_stands_before(name);
            moved.map_err(|message| command.error(ErrorKind::ArgumentConflict, message))?;
        }
        if let Some(config) = cli.config() {
            config.default_to(variable);
        }
        Ok(cli)
    }

    /// The command line of this program, with its name and version.
    pub(super) fn command_of(program: &'static Program) -> clap::Command {
        named(Self::command(), program).name(program.name()).version(program.versions())
    }

    /// Gives the command the configuration that stands before it.
    fn move_what_stands_before(&mut self, name: &str) -> Result<(), String> {
        let before = std::mem::take(&mut self.serve.config);
        let once = self.serve.once.then_some("--once");
        let option = before.given();
        let file = match &mut self.command {
            Some(Command::Check(args)) => args.file.take(),
            Some(Command::Recorders(args)) => args.file.take(),
            _ => None,
        };
        match (once, option, self.config()) {
            (None, _, Some(config)) => config.add(before, file),
            (None, None, None) => Ok(()),
            (Some(option), ..) | (None, Some(option), None) => {
                Err(format!("the argument '{option}' cannot be used with the command '{name}'"))
            }
        }
    }

    /// The configuration of a command that takes one.
    fn config(&mut self) -> Option<&mut ConfigArg> {
        match &mut self.command {
            None => Some(&mut self.serve.config),
            Some(Command::Run(args)) => Some(&mut args.config),
            Some(Command::Check(args)) => Some(&mut args.config),
            Some(Command::Recorders(args)) => Some(&mut args.config),
            Some(_) => None,
        }
    }
}

/// The long options of `run` that Locust does not have.
pub(crate) fn options_of_run() -> Vec<String> {
    const OF_LOCUST_TOO: [&str; 4] = ["config", "json", "help", "version"];
    let cli = Cli::command();
    let options = cli.find_subcommand("run").into_iter().flat_map(clap::Command::get_arguments);
    let own = options.filter_map(clap::Arg::get_long).filter(|long| !OF_LOCUST_TOO.contains(long));
    own.map(|long| format!("--{long}")).collect()
}

/// All texts of a command with the program's name in place of ltel's.
fn named(command: clap::Command, program: &Program) -> clap::Command {
    let text =
        |text: Option<&StyledStr>| Resettable::from(text.map(|text| StyledStr::from(program.named(&text.to_string()))));
    let about = (text(command.get_about()), text(command.get_long_about()));
    let after = (text(command.get_after_help()), text(command.get_after_long_help()));
    command
        .about(about.0)
        .long_about(about.1)
        .after_help(after.0)
        .after_long_help(after.1)
        .mut_args(|arg| {
            let help = (text(arg.get_help()), text(arg.get_long_help()));
            arg.help(help.0).long_help(help.1)
        })
        .mut_subcommands(|command| named(command, program))
}
