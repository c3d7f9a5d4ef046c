//! What a backend has at hand while its table of the configuration is checked, and where it says what is wrong with it.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use opentelemetry_sdk::metrics::Temporality;
use toml::Spanned;

use super::Environment;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong.
    pub message: String,
    /// The offending text, in bytes of the file.
    pub span: Range<usize>,
    /// What would be right.
    pub help: Option<String>,
}

impl ConfigError {
    /// One without help.
    #[must_use]
    pub fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { message: message.into(), span, help: None }
    }

    /// Says what would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Where a table stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePlace {
    /// For people: `[backends.collector]`.
    pub title: String,
    /// Its name in its header, in bytes of the file. What is wrong with something that is not in the file, such as a variable
    /// of the environment, is shown here.
    pub header: Range<usize>,
}

/// What several parts of ltel must not use at the same time.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    addresses: Vec<(SocketAddr, String)>,
    files: Vec<PathBuf>,
}

impl Claims {
    /// Who listens where, if that is where this address would listen.
    fn listener(&self, address: SocketAddr) -> Option<&(SocketAddr, String)> {
        self.addresses.iter().find(|(have, _)| {
            let everywhere = have.ip().is_unspecified() || address.ip().is_unspecified();
            have.port() == address.port() && address.port() != 0 && (have.ip() == address.ip() || everywhere)
        })
    }

    /// Says that something listens on an address. `title` is the table that says so.
    pub fn address(&mut self, address: SocketAddr, title: impl Into<String>) {
        self.addresses.push((address, title.into()));
    }
}

/// What a backend has at hand while its table is checked.
#[derive(Debug)]
pub struct Check<'a> {
    /// The environment, which fills what the file leaves open.
    pub env: &'a Environment,
    /// Where the backend's table stands.
    pub place: &'a TablePlace,
    /// `temporality`, where the table states it.
    pub temporality: Option<&'a Spanned<Temporality>>,
    /// Whether this is the configuration's only backend of its type: then a variable of the environment can mean no other.
    pub only_one: bool,
    /// What other parts of ltel use.
    pub claims: &'a mut Claims,
    /// What is wrong.
    pub errors: &'a mut Vec<ConfigError>,
    /// What people should know, and is not wrong.
    pub warnings: &'a mut Vec<String>,
}

impl Check<'_> {
    /// Where what is not in the file is shown.
    #[must_use]
    pub fn header(&self) -> Range<usize> {
        self.place.header.clone()
    }

    /// Says what is wrong. What has been said already is not said again.
    pub fn error(&mut self, error: ConfigError) {
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// Says that a variable of the environment is wrong. The message begins with its name.
    pub fn variable_error(&mut self, message: impl Into<String>) {
        self.error(ConfigError::new(message, self.header()).help("the file's own value would take its place"));
    }

    /// Says what people should know, once.
    pub fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Claims an address to listen on. It is an error if another part of ltel listens there.
    pub fn claim_address(&mut self, address: SocketAddr, span: Range<usize>) {
        let title = self.place.title.clone();
        match self.claims.listener(address) {
            Some((have, by)) => {
                let free = SocketAddr::new(address.ip(), address.port().wrapping_add(1).max(1_024));
                let message = format!("{by} listens on `{have}` already");
                let help = format!("give {title} an address of its own, such as `listen = \"{free}\"`");
                self.error(ConfigError::new(message, span).help(help));
            }
            None => self.claims.address(address, title),
        }
    }

    /// Claims a file to write to. It is an error if another backend writes to it.
    pub fn claim_file(&mut self, path: &Path, span: Range<usize>) {
        if self.claims.files.iter().any(|have| have == path) {
            let message = format!("another backend writes to `{}` already", path.display());
            self.error(ConfigError::new(message, span).help("give each a file of its own"));
        } else {
            self.claims.files.push(path.to_owned());
        }
    }
}
