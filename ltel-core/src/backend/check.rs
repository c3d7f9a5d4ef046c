//! What a backend can use while its table of the configuration is checked, and how it reports errors in it.

use std::net::SocketAddr;
use std::ops::Range;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use opentelemetry_sdk::metrics::Temporality;
use toml::Spanned;

use super::Environment;

/// One error in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The errors.
    pub message: String,
    /// The offending text, in bytes of the file.
    pub span: Range<usize>,
    /// How to fix it.
    pub help: Option<String>,
}

impl ConfigError {
    /// An error without help.
    #[must_use]
    pub fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { message: message.into(), span, help: None }
    }

    /// Adds help: how to fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The location of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePlace {
    /// As people write it: `[backends.collector]`.
    pub title: String,
    /// Its name in its header, in bytes of the file. Errors in something that is not in the file, such as an environment
    /// variable, are shown here.
    pub header: Range<usize>,
}

/// Addresses and files that two parts of ltel must not use at the same time.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    addresses: Vec<(SocketAddr, String)>,
    files: Vec<PathBuf>,
    // What ltel reads, and what it is.
    inputs: Vec<(PathBuf, String)>,
}

impl Claims {
    /// The part of ltel that already listens where this address would, and its address.
    fn listener(&self, address: SocketAddr) -> Option<&(SocketAddr, String)> {
        self.addresses.iter().find(|(have, _)| {
            let everywhere = have.ip().is_unspecified() || address.ip().is_unspecified();
            have.port() == address.port() && address.port() != 0 && (have.ip() == address.ip() || everywhere)
        })
    }

    /// The part of ltel that already listens where this address would, as people write it.
    #[must_use]
    pub fn owner(&self, address: SocketAddr) -> Option<&str> {
        self.listener(address).map(|(_, title)| title.as_str())
    }

    /// Claims a file to write to. An error, for the user, if another part of ltel writes to it, or if it must stay as it is.
    pub fn file(&mut self, path: &Path) -> Result<(), String> {
        let file = whole(path);
        if let Some((_, what)) = self.inputs.iter().find(|(input, _)| *input == file) {
            return Err(format!("`{}` is {what}", path.display()));
        }
        if self.files.contains(&file) {
            return Err(format!("another backend already writes to `{}`", path.display()));
        }
        self.files.push(file);
        Ok(())
    }

    /// Those that were added after `earlier`, a copy of these claims.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            addresses: self.addresses.get(earlier.addresses.len()..).unwrap_or_default().to_vec(),
            files: self.files.get(earlier.files.len()..).unwrap_or_default().to_vec(),
            inputs: Vec::new(),
        }
    }

    /// An address or a named pipe that both claim, for messages. Two can append to a file, a line at a time, while one takes over from the
    /// other.
    #[must_use]
    pub fn clash(&self, other: &Self) -> Option<String> {
        let address = self.addresses.iter().find_map(|(address, _)| other.listener(*address));
        let is_pipe = |file: &&PathBuf| file.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo());
        let pipe = || self.files.iter().filter(is_pipe).find(|file| other.files.contains(file));
        address.map(|(address, _)| address.to_string()).or_else(|| pipe().map(|pipe| pipe.display().to_string()))
    }

    /// An address or a file that both claim, for messages.
    #[must_use]
    pub fn shared(&self, other: &Self) -> Option<String> {
        let file = || self.files.iter().find(|file| other.files.contains(file));
        self.clash(other).or_else(|| file().map(|file| format!("`{}`", file.display())))
    }

    /// Registers a file that is read, so that nothing writes to it. `what` it is, such as `the baseline of [thresholds]`.
    pub fn input(&mut self, path: &Path, what: impl Into<String>) {
        self.inputs.push((whole(path), what.into()));
    }

    /// Registers an address that is in use. `title` is the table that configures it.
    pub fn address(&mut self, address: SocketAddr, title: impl Into<String>) {
        self.addresses.push((address, title.into()));
    }
}

/// A path from the root, so that two ways to write it are one.
fn whole(path: &Path) -> PathBuf {
    let file = path.file_name().unwrap_or_default();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The file itself need not exist yet.
    path.canonicalize()
        .or_else(|_| folder.canonicalize().map(|folder| folder.join(file)))
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_owned())
}

/// What a backend can use while its table is checked.
#[derive(Debug)]
pub struct Check<'a> {
    /// The environment, for settings that are not in the file.
    pub env: &'a Environment,
    /// The location of the backend's table.
    pub place: &'a TablePlace,
    /// `temporality`, if the table sets it.
    pub temporality: Option<&'a Spanned<Temporality>>,
    /// `internal_metrics`, if the table sets it.
    pub internal_metrics: Option<bool>,
    /// Whether this is the configuration's only backend of its type: then an environment variable can only mean this one.
    pub only_one: bool,
    /// Addresses and files that other parts of ltel use.
    pub claims: &'a mut Claims,
    /// The errors.
    pub errors: &'a mut Vec<ConfigError>,
    /// Notices that are not errors.
    pub warnings: &'a mut Vec<String>,
}

impl Check<'_> {
    /// Where errors in something that is not in the file are shown.
    #[must_use]
    pub fn header(&self) -> Range<usize> {
        self.place.header.clone()
    }

    /// Reports an error. The same error is reported only once.
    pub fn error(&mut self, error: ConfigError) {
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// Reports an error in an environment variable. The message begins with its name.
    pub fn variable_error(&mut self, message: impl Into<String>) {
        self.error(
            ConfigError::new(message, self.header())
                .help("fix the variable, or set the value in this table: it takes precedence"),
        );
    }

    /// Reports a notice, once.
    pub fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Claims an address to listen on. Reports an error if another part of ltel listens there.
    pub fn claim_address(&mut self, address: SocketAddr, span: Range<usize>) {
        let title = self.place.title.clone();
        match self.claims.listener(address) {
            Some((have, by)) => {
                let free = SocketAddr::new(address.ip(), address.port().wrapping_add(1).max(1_024));
                let message = format!("{by} already listens on `{have}`");
                let help = format!("give {title} a different address, such as `listen = \"{free}\"`");
                self.error(ConfigError::new(message, span).help(help));
            }
            None => self.claims.address(address, title),
        }
    }

    /// Claims a file to write to. Reports an error if another backend writes to it.
    pub fn claim_file(&mut self, path: &Path, span: Range<usize>) {
        if let Err(message) = self.claims.file(path) {
            self.error(ConfigError::new(message, span).help("give each backend its own file"));
        }
    }
}
