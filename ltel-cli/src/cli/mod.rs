//! The command line: arguments, output, and the signals that end it.

mod args;
mod commands;
mod log;
mod terminal;
mod numbers;
mod losses;
mod print;
mod private_folder;
mod telemetry_file;
mod python;
mod signals;
mod table;
mod tips;

use std::process::ExitCode;
use std::time::Duration;

use ltel_core::registry::Registry;

use crate::program::Program;
use args::{Cli, Command};
use commands::{
    Failure, check, compare, completions, dashboards, demo, example, help, init, man, new, plugin_path, recorders, run,
    schema, serve,
};

/// Runs the command line of a program.
pub(crate) fn run(program: &'static Program, registry: Registry) -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let cli = match Cli::read(program, args.iter().cloned(), std::env::var_os(args::VARIABLE)) {
        Ok(cli) => cli,
        Err(mut error) => {
            tips::add(&mut error, &args);
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    log::start(cli.log);
    match execute(cli, program, &crate::with_backends(registry)) {
        Ok(code) => ExitCode::from(code),
        Err(Failure { code, message }) => {
            print::error(&message);
            ExitCode::from(code)
        }
    }
}

fn execute(cli: Cli, program: &'static Program, registry: &Registry) -> Result<u8, Failure> {
    match cli.command {
        None => in_runtime(async { serve::serve(&cli.serve, registry).await.map(|()| 0) }),
        Some(Command::Run(args)) => in_runtime(run::run(&args, registry)),
        Some(Command::Demo(args)) => in_runtime(demo::demo(&args, registry)),
        Some(Command::Init(args)) => init::init(&args).map(|()| 0),
        Some(Command::Check(args)) => check::check(&args, registry),
        Some(Command::Recorders(args)) => recorders::recorders(&args, registry).map(|()| 0),
        Some(Command::Schema) => schema::schema(registry).map(|()| 0),
        Some(Command::Completions(args)) => completions::completions(&args, program).map(|()| 0),
        Some(Command::Man(args)) => man::man(&args, program).map(|()| 0),
        Some(Command::Dashboards(args)) => dashboards::dashboards(&args, registry).map(|()| 0),
        Some(Command::Example(args)) => example::example(&args, registry).map(|()| 0),
        Some(Command::Compare(args)) => compare::compare(&args),
        Some(Command::New(args)) => new::new(&args).map(|()| 0),
        Some(Command::Help(args)) => help::help(&args, registry).map(|()| 0),
        Some(Command::PluginPath) => plugin_path::plugin_path().map(|()| 0),
    }
}

fn in_runtime(work: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    let result = runtime.block_on(work);
    // A write that blocks on a stdout without a reader must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}
