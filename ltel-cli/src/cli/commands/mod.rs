//! The commands, one file each.

pub(crate) mod serve;
pub(crate) mod run;
pub(crate) mod demo;
pub(crate) mod init;
pub(crate) mod check;
pub(crate) mod recorders;
pub(crate) mod schema;
pub(crate) mod completions;
pub(crate) mod man;
pub(crate) mod compare;
pub(crate) mod dashboards;
pub(crate) mod example;
pub(crate) mod help;
pub(crate) mod new;
pub(crate) mod plugin_path;
mod locust;
mod misplaced;
mod private_socket;
mod group;
mod arrival;
mod stated_backends;

use std::borrow::Cow;
use std::io::{IsTerminal, Read};

use ltel_core::registry::Registry;
use serde_json::json;

use crate::cli::args::ConfigArg;
use crate::cli::{log, print, terminal};
use crate::config::{self, Config, ConfigErrors, Environment, StatedBackend};

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

/// Reads the configuration file of the command line, or the embedded configuration, with these backends beside it.
pub(crate) fn load_config(
    arg: &ConfigArg,
    backends: Vec<StatedBackend>,
    registry: &Registry,
) -> Result<Config, Failure> {
    let (mut file, text) = read_config(arg)?;
    if arg.config.is_none() && !backends.is_empty() {
        // Who has typed options knows of no embedded configuration.
        "the command line".clone_into(&mut file);
    }
    parse_config(arg, (&file, &text), backends, registry)
}

/// Reads a configuration from its text. `file` is the name of the file, and its content.
pub(crate) fn parse_config(
    arg: &ConfigArg,
    (file, text): (&str, &str),
    backends: Vec<StatedBackend>,
    registry: &Registry,
) -> Result<Config, Failure> {
    let loaded = config::load_with(file, text, registry, &Environment::of_process(), &arg.stated(backends));
    loaded.map_err(|errors| Failure::usage(rendered(&errors, &arg.origin(), "; nothing was started")))
}

/// The name and the text of the configuration file of the command line, or of the embedded configuration.
pub(crate) fn read_config(arg: &ConfigArg) -> Result<(String, Cow<'static, str>), Failure> {
    let Some(path) = &arg.config else {
        return Ok(("the embedded configuration".to_owned(), config::DEFAULT.into()));
    };
    let (name, read) = if arg.is_stdin() {
        if std::io::stdin().is_terminal() {
            print::note("ltel: type the configuration, and Ctrl-D at its end\n");
        }
        let mut bytes = Vec::new();
        ("<stdin>".to_owned(), std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes))
    } else {
        (path.display().to_string(), std::fs::read(path))
    };
    tracing::debug!("the configuration is {name}{}", arg.origin());
    match read.map_err(|error| error.to_string()).and_then(config::file_text) {
        Ok(text) => Ok((name, text.into())),
        Err(error) => Err(Failure::usage(format!("cannot read the configuration `{name}`{}: {error}", arg.origin()))),
    }
}

/// Says that a configuration is the environment's: whoever starts ltel may not know of it.
pub(crate) fn say_origin(arg: &ConfigArg) {
    if let Some(file) = arg.config.as_ref().filter(|_| arg.is_from_environment) {
        tracing::info!("configuration {}{}", file.display(), arg.origin());
    }
}

/// Reads the configuration file again while ltel runs; says what is wrong with it.
pub(crate) fn load_again(arg: &ConfigArg, backends: Vec<StatedBackend>, registry: &Registry) -> Option<Config> {
    let said = print::error;
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
    let loaded = config::load_with(&file, &text, registry, &Environment::of_process(), &arg.stated(backends));
    loaded.map_err(|errors| said(&rendered(&errors, &arg.origin(), ""))).ok()
}

/// All errors, for people; in a log of JSON, how many there are, behind a line for each. `origin` says where the file's name comes from, `then` what comes of them.
fn rendered(errors: &ConfigErrors, origin: &str, then: &str) -> String {
    let (count, file) = (errors.errors().len(), errors.file());
    let plural = if count == 1 { "" } else { "s" };
    let head = format!("{count} error{plural} in {file}{origin}{then}");
    if log::is_json() {
        for error in errors.errors() {
            let place = errors.is_in_file(error).then(|| errors.place(error).0);
            let fields = json!({
                "file": file,
                "line": place.map(|place| place.line),
                "column": place.map(|place| place.column),
                "help": error.help,
            });
            log::json_error(&error.message, fields.as_object().cloned().unwrap_or_default());
        }
        return head;
    }
    format!("{head}\n\n{}", errors.render(terminal::has_colors()))
}
