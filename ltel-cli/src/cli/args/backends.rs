//! Backends of the command line, beside those of a configuration.

use std::fmt::Write as _;

use clap::Args;

use super::Address;
use crate::config::StatedBackend;

const HEADING: &str = "Where telemetry goes";

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct BackendArgs {
    /// Write telemetry as JSON lines to this file; `-` is stdout.
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    json: Option<String>,
    /// Send telemetry to an OTLP receiver, such as <http://127.0.0.1:4317>.
    ///
    /// Headers, certificates and other settings come from the variables of OpenTelemetry (`OTEL_EXPORTER_OTLP_HEADERS` and others).
    #[arg(long, value_name = "URL", help_heading = HEADING)]
    otlp: Option<String>,
    /// The receiver's protocol. Default: grpc for port 4317, http/protobuf for other ports.
    #[arg(long, value_name = "PROTOCOL", requires = "otlp", help_heading = HEADING)]
    #[arg(value_parser = ["grpc", "http/protobuf", "http/json"])]
    otlp_protocol: Option<String>,
    /// Let Prometheus scrape metrics here. Default: 127.0.0.1:9464.
    ///
    /// `:9464` is a port of this machine alone. `0.0.0.0:9464` can be scraped from other machines: by anyone who reaches it, without a
    /// token and without TLS.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "", help_heading = HEADING)]
    prometheus: Option<Address>,
    /// Show the test in a browser while it runs; the page's URL is printed.
    ///
    /// Default: 127.0.0.1:4329, or another port if that one is taken. `:4329` is a port of this machine alone. An address that other
    /// machines can reach gets a random token, which is part of the URL; it is not encrypted, unless a `[backends.page]` of the
    /// configuration has `tls`.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "", help_heading = HEADING)]
    pub(crate) page: Option<Address>,
    /// Write a report about the test: `.html` (a page), `.json` (all figures), `.md` (a summary) or `.xml` (thresholds, for a CI).
    ///
    /// The name's ending says which; may be given several times. `{run_id}` in the name becomes the run's id.
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    pub(crate) report: Vec<String>,
    /// Write the thresholds and how the test met them as `JUnit` XML, for a CI.
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    pub(crate) junit: Option<String>,
}

impl BackendArgs {
    /// Those that take telemetry, as tables of a configuration.
    pub(crate) fn telemetry(&self) -> Vec<StatedBackend> {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let json = self.json.as_ref().map(|file| {
            let output = if file == "-" { "stdout" } else { file };
            StatedBackend { option: "--json", kind: "json", table: format!("output = {}\n", quoted(output)) }
        });
        let otlp = self.otlp.as_ref().map(|url| {
            let mut table = format!("endpoint = {}\n", quoted(url));
            if let Some(protocol) = &self.otlp_protocol {
                let _ = writeln!(table, "protocol = {}", quoted(protocol));
            }
            StatedBackend { option: "--otlp", kind: "otlp", table }
        });
        let prometheus = self.prometheus.map(|Address(address)| {
            let table = address.map(|address| format!("listen = \"{address}\"\n")).unwrap_or_default();
            StatedBackend { option: "--prometheus", kind: "prometheus", table }
        });
        [json, otlp, prometheus].into_iter().flatten().collect()
    }
}
