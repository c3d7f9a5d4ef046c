//! The configuration: recorders, backends, and where to listen. It is read and checked completely before anything starts.

mod error;
pub(crate) mod names;
mod quoting;
pub(crate) mod kind;
mod wrong_value;
mod variables;
mod syntax;
mod twice;
mod unclosed;
mod section;
mod misplaced;
pub mod values;
pub(crate) mod environment;
mod unsupported;
pub(crate) mod listen;
mod health;
mod labels;
mod recorders;
mod name_rules;
mod backends;
mod bare;
mod limits;
mod thresholds;
mod agreement;
mod stated;
mod shared_metrics;
mod load;
mod schema;
mod reference;
mod file_text;
pub(crate) mod url;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ltel_core::backend::Claims;
pub use ltel_core::backend::Signal;
use ltel_core::names::Rules;
use ltel_core::recorder::Needs;
use ltel_core::runs::Limits;
use opentelemetry::KeyValue;

pub use backends::{BackendConfig, QueueLimits};
pub use environment::Environment;
pub use error::{ConfigError, ConfigErrors, Position};
pub(crate) use file_text::file_text;
pub(crate) use labels::FIELDS_OF_RUN;
pub use labels::LabelArg;
pub use listen::{Listen, ServerTls, UnixSocket};
pub use load::{load, load_with};
pub use recorders::RecorderConfig;
pub(crate) use reference::{Part, about, reference};
pub use schema::schema;
pub use stated::{Stated, StatedBackend};
pub use thresholds::{Baseline, Thresholds};
pub(crate) use unsupported::followed;

/// The configuration without a file.
pub const DEFAULT: &str = include_str!("default.toml");

// How often, at least, the figures of a run say whether a generator is short of CPU.
const USAGE_OF_FIGURES: Duration = Duration::from_secs(2);

/// A checked configuration.
#[derive(Debug)]
pub struct Config {
    /// The name of the test plan, unless Locust's side sets it.
    pub testplan: Option<String>,
    /// `[labels]`: constants on everything that is emitted.
    pub labels: Arc<[KeyValue]>,
    /// How long a source may be gone before its part of a run counts as over.
    pub grace: Duration,
    /// Whether to exit after the first complete run.
    pub exit_after_run: bool,
    /// How long that first run may take to begin.
    pub start_timeout: Duration,
    /// Where clients connect.
    pub listen: Listen,
    /// Whether the file has `[listen]`.
    pub listen_is_stated: bool,
    /// Where probes are answered, if at all.
    pub health: Option<SocketAddr>,
    /// The limits on runs, sources and held data.
    pub limits: Limits,
    /// The recorders, in the order of the file.
    pub recorders: Vec<RecorderConfig>,
    /// The backends, in the order of the file.
    pub backends: Vec<BackendConfig>,
    /// The rules for the names of requests.
    pub names: Arc<Rules>,
    /// What must hold of each run.
    pub thresholds: Arc<Thresholds>,
    /// Addresses and files that its parts use.
    pub claims: Claims,
    /// Warnings about the environment; each names its variable or table.
    pub warnings: Vec<String>,
}

impl Config {
    /// Adds a backend that is in no file, such as one of the command line. An error, for the user, if one of the file has its name, or what
    /// only one can have.
    pub(crate) fn add_backend(&mut self, added: BackendConfig) -> Result<(), String> {
        for have in &self.backends {
            let (name, of) = (&have.name, &added.name);
            if name == of {
                return Err(format!(
                    "[backends.{name}] has the name of a backend of the command line: give its table another name, and keep `type = \
                     \"{}\"` in it",
                    have.backend.spec().name
                ));
            }
            if let Some(place) = added.claims.shared(&have.claims) {
                let of = added.title();
                return Err(format!("{} and {of} would both use {place}", have.title()));
            }
        }
        self.backends.push(added);
        Ok(())
    }

    /// Whether someone shows or judges the figures of runs.
    pub fn wants_figures(&self) -> bool {
        !self.thresholds.list.is_empty() || self.backends.iter().any(|backend| backend.backend.takes_figures())
    }

    /// What the recorders need from Locust's side.
    pub fn needs(&self) -> Needs {
        let needs = self.recorders.iter().map(|recorder| recorder.factory.needs());
        needs.fold(Needs::NONE, Needs::and)
    }

    /// How often to sample the usage of the Locust processes, if at all.
    pub fn usage_interval(&self) -> Option<Duration> {
        let wanting = self.recorders.iter().filter(|recorder| recorder.factory.needs().usage);
        let intervals = wanting.flat_map(|recorder| {
            recorder.backends.iter().map(|&b| recorder.interval.unwrap_or(self.backends[b].interval))
        });
        intervals.chain(self.wants_figures().then_some(USAGE_OF_FIGURES)).min()
    }
}
