//! The options of an OTLP backend. What the file leaves open is filled from the environment (`OTEL_*`).

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};
use serde::Deserialize;
use toml::Spanned;

use super::error::ConfigError;
use super::section::Section;
use super::values::{Interval, Secret};
use super::{Environment, OtlpConfig, OtlpProtocol};

#[derive(Deserialize)]
struct Raw {
    endpoint: Option<Spanned<String>>,
    protocol: Option<RawProtocol>,
    headers: Option<BTreeMap<Spanned<String>, Spanned<Secret>>>,
    timeout: Option<Interval>,
    compression: Option<RawCompression>,
    tls: Option<RawTls>,
    resource: Option<BTreeMap<String, RawAttribute>>,
    histograms: Option<RawHistograms>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTls {
    ca_file: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a resource attribute is text, a number or a bool")]
pub(super) enum RawAttribute {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawHistograms {
    Explicit,
    Exponential,
}

pub(super) struct Context<'a> {
    pub(super) env: &'a Environment,
    /// Whether this is the file's only OTLP backend: then the environment's headers can mean no other.
    pub(super) only_otlp: bool,
}

/// A backend's options, and what the environment says of its common ones.
pub(super) struct Settings {
    pub(super) config: OtlpConfig,
    pub(super) interval: Option<Duration>,
    pub(super) temporality: Option<Temporality>,
}

pub(super) fn read(
    section: Section<'_>,
    also: &[&str],
    context: &Context<'_>,
    errors: &mut Vec<ConfigError>,
) -> Option<Settings> {
    let header = section.header.clone();
    let raw = section.read::<Raw>(also, errors)?;
    // A variable has no place in the file: its error stands at the backend's table.
    let mut from_env = |result: Result<(), String>| {
        if let Err(message) = result {
            errors.push(ConfigError::new(message, header.clone()).help("the file's own value would take its place"));
        }
    };
    let env = context.env;
    let mut protocol = raw.protocol.map(|p| match p {
        RawProtocol::Grpc => OtlpProtocol::Grpc,
        RawProtocol::HttpProtobuf => OtlpProtocol::HttpProtobuf,
    });
    if protocol.is_none()
        && let Some(variable) = env.otlp("PROTOCOL")
    {
        match variable.value.as_str() {
            "grpc" => protocol = Some(OtlpProtocol::Grpc),
            "http/protobuf" => protocol = Some(OtlpProtocol::HttpProtobuf),
            other => from_env(Err(format!("{}: `{other}` is not `grpc` or `http/protobuf`", variable.name))),
        }
    }
    let mut timeout = raw.timeout.map(|t| t.0);
    if timeout.is_none()
        && let Some(variable) = env.otlp("TIMEOUT")
    {
        from_env(variable.milliseconds().map(|t| timeout = Some(t)));
    }
    let gzip = match (raw.compression, env.otlp("COMPRESSION")) {
        (Some(compression), _) => compression == RawCompression::Gzip,
        (None, Some(variable)) => match variable.value.as_str() {
            "gzip" => true,
            "none" => false,
            other => {
                from_env(Err(format!("{}: `{other}` is not `gzip` or `none`", variable.name)));
                false
            }
        },
        (None, None) => false,
    };
    let mut interval = None;
    if let Some(text) = env.get("OTEL_METRIC_EXPORT_INTERVAL") {
        match text.parse() {
            Ok(ms) if ms > 0 => interval = Some(Duration::from_millis(ms)),
            _ => from_env(Err(format!("OTEL_METRIC_EXPORT_INTERVAL: `{text}` is not a number of milliseconds"))),
        }
    }
    let temporality = match env.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE").map(|t| t.to_lowercase()) {
        None => None,
        Some(text) => match text.as_str() {
            "cumulative" => Some(Temporality::Cumulative),
            "delta" => Some(Temporality::Delta),
            "lowmemory" => Some(Temporality::LowMemory),
            other => {
                let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
                from_env(Err(format!("{name}: `{other}` is not `cumulative`, `delta` or `lowmemory`")));
                None
            }
        },
    };
    let exponential = match raw.histograms {
        Some(histograms) => histograms == RawHistograms::Exponential,
        None => {
            env.get("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION").as_deref()
                == Some("base2_exponential_bucket_histogram")
        }
    };
    let mut attributes = Vec::new();
    from_env(env.resource_attributes().map(|pairs| attributes = pairs));

    let endpoint_is_stated = raw.endpoint.is_some();
    let headers = headers(raw.headers, endpoint_is_stated, context, &header, errors);
    let (endpoint, protocol) = endpoint(raw.endpoint.as_ref(), protocol, env, &header, errors)?;
    let ca = raw.tls.and_then(|tls| match std::fs::read(tls.ca_file.get_ref()) {
        Ok(pem) => Some(pem),
        Err(error) => {
            let message = format!("cannot read `{}`: {error}", tls.ca_file.get_ref());
            errors.push(ConfigError::new(message, tls.ca_file.span()).help("`ca_file` is a PEM file of certificates"));
            None
        }
    });
    let config = OtlpConfig {
        protocol,
        endpoint,
        headers,
        timeout: timeout.unwrap_or(Duration::from_secs(10)),
        gzip,
        ca,
        resource: resource(attributes, raw.resource.unwrap_or_default(), env),
        exponential,
    };
    Some(Settings { config, interval, temporality })
}

fn endpoint(
    stated: Option<&Spanned<String>>,
    protocol: Option<OtlpProtocol>,
    env: &Environment,
    header: &std::ops::Range<usize>,
    errors: &mut Vec<ConfigError>,
) -> Option<(Uri, OtlpProtocol)> {
    let variable = env.otlp("ENDPOINT");
    let (text, span, is_base) = match (stated, &variable) {
        (Some(stated), _) => (stated.get_ref().clone(), stated.span(), true),
        (None, Some(variable)) => (variable.value.clone(), header.clone(), !variable.is_for_signal()),
        (None, None) => {
            let port = if protocol == Some(OtlpProtocol::Grpc) { 4317 } else { 4318 };
            (format!("http://localhost:{port}"), header.clone(), true)
        }
    };
    let wrong = |why: &str| {
        let named = if stated.is_none() {
            variable.as_ref().map_or(String::new(), |v| format!("{}: ", v.name))
        } else {
            String::new()
        };
        ConfigError::new(format!("{named}`{text}` is {why}"), span.clone())
            .help("an endpoint is a URL, such as \"http://127.0.0.1:4317\" (gRPC) or \"https://otlp.example.com\"")
    };
    let uri: Uri = match text.parse() {
        Ok(uri) => uri,
        Err(error) => {
            errors.push(wrong(&format!("no URL: {error}")));
            return None;
        }
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        errors.push(wrong("no URL with http:// or https://"));
        return None;
    }
    // Port 4317 is gRPC's by convention; everywhere else the specification prefers HTTP.
    let protocol =
        protocol.unwrap_or(if uri.port_u16() == Some(4317) { OtlpProtocol::Grpc } else { OtlpProtocol::HttpProtobuf });
    if protocol == OtlpProtocol::Grpc || !is_base {
        return Some((uri, protocol));
    }
    match format!("{}/v1/metrics", text.trim_end_matches('/')).parse() {
        Ok(uri) => Some((uri, protocol)),
        Err(error) => {
            errors.push(wrong(&format!("no base URL: {error}")));
            None
        }
    }
}

fn headers(
    stated: Option<BTreeMap<Spanned<String>, Spanned<Secret>>>,
    endpoint_is_stated: bool,
    context: &Context<'_>,
    table: &std::ops::Range<usize>,
    errors: &mut Vec<ConfigError>,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &str, span: std::ops::Range<usize>| match (
        name.parse::<HeaderName>(),
        value.parse::<HeaderValue>(),
    ) {
        (Ok(name), Ok(mut value)) => {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        (Err(_), _) => errors.push(ConfigError::new(format!("`{name}` is no header name"), span)),
        (_, Err(_)) => errors.push(ConfigError::new(format!("the value of header `{name}` is not plain text"), span)),
    };
    let mut unresolved = Vec::new();
    match stated {
        Some(stated) => {
            for (name, secret) in stated {
                match secret.get_ref().resolve(context.env) {
                    Ok(value) => add(name.get_ref(), &value, name.span()),
                    Err(why) => unresolved.push(ConfigError::new(why, secret.span())),
                }
            }
        }
        // The environment's headers hold the key of the environment's endpoint.
        None if !endpoint_is_stated || context.only_otlp => {
            match context.env.otlp("HEADERS").map_or(Ok(Vec::new()), |variable| variable.pairs()) {
                Ok(pairs) => pairs.iter().for_each(|(name, value)| add(name, value, table.clone())),
                Err(why) => unresolved.push(ConfigError::new(why, table.clone())),
            }
        }
        None => {}
    }
    errors.extend(unresolved);
    headers
}

/// What the telemetry is about: the file's word before the environment's.
pub(super) fn resource(
    from_env: Vec<(String, String)>,
    stated: BTreeMap<String, RawAttribute>,
    env: &Environment,
) -> Resource {
    let mut attributes: BTreeMap<String, opentelemetry::Value> = BTreeMap::new();
    // The name that existing dashboards know.
    attributes.insert("service.name".to_owned(), "locust_telemetry".into());
    attributes.insert("service.instance.id".to_owned(), uuid::Uuid::new_v4().to_string().into());
    attributes.extend(from_env.into_iter().map(|(key, value)| (key, value.into())));
    if let Some(name) = env.get("OTEL_SERVICE_NAME") {
        attributes.insert("service.name".to_owned(), name.into());
    }
    attributes.extend(stated.into_iter().map(|(key, value)| {
        let value = match value {
            RawAttribute::Bool(b) => b.into(),
            RawAttribute::Int(n) => n.into(),
            RawAttribute::Float(n) => n.into(),
            RawAttribute::Text(text) => text.into(),
        };
        (key, value)
    }));
    let attributes: Vec<_> = attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
    Resource::builder_empty()
        .with_detectors(&[Box::new(TelemetryResourceDetector) as Box<dyn ResourceDetector>])
        .with_attributes(attributes)
        .build()
}
