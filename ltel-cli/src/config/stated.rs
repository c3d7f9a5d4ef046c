//! What the command line states beside a file.

use std::ops::Range;

use ltel_core::backend::ConfigError;

use super::LabelArg;

/// What the command line states.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    /// `--label`: they add to `[labels]` of the file, or replace them.
    pub labels: Vec<LabelArg>,
    /// Backends beside those of the file.
    pub backends: Vec<StatedBackend>,
    /// Whether the file is the embedded one. Then the backends of options take the place of its own, and recorders that none of them takes
    /// anything of are left out.
    pub is_embedded: bool,
}

impl Stated {
    /// Whether the file's backends give way.
    pub(super) fn replaces_backends(&self) -> bool {
        self.is_embedded && !self.backends.is_empty()
    }
}

/// A backend of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedBackend {
    /// The option, such as `--json`. It is the backend's name.
    pub option: &'static str,
    /// The type of the backend.
    pub kind: &'static str,
    /// The keys of its table, in TOML.
    pub table: String,
}

/// The place of what is in no file.
pub(super) const NO_PLACE: Range<usize> = usize::MAX..usize::MAX;

impl StatedBackend {
    /// Its errors have no place in the file, and name the option.
    pub(super) fn place(&self, error: ConfigError) -> ConfigError {
        let named = error.message.starts_with(self.option);
        let message = if named { error.message } else { format!("{}: {}", self.option, error.message) };
        ConfigError { message, span: NO_PLACE, help: error.help }
    }
}
