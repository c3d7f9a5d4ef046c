//! Sinks, which take the outputs of recorders, and the outputs themselves.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Signal;
use crate::clock::Timestamp;
use crate::figures::RunFigures;
use crate::meter::{Collected, Collector};
use crate::record::Record;
use crate::runs::{RunInfo, SourceInfo};
use crate::trace::EncodedSpans;

/// The metrics of one recorder in one run, for one backend; or those of ltel itself.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Absent for metrics of ltel itself, which belong to no run.
    pub run: Option<Arc<RunInfo>>,
    /// Reads them.
    pub collector: Collector,
    /// The recorder's own interval, if it has one.
    pub interval: Option<Duration>,
}

impl Feed {
    /// Whether it belongs to this run.
    #[must_use]
    pub fn is_of(&self, run: &Arc<RunInfo>) -> bool {
        self.run.as_ref().is_some_and(|of| Arc::ptr_eq(of, run))
    }
}

/// The points of one recorder in one run.
#[derive(Debug)]
pub struct CollectedPoints {
    /// Absent for points of ltel itself, which belong to no run.
    pub run: Option<Arc<RunInfo>>,
    /// Identifies the feed within its backend.
    pub feed: u64,
    /// The points.
    pub points: Collected,
    /// When their run began: what cumulative points count from. Those of ltel itself count from its start.
    pub begun: Timestamp,
    /// When they were last collected, or `begun`: what deltas count from.
    pub since: Timestamp,
    /// When they were collected. Collections of a backend come in the order of these times.
    pub at: Timestamp,
    /// Whether the run is over and these are its final points.
    pub last: bool,
}

/// A record and the run it belongs to.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// The run.
    pub run: Arc<RunInfo>,
    /// The instrumentation scope of its recorder.
    pub scope: &'static str,
    /// The event. Shared by the backends that take it.
    pub record: Arc<Record>,
}

/// Spans and the run they belong to.
#[derive(Clone, Debug)]
pub struct SpanBatch {
    /// The run.
    pub run: Arc<RunInfo>,
    /// The Locust process they are from.
    pub source: Option<Arc<SourceInfo>>,
    /// The instrumentation scope of their recorder.
    pub scope: &'static str,
    /// The spans. Shared by the backends that take them.
    pub data: Arc<EncodedSpans>,
}

/// Delivers telemetry. It gets only the signals of its [`Pipe`].
///
/// It counts each item that it is given in the [`DeliveryAccount`](super::DeliveryAccount), as delivered, rejected or failed.
/// Items that it has not counted when it ends, even by a panic, have failed.
#[allow(unused_variables)] // the names say what a method is given
pub trait Sink: Send + 'static {
    /// A recorder of a run begins. For a sink that collects by itself ([`Pipe::collecting_itself`]): it keeps the feed until the
    /// run has ended.
    fn begin(&mut self, feed: Feed) {}

    /// Takes the points of one or more recorders.
    fn points(&mut self, batch: Vec<CollectedPoints>) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Takes records.
    fn records(&mut self, batch: Vec<RunRecord>) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Takes spans.
    fn spans(&mut self, batch: Vec<SpanBatch>) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Takes the figures of a run.
    fn figures(&mut self, run: Arc<RunInfo>, figures: Arc<RunFigures>) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// A run is over: no more items of it follow. A flush follows. Not called for a run that had to be dropped while it waited.
    fn run_ended(&mut self, run: &Arc<RunInfo>) {}

    /// A feed is dropped without its final points: too many ended runs were waiting.
    fn feed_lost(&mut self, feed: u64) {}

    /// Opens its files again by their paths, after they were moved away, as logrotate does.
    fn reopen(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// ltel is about to end: the next items are the last.
    fn ending(&mut self) {}

    /// Delivers what it holds back. Called at least once a second, and at the end of each run.
    fn flush(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Delivers what it holds back, and waits for the result. Called once, at the end.
    fn finish(&mut self) -> impl Future<Output = ()> + Send {
        self.flush()
    }
}

/// A sink with its inputs. It has its own queue and task.
#[derive(Debug)]
pub struct Pipe {
    /// The signals that it takes.
    pub signals: &'static [Signal],
    /// Whether it takes the figures of runs.
    pub figures: bool,
    /// Whether its sink collects points itself, on request; otherwise they are collected at the interval.
    pub collects: bool,
    /// What takes them.
    pub sink: Box<dyn AnySink>,
}

impl Pipe {
    /// A pipe that takes these signals.
    #[must_use]
    pub fn new(signals: &'static [Signal], sink: impl Sink) -> Self {
        Self { signals, figures: false, collects: false, sink: Box::new(sink) }
    }

    /// Also takes the figures of runs.
    #[must_use]
    pub fn with_figures(mut self) -> Self {
        self.figures = true;
        self
    }

    /// Passes the feeds themselves to its sink, which collects them on request, as for a scrape.
    #[must_use]
    pub fn collecting_itself(mut self) -> Self {
        self.collects = true;
        self
    }
}

type Work<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A sink, whatever its type. See [`Sink`] for its methods.
#[allow(missing_docs)]
pub trait AnySink: Send {
    fn begin(&mut self, feed: Feed);
    fn points(&mut self, batch: Vec<CollectedPoints>) -> Work<'_>;
    fn records(&mut self, batch: Vec<RunRecord>) -> Work<'_>;
    fn spans(&mut self, batch: Vec<SpanBatch>) -> Work<'_>;
    fn figures(&mut self, run: Arc<RunInfo>, figures: Arc<RunFigures>) -> Work<'_>;
    fn run_ended(&mut self, run: &Arc<RunInfo>);
    fn feed_lost(&mut self, feed: u64);
    fn reopen(&mut self) -> Work<'_>;
    fn ending(&mut self);
    fn flush(&mut self) -> Work<'_>;
    fn finish(&mut self) -> Work<'_>;
}

impl<S: Sink> AnySink for S {
    fn begin(&mut self, feed: Feed) {
        Sink::begin(self, feed);
    }

    fn points(&mut self, batch: Vec<CollectedPoints>) -> Work<'_> {
        Box::pin(Sink::points(self, batch))
    }

    fn records(&mut self, batch: Vec<RunRecord>) -> Work<'_> {
        Box::pin(Sink::records(self, batch))
    }

    fn spans(&mut self, batch: Vec<SpanBatch>) -> Work<'_> {
        Box::pin(Sink::spans(self, batch))
    }

    fn figures(&mut self, run: Arc<RunInfo>, figures: Arc<RunFigures>) -> Work<'_> {
        Box::pin(Sink::figures(self, run, figures))
    }

    fn run_ended(&mut self, run: &Arc<RunInfo>) {
        Sink::run_ended(self, run);
    }

    fn feed_lost(&mut self, feed: u64) {
        Sink::feed_lost(self, feed);
    }

    fn reopen(&mut self) -> Work<'_> {
        Box::pin(Sink::reopen(self))
    }

    fn ending(&mut self) {
        Sink::ending(self);
    }

    fn flush(&mut self) -> Work<'_> {
        Box::pin(Sink::flush(self))
    }

    fn finish(&mut self) -> Work<'_> {
        Box::pin(Sink::finish(self))
    }
}

impl fmt::Debug for dyn AnySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}
