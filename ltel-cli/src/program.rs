//! The program that has ltel's command line: its name and version are its own.

use std::process::ExitCode;
use std::sync::OnceLock;

use ltel_core::registry::Registry;

/// The name of ltel's own program.
const LTEL: &str = "ltel-cli";

/// ltel's version.
const LTEL_VERSION: &str = env!("CARGO_PKG_VERSION");

static CURRENT: OnceLock<Program> = OnceLock::new();

/// A program with ltel's command line, and with recorders or backends of its own. [`program!`](crate::program!) makes one of a
/// crate's name and version.
#[derive(Clone, Debug)]
pub struct Program {
    name: String,
    /// Its version and ltel's, for people.
    versions: String,
}

/// The [`Program`] of the crate that it is written in, with the name and version of its `Cargo.toml`:
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     ltel_cli::program!().run(ltel_recorders::registry())
/// }
/// ```
#[macro_export]
macro_rules! program {
    () => {
        $crate::Program::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
    };
}

impl Program {
    /// A program of this name and version. Its help and its messages show the name, and `--version` shows both, and ltel's version.
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        let (name, version) = (name.into(), version.into());
        let versions = if name == LTEL { version } else { format!("{version} (ltel {LTEL_VERSION})") };
        Self { name, versions }
    }

    /// The program as it was started, whose version is not known.
    pub(crate) fn of_process() -> Self {
        let started = std::env::args_os().next();
        let name = started.as_deref().and_then(|path| std::path::Path::new(path).file_name()?.to_str());
        let is_plain = |name: &&str| {
            name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.chars().all(|char| char.is_ascii_alphanumeric() || "-_.".contains(char))
        };
        let name = name.filter(is_plain).unwrap_or(LTEL).to_owned();
        let versions = if name == LTEL { LTEL_VERSION.to_owned() } else { format!("(ltel {LTEL_VERSION})") };
        Self { name, versions }
    }

    /// Runs ltel's command line with these recorders, and with these backends in addition to the built-in ones. Return its exit
    /// code from `main`.
    #[must_use]
    pub fn run(self, registry: Registry) -> ExitCode {
        crate::cli::run(CURRENT.get_or_init(|| self), registry)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its version and ltel's, for people.
    pub(crate) fn versions(&self) -> &str {
        &self.versions
    }

    /// A text with its name in place of ltel's own program's.
    pub(crate) fn named(&self, text: &str) -> String {
        text.replace(LTEL, &self.name)
    }
}

/// The name of the program that runs.
pub(crate) fn name() -> &'static str {
    CURRENT.get().map_or(LTEL, Program::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let own = Program::new("shop-telemetry", "2.1.0");
        assert_eq!(own.versions(), format!("2.1.0 (ltel {LTEL_VERSION})"));
        assert_eq!(own.named("  ltel-cli demo"), "  shop-telemetry demo");
        assert_eq!(Program::new(LTEL, LTEL_VERSION).versions(), LTEL_VERSION);
    }
}
