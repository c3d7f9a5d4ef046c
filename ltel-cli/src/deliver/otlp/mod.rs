//! OTLP: metrics, traces and logs to receivers, over gRPC or HTTP.
//!
//! ```text
//! a signal's sink -> batch (cut by number and size) -> exports (in the background, booked) -> exporter -> client
//! ```

mod metrics;
mod spans;
mod logs;
mod log_record;
mod batch;
mod size;
mod exports;
mod outcome;
mod receiver_text;
pub(crate) mod exporter_log;
mod exporter;
mod client;

use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::logs::LogExporter as _;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::trace::SpanExporter as _;

use super::DeliveryAccount;
use crate::config::{OtlpConfig, Signal, SignalConfig};
use batch::Batch;
use exporter::SetupError;
use exports::{Books, Exports};
use log_record::Blank;
use logs::LogsSink;
use metrics::MetricsSink;
use spans::SpansSink;

/// Batches of one signal that may be on their way at a time.
const AT_ONCE: usize = 4;

/// What a backend's signals go through. Each has its own: they may go to different receivers, of which one is slow.
pub(super) struct Sinks {
    pub(super) metrics: Option<MetricsSink>,
    pub(super) spans: Option<SpansSink>,
    pub(super) logs: Option<LogsSink>,
}

impl Sinks {
    /// Prepares the connections; they are made when there is something to send. To be called within a tokio runtime.
    pub(super) fn connect(
        name: &str,
        config: &OtlpConfig,
        temporality: Temporality,
        account: &Arc<DeliveryAccount>,
    ) -> Result<Self, String> {
        let wrong = |error: SetupError| format!("backend `{name}`: {error}");
        let exports =
            |signal, config: &SignalConfig, at_once| Exports::new(Books::new(name, signal, config, account), at_once);
        let metrics = config.metrics.as_ref().map(|signal| {
            Ok(MetricsSink {
                backend: name.to_owned(),
                exporter: Arc::new(exporter::metrics(signal, temporality)?),
                // One after the other: receivers refuse what is older than what they have of a resource.
                exports: exports(Signal::Metrics, signal, 1),
                told: false,
            })
        });
        let spans = config.traces.as_ref().map(|signal| {
            let mut exporter = exporter::spans(signal)?;
            exporter.set_resource(&config.resource);
            let exports = exports(Signal::Traces, signal, AT_ONCE);
            Ok(SpansSink { exporter: Arc::new(exporter), exports, batch: Batch::default() })
        });
        let logs = config.logs.as_ref().map(|signal| {
            let mut exporter = exporter::logs(signal)?;
            exporter.set_resource(&config.resource);
            let scope = InstrumentationScope::builder(ltel_recorders::SCOPE).with_version(env!("CARGO_PKG_VERSION"));
            Ok(LogsSink {
                exporter: Arc::new(exporter),
                exports: exports(Signal::Logs, signal, AT_ONCE),
                batch: Batch::default(),
                blank: Blank::new(),
                scope: Arc::new(scope.build()),
            })
        });
        Ok(Self {
            metrics: metrics.transpose().map_err(wrong)?,
            spans: spans.transpose().map_err(wrong)?,
            logs: logs.transpose().map_err(wrong)?,
        })
    }
}
