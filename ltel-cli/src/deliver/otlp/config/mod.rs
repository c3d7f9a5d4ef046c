//! The options of an OTLP backend. What the file leaves open is filled from the environment (`OTEL_*`).

mod variable;
mod inputs;
mod signal;
mod endpoint;
mod headers;
mod tls;
mod unstated;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use ltel_core::backend::{Check, ConfigError, Signal, Variable, VariableValues};
use ltel_core::schema;
use ltel_core::schemars::{self, JsonSchema};
use opentelemetry_otlp::{
    OTEL_EXPORTER_OTLP_PROTOCOL_GRPC, OTEL_EXPORTER_OTLP_PROTOCOL_HTTP_JSON, OTEL_EXPORTER_OTLP_PROTOCOL_HTTP_PROTOBUF,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use serde::Deserialize;
use toml::Spanned;

use crate::config::environment::milliseconds;
use crate::config::names::{did_you_mean, list};
use crate::config::url::shown_url;
use crate::config::values::{Interval, Secret, Size};
use crate::deliver::exemplars::{self, exemplars};
use crate::deliver::resource::{RawAttribute, resource};
use headers::RawHeaders;
use signal::{RawCompression, RawProtocol, RawSignal, tls_in_the_clear};
use tls::RawTls;

/// The options of an OTLP backend.
#[derive(Clone, Debug)]
pub(crate) struct Otlp {
    /// How to send metrics; absent if this backend takes none.
    pub(super) metrics: Option<SignalConfig>,
    /// How to send spans; absent if this backend takes none.
    pub(super) traces: Option<SignalConfig>,
    /// How to send records; absent if this backend takes none.
    pub(super) logs: Option<SignalConfig>,
    /// Signals that the file selects and the environment turns off.
    pub(super) off: Vec<Signal>,
    /// The resource.
    pub(super) resource: Resource,
    /// Whether histograms have exponential buckets.
    pub(super) exponential: bool,
    /// Whether histograms have exemplars.
    pub(super) exemplars: bool,
    /// The interval of collections, from the environment.
    pub(super) interval: Option<Duration>,
    /// The temporality, from the environment.
    pub(super) temporality: Option<Temporality>,
}

impl Otlp {
    /// How to send a signal; absent if this backend does not take it.
    #[must_use]
    pub(super) const fn signal(&self, signal: Signal) -> Option<&SignalConfig> {
        match signal {
            Signal::Metrics => self.metrics.as_ref(),
            Signal::Traces => self.traces.as_ref(),
            Signal::Logs => self.logs.as_ref(),
        }
    }
}

/// How to send one signal.
#[derive(Clone, Debug)]
pub(super) struct SignalConfig {
    /// gRPC, or protobuf or JSON over HTTP.
    pub(super) protocol: OtlpProtocol,
    /// The URL, including the path.
    pub(super) endpoint: http::Uri,
    /// The headers of each request.
    pub(super) headers: http::HeaderMap,
    /// The timeout of one export, over all attempts.
    pub(super) timeout: Duration,
    /// Whether requests are compressed.
    pub(super) gzip: bool,
    /// How large a request may be, before compression.
    pub(super) max_request_bytes: usize,
    /// The TLS settings of an `https` endpoint.
    pub(super) tls: Tls,
}

impl SignalConfig {
    /// The endpoint without what may be secret.
    pub(super) fn shown_endpoint(&self) -> String {
        shown_url(&self.endpoint.to_string())
    }
}

/// The TLS settings of a client.
#[derive(Clone, Debug, Default)]
pub(super) struct Tls {
    /// The certificate authorities to trust, as PEM; the system's if absent.
    pub(super) ca: Option<Vec<u8>>,
    /// The client certificate, for receivers that ask for one (mTLS).
    pub(super) identity: Option<Identity>,
}

/// A client's certificate and its private key.
#[derive(Clone)]
pub(super) struct Identity {
    /// The certificate and its intermediate certificates, as PEM.
    pub(super) certificates: Vec<u8>,
    /// The private key, as PEM.
    pub(super) key: Vec<u8>,
}

// Shows no secrets.
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
    /// JSON over HTTP.
    HttpJson,
}

impl OtlpProtocol {
    /// Its name in configurations and in `OTEL_EXPORTER_OTLP_PROTOCOL`.
    #[must_use]
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => OTEL_EXPORTER_OTLP_PROTOCOL_GRPC,
            Self::HttpProtobuf => OTEL_EXPORTER_OTLP_PROTOCOL_HTTP_PROTOBUF,
            Self::HttpJson => OTEL_EXPORTER_OTLP_PROTOCOL_HTTP_JSON,
        }
    }
}

const EXPORTERS: VariableValues = VariableValues::OneOf(&["otlp", "none"]);

/// The environment variables that it supports or warns about.
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
    exemplars::VARIABLE,
    Variable { name: "OTEL_LOG_LEVEL", takes: VariableValues::Nothing },
    Variable { name: "OTEL_CONFIG_FILE", takes: VariableValues::Nothing },
    Variable { name: "OTEL_EXPERIMENTAL_CONFIG_FILE", takes: VariableValues::Nothing },
];

/// The keys of its table. Keys of a signal apply to all signals here.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Options {
    /// The signals to send; default: all three.
    #[schemars(with = "Option<Vec<SignalName>>")]
    signals: Option<Spanned<Vec<Spanned<String>>>>,
    /// Attributes of the resource, which stand on everything that is sent.
    resource: Option<BTreeMap<String, RawAttribute>>,
    /// The kind of histograms.
    #[schemars(extend("default" = "explicit"))]
    histograms: Option<RawHistograms>,
    /// Whether buckets of histograms have exemplars: the latest request that was sampled, with its trace.
    #[schemars(extend("default" = true))]
    exemplars: Option<bool>,
    /// The URL of the receiver. For HTTP, `/v1/metrics`, `/v1/traces` or `/v1/logs` is appended.
    #[schemars(with = "Option<String>", extend("examples" = ["http://localhost:4317", "https://collector:4318"]))]
    endpoint: Option<Spanned<String>>,
    /// The protocol; default: `grpc` for port 4317, else `http/protobuf`.
    protocol: Option<RawProtocol>,
    /// Headers of each request, by name.
    #[schemars(with = "Option<BTreeMap<String, Secret>>")]
    headers: Option<RawHeaders>,
    /// How long one export may take, over all attempts.
    #[schemars(extend("default" = "10s"))]
    timeout: Option<Interval>,
    /// How requests are compressed.
    #[schemars(extend("default" = "none"))]
    compression: Option<RawCompression>,
    /// How large a request may be, before compression. What is larger is sent in parts, if it is more than one item.
    #[schemars(with = "Option<schema::Bytes>", extend("default" = "3.9MiB"))]
    max_request_bytes: Option<Spanned<Size>>,
    /// Certificates, for `https` and gRPC with TLS.
    #[schemars(with = "Option<RawTls>")]
    tls: Option<Spanned<RawTls>>,
    /// How to send metrics, where that differs.
    #[schemars(with = "Option<RawSignal>")]
    metrics: Option<Spanned<RawSignal>>,
    /// How to send traces, where that differs.
    #[schemars(with = "Option<RawSignal>")]
    traces: Option<Spanned<RawSignal>>,
    /// How to send logs, where that differs.
    #[schemars(with = "Option<RawSignal>")]
    logs: Option<Spanned<RawSignal>>,
}

#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
#[allow(dead_code, reason = "only its schema is used")]
enum SignalName {
    Metrics,
    Traces,
    Logs,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "lowercase")]
enum RawHistograms {
    Explicit,
    Exponential,
}

/// Checks its table.
pub(super) fn check(options: Options, cx: &mut Check<'_>) -> Option<Otlp> {
    let Options { signals, resource: attributes, histograms, metrics, traces, logs, .. } = options;
    let Options { endpoint, protocol, headers, timeout, compression, max_request_bytes, tls, .. } = options;
    let shared = RawSignal { endpoint, protocol, headers, timeout, compression, max_request_bytes, tls };
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
            let message = format!("[{parent}.{}] is unused: `signals` does not list it", signal.as_str());
            let help = format!("add \"{}\" to `signals`, or remove the table", signal.as_str());
            cx.error(ConfigError::new(message, own.span()).help(help));
        }
        None
    };
    let [metrics, traces, logs] = [0, 1, 2].map(|index| resolve(Signal::ALL[index], own[index].as_ref()));
    if let Some(tls) = &shared.tls {
        // One unencrypted signal next to an encrypted one is a choice; `tls` without any is a mistake.
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
    let exemplars = exemplars(options.exemplars, cx.env);
    let common = common(histograms, cx);
    let resource = resource(attributes, cx);
    let Common { interval, temporality, exponential } = common;
    // An invalid signal is not a signal that the file leaves out.
    whole.then_some(Otlp { metrics, traces, logs, off, resource, exponential, exemplars, interval, temporality })
}

/// The signals that the environment turns off, and the others. Adds a warning for each one turned off.
fn turned_off(selected: Vec<Signal>, stated: bool, cx: &mut Check<'_>) -> (Vec<Signal>, Vec<Signal>) {
    let disabled = cx.env.says("OTEL_SDK_DISABLED", "true");
    let variable = |signal: Signal| format!("OTEL_{}_EXPORTER", signal.as_str().to_uppercase());
    let is_off = |signal: Signal| disabled || (!stated && cx.env.says(&variable(signal), "none"));
    let (off, sent): (Vec<_>, Vec<_>) = selected.into_iter().partition(|&signal| is_off(signal));
    for &signal in &off {
        cx.warn(if disabled {
            "OTEL_SDK_DISABLED is `true`: backends of type `otlp` send nothing".to_owned()
        } else {
            let (variable, signal) = (variable(signal), signal.as_str());
            format!("{variable} is `none`: backends of type `otlp` without `signals` send no {signal}")
        });
    }
    (off, sent)
}

/// The signals of a backend; only the valid ones, if some are invalid.
fn read_signals(
    stated: Option<&Spanned<Vec<Spanned<String>>>>,
    cx: &mut Check<'_>,
) -> Result<Vec<Signal>, Vec<Signal>> {
    let Some(stated) = stated else { return Ok(Signal::ALL.to_vec()) };
    let before = cx.errors.len();
    if stated.get_ref().is_empty() {
        cx.error(
            ConfigError::new("`signals` is empty", stated.span())
                .help("remove `signals` to send all signals, or remove the backend"),
        );
    }
    let names = || Signal::ALL.into_iter().map(Signal::as_str);
    let mut signals = Vec::new();
    for name in stated.get_ref() {
        match Signal::ALL.into_iter().find(|signal| signal.as_str() == name.get_ref()) {
            Some(signal) => signals.push(signal),
            None => {
                let error = ConfigError::new(format!("unknown signal `{}`", name.get_ref()), name.span());
                cx.error(match did_you_mean(name.get_ref(), names()) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help(format!("the signals are {}", list(names()))),
                });
            }
        }
    }
    if cx.errors.len() == before { Ok(signals) } else { Err(signals) }
}

/// The options of metrics.
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
