//! `ltel-cli` with the built-in recorders.

use std::process::ExitCode;

fn main() -> ExitCode {
    ltel_cli::run(ltel_recorders::registry())
}
