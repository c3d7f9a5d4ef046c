//! What the table of an OTLP backend leaves open, and where it comes from.

use ltel_core::backend::{Environment, Signal};
use opentelemetry_otlp::{
    OTEL_EXPORTER_OTLP_COMPRESSION, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS,
    OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_EXPORTER_OTLP_TIMEOUT,
};
use toml::{Table, Value};

use super::variable::SetVariable;
use super::{Otlp, OtlpProtocol, SignalConfig};
use crate::deliver::exemplars;
use crate::deliver::setting::{self, DEFAULT, Setting};

/// The keys that each signal may have in a table of its own, and their variables.
const KEYS: [(&str, &str); 5] = [
    ("endpoint", OTEL_EXPORTER_OTLP_ENDPOINT),
    ("protocol", OTEL_EXPORTER_OTLP_PROTOCOL),
    ("timeout", OTEL_EXPORTER_OTLP_TIMEOUT),
    ("compression", OTEL_EXPORTER_OTLP_COMPRESSION),
    ("headers", OTEL_EXPORTER_OTLP_HEADERS),
];

/// A signal's value of a key.
struct OfSignal {
    signal: Signal,
    value: Value,
    origin: String,
    /// Whether it is of this signal alone.
    is_own: bool,
}

impl Otlp {
    /// The keys that `table` does not have.
    pub(crate) fn unstated(&self, table: &Table, env: &Environment) -> Vec<Setting> {
        let mut settings = Vec::new();
        let sent: Vec<_> = Signal::ALL.into_iter().filter_map(|signal| Some((signal, self.signal(signal)?))).collect();
        let is_stated = |signal: Signal, key: &str| {
            let own = table.get(signal.as_str()).and_then(Value::as_table);
            table.contains_key(key) || own.is_some_and(|own| own.contains_key(key))
        };
        for (key, variable) in KEYS {
            let values = sent.iter().filter(|(signal, _)| !is_stated(*signal, key)).filter_map(|(signal, config)| {
                let found = SetVariable::find(env, *signal, variable);
                let is_own = found.as_ref().is_some_and(|set| set.is_for_signal);
                let value = value(key, *signal, config, is_own)?;
                Some(OfSignal {
                    signal: *signal,
                    value,
                    origin: found.map_or(DEFAULT.to_owned(), |set| set.name),
                    is_own,
                })
            });
            settings.extend(grouped(key, values.collect()));
        }
        let tls = sent.iter().filter(|(signal, _)| !is_stated(*signal, "tls")).filter_map(|(signal, config)| {
            let (value, origin) = certificates(*signal, config, env)?;
            Some(OfSignal { signal: *signal, value: value.into(), origin, is_own: true })
        });
        settings.extend(grouped("tls", tls.collect()));
        if !table.contains_key("signals") {
            settings.push(self.signals(&sent, env));
        }
        if !table.contains_key("histograms") {
            let value = if self.exponential { "exponential" } else { "explicit" };
            let variable = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
            settings.push(Setting::of_variable("histograms", value, &[variable], env));
        }
        if !table.contains_key("exemplars") {
            settings.push(Setting::of_variable("exemplars", self.exemplars, &[exemplars::VARIABLE.name], env));
        }
        settings.extend(setting::resource(&self.resource, table, env));
        settings
    }

    fn signals(&self, sent: &[(Signal, &SignalConfig)], env: &Environment) -> Setting {
        let names: Vec<_> = sent.iter().map(|(signal, _)| Value::from(signal.as_str())).collect();
        let off = self.off.iter().map(|signal| format!("OTEL_{}_EXPORTER", signal.as_str().to_uppercase()));
        let origin = match self.off.is_empty() {
            true => DEFAULT.to_owned(),
            false if env.says("OTEL_SDK_DISABLED", "true") => "OTEL_SDK_DISABLED: sends nothing".to_owned(),
            false => off.collect::<Vec<_>>().join(", "),
        };
        // An empty list is an error in a file.
        let value = (!names.is_empty()).then_some(Value::Array(names));
        Setting { within: None, key: "signals".to_owned(), value, origin }
    }
}

/// In the backend's table what is the same for all signals that have it from there; the rest in theirs.
fn grouped(key: &'static str, values: Vec<OfSignal>) -> Vec<Setting> {
    let mut shared = values.iter().filter(|of| !of.is_own);
    let first = shared.next();
    let is_one = shared.all(|of| first.is_some_and(|first| first.value == of.value));
    let base = first.filter(|_| is_one).map(|of| Setting::new(key, of.value.clone(), of.origin.clone()));
    let has_base = base.is_some();
    let own = values.into_iter().filter(|of| of.is_own || !has_base);
    let own = own.map(|of| Setting { within: Some(of.signal.as_str()), ..Setting::new(key, of.value, of.origin) });
    base.into_iter().chain(own.collect::<Vec<_>>()).collect()
}

fn value(key: &str, signal: Signal, config: &SignalConfig, is_own: bool) -> Option<Value> {
    Some(match key {
        "endpoint" => {
            let whole = config.endpoint.to_string();
            let path = format!("/v1/{}", signal.as_str());
            let is_base = !is_own && config.protocol != OtlpProtocol::Grpc;
            let base = whole.replacen(&path, "", usize::from(is_base));
            base.trim_end_matches('/').into()
        }
        "protocol" => config.protocol.as_str().into(),
        "timeout" => humantime::format_duration(config.timeout).to_string().into(),
        "compression" => if config.gzip { "gzip" } else { "none" }.into(),
        _ if config.headers.is_empty() => return None,
        // Never their values.
        _ => {
            let names = config.headers.keys().map(|name| (name.to_string(), "***".into()));
            names.collect::<Table>().into()
        }
    })
}

/// The files of the environment's certificates, if they are used.
fn certificates(signal: Signal, config: &SignalConfig, env: &Environment) -> Option<(Table, String)> {
    let (mut files, mut origins) = (Table::new(), Vec::new());
    let (ca, identity) = (config.tls.ca.is_some(), config.tls.identity.is_some());
    for (key, variable, is_used) in [
        ("ca_file", "OTEL_EXPORTER_OTLP_CERTIFICATE", ca),
        ("cert_file", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", identity),
        ("key_file", "OTEL_EXPORTER_OTLP_CLIENT_KEY", identity),
    ] {
        if let Some(found) = SetVariable::find(env, signal, variable).filter(|_| is_used) {
            files.insert(key.to_owned(), found.value.into());
            origins.push(found.name);
        }
    }
    (!files.is_empty()).then(|| (files, origins.join(", ")))
}
