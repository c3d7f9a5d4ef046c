//! Which configuration, for every command that takes one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::{LabelArg, Stated, StatedBackend};

/// The environment variable that names a configuration where no option does.
pub(crate) const VARIABLE: &str = "LTEL_CONFIG";

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConfigArg {
    /// The configuration file (TOML); `-` reads it from stdin. [env: `LTEL_CONFIG`]
    ///
    /// Default: the built-in recorders that cost Locust nothing, as JSON lines on stdout; where `run` is at a terminal, in a file that
    /// it names; or to where options of `run` send them.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A label on everything that is emitted, such as `region=eu`. It adds to `[labels]` of the configuration, or replaces one of
    /// them; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) label: Vec<LabelArg>,
    /// Whether the file is that of [`VARIABLE`].
    #[arg(skip)]
    pub(crate) is_from_environment: bool,
}

/// The configuration file as an argument, beside `--config`.
#[derive(Clone, Debug, Args)]
pub(crate) struct FileArg {
    /// The configuration file, as with `--config`.
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
}

impl ConfigArg {
    /// Adds what stands before the command, and the file that is an argument.
    pub(super) fn add(&mut self, before: Self, file: Option<FileArg>) -> Result<(), String> {
        let own = self.config.take().or(file.and_then(|arg| arg.file));
        if own.is_some() && before.config.is_some() {
            return Err("the configuration is given twice: before the command and behind it".to_owned());
        }
        self.config = own.or(before.config);
        self.label.splice(0..0, before.label);
        Ok(())
    }

    /// Without a file, it is that of the environment, if that names one.
    pub(super) fn default_to(&mut self, variable: Option<OsString>) {
        if self.config.is_none() {
            self.config = variable.filter(|file| !file.is_empty()).map(PathBuf::from);
            self.is_from_environment = self.config.is_some();
        }
    }

    /// The option that it was given with, if it was given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let label = (!self.label.is_empty()).then_some("--label <KEY=VALUE>");
        self.config.is_some().then_some("--config <FILE>").or(label)
    }

    /// Whether the configuration is read from stdin.
    pub(crate) fn is_stdin(&self) -> bool {
        self.config.as_deref() == Some(Path::new("-"))
    }

    /// What the command line states beside the file.
    pub(crate) fn stated(&self, backends: Vec<StatedBackend>) -> Stated {
        Stated { labels: self.label.clone(), backends, is_embedded: self.config.is_none() }
    }

    /// What to say about where the file's name comes from, behind the name.
    pub(crate) fn origin(&self) -> String {
        if self.is_from_environment { format!(" (from {VARIABLE})") } else { String::new() }
    }
}
