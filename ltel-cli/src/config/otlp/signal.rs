//! One signal of an OTLP backend. What its own table does not say, the backend's table says; else the signal's variables,
//! then those for all signals.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::headers::{self, RawHeaders};
use super::tls::{self, RawTls};
use super::{Context, endpoint};
use crate::config::environment::Variable;
use crate::config::error::ConfigError;
use crate::config::values::Interval;
use crate::config::{Environment, OtlpProtocol, Signal, SignalConfig, Tls};

/// What a table may say of a signal: the backend's of all, a signal's own of one.
#[derive(Default, Deserialize)]
pub(super) struct RawSignal {
    pub(super) endpoint: Option<Spanned<String>>,
    protocol: Option<RawProtocol>,
    headers: Option<RawHeaders>,
    timeout: Option<Interval>,
    compression: Option<Spanned<RawCompression>>,
    pub(super) tls: Option<Spanned<RawTls>>,
}

#[derive(Clone, Copy, Deserialize)]
enum RawProtocol {
    #[serde(rename = "grpc")]
    Grpc,
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawCompression {
    Gzip,
    None,
}

/// What is known while a signal is resolved, and where errors go.
pub(super) struct Scene<'a> {
    pub(super) signal: Signal,
    pub(super) env: &'a Environment,
    /// The backend's table: a variable has no place in the file, so its errors stand here.
    pub(super) header: Range<usize>,
    pub(super) errors: &'a mut Vec<ConfigError>,
    /// Whether what the environment says of its endpoint (keys, certificates) means this receiver.
    endpoint_is_environments: bool,
}

impl Scene<'_> {
    pub(super) fn variable(&self, name: &str) -> Option<Variable> {
        self.env.otlp(self.signal, name)
    }

    /// A variable that belongs to the environment's endpoint and must reach no other.
    pub(super) fn variable_of_endpoint(&self, name: &str) -> Option<Variable> {
        self.variable(name).filter(|_| self.endpoint_is_environments)
    }

    pub(super) fn variable_is_wrong(&mut self, message: String) {
        self.errors.push(variable_error(message, &self.header));
    }
}

pub(super) fn variable_error(message: String, header: &Range<usize>) -> ConfigError {
    ConfigError::new(message, header.clone()).help("the file's own value would take its place")
}

/// How a signal reaches its receiver.
pub(super) fn resolve(
    signal: Signal,
    own: &RawSignal,
    shared: &RawSignal,
    context: &Context<'_>,
    header: &Range<usize>,
    errors: &mut Vec<ConfigError>,
) -> Option<SignalConfig> {
    let endpoint_is_stated = own.endpoint.is_some() || shared.endpoint.is_some();
    let mut scene = Scene {
        signal,
        env: context.env,
        header: header.clone(),
        errors,
        endpoint_is_environments: !endpoint_is_stated
            || (context.only_otlp && context.env.otlp(signal, "ENDPOINT").is_none()),
    };
    let protocol = protocol(own.protocol.or(shared.protocol), &mut scene);
    let timeout = timeout(own.timeout.or(shared.timeout), &mut scene);
    let gzip = gzip(own.compression.as_ref().or(shared.compression.as_ref()), &mut scene);
    let headers = headers::resolve(own.headers.as_ref().or(shared.headers.as_ref()), &mut scene);
    let endpoint = endpoint::resolve(own.endpoint.as_ref(), shared.endpoint.as_ref(), protocol, &mut scene);
    let stated_tls = own.tls.as_ref().or(shared.tls.as_ref());
    let is_https = endpoint.as_ref().is_none_or(|(uri, _)| uri.scheme_str() == Some("https"));
    // The environment's certificates are for the endpoints that have use of them.
    let tls = if is_https || stated_tls.is_some() {
        tls::resolve(stated_tls.map(Spanned::get_ref), &mut scene)
    } else {
        Tls::default()
    };
    let (endpoint, protocol) = endpoint?;
    if let Some(tls) = own.tls.as_ref().filter(|_| !is_https) {
        scene.errors.push(tls_in_the_clear(tls, &endpoint));
    }
    Some(SignalConfig { protocol, endpoint, headers, timeout, gzip, tls })
}

/// TLS settings for an endpoint that has none.
pub(super) fn tls_in_the_clear(tls: &Spanned<RawTls>, endpoint: &http::Uri) -> ConfigError {
    ConfigError::new(format!("`tls` is for https://, and telemetry goes to `{endpoint}` unencrypted"), tls.span())
        .help("write the endpoint with https://, or leave out `tls`")
}

fn protocol(stated: Option<RawProtocol>, scene: &mut Scene<'_>) -> Option<OtlpProtocol> {
    if let Some(stated) = stated {
        return Some(match stated {
            RawProtocol::Grpc => OtlpProtocol::Grpc,
            RawProtocol::HttpProtobuf => OtlpProtocol::HttpProtobuf,
        });
    }
    let variable = scene.variable("PROTOCOL")?;
    match variable.value.to_ascii_lowercase().as_str() {
        "grpc" => Some(OtlpProtocol::Grpc),
        "http/protobuf" => Some(OtlpProtocol::HttpProtobuf),
        _ => {
            scene
                .variable_is_wrong(format!("{}: `{}` is not `grpc` or `http/protobuf`", variable.name, variable.value));
            None
        }
    }
}

fn timeout(stated: Option<Interval>, scene: &mut Scene<'_>) -> Duration {
    // As the specification has it.
    let default = Duration::from_secs(10);
    match (stated, scene.variable("TIMEOUT")) {
        (Some(stated), _) => stated.0,
        (None, Some(variable)) => variable.milliseconds().unwrap_or_else(|why| {
            scene.variable_is_wrong(why);
            default
        }),
        (None, None) => default,
    }
}

fn gzip(stated: Option<&Spanned<RawCompression>>, scene: &mut Scene<'_>) -> bool {
    let variable = scene.variable("COMPRESSION");
    let says = |name: &str| variable.as_ref().is_some_and(|variable| variable.value.eq_ignore_ascii_case(name));
    match (stated, &variable) {
        // The exporter reads the variable itself, and has no way to be told that there is to be no compression.
        (Some(stated), Some(variable)) if *stated.get_ref() == RawCompression::None && says("gzip") => {
            let message = format!("{}: `gzip` cannot be undone here", variable.name);
            let own = format!("OTEL_EXPORTER_OTLP_{}_COMPRESSION", scene.signal.as_str().to_uppercase());
            let or = if variable.is_for_signal { String::new() } else { format!(", or unset `{}`", variable.name) };
            let help = format!("set `{own}=none` in the environment{or}");
            scene.errors.push(ConfigError::new(message, stated.span()).help(help));
            false
        }
        (Some(stated), _) => *stated.get_ref() == RawCompression::Gzip,
        (None, _) => says("gzip"),
    }
}
