//! Tips for mistakes on the command line that clap has none for.

use std::ffi::OsString;
use std::path::Path;

use crate::program;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

/// Adds a tip to an error, if there is one. `args` is the command line.
pub(super) fn add(error: &mut Error, args: &[OsString]) {
    let of_run = args.iter().any(|arg| arg == "run");
    let kind = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::MissingRequiredArgument if of_run => {
            return set(error, "write the Locust command behind `run`: `ltel-cli run locust -f locustfile.py`");
        }
        _ => return,
    };
    let Some(ContextValue::String(argument)) = error.get(kind) else { return };
    let is_option = argument.starts_with('-');
    // These take one file, which is there already.
    let takes_a_file = args.iter().any(|arg| arg == "check" || arg == "recorders");
    let tip = if Path::new(argument).extension().is_some_and(|end| end == "toml") && takes_a_file {
        "one configuration at a time".to_owned()
    } else if Path::new(argument).extension().is_some_and(|end| end == "toml") {
        format!("a configuration is given as `--config {argument}`")
    } else if is_option && of_run {
        format!("is `{argument}` an option of Locust? Write `locust` before it: `ltel-cli run locust {argument} ...`")
    } else if !is_option && (argument == "locust" || argument.ends_with("/locust") || argument.starts_with("python")) {
        format!("Locust is run with `run`: `ltel-cli run {argument} ...`")
    } else if is_option && OF_LOCUST.contains(&argument.as_str()) {
        format!("`{argument}` is an option of Locust, which is run with `run`: `ltel-cli run locust {argument} ...`")
    } else {
        return;
    };
    set(error, &tip);
}

/// Options of Locust with which people begin a command line.
const OF_LOCUST: [&str; 12] = [
    "-f",
    "--locustfile",
    "--headless",
    "-u",
    "--users",
    "-r",
    "--spawn-rate",
    "-t",
    "--run-time",
    "-H",
    "--host",
    "--master",
];

fn set(error: &mut Error, tip: &str) {
    let tip = tip.replace("ltel-cli", program::name());
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
}
