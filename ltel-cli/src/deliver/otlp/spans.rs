//! Sends spans to an OTLP receiver in batches, while the next ones are collected.

use std::sync::Arc;

use ltel_core::trace::SpanData;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::SpanExporter as _;

use super::batch::Batch;
use super::exports::{Exports, Load};
use super::size;
use ltel_core::backend::{Sink, SpanBatch};

/// Sends spans by OTLP.
pub(super) struct SpansSink {
    pub(super) exporter: Arc<SpanExporter>,
    pub(super) exports: Exports,
    pub(super) batch: Batch<SpanData>,
}

impl SpansSink {
    async fn send(&mut self, spans: Option<Vec<SpanData>>) {
        let Some(spans) = spans else { return };
        let load = Load { items: spans.len() as u64, last: false, follows: false };
        let exporter = Arc::clone(&self.exporter);
        let attempt = move || {
            let (exporter, spans) = (Arc::clone(&exporter), spans.clone());
            async move { exporter.export(spans).await }
        };
        self.exports.start(load, attempt).await;
    }
}

impl Sink for SpansSink {
    async fn spans(&mut self, batch: Vec<SpanBatch>) {
        for span in batch.into_iter().flat_map(|spans| Arc::unwrap_or_clone(spans.data)) {
            let bytes = size::span(&span);
            let full = self.batch.push(span, bytes);
            self.send(full).await;
        }
    }

    fn ending(&mut self) {
        self.exports.ending();
    }

    async fn flush(&mut self) {
        let waiting = self.batch.take();
        self.send(waiting).await;
    }

    async fn finish(&mut self) {
        self.flush().await;
        self.exports.finish().await;
    }
}
