//! `ltel-cli` with the built-in recorders.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}
