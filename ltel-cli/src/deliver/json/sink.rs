//! Writes records, spans and points as lines.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use ltel_core::backend::{CollectedPoints, RunRecord, Sink, SpanBatch, Start, StartError};
use ltel_core::runs::RunInfo;
use opentelemetry_sdk::metrics::Temporality;

use super::output::Line;
use super::outputs::Outputs;
use super::span_line::SpanLines;
use super::{Json, line};

/// Writes JSON lines to stdout or to files.
pub(super) struct JsonSink {
    outputs: Outputs,
    cumulative: bool,
    /// By feed and series: a hash of the last written value, for sums and distributions. Unchanged points are not written
    /// again. Bounded by the series of the active runs.
    written: HashMap<u64, HashMap<u64, u64>>,
    /// The failed writes that `written` knows of.
    failures: u64,
    hasher: RandomState,
}

impl JsonSink {
    /// Opens the output.
    pub(super) fn open(config: &Json, cx: &Start) -> Result<Self, StartError> {
        Ok(Self {
            outputs: Outputs::open(&config.output, cx)?,
            // With deltas, equal figures are new values.
            cumulative: cx.temporality == Temporality::Cumulative,
            written: HashMap::new(),
            failures: 0,
            hasher: RandomState::new(),
        })
    }

    /// Forgets what was written, if a write has failed since: the points must be written again.
    fn forget_failed(&mut self) -> u64 {
        let failures = self.outputs.failures();
        if std::mem::replace(&mut self.failures, failures) != failures {
            self.written.clear();
        }
        failures
    }
}

impl Sink for JsonSink {
    async fn points(&mut self, batch: Vec<CollectedPoints>) {
        for collected in batch {
            let failures = self.forget_failed();
            let mut written = self.written.remove(&collected.feed).unwrap_or_default();
            let mut unchanged = 0;
            let output = self.outputs.of(collected.run.as_ref());
            for point in line::points(&collected) {
                if self.cumulative && !point.always {
                    let series = self.hasher.hash_one(&point.series);
                    let figures = self.hasher.hash_one(&point.figures);
                    if written.insert(series, figures) == Some(figures) {
                        unchanged += 1;
                        continue;
                    }
                }
                point.write(&mut output.buffer, collected.at);
                output.added(Line::Point { last: collected.last }).await;
            }
            self.outputs.account().unchanged(unchanged);
            if !collected.last && self.forget_failed() == failures {
                self.written.insert(collected.feed, written);
            }
        }
    }

    async fn records(&mut self, batch: Vec<RunRecord>) {
        for record in batch {
            let output = self.outputs.of(Some(&record.run));
            line::write_record(&mut output.buffer, &record);
            output.added(Line::Record).await;
        }
    }

    async fn spans(&mut self, batch: Vec<SpanBatch>) {
        for batch in batch {
            let output = self.outputs.of(Some(&batch.run));
            let mut lines = SpanLines::of(&batch);
            for span in batch.data.views() {
                lines.write(&mut output.buffer, &span);
                output.added(Line::Span).await;
            }
        }
    }

    fn run_ended(&mut self, run: &Arc<RunInfo>) {
        self.outputs.run_ended(run);
    }

    fn feed_lost(&mut self, feed: u64) {
        self.written.remove(&feed);
    }

    async fn reopen(&mut self) {
        self.outputs.flush(true).await;
    }

    async fn flush(&mut self) {
        self.outputs.flush(false).await;
    }
}
