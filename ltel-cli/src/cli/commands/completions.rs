//! `ltel-cli completions`: scripts that make shells complete commands and options.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Failure;
use crate::cli::args::{Cli, CompletionsArgs, ShellName};
use crate::cli::print;

/// Completes the name by which this program was started: a program with recorders of its own has another one.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let shell = match args.shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    let mut command = Cli::command();
    let name = program().unwrap_or_else(|| command.get_name().to_owned());
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, &name, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Bash {
        // clap_complete 4.6 writes a program's name with a `-` in two ways, so that no command of it would be completed.
        script = script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"));
    }
    print::stdout(&script).map_err(|error| Failure::failed(error.to_string()))
}

/// The program's name, if a shell can have it in a script as it is.
pub(super) fn program() -> Option<String> {
    let path = std::env::args_os().next()?;
    let name = std::path::Path::new(&path).file_name()?.to_str()?;
    let is_plain = name.chars().all(|char| char.is_ascii_alphanumeric() || "-_.".contains(char));
    (is_plain && name.starts_with(|first: char| first.is_ascii_alphabetic())).then(|| name.to_owned())
}
