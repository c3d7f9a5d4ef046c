//! Prometheus: a page that it scrapes. A scrape reads the current metrics; there is no interval. When a run is over, its
//! counters and histograms stay for a while, so that the next scrape finds the last figures. Its gauges do not stay: a
//! finished test has no users.

mod config;
mod sink;
pub(crate) mod name;
mod family;
mod text;
mod scraper;
mod shelf;
mod server;
#[cfg(test)]
mod tests;

use ltel_core::backend::{
    Backend, BackendSpec, Check, Pipe, Signal, Start, StartError, Takes, Variable, VariableValues,
};
use ltel_core::exemplar::KeepExemplars;
use ltel_core::meter::MeterSettings;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;

use super::exemplars;

pub(crate) use config::{Options, Prometheus};
use sink::PrometheusSink;

impl Backend for Prometheus {
    type Options = Options;

    const SPEC: &'static BackendSpec = &BackendSpec::new("prometheus", "A page that Prometheus scrapes.")
        .signals(&[(Signal::Metrics, None)])
        .variables(&[
            Variable { name: "OTEL_EXPORTER_PROMETHEUS_*", takes: VariableValues::Nothing },
            exemplars::VARIABLE,
        ])
        // Collected at each scrape, not at an interval.
        .pace("each scrape");

    fn check(options: Options, cx: &mut Check<'_>) -> Option<Self> {
        config::check(options, cx)
    }

    fn takes(&self, signal: Signal) -> Takes {
        if signal == Signal::Metrics { Takes::Yes } else { Takes::No }
    }

    fn destination(&self) -> String {
        match self.listen.port() {
            0 => format!("http://{}/metrics at a free port", self.listen.ip()),
            _ => format!("http://{}/metrics", self.listen),
        }
    }

    fn meter(&self, temporality: Temporality) -> MeterSettings {
        // Each scraper sees the same, also in a page that another has lost.
        let exemplars = if self.exemplars { KeepExemplars::UntilReplaced } else { KeepExemplars::No };
        MeterSettings { exemplars, ..MeterSettings::new(Resource::builder_empty().build(), temporality) }
    }

    fn start(&self, cx: &Start) -> Result<Vec<Pipe>, StartError> {
        Ok(vec![Pipe::new(&[Signal::Metrics], PrometheusSink::start(self, cx)?).collecting_itself()])
    }
}
