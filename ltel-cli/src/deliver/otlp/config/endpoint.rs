//! A signal's endpoint and protocol. The rules of the OpenTelemetry specification, "OpenTelemetry Protocol
//! Exporter": an endpoint for all signals is a base, to which HTTP's path for the signal is appended; an endpoint for one
//! signal is used as it is.

use std::ops::Range;

use http::Uri;
use http::uri::PathAndQuery;
use ltel_core::backend::{ConfigError, Signal};
use opentelemetry_otlp::{OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_INSECURE};
use toml::Spanned;

use super::OtlpProtocol;
use super::inputs::SignalInputs;
use crate::config::url::shown_url;

const HELP: &str = "write a URL, such as \"http://127.0.0.1:4317\" (gRPC) or \"https://otlp.example.com\"";

const NO_SCHEME: &str = "OTLP over HTTP needs a scheme: write http:// or https://; for gRPC, use port 4317 \
                         or set `OTEL_EXPORTER_OTLP_PROTOCOL=grpc`";

/// An endpoint as the file or a variable states it.
struct WrittenEndpoint {
    text: String,
    span: Range<usize>,
    /// The variable that it comes from.
    variable: Option<String>,
    /// Whether it is for all signals.
    is_base: bool,
}

/// The endpoint and its protocol: the signal's, else the backend's, else the environment's.
pub(super) fn resolve(
    own: Option<&Spanned<String>>,
    shared: Option<&Spanned<String>>,
    protocol: Option<OtlpProtocol>,
    inputs: &mut SignalInputs<'_, '_>,
) -> Option<(Uri, OtlpProtocol)> {
    let stated = |text: &Spanned<String>, is_base| WrittenEndpoint {
        text: text.get_ref().clone(),
        span: text.span(),
        variable: None,
        is_base,
    };
    let written = match (own, shared, inputs.variable(OTEL_EXPORTER_OTLP_ENDPOINT)) {
        (Some(own), ..) => stated(own, false),
        (None, Some(shared), _) => stated(shared, true),
        (None, None, Some(variable)) => WrittenEndpoint {
            text: with_scheme(variable.value, protocol, inputs),
            span: inputs.cx.header(),
            variable: Some(variable.name),
            is_base: !variable.is_for_signal,
        },
        (None, None, None) => {
            let port = if protocol == Some(OtlpProtocol::Grpc) { 4317 } else { 4318 };
            let text = format!("http://localhost:{port}");
            WrittenEndpoint { text, span: inputs.cx.header(), variable: None, is_base: true }
        }
    };
    match written.parse(protocol, inputs.signal) {
        Ok((uri, protocol)) => {
            if let Some((message, help)) = written.wrong_path(protocol, inputs) {
                inputs.cx.error(ConfigError::new(message, written.span).help(help));
                return None;
            }
            Some((uri, protocol))
        }
        Err(why) => {
            let help = if written.variable.is_some() && !written.text.contains("://") { NO_SCHEME } else { HELP };
            let named = written.variable.map_or(String::new(), |name| format!("{name}: "));
            let shown = shown_url(&written.text);
            let message = format!("{named}`{shown}` is {why}");
            inputs.cx.error(ConfigError::new(message, written.span).help(help));
            None
        }
    }
}

/// For gRPC, a variable may be just a host and a port; it is encrypted unless `OTEL_EXPORTER_OTLP_INSECURE` is true. OTLP
/// over HTTP always takes the scheme from its endpoint.
fn with_scheme(text: String, protocol: Option<OtlpProtocol>, inputs: &SignalInputs<'_, '_>) -> String {
    if text.contains("://") {
        return text;
    }
    let in_the_clear = format!("http://{text}");
    let port = || in_the_clear.parse::<Uri>().ok()?.port_u16();
    if protocol.unwrap_or_else(|| by_port(port())) != OtlpProtocol::Grpc {
        return text;
    }
    let insecure = inputs
        .variable(OTEL_EXPORTER_OTLP_INSECURE)
        .is_some_and(|variable| variable.value.eq_ignore_ascii_case("true"));
    if insecure { in_the_clear } else { format!("https://{text}") }
}

/// Port 4317 is gRPC's by convention; everywhere else the specification prefers HTTP.
fn by_port(port: Option<u16>) -> OtlpProtocol {
    if port == Some(4317) { OtlpProtocol::Grpc } else { OtlpProtocol::HttpProtobuf }
}

/// Paths of receivers of other protocols.
const NOT_OTLP: [(&str, &str); 4] = [
    ("/api/v1/write", "that is Prometheus' remote write; its receiver of OTLP is at `/api/v1/otlp`"),
    ("/api/v1/push", "that is a push API of Loki or Mimir; their receivers of OTLP are at `/otlp`"),
    ("/metrics", "that is a page that Prometheus scrapes; write the URL of a receiver of OTLP"),
    ("/api/v2/spans", "that is Zipkin's; write the URL of a receiver of OTLP"),
];

impl WrittenEndpoint {
    /// What is wrong with the path of a URL that is right in itself, and what would be right.
    fn wrong_path(&self, protocol: OtlpProtocol, inputs: &mut SignalInputs<'_, '_>) -> Option<(String, String)> {
        let uri: Uri = self.text.parse().ok()?;
        let path = uri.path().trim_end_matches('/');
        let named = self.variable.as_ref().map_or(String::new(), |name| format!("{name}: "));
        let of = Signal::ALL.into_iter().find(|signal| path.ends_with(&format!("/v1/{}", signal.as_str())));
        let shown = shown_url(&self.text);
        let Some(of) = of else {
            if let Some((_, why)) = NOT_OTLP.iter().find(|(end, _)| path.ends_with(end)) {
                return Some((format!("{named}`{shown}` does not take OTLP"), (*why).to_owned()));
            }
            if path.is_empty() && !self.is_base && protocol != OtlpProtocol::Grpc {
                let (signal, title) =
                    (inputs.signal.as_str(), inputs.cx.place.title.trim_matches(['[', ']']).to_owned());
                let where_from = self.variable.clone().unwrap_or_else(|| format!("[{title}.{signal}]"));
                inputs.cx.warn(format!(
                    "{where_from}: {signal} go to `{shown}` as it is; most receivers of OTLP take them at `/v1/{signal}`"
                ));
            }
            return None;
        };
        let base = base_of(&uri, of);
        if protocol == OtlpProtocol::Grpc {
            let message = format!("{named}`{shown}` has a path, which gRPC does not use");
            let http = base.replace(":4317", ":4318");
            return Some((
                message,
                format!("write `{base}` for gRPC, or for HTTP `{http}` with `protocol = \"http/protobuf\"`"),
            ));
        }
        if self.is_base {
            let path = format!("/v1/{}", of.as_str());
            let message =
                format!("{named}`{shown}` is the URL of {} alone: `{path}` would be appended once more", of.as_str());
            let alone = match &self.variable {
                Some(name) => name.replace("_ENDPOINT", &format!("_{}_ENDPOINT", of.as_str().to_uppercase())),
                None => format!("[{}.{}]", inputs.cx.place.title.trim_matches(['[', ']']), of.as_str()),
            };
            return Some((
                message,
                format!("write `{base}` for all signals; a URL of one signal belongs to `{alone}`"),
            ));
        }
        (of != inputs.signal).then(|| {
            let signal = inputs.signal.as_str();
            let message = format!("{named}`{shown}` is the URL of {}, not of {signal}", of.as_str());
            (message, format!("write `{base}/v1/{signal}`"))
        })
    }

    fn parse(&self, protocol: Option<OtlpProtocol>, signal: Signal) -> Result<(Uri, OtlpProtocol), String> {
        let uri: Uri = self.text.parse().map_err(|error| format!("not a URL: {error}"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err("not a URL with http:// or https://".to_owned());
        }
        // A user name would appear in logs and tables.
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("a URL with a user name: put credentials into `headers`".to_owned());
        }
        // `http` takes any text for a port.
        let port =
            uri.authority().and_then(|authority| authority.as_str().strip_prefix(uri.host()?)?.strip_prefix(':'));
        if port.is_some_and(|port| !port.is_empty() && port.parse::<u16>().is_err()) {
            return Err("not a URL: what stands behind `:` is not a port".to_owned());
        }
        let protocol = protocol.unwrap_or_else(|| by_port(uri.port_u16()));
        let uri = if self.is_base && protocol != OtlpProtocol::Grpc { appended(uri, signal)? } else { uri };
        Ok((uri, protocol))
    }
}

/// A URL without the path of a signal.
fn base_of(uri: &Uri, signal: Signal) -> String {
    let path = uri.path().trim_end_matches('/');
    let path = path.strip_suffix(&format!("/v1/{}", signal.as_str())).unwrap_or(path);
    let (scheme, authority) = (uri.scheme_str().unwrap_or("http"), uri.authority().map_or("", |of| of.as_str()));
    format!("{scheme}://{authority}{path}")
}

/// The base with the signal's path, before its query if it has one.
fn appended(base: Uri, signal: Signal) -> Result<Uri, String> {
    let query = base.query().map_or(String::new(), |query| format!("?{query}"));
    let path = format!("{}/v1/{}{query}", base.path().trim_end_matches('/'), signal.as_str());
    let wrong = |why: &dyn std::fmt::Display| format!("not a base URL: {why}");
    let mut parts = base.into_parts();
    parts.path_and_query = Some(path.parse::<PathAndQuery>().map_err(|error| wrong(&error))?);
    Uri::from_parts(parts).map_err(|error| wrong(&error))
}
