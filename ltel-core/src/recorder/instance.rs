//! An active recorder in one run, with its type erased.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::clock::Now;
use crate::event::{Event, Request};
use crate::figures::{RunFigures, Stage};
use crate::gauge::ForgetSource;
use crate::instrument::{Built, Instruments};
use crate::meter::Meter;
use crate::record::Record;
use crate::runs::{RunInfo, SourceInfo};
use crate::series::{ConfiguredLabels, SeriesTable};
use crate::trace::EncodedSpans;

use super::context::{Kept, Seen, WHEN};
use super::left_out::LeftOut;
use super::mismatch::SpecCheck;
use super::{Common, Context, Needs, Per, Recorder, SeriesLimits, Spec, SpecMismatch, Subject};

/// What recorders emit besides the points of their instruments.
#[derive(Debug, Default)]
pub struct Emitted {
    /// Records.
    pub records: Vec<Record>,
    /// Spans.
    pub spans: EncodedSpans,
    /// Differences between what it does and its spec; each once per run.
    pub mismatches: Vec<SpecMismatch>,
    /// What people should know, such as an expression without a value; each kind once per run.
    pub notices: Vec<String>,
}

/// The source and the time of an event.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The source, if there is one.
    pub source: Option<&'a Arc<SourceInfo>>,
    /// The time now.
    pub now: Now,
}

/// An active recorder in one run, with its type erased.
pub trait AnyRecorder: Send + fmt::Debug {
    /// Records one event.
    fn record(&mut self, event: &Event<'_>, origin: Origin<'_>, out: &mut Emitted);
    /// Records a batch of requests.
    fn record_requests(&mut self, rows: &[Request<'_>], origin: Origin<'_>, out: &mut Emitted);
    /// An interval has passed.
    fn tick(&mut self, origin: Origin<'_>, out: &mut Emitted);
    /// The run is over; `complete` if nothing of it is missing.
    fn finish(&mut self, complete: bool, origin: Origin<'_>, out: &mut Emitted);
    /// Its figures will be asked for.
    fn keep_figures(&mut self);
    /// The figures of the run, if it has them.
    fn figures(&mut self, stage: Stage, origin: Origin<'_>) -> Option<RunFigures>;
    /// The source with this index has disconnected: its gauges end.
    fn source_gone(&mut self, source: u32);
    /// How many series it has.
    fn series(&self) -> usize;
    /// How many events went to the overflow series.
    fn overflowed(&self) -> u64;
    /// How many values were left out because an expression of the options had none.
    fn left_out(&self) -> u64;
}

/// A recorder with its options: builds an instance for each run.
pub trait RecorderFactory: Send + Sync + fmt::Debug {
    /// What the recorder is, as far as the keys `when` and `labels` are concerned.
    fn subject(&self) -> Subject;
    /// Sets the keys `when` and `labels`.
    fn set_common(&mut self, common: Common);
    /// The keys `when` and `labels`.
    fn common(&self) -> &Common;
    /// Sets the names of the metrics of all recorders of the configuration.
    fn set_metrics(&mut self, names: Arc<BTreeSet<String>>);
    /// What the recorder emits, with its options.
    fn spec(&self) -> &'static Spec;
    /// What the recorder needs of Locust, with the keys `when` and `labels`.
    fn needs(&self) -> Needs;
    /// Whether it has the figures of runs: those of all events, so not with `when`.
    fn has_figures(&self) -> bool;
    /// One that has the same figures, of all events, and emits nothing ([`Recorder::for_figures`]).
    fn for_figures(&self) -> Option<Box<dyn RecorderFactory>>;
    /// Whether it has points, with its options.
    fn has_points(&self) -> bool;
    /// Whether it sees all requests by Locust's own names ([`Recorder::keeps_names`]).
    fn keeps_names(&self) -> bool;
    /// Builds the instance of this name for a run, with the meters of the backends that it is routed to.
    fn build(&self, instance: &str, run: Arc<RunInfo>, meters: &[Meter], limits: SeriesLimits) -> Box<dyn AnyRecorder>;
}

/// The factory of the recorder type `R`.
pub struct Factory<R: Recorder> {
    options: Arc<R::Options>,
    spec: &'static Spec,
    needs: Needs,
    common: Arc<Common>,
    // Of all recorders.
    metrics: Arc<BTreeSet<String>>,
}

impl<R: Recorder> Factory<R> {
    /// With these options.
    #[must_use]
    pub fn new(options: R::Options) -> Self {
        let needs = R::needs(&options);
        Self {
            spec: R::spec(&options),
            options: Arc::new(options),
            needs,
            common: Arc::default(),
            metrics: Arc::default(),
        }
    }
}

impl<R: Recorder> fmt::Debug for Factory<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Factory({})", R::SPEC.name)
    }
}

impl<R: Recorder> RecorderFactory for Factory<R> {
    fn subject(&self) -> Subject {
        Subject { type_spec: R::SPEC, spec: self.spec, merges_events: R::MERGES_EVENTS }
    }

    fn set_common(&mut self, common: Common) {
        self.common = Arc::new(common);
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn set_metrics(&mut self, names: Arc<BTreeSet<String>>) {
        self.metrics = names;
    }

    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn needs(&self) -> Needs {
        self.needs.and(self.common.needs())
    }

    fn has_figures(&self) -> bool {
        R::HAS_FIGURES && !self.common.filters()
    }

    fn for_figures(&self) -> Option<Box<dyn RecorderFactory>> {
        Some(Box::new(Self::new(R::for_figures(&self.options)?)))
    }

    fn has_points(&self) -> bool {
        R::has_points(&self.options)
    }

    fn keeps_names(&self) -> bool {
        R::keeps_names(&self.options)
    }

    fn build(&self, instance: &str, run: Arc<RunInfo>, meters: &[Meter], limits: SeriesLimits) -> Box<dyn AnyRecorder> {
        let mut instruments = Instruments::new(instance, self.spec, meters, (&limits, &self.metrics));
        let recorder = R::build(&self.options, &mut instruments);
        let Built { gauges, series_bytes, exemplars, mismatches } = instruments.finish();
        let labels = ConfiguredLabels::new(&self.common, &run);
        let cost = R::SERIES_BYTES + series_bytes + (1 + meters.len()) * labels.bytes();
        let also = labels.names().chain(self.common.told_condition().map(|_| WHEN.to_owned())).collect();
        Box::new(Instance {
            recorder,
            options: Arc::clone(&self.options),
            per: self.spec.per,
            common: Arc::clone(&self.common),
            series: SeriesTable::new(self.spec, labels, (cost, exemplars), limits, &run),
            left_out: LeftOut::default(),
            seen: Seen::default(),
            gauges,
            run,
            check: SpecCheck::new(self.spec, instance, also),
            of_build: mismatches,
        })
    }
}

struct Instance<R: Recorder> {
    recorder: R,
    options: Arc<R::Options>,
    per: Per,
    common: Arc<Common>,
    series: SeriesTable,
    left_out: LeftOut,
    seen: Seen,
    gauges: Vec<Arc<dyn ForgetSource>>,
    run: Arc<RunInfo>,
    check: SpecCheck,
    // Found while it was built, and not reported yet.
    of_build: Vec<SpecMismatch>,
}

impl<R: Recorder> Instance<R> {
    /// Compares what the recorder has emitted with its spec, starting at this index of records. Spans are compared as they come.
    fn check(&mut self, records: usize, out: &mut Emitted) {
        let Self { check, of_build, series, .. } = self;
        for mismatch in of_build.drain(..).chain(series.take_mismatch()) {
            check.say(mismatch, &mut out.mismatches);
        }
        for record in &out.records[records..] {
            check.record(record, &mut out.mismatches);
        }
    }

    // The recorder, and what it can use.
    fn parts<'a>(&'a mut self, origin: Origin<'a>, out: &'a mut Emitted) -> (&'a mut R, Context<'a, R::Options>) {
        let Self { recorder, options, per, common, series, left_out, seen, check, run, .. } = self;
        series.end_event();
        let kept = Kept { per: *per, common, series, left_out, seen, check };
        let cx = Context::new((run, &**options), (origin.source, origin.now), kept, out);
        (recorder, cx)
    }
}

impl<R: Recorder> fmt::Debug for Instance<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instance({})", R::SPEC.name)
    }
}

impl<R: Recorder> AnyRecorder for Instance<R> {
    fn record(&mut self, event: &Event<'_>, origin: Origin<'_>, out: &mut Emitted) {
        let before = out.records.len();
        let (recorder, mut cx) = self.parts(origin, out);
        cx.of_event(*event);
        if cx.sees(event) {
            recorder.record(event, &mut cx);
        }
        drop(cx);
        self.check(before, out);
    }

    fn record_requests(&mut self, rows: &[Request<'_>], origin: Origin<'_>, out: &mut Emitted) {
        let before = out.records.len();
        let (recorder, mut cx) = self.parts(origin, out);
        for row in rows {
            let event = Event::Request(row);
            cx.of_event(event);
            if cx.sees(&event) {
                recorder.record(&event, &mut cx);
            }
        }
        drop(cx);
        self.check(before, out);
    }

    fn tick(&mut self, origin: Origin<'_>, out: &mut Emitted) {
        let before = out.records.len();
        let (recorder, mut cx) = self.parts(origin, out);
        recorder.tick(&mut cx);
        drop(cx);
        self.check(before, out);
    }

    fn finish(&mut self, complete: bool, origin: Origin<'_>, out: &mut Emitted) {
        let before = out.records.len();
        let (recorder, mut cx) = self.parts(origin, out);
        cx.of_complete_run(complete);
        if cx.when_never_held() {
            cx.tell_when_never_held();
        }
        recorder.finish(&mut cx);
        drop(cx);
        self.check(before, out);
    }

    fn keep_figures(&mut self) {
        self.recorder.keep_figures();
    }

    fn figures(&mut self, stage: Stage, origin: Origin<'_>) -> Option<RunFigures> {
        let mut out = Emitted::default();
        let (recorder, mut cx) = self.parts(origin, &mut out);
        cx.of_complete_run(stage == Stage::Final { complete: true });
        recorder.figures(stage, &mut cx)
    }

    fn source_gone(&mut self, source: u32) {
        for gauge in &self.gauges {
            gauge.forget_source(source);
        }
    }

    fn series(&self) -> usize {
        self.series.count()
    }

    fn overflowed(&self) -> u64 {
        self.series.overflowed()
    }

    fn left_out(&self) -> u64 {
        self.left_out.count()
    }
}
