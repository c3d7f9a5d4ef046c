//! Tips for mistakes on the command line that clap has none for.

use std::ffi::OsString;
use std::path::Path;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Command, CommandFactory};
use ltel_core::text::list;

use super::args::Cli;
use crate::program;

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
    let is_of_locust = OF_LOCUST.contains(&argument.as_str());
    if is_option && let Some(tip) = of_a_command(argument, args) {
        return set(error, &tip);
    }
    // A slip of the pen, of which clap has told what is meant; Locust has options that look like ltel's.
    if !is_of_locust && error.get(ContextKind::SuggestedArg).is_some() {
        // That it could be a value: nobody means it.
        error.remove(ContextKind::Suggested);
        return;
    }
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
    } else if is_of_locust {
        format!("`{argument}` is an option of Locust, which is run with `run`: `ltel-cli run locust {argument} ...`")
    } else {
        return;
    };
    error.remove(ContextKind::SuggestedArg);
    set(error, &tip);
}

/// For an option that stands where nobody has it: the commands that have it.
fn of_a_command(option: &str, args: &[OsString]) -> Option<String> {
    let cli = Cli::command();
    let long = option.strip_prefix("--")?;
    let has = |command: &&Command| command.get_arguments().any(|arg| arg.get_long() == Some(long));
    let all: Vec<_> = cli.get_subcommands().filter(has).map(Command::get_name).collect();
    let first = all.iter().find(|name| **name == "run").or(all.first())?;
    // What stands behind `run` is its own command's.
    let given = args.iter().filter_map(|arg| cli.find_subcommand(arg)).map(Command::get_name).next();
    let names = list(all.iter().copied());
    let line = |command: &str| {
        let locust = if command == "run" { " locust ..." } else { "" };
        format!("`ltel-cli {command} {option} ...{locust}`")
    };
    match given {
        Some(given) if all.contains(&given) => Some(format!("`{option}` belongs behind `{given}`: {}", line(given))),
        _ if OF_LOCUST.contains(&option) => None,
        Some("run") => None,
        Some(given) => Some(format!("`{option}` is an option of {names}; `{given}` has none of that name")),
        None => Some(format!("`{option}` is an option of {names}: {}", line(first))),
    }
}

/// Options of Locust with which people begin a command line, or that look like ltel's.
const OF_LOCUST: [&str; 20] = [
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
    "--worker",
    "--processes",
    "--tags",
    "--exclude-tags",
    "--csv",
    "--html",
    "--autostart",
    "--stop-timeout",
];

fn set(error: &mut Error, tip: &str) {
    let tip = tip.replace("ltel-cli", program::name());
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
}
