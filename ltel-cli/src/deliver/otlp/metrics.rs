//! Sends points to an OTLP receiver: a request per recorder and collection.

use std::sync::Arc;

use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use super::exports::{Exports, Load};
use super::size;
use ltel_core::backend::{CollectedPoints, Sink};

/// The default limit of gRPC servers for one request, in bytes.
const LIMIT: usize = 4 << 20;

/// Sends points by OTLP.
pub(super) struct MetricsSink {
    pub(super) backend: String,
    pub(super) exporter: Arc<MetricExporter>,
    pub(super) exports: Exports,
    /// Whether a request that is too large was already logged.
    pub(super) told: bool,
}

impl Sink for MetricsSink {
    fn ending(&mut self) {
        self.exports.ending();
    }

    async fn points(&mut self, batch: Vec<CollectedPoints>) {
        // One request per recorder, so that each stays small. They are sent in the order of collection.
        let mut follows = false;
        for collected in batch {
            let (items, bytes) = size::points(&collected.points);
            if items == 0 {
                continue;
            }
            if bytes > LIMIT && !self.told {
                self.told = true;
                // Points cannot be split: the SDK's collections can be read, but not built.
                tracing::warn!(
                    "backend `{}`: a request of {items} points takes about {} MiB, but many receivers refuse more than 4 \
                     MiB; lower `series_limit`, or use fewer `buckets`",
                    self.backend,
                    bytes >> 20
                );
            }
            let load = Load { items, last: collected.last, follows };
            let (exporter, metrics) = (Arc::clone(&self.exporter), Arc::new(collected.points));
            let attempt = move || {
                let (exporter, metrics) = (Arc::clone(&exporter), Arc::clone(&metrics));
                async move { exporter.export(&metrics.metrics).await }
            };
            self.exports.start(load, attempt).await;
            follows = true;
        }
        // The next collection starts when this one has arrived, so no point overtakes an older one.
        self.exports.finish().await;
    }
}
