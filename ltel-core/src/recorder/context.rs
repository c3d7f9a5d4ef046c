//! What a recorder can use besides the event.

use std::ops::Deref;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::clock::Now;
use crate::event::Event;
use crate::expression::{Expression, Fault, Value};
use crate::label::Label;
use crate::open_instruments::OpenInstruments;
use crate::record::Record;
use crate::runs::{RunInfo, SourceInfo};
use crate::series::{Series, SeriesTable};
use crate::trace::{SpanData, SpanHead, SpanWriter};

use super::common::{FEW, field_of};
use super::label_names::is_one_label;
use super::left_out::LeftOut;
use super::mismatch::SpecCheck;
use super::moment::Moment;
use super::{Common, Emitted, Per};

/// What a recorder can use besides the event: the second argument of [`super::Recorder::record`]. It is the [`Moment`], and it
/// writes: to series, records and spans. A derived recorder writes by its attributes, and its closures get the [`Moment`].
#[derive(Debug)]
pub struct Context<'a, O> {
    moment: Moment<'a, O>,
    writer: Writer<'a>,
}

#[derive(Debug)]
struct Writer<'a> {
    kept: Kept<'a>,
    out: &'a mut Emitted,
    computed: Computed<'a>,
}

/// The values of the labels that are computed, once they are asked for: an event has them once, however much it emits.
type Computed<'a> = Option<SmallVec<[Value<'a>; FEW]>>;

/// What an instance keeps for its recorder.
#[derive(Debug)]
pub(super) struct Kept<'a> {
    pub(super) per: Per,
    pub(super) common: &'a Common,
    pub(super) series: &'a mut SeriesTable,
    pub(super) left_out: &'a mut LeftOut,
    pub(super) seen: &'a mut Seen,
    pub(super) check: &'a mut SpecCheck,
}

impl<'a> Writer<'a> {
    /// The values of the computed labels for the current event, beside what the instance keeps.
    #[inline]
    fn computed(&mut self, event: Option<Event<'a>>) -> (&mut Kept<'a>, &[Value<'a>]) {
        let Self { kept, out, computed } = self;
        if !kept.common.has_computed() {
            return (kept, &[]);
        }
        let Kept { common, left_out, .. } = kept;
        let values = computed.get_or_insert_with(|| {
            common.values(event, |expression, why| out.notices.extend(left_out.add(expression, why)))
        });
        (kept, values)
    }
}

/// How the key `when` answered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) asked: u64,
    pub(super) held: u64,
}

/// The field that records about many events have, if they are not about all.
pub(super) const WHEN: &str = "when";

impl<'a, O> Deref for Context<'a, O> {
    type Target = Moment<'a, O>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.moment
    }
}

impl<'a, O> Context<'a, O> {
    pub(super) const fn new(
        (run, options): (&'a RunInfo, &'a O),
        (source, now): (Option<&'a Arc<SourceInfo>>, Now),
        kept: Kept<'a>,
        out: &'a mut Emitted,
    ) -> Self {
        Self { moment: Moment::new((run, options), (source, now)), writer: Writer { kept, out, computed: None } }
    }

    #[inline]
    pub(super) fn of_event(&mut self, event: Event<'a>) {
        self.moment.event = Some(event);
        self.writer.kept.series.set_event(&event, self.moment.now());
        self.writer.computed = None;
    }

    pub(super) const fn of_complete_run(&mut self, complete: bool) {
        self.moment.complete = complete;
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
        let source = match self.writer.kept.per {
            Per::Source => self.moment.source(),
            Per::Run => None,
        };
        let (Kept { common, series, .. }, computed) = self.writer.computed(self.moment.event);
        if !common.has_computed() {
            return series.get(source, labels);
        }
        let computed = computed.iter().map(|value| value.as_label().unwrap_or_default());
        let all: SmallVec<[_; 2 * FEW]> = computed.chain(labels.iter().copied()).collect();
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
        let source = self.moment.source();
        let (per, cost) = instruments.series_of(instrument);
        let source = match per {
            Per::Source => source,
            Per::Run => None,
        };
        let (Kept { common, series, .. }, computed) = self.writer.computed(self.moment.event);
        if !common.has_computed() {
            return series.get_open(source, (instrument, cost), labels);
        }
        let computed = common.computed_names().zip(computed);
        let computed = computed.map(|(name, value)| (name.as_str(), value.as_label().unwrap_or_default()));
        // What a recorder calls the same is about this series: most ask [`Context::configured_labels`].
        let own = |name: &str| labels.iter().any(|(own, _)| *own == name);
        let all: SmallVec<[_; 2 * FEW]> =
            computed.filter(|(name, _)| !own(name)).chain(labels.iter().copied()).collect();
        series.get_open(source, (instrument, cost), &all)
    }

    /// Tells whether the configuration adds a label of a name to everything that the recorder emits: `[labels]`, or its own `labels`.
    pub fn configured_labels(&self) -> impl Fn(&str) -> bool + use<'a, O> {
        let (run, common) = (self.moment.run(), self.writer.kept.common);
        move |name| {
            run.labels.iter().any(|label| is_one_label(label.key.as_str(), name))
                || common.label_names().any(|label| is_one_label(label, name))
        }
    }

    /// The existing series with this number ([`Series::number`]).
    pub fn series_numbered(&mut self, number: usize) -> Option<Series<'_>> {
        self.writer.kept.series.numbered(number)
    }

    /// Emits a record. It gets the source and the trace context of the current event,
    /// unless it has its own.
    pub fn emit(&mut self, mut record: Record) {
        if record.source.is_none() {
            record.source = self.moment.source.cloned();
        }
        if record.trace.is_none() {
            record.trace = self.moment.event.and_then(|event| event.trace());
        }
        let (Kept { common, series, .. }, computed) = self.writer.computed(self.moment.event);
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
            for (name, value) in common.computed_names().zip(computed) {
                if *value != Value::Null {
                    add(name.as_str(), value.to_json());
                }
            }
            if let Some(when) = common.told_condition() {
                add(WHEN, when.into());
            }
        }
        self.writer.out.records.push(record);
    }

    /// An expression of the options had no value for an event. It is counted, and said once for each reason.
    #[cold]
    pub fn fault(&mut self, expression: &Expression, fault: &Fault) {
        let Writer { kept: Kept { left_out, .. }, out, .. } = &mut self.writer;
        out.notices.extend(left_out.add(expression, fault));
    }

    /// Says something on stderr as a warning, after the recorder's name. Say each thing once: this does not look for what was said.
    #[cold]
    pub fn notice(&mut self, what: String) {
        self.writer.out.notices.push(what);
    }

    /// Counts a value that is left out, and says why if `why` is not empty. For what people can change: it is in the run report, and
    /// said on stderr as a warning.
    #[cold]
    pub fn leave_out(&mut self, why: Option<String>) {
        let Writer { kept: Kept { left_out, .. }, out, .. } = &mut self.writer;
        left_out.add_one();
        out.notices.extend(why);
    }

    /// Emits a span. Its scope is the recorder's ([`super::Spec::scope`]).
    #[allow(clippy::needless_pass_by_value)] // a recorder makes it for this
    pub fn emit_span(&mut self, span: SpanData) {
        self.writer.out.spans.push(&span);
        self.add_labels();
        let Writer { kept, out, .. } = &mut self.writer;
        if let Some(span) = out.spans.last() {
            kept.check.span(&span, &mut out.mismatches);
        }
    }

    /// Writes a span: like [`Context::emit_span`], without owned texts.
    #[inline]
    pub fn write_span(&mut self, head: &SpanHead<'_>, write: impl FnOnce(&mut SpanWriter<'_>)) {
        let (shape, name) = self.writer.out.spans.write_shape(head, write);
        self.add_labels();
        let Writer { kept, out: Emitted { spans, mismatches, .. }, .. } = &mut self.writer;
        kept.check.written_span((spans.part(name), shape), || spans.last(), mismatches);
    }

    /// Adds the labels of the configuration to the last span.
    fn add_labels(&mut self) {
        if !self.writer.kept.series.configured().any() {
            return;
        }
        self.writer.computed(self.moment.event);
        let Writer { kept: Kept { common, series, .. }, out, computed } = &mut self.writer;
        let values = common.computed_names().zip(computed.iter().flatten());
        let computed = values.filter_map(|(name, value)| Some((name.as_str(), value.as_label()?)));
        out.spans.add(series.configured().encoded(), computed);
    }

    /// Whether the recorder sees the event, by the key `when`.
    #[inline]
    pub(super) fn sees(&mut self, event: &Event<'_>) -> bool {
        let Writer { kept: Kept { common, left_out, seen, .. }, out, .. } = &mut self.writer;
        if common.is_plain() {
            return true;
        }
        let holds = common.holds(event, |expression, why| out.notices.extend(left_out.add(expression, why)));
        let Some(holds) = holds else { return true };
        seen.asked += 1;
        seen.held += u64::from(holds);
        holds
    }

    /// A mistake in the condition looks like a test without such events.
    #[cold]
    pub(super) fn tell_when_never_held(&mut self) {
        let Kept { common, seen, .. } = &self.writer.kept;
        self.notice(format!("`when` held for none of {}", common.asked_of(seen.asked)));
    }

    /// Whether the key `when` has let no event pass.
    pub(crate) const fn when_never_held(&self) -> bool {
        let seen = &self.writer.kept.seen;
        seen.asked > 0 && seen.held == 0
    }
}
