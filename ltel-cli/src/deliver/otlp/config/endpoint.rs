//! A signal's endpoint and protocol. The rules of the OpenTelemetry specification, "OpenTelemetry Protocol
//! Exporter": an endpoint for all signals is a base, to which HTTP's path for the signal is appended; an endpoint for one
//! signal is used as it is.

use std::ops::Range;

use http::Uri;
use http::uri::PathAndQuery;
use ltel_core::backend::{ConfigError, Signal};
use ltel_core::text::did_you_mean;
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
            written.warn_of_port(&uri, protocol, inputs);
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
        let has_path = !path.is_empty() && protocol == OtlpProtocol::Grpc;
        let Some(of) = of else {
            if has_path {
                let base = in_full(&uri, "");
                let help = format!("write `{base}`, or `protocol = \"http/protobuf\"` if it is for HTTP");
                return Some((format!("{named}`{shown}` has a path, which gRPC does not use"), help));
            }
            if let Some(version) = self.is_base.then(|| path_of_signals(path)).flatten() {
                let base = in_full(&uri, path.strip_suffix(version).unwrap_or(path));
                let message =
                    format!("{named}`{shown}` ends with `{version}`, and paths such as `/v1/traces` are appended");
                return Some((message, format!("write `{base}`")));
            }
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
        if has_path {
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

    /// Warns of gRPC at the port that is HTTP's by convention, and the reverse.
    fn warn_of_port(&self, uri: &Uri, protocol: OtlpProtocol, inputs: &mut SignalInputs<'_, '_>) {
        let (this, port, other) = match (protocol, uri.port_u16()) {
            (OtlpProtocol::Grpc, Some(4318)) => ("gRPC", "4317", "HTTP"),
            (OtlpProtocol::Grpc, _) => return,
            (_, Some(4317)) => ("HTTP", "4318", "gRPC"),
            _ => return,
        };
        let (title, shown, name) = (&inputs.cx.place.title, shown_url(&self.text), protocol.as_str());
        inputs.cx.warn(format!(
            "{title}: `protocol` is {name}, but most receivers of OTLP have {other} at the port of `{shown}`, and {this} at {port}"
        ));
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
        // The parser takes any port.
        match port_text(&uri) {
            Some("") => return Err("a URL with a colon and no port".to_owned()),
            Some(port) if !is_port(port) => {
                return Err("a URL with a wrong port: a port is a number from 1 to 65535".to_owned());
            }
            _ => {}
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
    in_full(uri, path)
}

/// A URL with another path.
fn in_full(uri: &Uri, path: &str) -> String {
    let (scheme, authority) = (uri.scheme_str().unwrap_or("http"), uri.authority().map_or("", |of| of.as_str()));
    format!("{scheme}://{authority}{path}")
}

/// What follows the host and its colon.
fn port_text(uri: &Uri) -> Option<&str> {
    let authority = uri.authority()?.as_str();
    // An IPv6 address has colons too, in brackets.
    let after = authority.rsplit_once(']').map_or(authority, |(_, after)| after);
    after.split_once(':').map(|(_, port)| port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// The end of a path that was meant to be that of signals: `/v1`, or with a signal that is misspelt. Others, such as `/api/v1/otlp`,
/// are paths of receivers.
fn path_of_signals(path: &str) -> Option<&str> {
    const OTHER_WORDS: [&str; 3] = ["spans", "events", "profiles"];
    let begin = path.rfind("/v1").filter(|begin| {
        let rest = &path[begin + 3..];
        let word = rest.strip_prefix('/').filter(|word| !word.contains('/'));
        rest.is_empty()
            || word.is_some_and(|word| {
                did_you_mean(word, Signal::ALL.iter().map(|signal| signal.as_str())).is_some()
                    || OTHER_WORDS.contains(&word)
            })
    })?;
    Some(&path[begin..])
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
