//! What a recorder can use besides the event.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;

use crate::clock::{Now, Timestamp};
use crate::event::Event;
use crate::expression::{Expression, Fault, Value};
use crate::label::{Label, OwnedLabel};
use crate::open_instruments::OpenInstruments;
use crate::record::Record;
use crate::runs::{RunInfo, SourceInfo};
use crate::series::{Series, SeriesTable};
use crate::trace::SpanData;

use super::common::field_of;
use super::faults::Faults;
use super::{Common, Emitted, Per};

/// What a recorder can use besides the event: the second argument of [`super::Recorder::record`], and the third of a
/// closure of a derived recorder. There, it has the recorder's `#[state]` too.
///
/// ```
/// use ltel_core::prelude::*;
/// use ltel_core::replay::{Replay, request};
///
/// /// Failures that come one after another.
/// #[derive(Recorder)]
/// #[recorder(on = Request)]
/// struct Streaks {
///     /// Failures since the last success.
///     #[gauge(value = |r, _, cx| {
///         *cx.state = if r.error.is_some() { *cx.state + 1 } else { 0 };
///         *cx.state
///     })]
///     length: Gauge<u64>,
///     #[state]
///     failures: u64,
/// }
///
/// let failure = request("GET", "/").raised("Timeout");
/// let out = Replay::of::<Streaks>().event(failure.clone()).event(failure).finish();
/// assert_eq!(out.value("streaks.length", &[]), 2.0);
/// ```
#[derive(Debug)]
pub struct Context<'a, O, S = NoState> {
    /// In a closure of a derived recorder, its `#[state]`: `&mut`, and `&` where the closure computes a label.
    pub state: S,
    run: &'a RunInfo,
    source: Option<&'a Arc<SourceInfo>>,
    now: Now,
    complete: bool,
    options: &'a O,
    // The current event; `None` in `tick` and `finish`.
    event: Option<Event<'a>>,
    writer: Option<Writer<'a>>,
}

/// Stands for the `#[state]` of a recorder that has none. A hand-written recorder keeps its state in `self`.
#[derive(Clone, Copy, Debug)]
pub struct NoState;

/// What a context writes to. The context of a closure that computes a label has no writer: the label may borrow from the
/// run or the state during the look-up of the series. That context is shared, and all methods that write take `&mut self`.
#[derive(Debug)]
struct Writer<'a> {
    kept: Kept<'a>,
    out: &'a mut Emitted,
}

/// What an instance keeps for its recorder.
#[derive(Debug)]
pub(super) struct Kept<'a> {
    pub(super) per: Per,
    pub(super) common: &'a Common,
    pub(super) series: &'a mut SeriesTable,
    pub(super) faults: &'a mut Faults,
}

/// The field that records about many events have, if they are not about all.
pub(super) const WHEN: &str = "when";

impl<'a, O> Context<'a, O> {
    pub(super) const fn new(
        (run, options): (&'a RunInfo, &'a O),
        (source, now): (Option<&'a Arc<SourceInfo>>, Now),
        kept: Kept<'a>,
        out: &'a mut Emitted,
    ) -> Self {
        let writer = Some(Writer { kept, out });
        Self { state: NoState, run, source, now, complete: false, options, event: None, writer }
    }

    #[inline]
    pub(super) const fn of_event(&mut self, event: Event<'a>) {
        self.event = Some(event);
    }

    pub(super) const fn of_complete_run(&mut self, complete: bool) {
        self.complete = complete;
    }

    /// For a closure that may change the state.
    #[doc(hidden)]
    #[inline]
    pub fn with_state<S>(&mut self, state: S) -> Context<'_, O, S> {
        let Self { run, source, now, complete, options, event, .. } = *self;
        let writer = self.writer.as_mut().map(|Writer { kept: Kept { per, common, series, faults }, out }| Writer {
            kept: Kept { per: *per, common, series, faults },
            out,
        });
        Context { state, run, source, now, complete, options, event, writer }
    }

    /// For a closure that computes a label.
    #[doc(hidden)]
    #[inline]
    pub const fn for_label<S: Copy>(&self, state: S) -> Context<'a, O, S> {
        let Self { run, source, now, complete, options, event, .. } = *self;
        Context { state, run, source, now, complete, options, event, writer: None }
    }
}

impl<'a, O, S> Context<'a, O, S> {
    /// The run.
    pub const fn run(&self) -> &'a RunInfo {
        self.run
    }

    /// The source of the event; in `tick` and `finish` the run's master or only process, if it is known.
    pub fn source(&self) -> Option<&'a SourceInfo> {
        self.source.map(|s| &**s)
    }

    /// Whether the event is from the process that reports for the run: the master or the only process; in a run without
    /// either, each worker. Use it to count once per run what all processes report, or what the master sums up.
    pub fn speaks_for_run(&self) -> bool {
        self.run.is_told_by(self.source())
    }

    /// The current wall-clock time, for timestamps: it may jump. An event's own time is [`Event::time`].
    pub const fn now(&self) -> Timestamp {
        self.now.wall
    }

    /// How long ltel has known the run, by a clock that never jumps: for measuring.
    pub const fn elapsed(&self) -> Duration {
        self.now.since(self.run.begun)
    }

    /// In `finish`, whether nothing of the run is missing: each of its sources is done, and each request was
    /// seen. False before that. Records emitted in `finish` of a run that is not complete automatically carry
    /// `complete: false`.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The recorder's options.
    pub const fn options(&self) -> &'a O {
        self.options
    }

    /// The series with these label values, in the number and order of [`super::Spec::labels`]. One look-up, without an
    /// allocation if the series exists. Beyond the recorder's `series_limit`, all new label values share the overflow series.
    #[inline]
    pub fn series<const N: usize>(&mut self, labels: [Label<'_>; N]) -> Series<'_> {
        self.series_of(&labels)
    }

    /// Like [`Context::series`], for labels whose number is known only at run time.
    #[inline]
    pub fn series_of(&mut self, labels: &[Label<'_>]) -> Series<'_> {
        let (source, event) = (self.source(), self.event);
        let Writer { kept: Kept { per, common, series, faults }, out } = self.writer();
        let source = match per {
            Per::Source => source,
            Per::Run => None,
        };
        if !common.has_computed() {
            return series.get(source, labels);
        }
        let computed = common.values(event, |expression, why| out.notices.extend(faults.add(expression, why)));
        let computed = computed.iter().map(|value| value.as_label().unwrap_or_default());
        let all: Vec<_> = computed.chain(labels.iter().copied()).collect();
        series.get(source, &all)
    }

    /// The series of an open instrument with these labels, by name and in an order of their own: the same labels in another order are
    /// another series. Beyond the recorder's `series_limit`, all new ones share the overflow series.
    pub fn open_series(
        &mut self,
        instruments: &OpenInstruments,
        instrument: usize,
        labels: &[(&str, Label<'_>)],
    ) -> Series<'_> {
        let source = self.source();
        let (per, cost) = instruments.series_of(instrument);
        let source = match per {
            Per::Source => source,
            Per::Run => None,
        };
        let event = self.event;
        let Writer { kept: Kept { common, series, faults, .. }, out } = self.writer();
        if !common.has_computed() {
            return series.get_open(source, (instrument, cost), labels);
        }
        let computed = common.values(event, |expression, why| out.notices.extend(faults.add(expression, why)));
        let computed = common.computed_names().zip(&computed);
        let computed = computed.map(|(name, value)| (name.as_str(), value.as_label().unwrap_or_default()));
        // What the locustfile calls the same is about this series.
        let own = |name: &str| labels.iter().any(|(own, _)| *own == name);
        let all: Vec<_> = computed.filter(|(name, _)| !own(name)).chain(labels.iter().copied()).collect();
        series.get_open(source, (instrument, cost), &all)
    }

    /// The existing series with this number ([`Series::number`]).
    pub fn series_numbered(&mut self, number: usize) -> Option<Series<'_>> {
        self.writer().kept.series.numbered(number)
    }

    /// Emits a structured event. It gets the source and the trace context of the current event,
    /// unless it has its own.
    pub fn emit(&mut self, mut record: Record) {
        if record.source.is_none() {
            record.source = self.source.cloned();
        }
        if record.trace.is_none() {
            record.trace = match self.event {
                Some(Event::Request(request)) => request.trace(),
                Some(Event::Task(task)) => task.trace,
                Some(Event::UserError(error)) => error.trace(),
                Some(Event::Log(log)) => log.trace(),
                _ => None,
            };
        }
        let event = self.event;
        let Writer { kept: Kept { common, series, faults, .. }, out } = self.writer();
        if series.configured().any() || common.told_condition().is_some() {
            let mut add = |name: &str, value: serde_json::Value| {
                // A record's own field is about more than the label.
                if record.get(name).is_none() {
                    record.fields.push((name.to_owned().into(), value));
                }
            };
            for label in series.configured().constants() {
                add(label.key.as_str(), field_of(&label.value));
            }
            let computed = common.values(event, |expression, why| out.notices.extend(faults.add(expression, why)));
            for (name, value) in common.computed_names().zip(&computed) {
                if *value != Value::Null {
                    add(name.as_str(), value.to_json());
                }
            }
            if let Some(when) = common.told_condition() {
                add(WHEN, when.into());
            }
        }
        out.records.push(record);
    }

    /// An expression of the options had no value for an event. It is counted, and said at the expression's first.
    #[cold]
    pub fn fault(&mut self, expression: &Expression, fault: &Fault) {
        let Writer { kept: Kept { faults, .. }, out } = self.writer();
        out.notices.extend(faults.add(expression, fault));
    }

    /// Says something on stderr as a warning, after the recorder's name. Say each thing once: this does not look for what was said.
    #[cold]
    pub fn notice(&mut self, what: String) {
        self.writer().out.notices.push(what);
    }

    /// Counts a value that is left out, and says why if `why` is not empty. For what people can change: it is in the run report, and
    /// said on stderr as a warning.
    #[cold]
    pub fn leave_out(&mut self, why: Option<String>) {
        let Writer { kept: Kept { faults, .. }, out } = self.writer();
        faults.add_one();
        out.notices.extend(why);
    }

    /// Emits a span.
    pub fn emit_span(&mut self, mut span: SpanData) {
        let event = self.event;
        let Writer { kept: Kept { common, series, faults, .. }, out } = self.writer();
        if series.configured().any() {
            span.attributes.extend_from_slice(series.configured().constants());
            let computed = common.values(event, |expression, why| out.notices.extend(faults.add(expression, why)));
            let computed = common.computed_names().zip(&computed).filter_map(|(name, value)| {
                Some(KeyValue::new(name.clone(), OwnedLabel::from(value.as_label()?).value()?))
            });
            span.attributes.extend(computed);
        }
        out.spans.push(span);
    }

    /// Whether the recorder sees the event, by the key `when`.
    #[inline]
    pub(super) fn sees(&mut self, event: &Event<'_>) -> bool {
        let Writer { kept: Kept { common, faults, .. }, out } = self.writer();
        common.is_plain() || common.sees(event, |expression, why| out.notices.extend(faults.add(expression, why)))
    }

    #[inline]
    fn writer(&mut self) -> &mut Writer<'a> {
        // Only the context of a label has no writer, and that context is shared.
        self.writer.as_mut().expect("a context that can be changed has a writer")
    }
}
