//! The options of a Prometheus backend. What the file leaves open is filled from the environment (`OTEL_*`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::error::ConfigError;
use super::otlp::{self, RawAttribute};
use super::section::Section;
use super::values::Interval;
use super::{Environment, PrometheusConfig};

// As the OpenTelemetry specification has it.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

#[derive(Deserialize)]
struct Raw {
    listen: Option<Spanned<String>>,
    keep: Option<Interval>,
    scope_labels: Option<bool>,
    created: Option<bool>,
    resource: Option<BTreeMap<String, RawAttribute>>,
}

/// Addresses that something of ltel listens on, and the table that says so.
pub(super) type Taken = Vec<(SocketAddr, String)>;

pub(super) fn read(
    section: Section<'_>,
    also: &[&str],
    env: &Environment,
    taken: &mut Taken,
    errors: &mut Vec<ConfigError>,
) -> Option<PrometheusConfig> {
    let (header, title) = (section.header.clone(), section.title.clone());
    let raw = section.read::<Raw>(also, errors)?;
    // A variable has no place in the file: its error stands at the backend's table.
    let from_env =
        |message| ConfigError::new(message, header.clone()).help("the file's own value would take its place");
    let (listen, span) = match &raw.listen {
        Some(stated) => (address(stated.get_ref(), stated.span(), DEFAULT), stated.span()),
        None => (environment(env).map_err(from_env), header.clone()),
    };
    let listen = listen.map_err(|error| errors.push(error)).ok();
    if let Some(listen) = listen {
        let meets = |have: &SocketAddr| {
            let everywhere = have.ip().is_unspecified() || listen.ip().is_unspecified();
            have.port() == listen.port() && listen.port() != 0 && (have.ip() == listen.ip() || everywhere)
        };
        match taken.iter().find(|(have, _)| meets(have)) {
            Some((have, by)) => errors.push(
                ConfigError::new(format!("{by} listens on `{have}` already"), span)
                    .help(format!("give {title} an address of its own, such as `listen = \"127.0.0.1:9465\"`")),
            ),
            None => taken.push((listen, title)),
        }
    }
    let attributes = env.resource_attributes().unwrap_or_else(|message| {
        errors.push(from_env(message));
        Vec::new()
    });
    Some(PrometheusConfig {
        listen: listen?,
        keep: raw.keep.map_or(Duration::from_mins(5), |keep| keep.0),
        scope_labels: raw.scope_labels.unwrap_or(true),
        // Prometheus stores it as one more series per counter and histogram, unless an experimental feature that is off by
        // default reads it. What that gives, the page gives without it: a series begins at zero.
        created: raw.created.unwrap_or(false),
        resource: otlp::resource(attributes, raw.resource.unwrap_or_default(), env),
    })
}

/// An address that a file states.
pub(super) fn address(text: &str, span: Range<usize>, example: SocketAddr) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| {
        ConfigError::new(format!("`{text}` is no address and port"), span)
            .help(format!("such as `{example}` or `[::1]:{}`", example.port()))
    })
}

/// `OTEL_EXPORTER_PROMETHEUS_HOST` and `OTEL_EXPORTER_PROMETHEUS_PORT`.
fn environment(env: &Environment) -> Result<SocketAddr, String> {
    let (host, port) = ("OTEL_EXPORTER_PROMETHEUS_HOST", "OTEL_EXPORTER_PROMETHEUS_PORT");
    let ip = match env.get(host).as_deref() {
        None | Some("localhost") => DEFAULT.ip(),
        Some(text) => text.parse().map_err(|_| format!("{host}: `{text}` is no IP address, nor `localhost`"))?,
    };
    let port = match env.get(port) {
        None => DEFAULT.port(),
        Some(text) => text.parse().map_err(|_| format!("{port}: `{text}` is no port"))?,
    };
    Ok(SocketAddr::new(ip, port))
}
