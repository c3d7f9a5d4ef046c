//! One signal of an OTLP backend. Keys come from its own table, else the backend's table, else the signal's variables, else
//! the variables for all signals.

use std::collections::BTreeMap;
use std::time::Duration;

use ltel_core::backend::{Check, ConfigError, Signal};
use ltel_core::schema;
use ltel_core::schemars::{self, JsonSchema};
use opentelemetry_otlp::{
    OTEL_EXPORTER_OTLP_COMPRESSION, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_TIMEOUT, OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT,
};
use serde::Deserialize;
use toml::Spanned;

use super::headers::{self, RawHeaders};
use super::inputs::SignalInputs;
use super::tls::{self, RawTls};
use super::variable::SetVariable;
use super::{OtlpProtocol, SignalConfig, Tls, endpoint};
use crate::config::names::or;
use crate::config::url::shown_url;
use crate::config::values::{Interval, Secret, Size};

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
    #[schemars(extend("default" = "none"))]
    pub(super) compression: Option<RawCompression>,
    /// How large a request may be, before compression. What is larger is sent in parts, if it is more than one item.
    #[schemars(with = "Option<schema::Bytes>", extend("default" = "3.9MiB"))]
    pub(super) max_request_bytes: Option<Spanned<Size>>,
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
    #[serde(rename = "http/json")]
    HttpJson,
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
    let is_only_receiver = cx.only_one && SetVariable::find(cx.env, signal, OTEL_EXPORTER_OTLP_ENDPOINT).is_none();
    let mut inputs = SignalInputs { signal, cx, endpoint_is_environments: !endpoint_is_stated || is_only_receiver };
    let protocol = protocol(own.protocol.or(shared.protocol), &mut inputs);
    let timeout = timeout(own.timeout.or(shared.timeout), &mut inputs);
    let gzip = gzip(own.compression.or(shared.compression), &inputs);
    let max_request_bytes =
        max_request_bytes(own.max_request_bytes.as_ref().or(shared.max_request_bytes.as_ref()), &mut inputs);
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
    Some(SignalConfig { protocol, endpoint, headers, timeout, gzip, max_request_bytes, tls })
}

/// The error for TLS settings of an unencrypted endpoint.
pub(super) fn tls_in_the_clear(tls: &Spanned<RawTls>, endpoint: &http::Uri) -> ConfigError {
    let shown = shown_url(&endpoint.to_string());
    ConfigError::new(format!("`tls` has no effect: `{shown}` is not encrypted"), tls.span())
        .help("use an endpoint with https://, or remove `tls`")
}

fn protocol(stated: Option<RawProtocol>, inputs: &mut SignalInputs<'_, '_>) -> Option<OtlpProtocol> {
    if let Some(stated) = stated {
        return Some(match stated {
            RawProtocol::Grpc => OtlpProtocol::Grpc,
            RawProtocol::HttpProtobuf => OtlpProtocol::HttpProtobuf,
            RawProtocol::HttpJson => OtlpProtocol::HttpJson,
        });
    }
    let variable = inputs.variable(OTEL_EXPORTER_OTLP_PROTOCOL)?;
    let known = [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf, OtlpProtocol::HttpJson];
    let said = known.into_iter().find(|known| variable.value.eq_ignore_ascii_case(known.as_str()));
    if said.is_none() {
        let known = or(&known.iter().map(|known| format!("`{}`", known.as_str())).collect::<Vec<_>>());
        inputs
            .cx
            .variable_error(format!("{}: `{}` is not supported; it can be {known}", variable.name, variable.value));
    }
    said
}

fn timeout(stated: Option<Interval>, inputs: &mut SignalInputs<'_, '_>) -> Duration {
    match (stated, inputs.variable(OTEL_EXPORTER_OTLP_TIMEOUT)) {
        (Some(stated), _) => stated.0,
        (None, Some(variable)) => variable.milliseconds().unwrap_or_else(|why| {
            inputs.cx.variable_error(why);
            OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT
        }),
        (None, None) => OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT,
    }
}

fn gzip(stated: Option<RawCompression>, inputs: &SignalInputs<'_, '_>) -> bool {
    match stated {
        Some(stated) => stated == RawCompression::Gzip,
        None => inputs
            .variable(OTEL_EXPORTER_OTLP_COMPRESSION)
            .is_some_and(|variable| variable.value.eq_ignore_ascii_case("gzip")),
    }
}

/// A little under 4 MiB, which gRPC servers take by default.
const MAX_REQUEST_BYTES: usize = 39 * (1 << 20) / 10;

/// Less has no room for an item and its resource.
const LEAST_REQUEST_BYTES: u64 = 1_024;

fn max_request_bytes(stated: Option<&Spanned<Size>>, inputs: &mut SignalInputs<'_, '_>) -> usize {
    let Some(stated) = stated else { return MAX_REQUEST_BYTES };
    let bytes = stated.get_ref().as_u64();
    if bytes < LEAST_REQUEST_BYTES {
        let message = format!("`max_request_bytes` is {bytes}: no point, span or log record fits");
        inputs.cx.error(
            ConfigError::new(message, stated.span())
                .help("write what the receiver takes, such as \"1MB\", or remove it: then it is 3.9MiB"),
        );
    }
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
