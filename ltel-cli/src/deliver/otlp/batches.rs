//! Sends spans and log records to an OTLP receiver, in batches, while the next ones are collected.

use std::sync::Arc;

use bytes::Bytes;
use ltel_core::backend::{RunRecord, Sink, SpanBatch};
use prost::Message as _;

use super::exports::{Exports, Load};
use super::items::Items;
use super::log_record::log_record;
use super::payload::Payload;
use crate::clock;

/// More in one request would save nothing, and take memory while a receiver hangs.
const MAX_ITEMS: usize = 2_048;
const MAX_BYTES: usize = 2 << 20;

/// Sends the spans or the log records of a backend by OTLP.
pub(super) struct BatchesSink {
    exports: Exports,
    resource: Bytes,
    waiting: Items,
}

impl BatchesSink {
    pub(super) fn new(exports: Exports, resource: &Bytes) -> Self {
        Self { exports, resource: resource.clone(), waiting: Items::new(resource) }
    }

    /// Adds an item of this many bytes, which `write` appends, to a batch that has room for it.
    async fn push(&mut self, scope: &'static str, len: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let room = self.exports.max_request_bytes().min(MAX_BYTES);
        if self.waiting.len() >= MAX_ITEMS || self.waiting.size_with(scope, len) > room {
            self.send().await;
        }
        self.waiting.push(scope, len, write);
    }

    async fn send(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let items = std::mem::replace(&mut self.waiting, Items::new(&self.resource));
        let all = 0..items.len();
        let payload = Payload::Items(Arc::new(items), all);
        self.exports.start(Load { payload, last: false, follows: false }).await;
    }
}

impl Sink for BatchesSink {
    async fn spans(&mut self, batch: Vec<SpanBatch>) {
        for spans in &batch {
            for span in spans.data.iter() {
                self.push(spans.scope, span.len(), |out| out.extend_from_slice(span)).await;
            }
        }
    }

    async fn records(&mut self, batch: Vec<RunRecord>) {
        for record in &batch {
            let log = log_record(record, clock::now());
            self.push(record.scope, log.encoded_len(), |out| log.encode_raw(out)).await;
        }
    }

    fn ending(&mut self) {
        self.exports.ending();
    }

    async fn flush(&mut self) {
        self.send().await;
    }

    async fn finish(&mut self) {
        self.send().await;
        self.exports.finish().await;
    }
}
