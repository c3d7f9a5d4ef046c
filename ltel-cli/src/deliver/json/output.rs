//! One open output: its buffer, and the account of the lines in it.

use std::sync::Arc;

use ltel_core::backend::{DeliveryAccount, Signal};

use super::writer::{LineWriter, is_closed};
use super::written::Written;

// Room for a batch of lines; a fuller buffer is written at once. A write goes to another thread, which costs tens of microseconds.
const BUFFER: usize = 256 << 10;

/// An open output of lines.
pub(super) struct Output {
    backend: String,
    writer: LineWriter,
    account: Arc<DeliveryAccount>,
    pub(super) buffer: Vec<u8>,
    /// The kind of each line in the buffer.
    lines: Vec<Line>,
    /// Whether the last write failed.
    is_failing: bool,
    /// Failed writes. What a collection noted as written before one of them must be written again.
    pub(super) failures: u64,
    cumulative: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
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

impl Output {
    pub(super) fn new(backend: &str, writer: LineWriter, account: &Arc<DeliveryAccount>, cumulative: bool) -> Self {
        Self {
            backend: backend.to_owned(),
            writer,
            account: Arc::clone(account),
            buffer: Vec::new(),
            lines: Vec::new(),
            is_failing: false,
            failures: 0,
            cumulative,
        }
    }

    /// Counts a line that was added to the buffer.
    pub(super) async fn added(&mut self, line: Line) {
        self.lines.push(line);
        if self.buffer.len() >= BUFFER {
            self.write_out().await;
        }
    }

    /// Writes the buffer, and opens the file again if it was deleted; if `told` to, also if its path leads to another one.
    pub(super) async fn flush(&mut self, told: bool) {
        self.write_out().await;
        self.writer.reopen(told).await;
    }

    async fn write_out(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let Written { bytes, error } = self.writer.write(&self.buffer).await;
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
            let why = format!("{}: {error}", self.writer.name());
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
            self.failures += 1;
            if !std::mem::replace(&mut self.is_failing, true) && !is_closed(&error) {
                tracing::error!(
                    "backend `{}`: cannot write JSON lines to {why} (later failures are counted, not logged)",
                    self.backend
                );
            }
        } else if std::mem::take(&mut self.is_failing) {
            tracing::info!("backend `{}`: writing JSON lines to {} works again", self.backend, self.writer.name());
        }
        self.lines.clear();
    }
}
