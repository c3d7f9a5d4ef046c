//! Recorders: what turns events into telemetry. A recorder declares what it emits ([`Spec`]), builds its instruments
//! once per run, and sees every event of the run.
//!
//! It never knows which backends there are: the same calls feed all of them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::Meter;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clock::{Now, Timestamp};
use crate::event::{Event, Request};
use crate::figures::RunFigures;
use crate::instrument::{ForgetSource, Instruments};
use crate::label::Label;
use crate::record::Record;
use crate::runs::{RunInfo, SourceInfo};
use crate::series::{Series, SeriesTable};
use crate::trace::SpanData;
use crate::wire::{Features, TraceFeatures};

/// What turns events into telemetry.
pub trait Recorder: Sized + Send + 'static {
    /// What a user can set in the recorder's table of the configuration. [`NoOptions`] if nothing.
    type Options: DeserializeOwned + Send + Sync + 'static;

    /// What it emits.
    const SPEC: &'static Spec;

    /// The interval of its ticks where the configuration says none; if absent, that of its backends.
    const EVERY: Option<Duration> = None;

    /// What it needs of Locust with these options.
    fn needs(_options: &Self::Options) -> Needs {
        Self::SPEC.needs
    }

    /// Builds the recorder for one run. Its instruments come from [`Spec::instruments`].
    fn build(options: &Self::Options, instruments: &mut Instruments<'_>) -> Self;

    /// Sees one event.
    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, Self::Options>);

    /// Called once per interval of the recorder while the run lasts.
    fn tick(&mut self, _cx: &mut Context<'_, Self::Options>) {}

    /// Called once, when the run is over and every event has been seen ([`Context::is_complete`]).
    fn finish(&mut self, _cx: &mut Context<'_, Self::Options>) {}
}

/// The options of a recorder that has none: any key in its table is an error.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoOptions {}

/// What a recorder emits. Constant, so that it can be listed without running anything.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The recorder's type, as the configuration names it: `snake_case`.
    pub name: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// The instrumentation scope (meter) of its instruments.
    pub scope: &'static str,
    /// Whether each Locust process has its own series.
    pub per: Per,
    /// The labels of its series, in the order of the values given to [`Context::series`].
    pub labels: &'static [&'static str],
    /// Its instruments.
    pub instruments: &'static [InstrumentSpec],
    /// Its structured events.
    pub records: &'static [RecordSpec],
    /// Its spans.
    pub spans: &'static [SpanSpec],
    /// What it needs of Locust beyond the plain events.
    pub needs: Needs,
}

/// Whether the sources of a run are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Per {
    /// Each Locust process has series of its own, with the labels `source` and `source_id`.
    #[default]
    Source,
    /// The processes of a run share their series.
    Run,
}

/// What a recorder needs of Locust beyond the plain events. All recorders' needs together make the [`Features`] that
/// ltel asks the plugin for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // each is a switch of its own
pub struct Needs {
    /// Regular [`crate::event::Usage`] events.
    pub usage: bool,
    /// [`crate::event::Extra::url`].
    pub url: bool,
    /// [`crate::event::Extra::user_class`].
    pub user_class: bool,
    /// [`crate::event::Extra::context`].
    pub context: bool,
    /// [`crate::event::Extra::request_length`].
    pub request_length: bool,
    /// [`crate::event::Request::trace`], with [`crate::event::Extra::url`] and [`crate::event::Extra::user_class`] of each
    /// request that has a place in a trace. One configuration has one answer: Locust decides it once for all.
    pub trace: Option<TraceFeatures>,
}

impl Needs {
    /// Nothing beyond the plain events.
    pub const NONE: Self =
        Self { usage: false, url: false, user_class: false, context: false, request_length: false, trace: None };

    /// Adds these needs to what is asked of the plugin.
    pub fn add_to(self, features: &mut Features) {
        features.url |= self.url;
        features.user_class |= self.user_class;
        features.context |= self.context;
        features.request_length |= self.request_length;
        features.trace = match (features.trace, self.trace) {
            (Some(have), Some(more)) => Some(have.and(more)),
            (have, more) => have.or(more),
        };
    }
}

/// One instrument of a recorder.
#[derive(Clone, Copy, Debug)]
pub struct InstrumentSpec {
    /// The field of the recorder that holds it.
    pub field: &'static str,
    /// Its name; if absent, `<name of the recorder's table>.<field>`.
    pub name: Option<&'static str>,
    /// What kind it is.
    pub kind: InstrumentKind,
    /// Its unit, in UCUM: `ms`, `By`, `1`, `{request}`.
    pub unit: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// A histogram's upper bounds, ascending, in its unit.
    pub buckets: &'static [f64],
    /// Labels with the same value on all its points.
    pub attributes: &'static [(&'static str, &'static str)],
}

impl InstrumentSpec {
    /// An instrument without buckets and constant labels, named after its field.
    #[must_use]
    pub const fn new(field: &'static str, kind: InstrumentKind, unit: &'static str, description: &'static str) -> Self {
        Self { field, name: None, kind, unit, description, buckets: &[], attributes: &[] }
    }

    /// Gives it a name that does not depend on the configuration.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Sets a histogram's upper bounds.
    #[must_use]
    pub const fn buckets(mut self, buckets: &'static [f64]) -> Self {
        self.buckets = buckets;
        self
    }

    /// Sets labels with the same value on all its points.
    #[must_use]
    pub const fn attributes(mut self, attributes: &'static [(&'static str, &'static str)]) -> Self {
        self.attributes = attributes;
        self
    }

    /// The instrument's name in a recorder instance.
    #[must_use]
    pub fn full_name(&self, instance: &str) -> String {
        self.name.map_or_else(|| format!("{instance}.{}", self.field), str::to_owned)
    }
}

/// The kinds of instruments, as OpenTelemetry has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstrumentKind {
    /// Only grows.
    Counter,
    /// Grows and shrinks by differences.
    UpDownCounter,
    /// The last value.
    Gauge,
    /// A distribution.
    Histogram,
}

impl InstrumentKind {
    /// Its name in lists for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "up-down counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One kind of structured event that a recorder emits.
#[derive(Clone, Copy, Debug)]
pub struct RecordSpec {
    /// Its name (`telemetry_name`).
    pub name: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// The fields it carries beyond the context.
    pub fields: &'static [&'static str],
}

/// One kind of span that a recorder emits.
#[derive(Clone, Copy, Debug)]
pub struct SpanSpec {
    /// Its name, with what varies in `{}`.
    pub name: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// The attributes it can have.
    pub attributes: &'static [&'static str],
}

/// What a recorder has at hand besides the event.
#[derive(Debug)]
pub struct Context<'a, O> {
    run: &'a RunInfo,
    source: Option<&'a Arc<SourceInfo>>,
    now: Now,
    complete: bool,
    options: &'a O,
    per: Per,
    series: &'a mut SeriesTable,
    // What is being recorded; nothing in `tick` and `finish`.
    event: Option<Event<'a>>,
    out: &'a mut Emitted,
}

impl<'a, O> Context<'a, O> {
    /// The run.
    pub const fn run(&self) -> &'a RunInfo {
        self.run
    }

    /// The source of the event; in `tick` and `finish` the run's master or only process, if it is known.
    pub fn source(&self) -> Option<&'a SourceInfo> {
        self.source.map(|s| &**s)
    }

    /// Whether the event is from the process that speaks for the run: the master or the only one; in a run that has neither,
    /// each worker. What all processes report alike, or what the master sums up, is then seen once per run.
    pub fn speaks_for_run(&self) -> bool {
        self.run.is_told_by(self.source())
    }

    /// The time now by the wall clock, for stamps: it may jump. An event's own time is [`Event::time`].
    pub const fn now(&self) -> Timestamp {
        self.now.wall
    }

    /// How long ltel has known the run, by a clock that never jumps: for what measures.
    pub const fn elapsed(&self) -> Duration {
        self.now.since(self.run.begun)
    }

    /// In `finish`, whether nothing of the run is missing: each of its sources has said that it is done, and each request was
    /// recorded. False before that. What a recorder emits in `finish` of a run that is not complete carries `complete: false`
    /// without its doing.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The recorder's options.
    pub const fn options(&self) -> &'a O {
        self.options
    }

    /// The series of these label values: as many as [`Spec::labels`], in that order. One look-up; a series that is known
    /// costs no allocation. Beyond the recorder's `series_limit` all new series are one, the overflow series.
    #[inline]
    pub fn series<const N: usize>(&mut self, labels: [Label<'_>; N]) -> Series<'_> {
        let source = match self.per {
            Per::Source => self.source.map(|s| &**s),
            Per::Run => None,
        };
        self.series.get(source, &labels)
    }

    /// Emits a structured event. It carries the source of the event that is being recorded, and its place in its trace,
    /// unless it has them.
    pub fn emit(&mut self, mut record: Record) {
        if record.source.is_none() {
            record.source = self.source.cloned();
        }
        if record.trace.is_none() {
            record.trace = match self.event {
                Some(Event::Request(request)) => request.trace(),
                Some(Event::Task(task)) => task.trace,
                Some(Event::UserError(error)) => error.trace(),
                _ => None,
            };
        }
        self.out.records.push(record);
    }

    /// Emits a span.
    pub fn emit_span(&mut self, span: SpanData) {
        self.out.spans.push(span);
    }

    /// Emits the figures of the run, for people.
    pub fn emit_figures(&mut self, figures: RunFigures) {
        self.out.figures.push(figures);
    }
}

/// What recorders emit besides the points of their instruments.
#[derive(Debug, Default)]
pub struct Emitted {
    /// Structured events.
    pub records: Vec<Record>,
    /// Spans.
    pub spans: Vec<SpanData>,
    /// The figures of the run, for people.
    pub figures: Vec<RunFigures>,
}

/// Where and when an event happened.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The source, where there is one.
    pub source: Option<&'a Arc<SourceInfo>>,
    /// The time now.
    pub now: Now,
}

/// A recorder instance at work in one run, whatever its type.
pub trait AnyRecorder: Send + fmt::Debug {
    /// Records one event.
    fn record(&mut self, event: &Event<'_>, origin: Origin<'_>, out: &mut Emitted);
    /// Records a batch of requests.
    fn record_requests(&mut self, rows: &[Request<'_>], origin: Origin<'_>, out: &mut Emitted);
    /// An interval has passed.
    fn tick(&mut self, origin: Origin<'_>, out: &mut Emitted);
    /// The run is over; `complete` if nothing of it is missing.
    fn finish(&mut self, complete: bool, origin: Origin<'_>, out: &mut Emitted);
    /// The source with this index is gone: its gauges end.
    fn source_gone(&mut self, source: u32);
    /// How many events found the series limit reached.
    fn overflowed(&self) -> u64;
}

/// A recorder with its options: builds an instance for each run.
pub trait RecorderFactory: Send + Sync + fmt::Debug {
    /// What the recorder needs of Locust.
    fn needs(&self) -> Needs;
    /// Builds the instance of this name for a run, with one meter per backend that it is routed to.
    fn build(&self, instance: &str, run: Arc<RunInfo>, meters: &[Meter], series_limit: usize) -> Box<dyn AnyRecorder>;
}

/// The factory of the recorder type `R`.
pub struct Factory<R: Recorder>(Arc<R::Options>);

impl<R: Recorder> Factory<R> {
    /// With these options.
    #[must_use]
    pub fn new(options: R::Options) -> Self {
        Self(Arc::new(options))
    }
}

impl<R: Recorder> fmt::Debug for Factory<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Factory({})", R::SPEC.name)
    }
}

impl<R: Recorder> RecorderFactory for Factory<R> {
    fn needs(&self) -> Needs {
        R::needs(&self.0)
    }

    fn build(&self, instance: &str, run: Arc<RunInfo>, meters: &[Meter], series_limit: usize) -> Box<dyn AnyRecorder> {
        let mut instruments = Instruments::new(instance, meters);
        let recorder = R::build(&self.0, &mut instruments);
        Box::new(Instance {
            recorder,
            options: Arc::clone(&self.0),
            series: SeriesTable::new(R::SPEC.labels, series_limit, &run),
            gauges: instruments.into_gauges(),
            run,
        })
    }
}

struct Instance<R: Recorder> {
    recorder: R,
    options: Arc<R::Options>,
    series: SeriesTable,
    gauges: Vec<Arc<dyn ForgetSource>>,
    run: Arc<RunInfo>,
}

impl<R: Recorder> Instance<R> {
    // The recorder, and what it has at hand.
    fn parts<'a>(&'a mut self, origin: Origin<'a>, out: &'a mut Emitted) -> (&'a mut R, Context<'a, R::Options>) {
        let cx = Context {
            run: &self.run,
            source: origin.source,
            now: origin.now,
            complete: false,
            options: &*self.options,
            per: R::SPEC.per,
            series: &mut self.series,
            event: None,
            out,
        };
        (&mut self.recorder, cx)
    }
}

impl<R: Recorder> fmt::Debug for Instance<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instance({})", R::SPEC.name)
    }
}

impl<R: Recorder> AnyRecorder for Instance<R> {
    fn record(&mut self, event: &Event<'_>, origin: Origin<'_>, out: &mut Emitted) {
        let (recorder, mut cx) = self.parts(origin, out);
        cx.event = Some(*event);
        recorder.record(event, &mut cx);
    }

    fn record_requests(&mut self, rows: &[Request<'_>], origin: Origin<'_>, out: &mut Emitted) {
        let (recorder, mut cx) = self.parts(origin, out);
        for row in rows {
            let event = Event::Request(row);
            cx.event = Some(event);
            recorder.record(&event, &mut cx);
        }
    }

    fn tick(&mut self, origin: Origin<'_>, out: &mut Emitted) {
        let (recorder, mut cx) = self.parts(origin, out);
        recorder.tick(&mut cx);
    }

    fn finish(&mut self, complete: bool, origin: Origin<'_>, out: &mut Emitted) {
        let (recorder, mut cx) = self.parts(origin, out);
        cx.complete = complete;
        recorder.finish(&mut cx);
    }

    fn source_gone(&mut self, source: u32) {
        for gauge in &self.gauges {
            gauge.forget_source(source);
        }
    }

    fn overflowed(&self) -> u64 {
        self.series.overflowed()
    }
}
