//! OTLP: metrics, traces and logs to receivers, over gRPC or HTTP.
//!
//! ```text
//! metrics, batches (a signal's sink) -> payload -> exports (in the background, counted, in parts) -> export (tries again) -> client
//! ```

mod config;
mod metrics;
mod batches;
mod points;
mod exemplars;
mod log_record;
mod items;
mod payload;
mod exports;
mod export;
mod request_limit;
mod account;
mod client;
mod receiver_text;
#[cfg(test)]
mod tests;

use ltel_core::backend::{Backend, BackendSpec, Check, Defaults, Pipe, Signal, Start, StartError, Takes};
use ltel_core::exemplar::KeepExemplars;
use ltel_core::meter::MeterSettings;
use opentelemetry_sdk::metrics::Temporality;

use account::ExportAccount;
use batches::BatchesSink;
use client::{Client, SetupError};
use config::SignalConfig;
pub(crate) use config::{Options, Otlp};
use exports::Exports;
use items::Items;
use metrics::MetricsSink;
use request_limit::RequestLimit;

/// Batches of one signal that may be in flight at a time.
const AT_ONCE: usize = 4;

impl Backend for Otlp {
    type Options = Options;

    const SPEC: &'static BackendSpec = &BackendSpec::new("otlp", "Metrics, traces and logs to OTLP receivers.")
        .signals(&[(Signal::Metrics, None), (Signal::Logs, None), (Signal::Traces, None)])
        .variables(config::VARIABLES);

    fn check(options: Options, cx: &mut Check<'_>) -> Option<Self> {
        config::check(options, cx)
    }

    fn takes(&self, signal: Signal) -> Takes {
        if self.signal(signal).is_some() {
            Takes::Yes
        } else if self.off.contains(&signal) {
            Takes::TurnedOff
        } else {
            Takes::No
        }
    }

    fn destination(&self) -> String {
        self.receivers()
    }

    fn defaults(&self) -> Defaults {
        let defaults = Defaults::default();
        Defaults {
            interval: self.interval.unwrap_or(defaults.interval),
            temporality: self.temporality.unwrap_or(defaults.temporality),
            ..defaults
        }
    }

    fn meter(&self, temporality: Temporality) -> MeterSettings {
        let exemplars = if self.exemplars { KeepExemplars::UntilCollected } else { KeepExemplars::No };
        let settings = MeterSettings::new(self.resource.clone(), temporality);
        MeterSettings { exponential: self.exponential, exemplars, ..settings }
    }

    /// Prepares the connections, which open when there is something to send. Each signal has its own pipe: it may have its
    /// own receiver, and another one may be slow.
    fn start(&self, cx: &Start) -> Result<Vec<Pipe>, StartError> {
        self.pipes(cx).map_err(|error| StartError::Other(Box::new(error)))
    }
}

impl Otlp {
    fn pipes(&self, cx: &Start) -> Result<Vec<Pipe>, SetupError> {
        let exports = |signal, config: &SignalConfig, at_once| -> Result<_, SetupError> {
            let account = ExportAccount::new(&cx.name, signal, config, &cx.account, cx.temporality);
            let limit = RequestLimit::new(&cx.name, config.max_request_bytes);
            Ok(Exports::new(Client::new(signal, config)?, account, limit, config, at_once))
        };
        let mut pipes = Vec::new();
        if let Some(signal) = &self.metrics {
            // One at a time: receivers refuse points that are older than those they have.
            pipes.push(Pipe::new(&[Signal::Metrics], MetricsSink { exports: exports(Signal::Metrics, signal, 1)? }));
        }
        let resource = Items::resource(&self.resource);
        if let Some(signal) = &self.traces {
            let sink = BatchesSink::new(exports(Signal::Traces, signal, AT_ONCE)?, &resource);
            pipes.push(Pipe::new(&[Signal::Traces], sink));
        }
        if let Some(signal) = &self.logs {
            let sink = BatchesSink::new(exports(Signal::Logs, signal, AT_ONCE)?, &resource);
            pipes.push(Pipe::new(&[Signal::Logs], sink));
        }
        Ok(pipes)
    }

    /// Where its signals go, a line each; a single line if all go to the same place.
    fn receivers(&self) -> String {
        let all = Signal::ALL.into_iter().filter_map(|signal| Some((signal, self.signal(signal)?)));
        let all: Vec<_> = all
            .map(|(signal, config)| {
                (signal.as_str(), format!("{} ({})", config.shown_endpoint(), config.protocol.as_str()))
            })
            .collect();
        // With the paths of OTLP over HTTP at one address.
        let parts = all.iter().map(|(signal, to)| to.split_once(&format!("/v1/{signal} ")));
        if let Some(parts) = parts.collect::<Option<Vec<_>>>()
            && let [(base, protocol), _, ..] = parts[..]
            && parts.iter().all(|part| *part == (base, protocol))
        {
            let paths = all.iter().map(|(signal, _)| format!("/v1/{signal}")).collect();
            return format!("{base}{} {protocol}", ltel_core::text::join(paths));
        }
        match &all[..] {
            [] => "turned off by the environment".to_owned(),
            [(_, first), rest @ ..] if all.len() == Signal::ALL.len() && rest.iter().all(|(_, to)| to == first) => {
                first.clone()
            }
            _ => all.iter().map(|(signal, to)| format!("{signal} {to}")).collect::<Vec<_>>().join("\n"),
        }
    }
}
