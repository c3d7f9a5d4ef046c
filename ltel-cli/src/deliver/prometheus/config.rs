//! The options of a Prometheus backend. What the file leaves open is filled from the environment (`OTEL_*`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ltel_core::backend::{Check, ConfigError, Environment};
use ltel_core::schema;
use ltel_core::schemars::{self, JsonSchema};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use serde::Deserialize;
use toml::{Spanned, Table};

use crate::config::values::{Interval, address};
use crate::deliver::exemplars::{VARIABLE, exemplars};
use crate::deliver::resource::{RawAttribute, resource};
use crate::deliver::setting::{self, Setting};

// The OpenTelemetry specification's default.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

/// The keys of its table.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Options {
    /// The address of the page that Prometheus scrapes, `http://ADDRESS/metrics`.
    #[schemars(with = "Option<schema::Address>", extend("default" = "127.0.0.1:9464", "examples" = ["127.0.0.1:9464"]))]
    listen: Option<Spanned<String>>,
    /// How long the last figures of a run can be scraped.
    #[schemars(extend("default" = "5m"))]
    keep: Option<Interval>,
    /// Whether each sample has the labels `otel_scope_name` and `otel_scope_version`.
    #[schemars(extend("default" = true))]
    scope_labels: Option<bool>,
    /// Whether OpenMetrics has the start times of counters and histograms (`_created`): one more series for each.
    #[schemars(extend("default" = false))]
    created: Option<bool>,
    /// Whether buckets of histograms in OpenMetrics have exemplars: the latest request that was sampled, with its `trace_id` and
    /// `span_id`.
    #[schemars(extend("default" = true))]
    exemplars: Option<bool>,
    /// Attributes of the resource: the labels of `target_info`.
    resource: Option<BTreeMap<String, RawAttribute>>,
}

/// The options of a Prometheus backend.
#[derive(Clone, Debug)]
pub(crate) struct Prometheus {
    /// The address that it listens on.
    pub(super) listen: SocketAddr,
    /// How long the last figures of a run can be scraped.
    pub(super) keep: Duration,
    /// Whether samples carry `otel_scope_name` and `otel_scope_version`.
    pub(super) scope_labels: bool,
    /// Whether OpenMetrics has the start times of counters and histograms (`_created`).
    pub(super) created: bool,
    /// Whether histograms in OpenMetrics have exemplars.
    pub(super) exemplars: bool,
    /// The resource.
    pub(super) resource: Resource,
}

impl Prometheus {
    /// The keys that `table` does not have, and where they come from.
    pub(crate) fn unstated(&self, table: &Table, env: &Environment) -> Vec<Setting> {
        let mut settings = Vec::new();
        if !table.contains_key("listen") {
            settings.push(Setting::of_variable("listen", self.listen.to_string(), &[HOST, PORT], env));
        }
        if !table.contains_key("exemplars") {
            settings.push(Setting::of_variable("exemplars", self.exemplars, &[VARIABLE.name], env));
        }
        settings.extend(setting::resource(&self.resource, table, env));
        settings
    }
}

const HOST: &str = "OTEL_EXPORTER_PROMETHEUS_HOST";
const PORT: &str = "OTEL_EXPORTER_PROMETHEUS_PORT";

/// Checks its table.
pub(super) fn check(options: Options, cx: &mut Check<'_>) -> Option<Prometheus> {
    if let Some(delta) = cx.temporality.filter(|stated| *stated.get_ref() == Temporality::Delta) {
        cx.error(
            ConfigError::new("a backend of type `prometheus` is always cumulative", delta.span())
                .help("remove `temporality`; only backends of type `otlp` and `json` support `delta`"),
        );
    }
    let listen = match &options.listen {
        Some(stated) => match address(stated.get_ref(), DEFAULT) {
            Ok(address) => Some((address, stated.span())),
            Err((message, help)) => {
                cx.error(ConfigError::new(message, stated.span()).help(help));
                None
            }
        },
        None => match from_environment(cx.env) {
            Ok(address) => Some((address, cx.header())),
            Err(message) => {
                cx.variable_error(message);
                None
            }
        },
    };
    if let Some((address, span)) = &listen {
        cx.claim_address(*address, span.clone());
    }
    let exemplars = exemplars(options.exemplars, cx.env);
    let resource = resource(options.resource, cx);
    Some(Prometheus {
        listen: listen?.0,
        keep: options.keep.map_or(Duration::from_mins(5), |keep| keep.0),
        scope_labels: options.scope_labels.unwrap_or(true),
        // Off by default: Prometheus stores one more series per counter and histogram, unless an experimental feature uses
        // it. The page needs no such help: its series begin at zero.
        created: options.created.unwrap_or(false),
        exemplars,
        resource,
    })
}

/// `OTEL_EXPORTER_PROMETHEUS_HOST` and `OTEL_EXPORTER_PROMETHEUS_PORT`.
fn from_environment(env: &Environment) -> Result<SocketAddr, String> {
    let (host, port) = (HOST, PORT);
    let ip = match env.get(host).as_deref() {
        None | Some("localhost") => DEFAULT.ip(),
        Some(text) => text.parse().map_err(|_| format!("{host}: `{text}` is not an IP address or `localhost`"))?,
    };
    let port = match env.get(port) {
        None => DEFAULT.port(),
        Some(text) => text.parse().map_err(|_| format!("{port}: `{text}` is not a port number"))?,
    };
    Ok(SocketAddr::new(ip, port))
}
