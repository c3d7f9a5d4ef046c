//! The options of an OTLP backend. What the file leaves open is filled from the environment (`OTEL_*`).

mod variable;
mod inputs;
mod signal;
mod endpoint;
mod headers;
mod tls;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use ltel_core::backend::{Check, ConfigError, Signal, Variable, VariableValues};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use serde::Deserialize;
use toml::Spanned;

use crate::config::environment::milliseconds;
use crate::config::names::{did_you_mean, list};
use crate::config::values::Interval;
use crate::deliver::resource::{RawAttribute, resource};
use headers::RawHeaders;
use signal::{RawCompression, RawProtocol, RawSignal, tls_in_the_clear};
use tls::RawTls;

/// How telemetry reaches OTLP receivers.
#[derive(Clone, Debug)]
pub(crate) struct Otlp {
    /// How metrics get there; absent if this backend takes none.
    pub(super) metrics: Option<SignalConfig>,
    /// How spans get there; absent if this backend takes none.
    pub(super) traces: Option<SignalConfig>,
    /// How structured events get there; absent if this backend takes none.
    pub(super) logs: Option<SignalConfig>,
    /// Signals that the file selects, and the environment turns off.
    pub(super) off: Vec<Signal>,
    /// What the telemetry is about.
    pub(super) resource: Resource,
    /// Whether histograms have exponential buckets.
    pub(super) exponential: bool,
    /// How often points are collected, as the environment has it.
    pub(super) interval: Option<Duration>,
    /// What points add up from, as the environment has it.
    pub(super) temporality: Option<Temporality>,
}

impl Otlp {
    /// How a signal gets there; absent if this backend does not take it.
    #[must_use]
    pub(super) const fn signal(&self, signal: Signal) -> Option<&SignalConfig> {
        match signal {
            Signal::Metrics => self.metrics.as_ref(),
            Signal::Traces => self.traces.as_ref(),
            Signal::Logs => self.logs.as_ref(),
        }
    }
}

/// How one signal reaches an OTLP receiver.
#[derive(Clone, Debug)]
pub(super) struct SignalConfig {
    /// gRPC, or protobuf over HTTP.
    pub(super) protocol: OtlpProtocol,
    /// The URL that it is sent to, path included.
    pub(super) endpoint: http::Uri,
    /// Sent with each request.
    pub(super) headers: http::HeaderMap,
    /// For one export, with all attempts.
    pub(super) timeout: Duration,
    /// Whether requests are compressed.
    pub(super) gzip: bool,
    /// How an `https` endpoint is met.
    pub(super) tls: Tls,
}

/// How a receiver and ltel prove to each other who they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Tls {
    /// The certificate authorities to trust, as PEM; the system's if absent.
    pub(super) ca: Option<Vec<u8>>,
    /// What ltel proves itself with, where a receiver asks for it (mTLS).
    pub(super) identity: Option<Identity>,
}

/// A client's certificate and its private key.
#[derive(Clone)]
pub(super) struct Identity {
    /// The certificate and those that lead to its authority, as PEM.
    pub(super) certificates: Vec<u8>,
    /// The private key, as PEM.
    pub(super) key: Vec<u8>,
}

// What is secret is in no log.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// The transports of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OtlpProtocol {
    /// gRPC.
    Grpc,
    /// Protobuf over HTTP.
    HttpProtobuf,
}

impl OtlpProtocol {
    /// Its name in configurations and in `OTEL_EXPORTER_OTLP_PROTOCOL`.
    #[must_use]
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
        }
    }
}

const EXPORTERS: VariableValues = VariableValues::OneOf(&["otlp", "none"]);

/// The variables that people may expect it to follow.
pub(super) const VARIABLES: &[Variable] = &[
    Variable { name: "OTEL_SDK_DISABLED", takes: VariableValues::SWITCH },
    Variable { name: "OTEL_METRICS_EXPORTER", takes: EXPORTERS },
    Variable { name: "OTEL_TRACES_EXPORTER", takes: EXPORTERS },
    Variable { name: "OTEL_LOGS_EXPORTER", takes: EXPORTERS },
    Variable { name: "OTEL_EXPORTER_OTLP*_INSECURE", takes: VariableValues::SWITCH },
    Variable { name: "OTEL_EXPORTER_OTLP*_COMPRESSION", takes: VariableValues::OneOf(&["gzip", "none"]) },
    Variable { name: "OTEL_*_LIMIT", takes: VariableValues::Nothing },
    Variable { name: "OTEL_BSP_*", takes: VariableValues::Nothing },
    Variable { name: "OTEL_BLRP_*", takes: VariableValues::Nothing },
    Variable { name: "OTEL_METRIC_EXPORT_TIMEOUT", takes: VariableValues::Nothing },
    Variable { name: "OTEL_METRICS_EXEMPLAR_FILTER", takes: VariableValues::OneOf(&["always_off"]) },
    Variable { name: "OTEL_LOG_LEVEL", takes: VariableValues::Nothing },
    Variable { name: "OTEL_CONFIG_FILE", takes: VariableValues::Nothing },
    Variable { name: "OTEL_EXPERIMENTAL_CONFIG_FILE", takes: VariableValues::Nothing },
];

/// What its table may say. What may be said of a signal stands here for all of them.
#[derive(Deserialize)]
pub(crate) struct Options {
    signals: Option<Spanned<Vec<Spanned<String>>>>,
    resource: Option<BTreeMap<String, RawAttribute>>,
    histograms: Option<RawHistograms>,
    endpoint: Option<Spanned<String>>,
    protocol: Option<RawProtocol>,
    headers: Option<RawHeaders>,
    timeout: Option<Interval>,
    compression: Option<Spanned<RawCompression>>,
    tls: Option<Spanned<RawTls>>,
    metrics: Option<Spanned<RawSignal>>,
    traces: Option<Spanned<RawSignal>>,
    logs: Option<Spanned<RawSignal>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawHistograms {
    Explicit,
    Exponential,
}

/// Checks its table.
pub(super) fn check(options: Options, cx: &mut Check<'_>) -> Option<Otlp> {
    let Options { signals, resource: attributes, histograms, metrics, traces, logs, .. } = options;
    let Options { endpoint, protocol, headers, timeout, compression, tls, .. } = options;
    let shared = RawSignal { endpoint, protocol, headers, timeout, compression, tls };
    let own = [metrics, traces, logs];

    let sent = read_signals(signals.as_ref(), cx);
    let mut whole = sent.is_ok();
    let (off, sent) = turned_off(sent.unwrap_or_else(|known| known), signals.is_some(), cx);
    let nothing = RawSignal::default();
    let mut resolve = |signal: Signal, own: Option<&Spanned<RawSignal>>| {
        if sent.contains(&signal) {
            let config = signal::resolve(signal, own.map_or(&nothing, Spanned::get_ref), &shared, cx);
            whole &= config.is_some();
            return config;
        }
        if let Some(own) = own.filter(|_| !off.contains(&signal)) {
            let parent = cx.place.title.trim_matches(['[', ']']);
            let message = format!("`signals` leaves out what [{parent}.{}] is for", signal.as_str());
            let help = format!("add \"{}\" to `signals`, or leave out the table", signal.as_str());
            cx.error(ConfigError::new(message, own.span()).help(help));
        }
        None
    };
    let [metrics, traces, logs] = [0, 1, 2].map(|index| resolve(Signal::ALL[index], own[index].as_ref()));
    if let Some(tls) = &shared.tls {
        // One signal in the clear beside an encrypted one is a choice; all of them are a mistake.
        let users = own.iter().zip([&metrics, &traces, &logs]);
        let users = users.filter(|(own, _)| own.as_ref().is_none_or(|own| own.get_ref().tls.is_none()));
        let endpoints: Vec<_> =
            users.filter_map(|(_, config)| config.as_ref().map(|config| &config.endpoint)).collect();
        if let [first, ..] = endpoints[..]
            && endpoints.iter().all(|endpoint| endpoint.scheme_str() == Some("http"))
        {
            cx.error(tls_in_the_clear(tls, first));
        }
    }
    let common = common(histograms, cx);
    let resource = resource(attributes, cx);
    let Common { interval, temporality, exponential } = common;
    // A signal that is missing by mistake is not one that the file leaves out.
    whole.then_some(Otlp { metrics, traces, logs, off, resource, exponential, interval, temporality })
}

/// The signals that the environment turns off, and the others. What it turns off is told.
fn turned_off(selected: Vec<Signal>, stated: bool, cx: &mut Check<'_>) -> (Vec<Signal>, Vec<Signal>) {
    let disabled = cx.env.says("OTEL_SDK_DISABLED", "true");
    let variable = |signal: Signal| format!("OTEL_{}_EXPORTER", signal.as_str().to_uppercase());
    let is_off = |signal: Signal| disabled || (!stated && cx.env.says(&variable(signal), "none"));
    let (off, sent): (Vec<_>, Vec<_>) = selected.into_iter().partition(|&signal| is_off(signal));
    for &signal in &off {
        cx.warn(if disabled {
            "OTEL_SDK_DISABLED: `true`, so backends of type `otlp` send nothing".to_owned()
        } else {
            let (variable, signal) = (variable(signal), signal.as_str());
            format!("{variable}: `none`, so backends of type `otlp` whose `signals` are open send no {signal}")
        });
    }
    (off, sent)
}

/// The signals that a backend is sent; those that are right, if some are wrong.
fn read_signals(
    stated: Option<&Spanned<Vec<Spanned<String>>>>,
    cx: &mut Check<'_>,
) -> Result<Vec<Signal>, Vec<Signal>> {
    let Some(stated) = stated else { return Ok(Signal::ALL.to_vec()) };
    let before = cx.errors.len();
    if stated.get_ref().is_empty() {
        cx.error(
            ConfigError::new("a backend takes at least one signal", stated.span())
                .help("leave out `signals`, and it takes all; or leave out the backend"),
        );
    }
    let names = || Signal::ALL.into_iter().map(Signal::as_str);
    let mut signals = Vec::new();
    for name in stated.get_ref() {
        match Signal::ALL.into_iter().find(|signal| signal.as_str() == name.get_ref()) {
            Some(signal) => signals.push(signal),
            None => {
                let error = ConfigError::new(format!("there is no signal `{}`", name.get_ref()), name.span());
                cx.error(match did_you_mean(name.get_ref(), names()) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help(format!("the signals are {}", list(names()))),
                });
            }
        }
    }
    if cx.errors.len() == before { Ok(signals) } else { Err(signals) }
}

/// What concerns metrics, wherever they are sent.
struct Common {
    interval: Option<Duration>,
    temporality: Option<Temporality>,
    exponential: bool,
}

fn common(histograms: Option<RawHistograms>, cx: &mut Check<'_>) -> Common {
    let env = cx.env;
    let mut wrong = |message: String| cx.variable_error(message);
    let mut interval = None;
    let name = "OTEL_METRIC_EXPORT_INTERVAL";
    if let Some(text) = env.get(name) {
        match milliseconds(name, &text) {
            Ok(duration) => interval = Some(duration),
            Err(why) => wrong(why),
        }
    }
    let mut temporality = None;
    let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    if let Some(text) = env.get(name) {
        match text.to_lowercase().as_str() {
            "cumulative" => temporality = Some(Temporality::Cumulative),
            "delta" => temporality = Some(Temporality::Delta),
            "lowmemory" => temporality = Some(Temporality::LowMemory),
            _ => wrong(format!("{name}: `{text}` is not `cumulative`, `delta` or `lowmemory`")),
        }
    }
    let mut exponential = histograms == Some(RawHistograms::Exponential);
    let name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    if let (None, Some(text)) = (histograms, env.get(name)) {
        match text.to_lowercase().as_str() {
            "explicit_bucket_histogram" => {}
            "base2_exponential_bucket_histogram" => exponential = true,
            _ => wrong(format!(
                "{name}: `{text}` is not `explicit_bucket_histogram` or `base2_exponential_bucket_histogram`"
            )),
        }
    }
    Common { interval, temporality, exponential }
}
