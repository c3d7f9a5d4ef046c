//! JSON lines: one object per line, in the envelope that existing pipelines parse.

mod line;
mod output;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use opentelemetry_sdk::metrics::Temporality;

use super::{Account, Collected, Entry, Sink};
use crate::config::JsonConfig;
use output::Output;

// Enough for a batch of lines; more is written at once.
const BUFFER: usize = 64 << 10;

/// Writes JSON lines to stdout or a file.
pub(super) struct JsonSink {
    output: Output,
    account: Arc<Account>,
    buffer: Vec<u8>,
    // What is in the buffer, for the account.
    points: u64,
    records: u64,
    // With deltas, the same figures as last time are news and no repetition.
    delta: bool,
    // By feed and series: the hash of what was written last. A point that has not changed is not written again.
    written: HashMap<u64, HashMap<u64, u64>>,
    hasher: RandomState,
}

impl JsonSink {
    /// Opens the output.
    pub(super) fn open(config: &JsonConfig, temporality: Temporality, account: Arc<Account>) -> Result<Self, String> {
        Ok(Self {
            output: Output::open(config)?,
            account,
            delta: temporality != Temporality::Cumulative,
            buffer: Vec::with_capacity(2 * BUFFER),
            points: 0,
            records: 0,
            written: HashMap::new(),
            hasher: RandomState::new(),
        })
    }

    async fn write_out(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let result = self.output.write(&self.buffer).await;
        let (points, records) = (std::mem::take(&mut self.points), std::mem::take(&mut self.records));
        self.buffer.clear();
        self.account.update(|account| match result {
            Ok(()) => {
                account.points += points;
                account.records += records;
            }
            Err(error) => {
                if account.failed_exports == 0 && !output::is_closed(&error) {
                    tracing::error!("JSON lines cannot be written: {error} (further failures are counted, not logged)");
                }
                account.failed_exports += 1;
                account.failed_points += points;
                account.dropped_records += records;
                account.last_error = Some(error.to_string());
            }
        });
    }
}

impl Sink for JsonSink {
    async fn metrics(&mut self, batch: Vec<Collected>) {
        for collected in batch {
            let written = self.written.entry(collected.feed).or_default();
            for point in line::points(&collected) {
                let series = self.hasher.hash_one(&point.series);
                let figures = self.hasher.hash_one(&point.figures);
                if written.insert(series, figures) == Some(figures) && !point.always && !self.delta {
                    continue;
                }
                point.write(&mut self.buffer, collected.at);
                self.points += 1;
            }
            if collected.last {
                self.written.remove(&collected.feed);
            }
            if self.buffer.len() >= BUFFER {
                self.write_out().await;
            }
        }
    }

    async fn records(&mut self, batch: Vec<Entry>) {
        for entry in batch {
            line::write_record(&mut self.buffer, &entry);
            self.records += 1;
            if self.buffer.len() >= BUFFER {
                self.write_out().await;
            }
        }
    }

    async fn flush(&mut self) {
        self.write_out().await;
        if let Err(error) = self.output.flush().await {
            self.account.update(|account| account.last_error = Some(error.to_string()));
        }
    }
}
