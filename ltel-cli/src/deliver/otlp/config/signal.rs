//! One signal of an OTLP backend. Keys come from its own table, else the backend's table, else the signal's variables, else
//! the variables for all signals.

use std::collections::BTreeMap;
use std::time::Duration;

use ltel_core::backend::{Check, ConfigError, Signal};
use ltel_core::schemars::{self, JsonSchema};
use serde::Deserialize;
use toml::Spanned;

use super::headers::{self, RawHeaders};
use super::inputs::SignalInputs;
use super::tls::{self, RawTls};
use super::variable::SetVariable;
use super::{OtlpProtocol, SignalConfig, Tls, endpoint};
use crate::config::values::{Interval, Secret};

/// The keys of a signal, in the backend's table or in the signal's own, which overrides it.
#[derive(Default, Deserialize, JsonSchema)]
#[schemars(rename = "Signal")]
#[serde(deny_unknown_fields)]
pub(super) struct RawSignal {
    /// The URL of the receiver, used as it is.
    #[schemars(with = "Option<String>")]
    pub(super) endpoint: Option<Spanned<String>>,
    /// The protocol; default: `grpc` for port 4317, else `http/protobuf`.
    pub(super) protocol: Option<RawProtocol>,
    /// Headers of each request, by name.
    #[schemars(with = "Option<BTreeMap<String, Secret>>")]
    pub(super) headers: Option<RawHeaders>,
    /// How long one export may take, over all attempts.
    #[schemars(extend("default" = "10s"))]
    pub(super) timeout: Option<Interval>,
    /// How requests are compressed.
    #[schemars(with = "Option<RawCompression>", extend("default" = "none"))]
    pub(super) compression: Option<Spanned<RawCompression>>,
    /// Certificates, for `https` and gRPC with TLS.
    #[schemars(with = "Option<RawTls>")]
    pub(super) tls: Option<Spanned<RawTls>>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(super) enum RawProtocol {
    #[serde(rename = "grpc")]
    Grpc,
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawCompression {
    Gzip,
    None,
}

/// Resolves how to send a signal.
pub(super) fn resolve(signal: Signal, own: &RawSignal, shared: &RawSignal, cx: &mut Check<'_>) -> Option<SignalConfig> {
    let endpoint_is_stated = own.endpoint.is_some() || shared.endpoint.is_some();
    let is_only_receiver = cx.only_one && SetVariable::find(cx.env, signal, "ENDPOINT").is_none();
    let mut inputs = SignalInputs { signal, cx, endpoint_is_environments: !endpoint_is_stated || is_only_receiver };
    let protocol = protocol(own.protocol.or(shared.protocol), &mut inputs);
    let timeout = timeout(own.timeout.or(shared.timeout), &mut inputs);
    let gzip = gzip(own.compression.as_ref().or(shared.compression.as_ref()), &mut inputs);
    let headers = headers::resolve(own.headers.as_ref().or(shared.headers.as_ref()), &mut inputs);
    let endpoint = endpoint::resolve(own.endpoint.as_ref(), shared.endpoint.as_ref(), protocol, &mut inputs);
    let stated_tls = own.tls.as_ref().or(shared.tls.as_ref());
    let is_https = endpoint.as_ref().is_none_or(|(uri, _)| uri.scheme_str() == Some("https"));
    // The environment's certificates apply only to encrypted endpoints.
    let tls = if is_https || stated_tls.is_some() {
        tls::resolve(stated_tls.map(Spanned::get_ref), &mut inputs)
    } else {
        Tls::default()
    };
    let (endpoint, protocol) = endpoint?;
    if let Some(tls) = own.tls.as_ref().filter(|_| !is_https) {
        inputs.cx.error(tls_in_the_clear(tls, &endpoint));
    }
    Some(SignalConfig { protocol, endpoint, headers, timeout, gzip, tls })
}

/// The error for TLS settings of an unencrypted endpoint.
pub(super) fn tls_in_the_clear(tls: &Spanned<RawTls>, endpoint: &http::Uri) -> ConfigError {
    ConfigError::new(format!("`tls` has no effect: `{endpoint}` is not encrypted"), tls.span())
        .help("use an endpoint with https://, or remove `tls`")
}

fn protocol(stated: Option<RawProtocol>, inputs: &mut SignalInputs<'_, '_>) -> Option<OtlpProtocol> {
    if let Some(stated) = stated {
        return Some(match stated {
            RawProtocol::Grpc => OtlpProtocol::Grpc,
            RawProtocol::HttpProtobuf => OtlpProtocol::HttpProtobuf,
        });
    }
    let variable = inputs.variable("PROTOCOL")?;
    match variable.value.to_ascii_lowercase().as_str() {
        "grpc" => Some(OtlpProtocol::Grpc),
        "http/protobuf" => Some(OtlpProtocol::HttpProtobuf),
        _ => {
            inputs
                .cx
                .variable_error(format!("{}: `{}` is not `grpc` or `http/protobuf`", variable.name, variable.value));
            None
        }
    }
}

fn timeout(stated: Option<Interval>, inputs: &mut SignalInputs<'_, '_>) -> Duration {
    // The specification's default.
    let default = Duration::from_secs(10);
    match (stated, inputs.variable("TIMEOUT")) {
        (Some(stated), _) => stated.0,
        (None, Some(variable)) => variable.milliseconds().unwrap_or_else(|why| {
            inputs.cx.variable_error(why);
            default
        }),
        (None, None) => default,
    }
}

fn gzip(stated: Option<&Spanned<RawCompression>>, inputs: &mut SignalInputs<'_, '_>) -> bool {
    let variable = inputs.variable("COMPRESSION");
    let says = |name: &str| variable.as_ref().is_some_and(|variable| variable.value.eq_ignore_ascii_case(name));
    match (stated, &variable) {
        // The exporter reads the variable itself, and has no setting that turns compression off.
        (Some(stated), Some(variable)) if *stated.get_ref() == RawCompression::None && says("gzip") => {
            let message = format!("`none` cannot override {}, which is `gzip`", variable.name);
            let own = format!("OTEL_EXPORTER_OTLP_{}_COMPRESSION", inputs.signal.as_str().to_uppercase());
            let or = if variable.is_for_signal { String::new() } else { format!(", or unset `{}`", variable.name) };
            let help = format!("set `{own}=none` in the environment{or}");
            inputs.cx.error(ConfigError::new(message, stated.span()).help(help));
            false
        }
        (Some(stated), _) => *stated.get_ref() == RawCompression::Gzip,
        (None, _) => says("gzip"),
    }
}
