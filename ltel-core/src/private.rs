//! What the expansion of `#[derive(Recorder)]` names. Not for use by hand, and not kept stable.

use std::borrow::Cow;

pub use crate::clock::Timestamp;
pub use crate::event::{Event, EventKind};
pub use crate::instrument::Instruments;
pub use crate::label::Label;
pub use crate::record::{RecordKind, Severity};
pub use crate::recorder::{
    Context, InstrumentKind, InstrumentSpec, Needs, NoOptions, NoState, Per, RecordSpec, Recorder, Spec,
};

use crate::field::AsField;
use crate::instrument::{Counter, Gauge, Histogram, Number, Signed, UpDownCounter};
use crate::label::AsLabel;
use crate::name::{RESERVED_FIELDS, RESERVED_LABELS, is_key, is_metric_name};
use crate::number::AsNumber;
use crate::record::{Record, Records};
use crate::series::Series;
use crate::wire::TraceFeatures;

/// The need of `needs(trace)`: trace ids for each request. They are not sent to the system under test unless another
/// recorder asks for that.
pub const TRACE: Option<TraceFeatures> =
    Some(TraceFeatures { ratio: 1.0, propagate: false, tasks: false, keep_failures: false, keep_slower_than_ms: None });

/// The need of `needs(trace)` of a recorder that sees executions of tasks: they have spans as well.
pub const TRACE_WITH_TASKS: Option<TraceFeatures> = match TRACE {
    Some(trace) => Some(TraceFeatures { tasks: true, ..trace }),
    None => None,
};

/// The need of `needs(logs)`: from `WARNING` on.
pub const LOGS: Option<u32> = Some(30);

// Names that are constants. The macro cannot read them, so they are checked when the recorder is compiled.

pub const fn check_label(name: &str) {
    check_key(name);
    assert!(
        !is_one_of(name, RESERVED_LABELS),
        "this name is reserved, because all telemetry has it: give the label another one"
    );
}

pub const fn check_field(name: &str) {
    check_key(name);
    assert!(
        !is_one_of(name, RESERVED_FIELDS),
        "this name is reserved, because all telemetry has it: give the field another one"
    );
}

pub const fn check_record(name: &str) {
    check_key(name);
}

const fn check_key(name: &str) {
    assert!(is_key(name), "invalid name: use ASCII letters, digits, `_`, `.`, `-` and `/`");
}

pub const fn check_metric(name: &str) {
    assert!(
        is_metric_name(name),
        "invalid metric name: use ASCII letters, digits, `_`, `.`, `-` and `/`, starting with a letter"
    );
}

/// The names of a spec, with the values of constants.
pub const fn check_names(spec: &Spec) {
    let mut a = 0;
    while a < spec.labels.len() {
        let (first, rest) = spec.labels.split_at(a + 1);
        assert!(!is_one_of(first[a], rest), "two labels have the same name: one of them is a constant of this value");
        a += 1;
    }
    let mut a = 0;
    while a < spec.instruments.len() {
        let mut b = a + 1;
        while b < spec.instruments.len() {
            let (one, other) = (&spec.instruments[a], &spec.instruments[b]);
            if let (Some(name), Some(same)) = (one.name, other.name)
                && name.eq_ignore_ascii_case(same)
            {
                assert!(
                    one.attributes.len() == other.attributes.len() && !one.attributes.is_empty(),
                    "two fields have the same metric name: one of the names is a constant of this value"
                );
            }
            b += 1;
        }
        a += 1;
    }
}

const fn is_one_of(name: &str, names: &[&str]) -> bool {
    let mut n = 0;
    while n < names.len() {
        if equal(name.as_bytes(), names[n].as_bytes()) {
            return true;
        }
        n += 1;
    }
    false
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    let mut n = 0;
    while n < a.len() && n < b.len() && a[n] == b[n] {
        n += 1;
    }
    a.len() == b.len() && n == a.len()
}

// Closures are called through these functions. An argument before the closure fixes the closure's signature, with the
// lifetimes of this event: so its result may borrow from the event.

#[inline(always)]
pub fn call1<E, R>(event: E, f: impl FnOnce(E) -> R) -> R {
    f(event)
}

#[inline(always)]
pub fn call2<E, O, R>(event: E, options: O, f: impl FnOnce(E, O) -> R) -> R {
    f(event, options)
}

#[inline(always)]
pub fn call3<E, O, C, R>(event: E, options: O, context: C, f: impl FnOnce(E, O, C) -> R) -> R {
    f(event, options, context)
}

#[inline]
pub fn number<N>(value: &(impl AsNumber<N> + ?Sized)) -> Option<N> {
    value.as_number()
}

#[inline]
pub fn label<T: AsLabel + ?Sized>(value: &T) -> Label<'_> {
    value.as_label()
}

#[inline]
pub fn field<T: AsField + ?Sized>(value: &T) -> Option<serde_json::Value> {
    value.as_field()
}

/// The body of a record.
#[inline]
pub fn text<T: AsField + ?Sized>(value: &T) -> Option<String> {
    value.as_field().map(|value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    })
}

/// The bounds from a closure, made valid for the SDK, which would silently drop the instrument otherwise.
pub fn bounds(bounds: impl Bounds) -> Vec<f64> {
    let mut bounds: Vec<f64> = bounds.to_bounds();
    bounds.retain(|bound| bound.is_finite());
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    bounds
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of bounds",
    label = "not a list of `f64`",
    note = "the closure of `buckets` returns `&[f64]`, `&Vec<f64>`, `Vec<f64>` or an array"
)]
pub trait Bounds {
    fn to_bounds(self) -> Vec<f64>;
}

impl Bounds for Vec<f64> {
    fn to_bounds(self) -> Vec<f64> {
        self
    }
}

impl Bounds for &Vec<f64> {
    fn to_bounds(self) -> Vec<f64> {
        self.clone()
    }
}

impl Bounds for &[f64] {
    fn to_bounds(self) -> Vec<f64> {
        self.to_vec()
    }
}

impl<const N: usize> Bounds for [f64; N] {
    fn to_bounds(self) -> Vec<f64> {
        self.to_vec()
    }
}

impl<const N: usize> Bounds for &[f64; N] {
    fn to_bounds(self) -> Vec<f64> {
        self.to_vec()
    }
}

#[diagnostic::on_unimplemented(
    message = "a field with `#[counter]` must be a `Counter`, not a `{Self}`",
    label = "expected `Counter`, `Counter<u64>` or `Counter<f64>`"
)]
pub trait CounterSlot: Sized {
    type Value: Copy;
    const ONE: Self::Value;
    fn build(instruments: &mut Instruments<'_>, spec: &'static InstrumentSpec) -> Self;
    fn write(&mut self, series: Series<'_>, value: Self::Value);
}

macro_rules! counters {
    ($($number:ty: $one:expr),*) => {$(
        impl CounterSlot for Counter<$number> {
            type Value = $number;
            const ONE: $number = $one;

            fn build(instruments: &mut Instruments<'_>, spec: &'static InstrumentSpec) -> Self {
                instruments.counter(spec)
            }

            #[inline]
            fn write(&mut self, series: Series<'_>, value: $number) {
                // A counter only grows: a negative value is ignored.
                #[allow(unused_comparisons)]
                if value >= <$number>::default() {
                    self.add(series, value);
                }
            }
        }
    )*};
}
counters!(u64: 1, f64: 1.0);

#[diagnostic::on_unimplemented(
    message = "a field with `#[up_down_counter]` must be an `UpDownCounter`, not a `{Self}`",
    label = "expected `UpDownCounter`, `UpDownCounter<i64>` or `UpDownCounter<f64>`"
)]
pub trait UpDownCounterSlot: Sized {
    type Value: Copy;
    fn build(instruments: &mut Instruments<'_>, spec: &'static InstrumentSpec) -> Self;
    fn write(&mut self, series: Series<'_>, value: Self::Value);
}

impl<T: Signed> UpDownCounterSlot for UpDownCounter<T> {
    type Value = T;

    fn build(instruments: &mut Instruments<'_>, spec: &'static InstrumentSpec) -> Self {
        instruments.up_down_counter(spec)
    }

    #[inline]
    fn write(&mut self, series: Series<'_>, value: T) {
        self.add(series, value);
    }
}

#[diagnostic::on_unimplemented(
    message = "a field with `#[gauge]` must be a `Gauge`, not a `{Self}`",
    label = "expected `Gauge`, `Gauge<f64>` or `Gauge<u64>`"
)]
pub trait GaugeSlot: Sized {
    type Value: Copy;
    fn build(instruments: &mut Instruments<'_>, spec: &'static InstrumentSpec) -> Self;
    fn write(&mut self, series: Series<'_>, value: Self::Value);
}

impl<T: Number> GaugeSlot for Gauge<T> {
    type Value = T;

    fn build(instruments: &mut Instruments<'_>, spec: &'static InstrumentSpec) -> Self {
        instruments.gauge(spec)
    }

    #[inline]
    fn write(&mut self, series: Series<'_>, value: T) {
        self.set(series, value);
    }
}

#[diagnostic::on_unimplemented(
    message = "a field with `#[histogram]` must be a `Histogram`, not a `{Self}`",
    label = "expected `Histogram`"
)]
pub trait HistogramSlot: Sized {
    type Value: Copy;
    fn build(instruments: &mut Instruments<'_>, spec: &'static InstrumentSpec, bounds: Option<Vec<f64>>) -> Self;
    fn write(&mut self, series: Series<'_>, value: Self::Value);
}

impl HistogramSlot for Histogram {
    type Value = f64;

    fn build(instruments: &mut Instruments<'_>, spec: &'static InstrumentSpec, bounds: Option<Vec<f64>>) -> Self {
        match bounds {
            Some(bounds) => instruments.histogram_with(spec, &bounds),
            None => instruments.histogram(spec),
        }
    }

    #[inline]
    fn write(&mut self, series: Series<'_>, value: f64) {
        self.record(series, value);
    }
}

#[diagnostic::on_unimplemented(
    message = "a field with `#[record]` must be a `Records`, not a `{Self}`",
    label = "expected `Records`"
)]
pub trait RecordsSlot: Sized {
    /// `field` is set if the record has no name of its own.
    fn build(instruments: &Instruments<'_>, spec: &'static RecordSpec, field: Option<&str>) -> Self;
    fn record(&self, kind: RecordKind, time: Timestamp) -> Record;
}

impl RecordsSlot for Records {
    fn build(instruments: &Instruments<'_>, spec: &'static RecordSpec, field: Option<&str>) -> Self {
        Self::new(match field {
            Some(field) => Cow::Owned(format!("{}.{field}", instruments.instance())),
            None => Cow::Borrowed(spec.name),
        })
    }

    fn record(&self, kind: RecordKind, time: Timestamp) -> Record {
        self.at(kind, time)
    }
}
