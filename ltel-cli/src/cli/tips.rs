//! Tips for mistakes on the command line that clap has none for.

use std::path::Path;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

/// Adds a tip to an error, if there is one.
pub(super) fn add(error: &mut Error) {
    let kind = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        _ => return,
    };
    let Some(ContextValue::String(argument)) = error.get(kind) else { return };
    let tip = if Path::new(argument).extension().is_some_and(|end| end == "toml") {
        format!("a configuration is given as `--config {argument}`")
    } else if argument == "locust" || argument.ends_with("/locust") || argument.starts_with("python") {
        format!("the command of `run` stands behind `--`: `ltel-cli run -- {argument} ...`")
    } else {
        return;
    };
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
}
