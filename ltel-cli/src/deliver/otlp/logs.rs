//! Sends structured events to an OTLP receiver as log records, in batches, like spans.

use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry_otlp::LogExporter;
use opentelemetry_sdk::logs::{LogBatch, LogExporter as _, SdkLogRecord};

use super::batch::Batch;
use super::exports::{Exports, Load};
use super::log_record::Blank;
use super::size;
use crate::clock;
use ltel_core::backend::{RunRecord, Sink};

/// Sends structured events by OTLP.
pub(super) struct LogsSink {
    pub(super) exporter: Arc<LogExporter>,
    pub(super) exports: Exports,
    pub(super) batch: Batch<SdkLogRecord>,
    pub(super) blank: Blank,
    pub(super) scope: Arc<InstrumentationScope>,
}

impl LogsSink {
    async fn send(&mut self, records: Option<Vec<SdkLogRecord>>) {
        let Some(records) = records else { return };
        let load = Load { items: records.len() as u64, last: false, follows: false };
        let (exporter, scope, records) = (Arc::clone(&self.exporter), Arc::clone(&self.scope), Arc::new(records));
        let attempt = move || {
            let (exporter, scope, records) = (Arc::clone(&exporter), Arc::clone(&scope), Arc::clone(&records));
            async move {
                let scoped: Vec<_> = records.iter().map(|record| (record, &*scope)).collect();
                exporter.export(LogBatch::new(&scoped)).await
            }
        };
        self.exports.start(load, attempt).await;
    }
}

impl Sink for LogsSink {
    async fn records(&mut self, batch: Vec<RunRecord>) {
        for entry in &batch {
            let record = self.blank.fill(entry, clock::now());
            let bytes = size::log(&record);
            let full = self.batch.push(record, bytes);
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
