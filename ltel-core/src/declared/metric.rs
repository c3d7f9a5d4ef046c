//! One metric of a declared recorder in one run.

use crate::event::Event;
use crate::expression::{Fault, Value};
use crate::instrument::{Counter, Gauge, Histogram, Instruments, UpDownCounter};
use crate::recorder::{Context, InstrumentKind, InstrumentSpec};
use crate::series::Series;

use super::options::DeclaredOptions;
use super::plan::MetricPlan;

/// An instrument, and its value for the current event.
#[derive(Debug)]
pub(super) struct Metric {
    instrument: Instrument,
    value: Option<Number>,
}

#[derive(Clone, Copy, Debug)]
enum Number {
    Whole(i64),
    Fraction(f64),
}

#[derive(Debug)]
enum Instrument {
    Count(Counter<u64>),
    Sum(Counter<f64>),
    WholeUpDown(UpDownCounter<i64>),
    UpDown(UpDownCounter<f64>),
    Gauge(Gauge<f64>),
    Histogram(Histogram),
}

impl Metric {
    pub(super) fn build(of: &MetricPlan, spec: &'static InstrumentSpec, instruments: &mut Instruments<'_>) -> Self {
        let instrument = match (spec.kind, of.whole) {
            (InstrumentKind::Counter, true) => Instrument::Count(instruments.counter(spec)),
            (InstrumentKind::Counter, false) => Instrument::Sum(instruments.counter(spec)),
            (InstrumentKind::UpDownCounter, true) => Instrument::WholeUpDown(instruments.up_down_counter(spec)),
            (InstrumentKind::UpDownCounter, false) => Instrument::UpDown(instruments.up_down_counter(spec)),
            (InstrumentKind::Gauge, _) => Instrument::Gauge(instruments.gauge(spec)),
            (InstrumentKind::Histogram, _) => Instrument::Histogram(instruments.histogram(spec)),
        };
        Self { instrument, value: None }
    }

    /// Computes its value for the event, where it applies. Whether there is one.
    #[inline]
    pub(super) fn prepare(
        &mut self,
        of: &MetricPlan,
        applies: bool,
        event: &Event<'_>,
        cx: &mut Context<'_, DeclaredOptions>,
    ) -> bool {
        self.value = match &of.value {
            _ if !applies => None,
            None => Some(Number::Whole(1)),
            Some(expression) => match expression.evaluate(event).and_then(|value| self.number(&value)) {
                Ok(number) => number,
                Err(fault) => {
                    cx.fault(expression, &fault);
                    None
                }
            },
        };
        self.value.is_some()
    }

    /// The number that the instrument can record; absent if the value is.
    #[inline]
    fn number(&self, value: &Value<'_>) -> Result<Option<Number>, Fault> {
        let number = match *value {
            Value::Null => return Ok(None),
            Value::Int(int) => Number::Whole(int),
            Value::Double(double) if double.is_finite() => Number::Fraction(double),
            Value::Double(double) => return Err(Fault::new(format!("it is {double}, not a finite number"))),
            ref other => return Err(Fault::new(format!("it is a {}, not a number", other.type_name()))),
        };
        let grows = matches!(self.instrument, Instrument::Count(_) | Instrument::Sum(_));
        if grows && number.as_f64() < 0.0 {
            return Err(Fault::of("it is negative, and a counter only grows"));
        }
        Ok(Some(number))
    }

    /// Writes its value, if there is one.
    #[inline]
    pub(super) fn write(&mut self, series: Series<'_>) {
        let Some(number) = self.value.take() else { return };
        match &mut self.instrument {
            Instrument::Count(counter) => counter.add(series, number.as_i64().unsigned_abs()),
            Instrument::Sum(counter) => counter.add(series, number.as_f64()),
            Instrument::WholeUpDown(counter) => counter.add(series, number.as_i64()),
            Instrument::UpDown(counter) => counter.add(series, number.as_f64()),
            Instrument::Gauge(gauge) => gauge.set(series, number.as_f64()),
            Instrument::Histogram(histogram) => histogram.record(series, number.as_f64()),
        }
    }
}

impl Number {
    const fn as_f64(self) -> f64 {
        match self {
            Self::Whole(int) => int as f64,
            Self::Fraction(double) => double,
        }
    }

    /// Of a whole number.
    #[allow(clippy::cast_possible_truncation)] // only whole numbers get here
    const fn as_i64(self) -> i64 {
        match self {
            Self::Whole(int) => int,
            Self::Fraction(double) => double as i64,
        }
    }
}
