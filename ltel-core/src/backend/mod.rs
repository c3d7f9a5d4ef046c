//! Backends: where telemetry goes. A backend is the counterpart of a [recorder](crate::recorder): a type that declares its
//! options and the outputs that it takes, and gets them through its own queues. It does not know which recorders exist.
//!
//! ```
//! use ltel_core::backend::{
//!     Backend, BackendSpec, Check, ConfigError, Pipe, RunRecord, Signal, Sink, Start, StartError, Takes,
//! };
//! use ltel_core::registry::Registry;
//! use ltel_core::schemars::{self, JsonSchema};
//! use serde::Deserialize;
//!
//! /// Prints the name of each record to stderr.
//! #[derive(Debug)]
//! struct Names {
//!     prefix: String,
//! }
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Options {
//!     /// What stands before each name.
//!     prefix: Option<String>,
//! }
//!
//! impl Backend for Names {
//!     type Options = Options;
//!
//!     const SPEC: &'static BackendSpec =
//!         &BackendSpec::new("names", "The names of records, on stderr.").signals(&[(Signal::Logs, None)]);
//!
//!     fn check(options: Options, cx: &mut Check<'_>) -> Option<Self> {
//!         let prefix = options.prefix.unwrap_or_default();
//!         if prefix.contains('\n') {
//!             cx.error(ConfigError::new("`prefix` has more than one line", cx.header()).help("write one line"));
//!         }
//!         Some(Self { prefix })
//!     }
//!
//!     fn takes(&self, signal: Signal) -> Takes {
//!         if signal == Signal::Logs { Takes::Yes } else { Takes::No }
//!     }
//!
//!     fn destination(&self) -> String {
//!         "stderr".to_owned()
//!     }
//!
//!     fn start(&self, cx: &Start) -> Result<Vec<Pipe>, StartError> {
//!         let sink = NamesSink { prefix: self.prefix.clone(), account: cx.account.clone() };
//!         Ok(vec![Pipe::new(&[Signal::Logs], sink)])
//!     }
//! }
//!
//! struct NamesSink {
//!     prefix: String,
//!     account: std::sync::Arc<ltel_core::backend::DeliveryAccount>,
//! }
//!
//! impl Sink for NamesSink {
//!     async fn records(&mut self, batch: Vec<RunRecord>) {
//!         for RunRecord { record, .. } in &batch {
//!             eprintln!("{}{}", self.prefix, record.name);
//!         }
//!         // A sink reports what happened to each item that it is given.
//!         self.account.delivered(Signal::Logs, batch.len() as u64);
//!     }
//! }
//!
//! // In `main`: `ltel_cli::run(ltel_recorders::registry().backend::<Names>())`.
//! let registry = Registry::new().backend::<Names>();
//! assert!(registry.backend_type("names").is_some());
//! ```

mod signal;
mod check;
mod sink;
mod account;
mod environment;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::meter::MeterSettings;
pub use account::{BackendEnd, Delivered, DeliveryAccount, SignalAccount};
pub use check::{Check, Claims, ConfigError, TablePlace};
pub use environment::{Environment, Variable, VariableValues};
pub use signal::{Signal, Takes};
pub use toml::Spanned;

pub use sink::{AnySink, CollectedPoints, Feed, Pipe, RunRecord, Sink, SpanBatch};

/// A type of backend that a configuration can select. A value of this type is one checked table of the configuration.
pub trait Backend: Sized + Send + Sync + fmt::Debug + 'static {
    /// What a user can set in the backend's table. [`NoOptions`](crate::recorder::NoOptions) if nothing. Options of all
    /// backends (`type`, `interval`, `queue` and so on) are not part of it.
    type Options: DeserializeOwned + JsonSchema;

    /// Its description. Constant, so that it can be listed without running anything.
    const SPEC: &'static BackendSpec;

    /// Checks the options of one table, and everything else that can be wrong. It may read files that the options name, but has
    /// no other side effects. Reports all errors to `cx`; `None` if the backend cannot be built.
    fn check(options: Self::Options, cx: &mut Check<'_>) -> Option<Self>;

    /// Whether it takes a signal.
    fn takes(&self, signal: Signal) -> Takes;

    /// Whether it takes the figures of runs.
    fn takes_figures(&self) -> bool {
        false
    }

    /// Where it sends telemetry, as text for people; several lines if that differs by signal.
    fn destination(&self) -> String;

    /// Whether its output is ltel's standard output, so that nothing else may be written there.
    fn writes_to_stdout(&self) -> bool {
        false
    }

    /// Defaults for options that the configuration does not set.
    fn defaults(&self) -> Defaults {
        Defaults::default()
    }

    /// How it wants the points of instruments.
    fn meter(&self, temporality: Temporality) -> MeterSettings {
        MeterSettings::new(Resource::builder_empty().build(), temporality)
    }

    /// Binds, opens and connects what it needs. Called once, within a tokio runtime. Each pipe that it returns gets its own
    /// queue and task; a signal must be in at most one of them.
    fn start(&self, cx: &Start) -> Result<Vec<Pipe>, StartError>;
}

/// The description of a type of backend.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BackendSpec {
    /// Its type in the configuration, in `snake_case`.
    pub name: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// The signals that it can take, each with the option that enables it, such as `spans = true`.
    pub signals: &'static [(Signal, Option<&'static str>)],
    /// Environment variables that people may expect it to follow, with their supported values.
    pub variables: &'static [Variable],
    /// How often points are collected, as text for people, if not at the backend's `interval`: `each scrape`.
    pub pace: Option<&'static str>,
}

impl BackendSpec {
    /// A type that takes no signal.
    #[must_use]
    pub const fn new(name: &'static str, description: &'static str) -> Self {
        Self { name, description, signals: &[], variables: &[], pace: None }
    }

    /// Sets the signals that it can take.
    #[must_use]
    pub const fn signals(mut self, signals: &'static [(Signal, Option<&'static str>)]) -> Self {
        self.signals = signals;
        self
    }

    /// Sets the environment variables that people may expect it to follow.
    #[must_use]
    pub const fn variables(mut self, variables: &'static [Variable]) -> Self {
        self.variables = variables;
        self
    }

    /// Sets the text that says how often points are collected.
    #[must_use]
    pub const fn pace(mut self, pace: &'static str) -> Self {
        self.pace = Some(pace);
        self
    }
}

/// Defaults for what a backend's table does not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// How often points are collected.
    pub interval: Duration,
    /// Whether points add up from the run's beginning or from the last collection.
    pub temporality: Temporality,
    /// Whether it takes the metrics of ltel itself, `ltel.*`.
    pub own_metrics: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { interval: Duration::from_secs(3), temporality: Temporality::Cumulative, own_metrics: true }
    }
}

/// What a backend can use when it starts.
#[derive(Clone, Debug)]
pub struct Start {
    /// The name of its table, for messages.
    pub name: String,
    /// Whether points add up from the run's beginning or from the last collection.
    pub temporality: Temporality,
    /// How many bytes of waiting items each of its parts may hold.
    pub queue_bytes: usize,
    /// How long it may take to deliver waiting items when ltel ends.
    pub drain: Duration,
    /// Where it reports what happened to its items.
    pub account: Arc<DeliveryAccount>,
    /// Whether ltel is about to end.
    pub ending: Ending,
}

/// Whether ltel is about to end: then nothing should wait any longer.
#[derive(Clone, Debug, Default)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Whether it is.
    #[must_use]
    pub fn is_near(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Why a backend cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its output file cannot be opened.
    #[error("cannot write to `{path}`: {error}")]
    Open {
        /// The path.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// Its address cannot be bound.
    #[error("cannot listen on `{address}`: {error}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// Something else.
    #[error("{0}")]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// A checked backend, whatever its type. See [`Backend`] for its methods.
#[allow(missing_docs)]
pub trait AnyBackend: Any + Send + Sync + fmt::Debug {
    fn spec(&self) -> &'static BackendSpec;
    fn takes(&self, signal: Signal) -> Takes;
    fn takes_figures(&self) -> bool;
    fn destination(&self) -> String;
    fn writes_to_stdout(&self) -> bool;
    fn defaults(&self) -> Defaults;
    fn meter(&self, temporality: Temporality) -> MeterSettings;
    fn start(&self, cx: &Start) -> Result<Vec<Pipe>, StartError>;
}

impl<B: Backend> AnyBackend for B {
    fn spec(&self) -> &'static BackendSpec {
        B::SPEC
    }

    fn takes(&self, signal: Signal) -> Takes {
        Backend::takes(self, signal)
    }

    fn takes_figures(&self) -> bool {
        Backend::takes_figures(self)
    }

    fn destination(&self) -> String {
        Backend::destination(self)
    }

    fn writes_to_stdout(&self) -> bool {
        Backend::writes_to_stdout(self)
    }

    fn defaults(&self) -> Defaults {
        Backend::defaults(self)
    }

    fn meter(&self, temporality: Temporality) -> MeterSettings {
        Backend::meter(self, temporality)
    }

    fn start(&self, cx: &Start) -> Result<Vec<Pipe>, StartError> {
        Backend::start(self, cx)
    }
}
