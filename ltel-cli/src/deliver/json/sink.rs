//! Writes records, spans and points as lines.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use ltel_core::backend::{CollectedPoints, DeliveryAccount, RunRecord, Signal, Sink, SpanBatch, Start, StartError};
use opentelemetry_sdk::metrics::Temporality;

use super::span_line::SpanLines;
use super::writer::{LineWriter, is_closed};
use super::written::Written;
use super::{Json, line};

// Room for a batch of lines; a fuller buffer is written at once. A write goes to another thread, which costs tens of microseconds.
const BUFFER: usize = 256 << 10;

/// Writes JSON lines to stdout or a file.
pub(super) struct JsonSink {
    backend: String,
    output: LineWriter,
    account: Arc<DeliveryAccount>,
    buffer: Vec<u8>,
    /// The kind of each line in the buffer.
    lines: Vec<Line>,
    /// Whether the last write failed.
    is_failing: bool,
    /// Failed writes. What a collection noted as written before one of them must be written again.
    failures: u64,
    cumulative: bool,
    /// By feed and series: a hash of the last written value, for sums and distributions. Unchanged points are not written
    /// again. Bounded by the series of the active runs.
    written: HashMap<u64, HashMap<u64, u64>>,
    hasher: RandomState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Record,
    Span,
    Point { last: bool },
}

impl Line {
    const fn signal(self) -> Signal {
        match self {
            Self::Record => Signal::Logs,
            Self::Span => Signal::Traces,
            Self::Point { .. } => Signal::Metrics,
        }
    }
}

impl JsonSink {
    /// Opens the output.
    pub(super) fn open(config: &Json, cx: &Start) -> Result<Self, StartError> {
        Ok(Self {
            backend: cx.name.clone(),
            output: LineWriter::open(&config.output, cx)?,
            account: Arc::clone(&cx.account),
            buffer: Vec::new(),
            lines: Vec::new(),
            is_failing: false,
            failures: 0,
            // With deltas, equal figures are new values.
            cumulative: cx.temporality == Temporality::Cumulative,
            written: HashMap::new(),
            hasher: RandomState::new(),
        })
    }

    /// Counts a line that was added to the buffer.
    async fn added(&mut self, line: Line) {
        self.lines.push(line);
        if self.buffer.len() >= BUFFER {
            self.write_out().await;
        }
    }

    async fn write_out(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let Written { bytes, error } = self.output.write(&self.buffer).await;
        let whole = if bytes == self.buffer.len() {
            self.lines.len()
        } else {
            self.buffer[..bytes].split_inclusive(|byte| *byte == b'\n').count()
        };
        self.buffer.clear();
        let (delivered, failed) = self.lines.split_at(whole.min(self.lines.len()));
        let count = |lines: &[Line], is: &dyn Fn(Line) -> bool| lines.iter().filter(|line| is(**line)).count() as u64;
        for signal in Signal::ALL {
            self.account.delivered(signal, count(delivered, &|line| line.signal() == signal));
        }
        if let Some(error) = error {
            let why = format!("{}: {error}", self.output.name());
            for signal in [Signal::Logs, Signal::Traces] {
                let count = count(failed, &|line| line.signal() == signal);
                if count > 0 {
                    self.account.failed(signal, count, &*why);
                }
            }
            for last in [false, true] {
                let count = count(failed, &|line| line == Line::Point { last });
                if count > 0 {
                    self.account.failed_points(count, last, self.cumulative, &*why);
                }
            }
            // The points must be written again.
            self.written.clear();
            self.failures += 1;
            if !std::mem::replace(&mut self.is_failing, true) && !is_closed(&error) {
                tracing::error!(
                    "backend `{}`: cannot write JSON lines to {why} (later failures are counted, not logged)",
                    self.backend
                );
            }
        } else if std::mem::take(&mut self.is_failing) {
            tracing::info!("backend `{}`: writing JSON lines to {} works again", self.backend, self.output.name());
        }
        self.lines.clear();
    }
}

impl Sink for JsonSink {
    async fn points(&mut self, batch: Vec<CollectedPoints>) {
        for collected in batch {
            let failures = self.failures;
            let mut written = self.written.remove(&collected.feed).unwrap_or_default();
            let mut unchanged = 0;
            for point in line::points(&collected) {
                if self.cumulative && !point.always {
                    let series = self.hasher.hash_one(&point.series);
                    let figures = self.hasher.hash_one(&point.figures);
                    if written.insert(series, figures) == Some(figures) {
                        unchanged += 1;
                        continue;
                    }
                }
                point.write(&mut self.buffer, collected.at);
                self.added(Line::Point { last: collected.last }).await;
            }
            self.account.unchanged(unchanged);
            if !collected.last && self.failures == failures {
                self.written.insert(collected.feed, written);
            }
        }
    }

    async fn records(&mut self, batch: Vec<RunRecord>) {
        for record in batch {
            line::write_record(&mut self.buffer, &record);
            self.added(Line::Record).await;
        }
    }

    async fn spans(&mut self, batch: Vec<SpanBatch>) {
        for batch in batch {
            let mut lines = SpanLines::of(&batch);
            for span in batch.data.views() {
                lines.write(&mut self.buffer, &span);
                self.added(Line::Span).await;
            }
        }
    }

    fn feed_lost(&mut self, feed: u64) {
        self.written.remove(&feed);
    }

    async fn reopen(&mut self) {
        self.write_out().await;
        self.output.reopen(true).await;
    }

    async fn flush(&mut self) {
        self.write_out().await;
        self.output.reopen(false).await;
    }
}
