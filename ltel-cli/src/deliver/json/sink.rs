//! Writes records, spans and points as lines.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use ltel_core::backend::{CollectedPoints, DeliveryAccount, RunRecord, Signal, Sink, SpanBatch, Start, StartError};
use opentelemetry_sdk::metrics::Temporality;

use super::writer::LineWriter;
use super::{Json, line, writer};

// Enough for a batch of lines; more is written at once.
const BUFFER: usize = 64 << 10;

/// Writes JSON lines to stdout or a file.
pub(super) struct JsonSink {
    output: LineWriter,
    account: Arc<DeliveryAccount>,
    buffer: Vec<u8>,
    // What is in the buffer, for the account.
    told: bool,
    points: u64,
    records: u64,
    spans: u64,
    // With deltas, the same figures as last time are news and no repetition.
    delta: bool,
    // By feed and series: the hash of what was written last. A point that has not changed is not written again.
    written: HashMap<u64, HashMap<u64, u64>>,
    hasher: RandomState,
}

impl JsonSink {
    /// Opens the output.
    pub(super) fn open(config: &Json, cx: &Start) -> Result<Self, StartError> {
        Ok(Self {
            output: LineWriter::open(&config.output)?,
            account: Arc::clone(&cx.account),
            delta: cx.temporality != Temporality::Cumulative,
            buffer: Vec::with_capacity(2 * BUFFER),
            told: false,
            points: 0,
            records: 0,
            spans: 0,
            written: HashMap::new(),
            hasher: RandomState::new(),
        })
    }

    async fn write_out(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let result = self.output.write(&self.buffer).await;
        let written =
            [(Signal::Metrics, &mut self.points), (Signal::Logs, &mut self.records), (Signal::Traces, &mut self.spans)]
                .map(|(signal, count)| (signal, std::mem::take(count)));
        self.buffer.clear();
        match result {
            Ok(()) => written.iter().for_each(|&(signal, count)| self.account.delivered(signal, count)),
            Err(error) => {
                if !self.told && !writer::is_closed(&error) {
                    self.told = true;
                    tracing::error!("JSON lines cannot be written: {error} (further failures are counted, not logged)");
                }
                for (signal, count) in written.into_iter().filter(|(_, count)| *count > 0) {
                    self.account.failed(signal, count, error.to_string());
                }
            }
        }
    }
}

impl Sink for JsonSink {
    async fn points(&mut self, batch: Vec<CollectedPoints>) {
        for collected in batch {
            let written = self.written.entry(collected.feed).or_default();
            let mut unchanged = 0;
            for point in line::points(&collected) {
                let series = self.hasher.hash_one(&point.series);
                let figures = self.hasher.hash_one(&point.figures);
                if written.insert(series, figures) == Some(figures) && !point.always && !self.delta {
                    unchanged += 1;
                    continue;
                }
                point.write(&mut self.buffer, collected.at);
                self.points += 1;
            }
            self.account.unchanged(unchanged);
            if collected.last {
                self.written.remove(&collected.feed);
            }
            if self.buffer.len() >= BUFFER {
                self.write_out().await;
            }
        }
    }

    async fn records(&mut self, batch: Vec<RunRecord>) {
        for entry in batch {
            line::write_record(&mut self.buffer, &entry);
            self.records += 1;
            if self.buffer.len() >= BUFFER {
                self.write_out().await;
            }
        }
    }

    async fn spans(&mut self, batch: Vec<SpanBatch>) {
        for batch in batch {
            for span in batch.data.iter() {
                line::write_span(&mut self.buffer, &batch, span);
                self.spans += 1;
                if self.buffer.len() >= BUFFER {
                    self.write_out().await;
                }
            }
        }
    }

    async fn flush(&mut self) {
        self.write_out().await;
    }
}
