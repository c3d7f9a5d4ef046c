//! `ltel-cli completions`.

use clap::{Args, ValueEnum};

pub(super) const EXAMPLES: &str = "\
Examples:
  bash  ltel-cli completions bash > ~/.local/share/bash-completion/completions/ltel-cli
  zsh   ltel-cli completions zsh > ~/.zfunc/_ltel-cli     in a folder of $fpath
  fish  ltel-cli completions fish > ~/.config/fish/completions/ltel-cli.fish";

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: ShellName,
}

/// A shell.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ShellName {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}
