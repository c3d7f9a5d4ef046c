//! The commands, one file each.

pub(crate) mod serve;
pub(crate) mod run;
pub(crate) mod demo;
pub(crate) mod check;
pub(crate) mod recorders;
pub(crate) mod schema;
pub(crate) mod completions;
pub(crate) mod man;
pub(crate) mod compare;
pub(crate) mod dashboards;
pub(crate) mod example;
pub(crate) mod new;
pub(crate) mod plugin_path;
mod locust;
mod private_socket;
mod group;
mod arrival;

use std::borrow::Cow;
use std::io::IsTerminal;

use ltel_core::registry::Registry;

use crate::cli::args::ConfigArg;
use crate::cli::{print, terminal};
use crate::config::{self, Config, ConfigErrors, Environment, LabelArg};

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
    let (file, text) = read_config(arg)?;
    let loaded = config::load_with_labels(&file, &text, registry, &Environment::of_process(), &arg.label);
    loaded.map_err(|errors| Failure::usage(rendered(&errors, &arg.origin(), "; nothing was started")))
}

/// The name and the text of the configuration file of the command line, or of the embedded configuration.
pub(crate) fn read_config(arg: &ConfigArg) -> Result<(String, Cow<'static, str>), Failure> {
    let Some(path) = &arg.config else {
        return Ok(("the embedded configuration".to_owned(), config::DEFAULT.into()));
    };
    let (name, read) = if arg.is_stdin() {
        if std::io::stdin().is_terminal() {
            print::stderr("ltel: type the configuration, and Ctrl-D at its end\n");
        }
        ("<stdin>".to_owned(), std::io::read_to_string(std::io::stdin()))
    } else {
        (path.display().to_string(), std::fs::read_to_string(path))
    };
    match read {
        Ok(text) => Ok((name, text.into())),
        Err(error) => Err(Failure::usage(format!("cannot read the configuration `{name}`{}: {error}", arg.origin()))),
    }
}

/// Reads the configuration file again while ltel runs; says what is wrong with it.
pub(crate) fn load_again(arg: &ConfigArg, registry: &Registry) -> Option<Config> {
    let said = |message: &str| print::stderr(&format!("ltel-cli: {}\n", message.trim_end()));
    if arg.is_stdin() {
        said("the configuration was read from stdin, so it cannot be read again");
        return None;
    }
    // A pipe has been read: it would be empty now, or nobody might ever write to it.
    if let Some(path) = arg.config.as_ref().filter(|path| path.exists() && !path.is_file()) {
        said(&format!("the configuration `{}` is not a regular file, so it cannot be read again", path.display()));
        return None;
    }
    let (file, text) = read_config(arg).map_err(|failure| said(&failure.message)).ok()?;
    let loaded = config::load_with_labels(&file, &text, registry, &Environment::of_process(), &arg.label);
    loaded.map_err(|errors| said(&rendered(&errors, &arg.origin(), ""))).ok()
}

/// Reads a configuration from its text.
pub(crate) fn parse_config(
    file: &str,
    text: &str,
    registry: &Registry,
    labels: &[LabelArg],
) -> Result<Config, Failure> {
    let loaded = config::load_with_labels(file, text, registry, &Environment::of_process(), labels);
    loaded.map_err(|errors| Failure::usage(rendered(&errors, "", "; nothing was started")))
}

/// All errors, for people. `origin` says where the file's name comes from, `then` what comes of them.
fn rendered(errors: &ConfigErrors, origin: &str, then: &str) -> String {
    let (count, file) = (errors.errors().len(), errors.file());
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} error{plural} in {file}{origin}{then}\n\n{}", errors.render(terminal::has_colors()))
}
