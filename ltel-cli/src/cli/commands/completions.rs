//! `ltel-cli completions`: scripts that make shells complete commands and options.

use clap_complete::Shell;

use super::Failure;
use crate::cli::args::{Cli, CompletionsArgs, ShellName};
use crate::cli::print;
use crate::program::Program;

/// Completes the name of this program: one with recorders of its own has another one.
pub(crate) fn completions(args: &CompletionsArgs, program: &'static Program) -> Result<(), Failure> {
    let shell = match args.shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    let mut command = Cli::command_of(program);
    let name = program.name();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Bash {
        // clap_complete 4.6 writes a program's name with a `-` in two ways, so that no command of it would be completed.
        script = script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"));
    }
    print::stdout(&script).map_err(|error| Failure::failed(error.to_string()))
}
