//! The configuration: which recorders, which backends, where to listen. Read and checked whole before anything starts.

mod error;
mod section;
mod values;
mod environment;
mod unsupported;
mod listen;
mod otlp;
mod prometheus;
mod agreement;
mod load;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ltel_core::recorder::{RecorderFactory, Spec};
use ltel_core::wire::Features;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;

pub use environment::Environment;
pub use error::{ConfigError, ConfigErrors};
pub use listen::Listen;
pub use load::load;

/// What ltel does without a configuration file.
pub const DEFAULT: &str = include_str!("default.toml");

/// Everything ltel has to know before it starts.
#[derive(Debug)]
pub struct Config {
    /// The name of the test plan, unless Locust's side says it.
    pub testplan: Option<String>,
    /// How long a source may be gone before its part of a run counts as over.
    pub grace: Duration,
    /// Whether to end after the first complete run.
    pub exit_after_run: bool,
    /// How long that first run may take to begin.
    pub start_timeout: Duration,
    /// Where Locust's side can reach ltel.
    pub listen: Listen,
    /// Whether the file says where to listen.
    pub listen_is_stated: bool,
    /// The recorders, in the order of the file.
    pub recorders: Vec<RecorderConfig>,
    /// The backends, in the order of the file.
    pub backends: Vec<BackendConfig>,
    /// What people should know of the environment, each with the variable or the table that it is about.
    pub warnings: Vec<String>,
}

impl Config {
    /// What the recorders need of Locust's side.
    pub fn features(&self) -> Features {
        let mut features = Features::default();
        for recorder in &self.recorders {
            recorder.factory.needs().add_to(&mut features);
        }
        features
    }

    /// How often the usage of the Locust processes is wanted, if at all.
    pub fn usage_interval(&self) -> Option<Duration> {
        let wanting = self.recorders.iter().filter(|recorder| recorder.factory.needs().usage);
        wanting
            .flat_map(|recorder| {
                recorder.backends.iter().map(|&b| recorder.interval.unwrap_or(self.backends[b].interval))
            })
            .min()
    }
}

/// One recorder to run.
#[derive(Debug)]
pub struct RecorderConfig {
    /// The name of its table.
    pub name: String,
    /// What it emits.
    pub spec: &'static Spec,
    /// Builds it for each run.
    pub factory: Box<dyn RecorderFactory>,
    /// Where its output goes: indices of [`Config::backends`].
    pub backends: Vec<usize>,
    /// How often; if absent, as often as each backend says.
    pub interval: Option<Duration>,
    /// How many series it may have.
    pub series_limit: usize,
}

/// One backend to run.
#[derive(Clone, Debug)]
pub struct BackendConfig {
    /// The name of its table.
    pub name: String,
    /// How often it takes metrics.
    pub interval: Duration,
    /// Whether points add up from the run's beginning or from the last collection.
    pub temporality: Temporality,
    /// How many structured events may wait for it, and how many spans.
    pub queue: usize,
    /// Whether it takes the metrics of ltel itself, `ltel.*`.
    pub internal_metrics: bool,
    /// What it is.
    pub kind: BackendKind,
}

/// The signals of OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Points of instruments.
    Metrics,
    /// Spans.
    Traces,
    /// Structured events.
    Logs,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Metrics, Self::Traces, Self::Logs];

    /// Its name in configurations, in `OTEL_*` variables (in capitals) and in OTLP's paths.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Traces => "traces",
            Self::Logs => "logs",
        }
    }

    /// What it consists of, for people.
    #[must_use]
    pub const fn items(self) -> &'static str {
        match self {
            Self::Metrics => "points",
            Self::Traces => "spans",
            Self::Logs => "records",
        }
    }
}

/// The types of backends.
#[derive(Clone, Debug)]
pub enum BackendKind {
    /// JSON lines.
    Json(JsonConfig),
    /// OTLP to a collector.
    Otlp(Box<OtlpConfig>),
    /// A page that Prometheus scrapes.
    Prometheus(PrometheusConfig),
    /// The table at the end of `run` and `demo`.
    Summary,
}

impl BackendKind {
    /// Whether it takes this signal.
    #[must_use]
    pub const fn takes(&self, signal: Signal) -> bool {
        match self {
            Self::Json(json) => json.spans || !matches!(signal, Signal::Traces),
            Self::Otlp(otlp) => otlp.signal(signal).is_some(),
            Self::Prometheus(_) => matches!(signal, Signal::Metrics),
            Self::Summary => false,
        }
    }

    /// Whether it would take this signal if the environment did not turn it off.
    #[must_use]
    pub fn is_off(&self, signal: Signal) -> bool {
        matches!(self, Self::Otlp(otlp) if otlp.off.contains(&signal))
    }
}

/// What is written as JSON lines, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonConfig {
    /// Where they go.
    pub output: JsonOutput,
    /// Whether spans are written too.
    pub spans: bool,
}

/// Where JSON lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonOutput {
    /// Standard output.
    Stdout,
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// Bytes after which a new file begins; never, if absent.
        max_bytes: Option<u64>,
        /// How many older files to keep, as `path.1`, `path.2` and so on.
        keep: u32,
    },
}

/// How telemetry reaches OTLP receivers.
#[derive(Clone, Debug)]
pub struct OtlpConfig {
    /// How metrics get there; absent if this backend takes none.
    pub metrics: Option<SignalConfig>,
    /// How spans get there; absent if this backend takes none.
    pub traces: Option<SignalConfig>,
    /// How structured events get there; absent if this backend takes none.
    pub logs: Option<SignalConfig>,
    /// Signals that the file selects, and the environment turns off.
    pub off: Vec<Signal>,
    /// What the telemetry is about.
    pub resource: Resource,
    /// Whether histograms have exponential buckets.
    pub exponential: bool,
}

impl OtlpConfig {
    /// How a signal gets there; absent if this backend does not take it.
    #[must_use]
    pub const fn signal(&self, signal: Signal) -> Option<&SignalConfig> {
        match signal {
            Signal::Metrics => self.metrics.as_ref(),
            Signal::Traces => self.traces.as_ref(),
            Signal::Logs => self.logs.as_ref(),
        }
    }
}

/// How one signal reaches an OTLP receiver.
#[derive(Clone, Debug)]
pub struct SignalConfig {
    /// gRPC, or protobuf over HTTP.
    pub protocol: OtlpProtocol,
    /// The URL that it is sent to, path included.
    pub endpoint: http::Uri,
    /// Sent with each request.
    pub headers: http::HeaderMap,
    /// For one export, with all attempts.
    pub timeout: Duration,
    /// Whether requests are compressed.
    pub gzip: bool,
    /// How an `https` endpoint is met.
    pub tls: Tls,
}

/// How a receiver and ltel prove to each other who they are.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The certificate authorities to trust, as PEM; the system's if absent.
    pub ca: Option<Vec<u8>>,
    /// What ltel proves itself with, where a receiver asks for it (mTLS).
    pub identity: Option<Identity>,
}

/// A client's certificate and its private key.
#[derive(Clone)]
pub struct Identity {
    /// The certificate and those that lead to its authority, as PEM.
    pub certificates: Vec<u8>,
    /// The private key, as PEM.
    pub key: Vec<u8>,
}

// What is secret is in no log.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// What Prometheus can scrape.
#[derive(Clone, Debug)]
pub struct PrometheusConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How long the last figures of a run stay.
    pub keep: Duration,
    /// Whether samples carry `otel_scope_name` and `otel_scope_version`.
    pub scope_labels: bool,
    /// Whether OpenMetrics says since when each counter and histogram counts (`_created`).
    pub created: bool,
    /// What the telemetry is about.
    pub resource: Resource,
}

/// The transports of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// gRPC.
    Grpc,
    /// Protobuf over HTTP.
    HttpProtobuf,
}

impl OtlpProtocol {
    /// Its name in configurations and in `OTEL_EXPORTER_OTLP_PROTOCOL`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
        }
    }
}
