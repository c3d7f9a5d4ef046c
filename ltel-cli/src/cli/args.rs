//! What can be typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Telemetry for Locust load tests: JSON lines and OpenTelemetry, exact to the last request.
///
/// Without a command, ltel-cli serves: it listens for Locust processes that have the `ltel_locust` plugin, records run after
/// run, and ends at SIGTERM or Ctrl-C. If a run is at work then, ltel-cli takes no new connections and waits until that run is
/// complete, for the configuration's `grace` (10s) at most; another signal ends the wait. SIGHUP opens its files again.
#[derive(Debug, Parser)]
#[command(name = "ltel-cli", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  ltel-cli demo                                        see it work, on real Locust
  ltel-cli run -- locust -f locustfile.py --headless   a test with telemetry, the locustfile unchanged
  ltel-cli --config telemetry.toml                     serve; Locust finds it by LTEL_ADDRESS
  ltel-cli check --config telemetry.toml               what would run
  ltel-cli new shop-telemetry                          a recorder of your own, in Rust

Exit codes:
  0  all is well
  1  something failed: an address is taken, with --once no run began within `start_timeout`, a part of ltel panicked,
     or telemetry was lost: the last line says what
  2  the configuration or the command line is wrong; nothing was started
  `run` ends with Locust's own, `ltel-cli run --help` says more.

Logs go to stderr; RUST_LOG=debug shows more.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const RUN_EXIT_CODES: &str = "\
Exit codes: those of the command; 128 plus the signal's number where a signal ended it.
  1    an address is taken; or the command ended with 0, but a part of ltel panicked, or with --strict telemetry was lost
  2    the configuration is wrong; the command was not started
  126  the command cannot be run
  127  the command was not found

Examples:
  ltel-cli run -- locust -f locustfile.py --headless -u 100 -t 5m
  ltel-cli run --strict --config telemetry.toml -- locust -f locustfile.py --headless -t 5m";

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// End after the first complete run, as a sidecar of a Kubernetes Job must (`exit_after_run = true`).
    ///
    /// If no run begins within `start_timeout` of the configuration (5m), or Locust connects and leaves without one and is not
    /// back within `grace` (10s), ltel-cli says why and ends with exit code 1.
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArg {
    /// The configuration (TOML). Without it: the built-in recorders that cost Locust nothing, as JSON lines on stdout.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See it work: real Locust against a small server in this process, for ten seconds.
    ///
    /// Needs Python 3. The first time it installs Locust in a virtual environment in your cache folder.
    Demo(DemoArgs),
    /// Run Locust with telemetry. The locustfile needs no change.
    ///
    /// ltel-cli listens on a private socket, loads the plugin into Locust, passes on its output and signals, and ends when
    /// every Locust process has delivered what it had. A signal to ltel-cli ends the processes that the command leaves, too.
    #[command(after_long_help = RUN_EXIT_CODES)]
    Run(RunArgs),
    /// Check a configuration and print what would run. Exit code 0 if it is right, 2 if not.
    Check(CheckArgs),
    /// List the recorders and what each emits: name, instrument, unit, labels, description.
    Recorders(RecordersArgs),
    /// Create a crate with a recorder of your own: its code, its test, its configuration.
    New(NewArgs),
    /// Print the folder of the Python plugin, to put on PYTHONPATH.
    ///
    /// With it, `import ltel_locust` in a locustfile works without pip. Add its subfolder `ltel_locust/autoload` as well, and
    /// not even the import is needed.
    PluginPath,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Send the telemetry to an OTLP receiver as well, such as <http://127.0.0.1:4317>.
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<String>,
    /// The receiver's protocol. By default gRPC on port 4317, HTTP elsewhere.
    #[arg(long, value_name = "PROTOCOL", requires = "otlp", value_parser = ["grpc", "http/protobuf"])]
    pub(crate) otlp_protocol: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Fail if telemetry is lost: end with 1 where Locust ends with 0.
    ///
    /// Lost is: no test was recorded, a run is not complete, requests were dropped or came too late, or a backend dropped
    /// something, failed, was refused or did not finish. What was lost is said in one line.
    #[arg(long)]
    pub(crate) strict: bool,
    /// The Locust command line, after `--`.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The crate's folder, and so its name, such as `shop-telemetry`.
    #[arg(value_name = "NAME")]
    pub(crate) path: PathBuf,
    /// Depend on ltel's crates in this checkout. By default on those that this binary was built from.
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
}

#[derive(Debug, Args)]
pub(crate) struct RecordersArgs {
    /// How to show them.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For machines.
    Json,
}
