//! The commands, one file each.

pub(crate) mod serve;
pub(crate) mod run;
pub(crate) mod demo;
pub(crate) mod check;
pub(crate) mod recorders;
pub(crate) mod compare;
pub(crate) mod dashboards;
pub(crate) mod new;
pub(crate) mod plugin_path;
mod locust;
mod private_socket;
mod group;
mod arrival;

use std::io::IsTerminal;
use std::path::Path;

use ltel_core::registry::Registry;

use crate::cli::args::ConfigArg;
use crate::config::{self, Config, Environment};

/// Why a command failed: a message and an exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    /// The command line or the configuration is invalid.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// A threshold is broken. The code is k6's.
    pub(crate) fn broken(message: impl Into<String>) -> Self {
        Self { code: 99, message: message.into() }
    }

    /// Something failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }
}

/// Reads the configuration file of the command line, or the embedded configuration.
pub(crate) fn load_config(arg: &ConfigArg, registry: &Registry) -> Result<Config, Failure> {
    match &arg.config {
        None => parse_config("the embedded configuration", config::DEFAULT, registry),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::usage(format!("cannot read the configuration `{}`: {error}", path.display()))
            })?;
            parse_config(&file_name(path), &text, registry)
        }
    }
}

/// Reads a configuration from its text.
pub(crate) fn parse_config(file: &str, text: &str, registry: &Registry) -> Result<Config, Failure> {
    config::load(file, text, registry, &Environment::of_process()).map_err(|errors| {
        let count = errors.errors().len();
        let plural = if count == 1 { "" } else { "s" };
        let color = std::io::stderr().is_terminal();
        Failure::usage(format!("{count} error{plural} in {file}; nothing was started\n\n{}", errors.render(color)))
    })
}

fn file_name(path: &Path) -> String {
    path.display().to_string()
}
