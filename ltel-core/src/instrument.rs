//! Instruments: counters, gauges and histograms that record to a [`Series`]. They wrap the OpenTelemetry SDK's, one per
//! meter, and bind each to a series at its first record. A bound instrument records in tens of nanoseconds; one that
//! is bound before its first value would export a zero.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics as otel;

use crate::exemplar::{OfHistogram, Sampled};
pub use crate::gauge::Gauge;
use crate::gauge::{ForgetSource, GaugeValues};
use crate::meter::Meter;
use crate::open_instruments::OpenInstruments;
use crate::recorder::{InstrumentKind, InstrumentSpec, RunMemory, SeriesLimits, Spec, SpecMismatch};
use crate::series::Series;

/// Builds a recorder's instruments for one run.
#[derive(Debug)]
pub struct Instruments<'a> {
    instance: &'a str,
    spec: &'static Spec,
    meters: &'a [Meter],
    limits: &'a SeriesLimits,
    metrics: &'a BTreeSet<String>,
    gauges: Vec<Arc<dyn ForgetSource>>,
    // About how many bytes a series takes in them, beside its texts: these are shared.
    series_bytes: usize,
    // Whether some histogram has exemplars.
    exemplars: bool,
    mismatches: Vec<SpecMismatch>,
}

impl<'a> Instruments<'a> {
    /// For the instance of this name of a recorder, with the meters of the backends that it is routed to.
    pub(crate) const fn new(
        instance: &'a str,
        spec: &'static Spec,
        meters: &'a [Meter],
        (limits, metrics): (&'a SeriesLimits, &'a BTreeSet<String>),
    ) -> Self {
        Self {
            instance,
            spec,
            meters,
            limits,
            metrics,
            gauges: Vec::new(),
            series_bytes: 0,
            exemplars: false,
            mismatches: Vec::new(),
        }
    }

    /// The name of the recorder's table in the configuration.
    pub const fn instance(&self) -> &'a str {
        self.instance
    }

    /// What the recorders of the run may take, for a recorder that keeps more than its series.
    pub const fn memory(&self) -> &'a Arc<RunMemory> {
        &self.limits.memory
    }

    /// The names of the metrics of all recorders of the configuration, for a recorder whose names come from elsewhere.
    pub const fn all_metrics(&self) -> &'a BTreeSet<String> {
        self.metrics
    }

    pub(crate) fn finish(self) -> Built {
        let Self { gauges, series_bytes, exemplars, mismatches, .. } = self;
        Built { gauges, series_bytes, exemplars, mismatches }
    }

    /// The instrument's name; reports a mismatch if the recorder's spec differs.
    fn begin(&mut self, spec: &'static InstrumentSpec, built: InstrumentKind, buckets: usize) -> String {
        self.series_bytes += self.meters.len() * bytes_per_series(self.spec, spec, buckets);
        let name = spec.full_name(self.instance);
        if !self.spec.instruments.contains(spec) {
            self.mismatches.push(SpecMismatch::Instrument(name.clone()));
        } else if spec.kind != built {
            let (built, listed) = (built.as_str(), spec.kind.as_str());
            self.mismatches.push(SpecMismatch::Kind { name: name.clone(), built, listed });
        }
        name
    }

    /// A value that only grows, such as a number of requests.
    pub fn counter<T: Number>(&mut self, spec: &'static InstrumentSpec) -> Counter<T> {
        let name = self.begin(spec, InstrumentKind::Counter, 0);
        Counter(Bindings::new(spec, true, self.meters, |meter| T::counter(meter, &name, spec)))
    }

    /// A value that grows and shrinks by differences, such as a number of open sessions.
    pub fn up_down_counter<T: Signed>(&mut self, spec: &'static InstrumentSpec) -> UpDownCounter<T> {
        let name = self.begin(spec, InstrumentKind::UpDownCounter, 0);
        UpDownCounter(Bindings::new(spec, true, self.meters, |meter| T::up_down_counter(meter, &name, spec)))
    }

    /// A distribution, with the buckets of its spec.
    pub fn histogram(&mut self, spec: &'static InstrumentSpec) -> Histogram {
        self.histogram_with(spec, spec.buckets)
    }

    /// A distribution with your own buckets: ascending upper bounds, in the instrument's unit.
    pub fn histogram_with(&mut self, spec: &'static InstrumentSpec, buckets: &[f64]) -> Histogram {
        let name = self.begin(spec, InstrumentKind::Histogram, buckets.len());
        let exemplars = HistogramExemplars::new(self.meters, &name, buckets, &self.limits.memory);
        self.exemplars |= exemplars.any();
        let bindings = Bindings::new(spec, true, self.meters, |meter| {
            meter
                .f64_histogram(name.clone())
                .with_unit(spec.unit)
                .with_description(spec.description)
                .with_boundaries(buckets.to_vec())
                .build()
        });
        Histogram { bindings, exemplars }
    }

    /// The last value, for each source while it is connected.
    pub fn gauge<T: Number>(&mut self, spec: &'static InstrumentSpec) -> Gauge<T> {
        self.labelled_gauge(spec, constant(spec).collect())
    }

    /// A gauge with your own values for the constant labels of its spec, in their order. Several such gauges share a name.
    pub fn gauge_with<T: Number>(&mut self, spec: &'static InstrumentSpec, values: &[&str]) -> Gauge<T> {
        let names = spec.attributes.iter().map(|(name, _)| *name);
        self.labelled_gauge(
            spec,
            names.zip(values).map(|(name, value)| KeyValue::new(name, (*value).to_owned())).collect(),
        )
    }

    /// Instruments whose names are known only while the test runs: they are not in the spec.
    pub fn open(&mut self) -> OpenInstruments {
        let open = OpenInstruments::new(self.meters, self.limits);
        self.exemplars |= self.meters.iter().any(|meter| !meter.exemplars.is_empty());
        self.gauges.push(open.gauges());
        open
    }

    fn labelled_gauge<T: Number>(&mut self, spec: &'static InstrumentSpec, constant: Vec<KeyValue>) -> Gauge<T> {
        let name = self.begin(spec, InstrumentKind::Gauge, 0);
        let gauge = Gauge { constant, values: Arc::default() };
        for meter in self.meters {
            T::observe(meter, &name, spec, Arc::clone(&gauge.values));
        }
        self.gauges.push(Arc::clone(&gauge.values) as Arc<dyn ForgetSource>);
        gauge
    }
}

/// What a recorder has built.
pub(crate) struct Built {
    pub(crate) gauges: Vec<Arc<dyn ForgetSource>>,
    /// About how many bytes a series takes in all instruments, beside its texts: these are shared.
    pub(crate) series_bytes: usize,
    /// Whether some histogram has exemplars.
    pub(crate) exemplars: bool,
    pub(crate) mismatches: Vec<SpecMismatch>,
}

/// About how many bytes a series takes in an instrument of one meter.
fn bytes_per_series(recorder: &Spec, spec: &InstrumentSpec, buckets: usize) -> usize {
    // The run's, and the source's.
    let labels = recorder.labels.len() + 4;
    let value = match spec.kind {
        // Exponential ones have 160 buckets where values are far apart.
        InstrumentKind::Histogram => 1_024 + size_of::<u64>() * buckets,
        InstrumentKind::Counter | InstrumentKind::UpDownCounter | InstrumentKind::Gauge => 128,
    };
    // Its key in the SDK's map, and what it is bound to.
    value + 128 + size_of::<KeyValue>() * (labels + spec.attributes.len())
}

fn constant(spec: &'static InstrumentSpec) -> impl Iterator<Item = KeyValue> {
    spec.attributes.iter().map(|(name, value)| KeyValue::new(*name, *value))
}

/// A value that only grows.
pub struct Counter<T: Number = u64>(Bindings<otel::Counter<T>>);

impl<T: Number> Counter<T> {
    /// Adds to the series.
    #[inline]
    pub fn add(&mut self, series: Series<'_>, value: T) {
        self.0.each(series, |bound| bound.add(value));
    }
}

/// A value that grows and shrinks by differences.
pub struct UpDownCounter<T: Signed = i64>(Bindings<otel::UpDownCounter<T>>);

impl<T: Signed> UpDownCounter<T> {
    /// Adds to the series; a negative value subtracts.
    #[inline]
    pub fn add(&mut self, series: Series<'_>, value: T) {
        self.0.each(series, |bound| bound.add(value));
    }
}

/// A distribution of values.
pub struct Histogram {
    bindings: Bindings<otel::Histogram<f64>>,
    exemplars: HistogramExemplars,
}

impl Histogram {
    /// Records a value to the series. Values that are not finite are ignored.
    #[inline]
    pub fn record(&mut self, series: Series<'_>, value: f64) {
        if value.is_finite() {
            self.bindings.each(series, |bound| bound.record(value));
            if let Some(sampled) = series.sampled() {
                let spec = self.bindings.spec;
                self.exemplars.put(series, sampled, value, || series.attributes(constant(spec), true));
            }
        }
    }
}

/// Where the exemplars of a histogram go: to the meters of the backends that want them.
pub(crate) struct HistogramExemplars(Box<[Arc<OfHistogram>]>);

impl HistogramExemplars {
    pub(crate) fn new(meters: &[Meter], name: &str, buckets: &[f64], memory: &Arc<RunMemory>) -> Self {
        let stores = meters.iter().flat_map(|meter| &meter.exemplars);
        Self(stores.map(|store| store.histogram(name, buckets, memory)).collect())
    }

    const fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// A value that was just recorded. Few requests are sampled: the others only ask for that.
    #[cold]
    pub(crate) fn put(
        &self,
        series: Series<'_>,
        sampled: &Sampled,
        value: f64,
        attributes: impl Fn() -> Vec<KeyValue>,
    ) {
        for store in &self.0 {
            store.put(series.id, sampled.with(value), &attributes);
        }
    }
}

macro_rules! debug_by_name {
    ($($type:ident: $bound:ident),*) => {$(
        impl<T: $bound> fmt::Debug for $type<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($type))
            }
        }
    )*};
}
debug_by_name!(Counter: Number, UpDownCounter: Signed);

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Histogram")
    }
}

/// One SDK instrument per meter, and their bound handles, by series.
struct Bindings<I: Bind> {
    spec: &'static InstrumentSpec,
    run_labels: bool,
    instruments: Vec<I>,
    bound: Vec<Option<Box<[I::Bound]>>>,
}

impl<I: Bind> Bindings<I> {
    fn new(spec: &'static InstrumentSpec, run_labels: bool, meters: &[Meter], build: impl FnMut(&Meter) -> I) -> Self {
        Self { spec, run_labels, instruments: meters.iter().map(build).collect(), bound: Vec::new() }
    }

    #[inline]
    fn each(&mut self, series: Series<'_>, record: impl Fn(&I::Bound)) {
        if !matches!(self.bound.get(series.id), Some(Some(_))) {
            self.bind(series);
        }
        if let Some(Some(bound)) = self.bound.get(series.id) {
            bound.iter().for_each(record);
        }
    }

    #[cold]
    fn bind(&mut self, series: Series<'_>) {
        let attributes = series.attributes(constant(self.spec), self.run_labels);
        if self.bound.len() <= series.id {
            self.bound.resize_with(series.id + 1, || None);
        }
        self.bound[series.id] = Some(self.instruments.iter().map(|i| i.bind(&attributes)).collect());
    }
}

pub(crate) trait Bind {
    type Bound;
    fn bind(&self, attributes: &[KeyValue]) -> Self::Bound;
}

impl<T> Bind for otel::Counter<T> {
    type Bound = otel::BoundCounter<T>;
    fn bind(&self, attributes: &[KeyValue]) -> Self::Bound {
        Self::bind(self, attributes)
    }
}

impl<T> Bind for otel::UpDownCounter<T> {
    type Bound = otel::BoundUpDownCounter<T>;
    fn bind(&self, attributes: &[KeyValue]) -> Self::Bound {
        Self::bind(self, attributes)
    }
}

impl<T> Bind for otel::Histogram<T> {
    type Bound = otel::BoundHistogram<T>;
    fn bind(&self, attributes: &[KeyValue]) -> Self::Bound {
        Self::bind(self, attributes)
    }
}

/// The number types that counters and gauges hold: `u64` and `f64`.
pub trait Number: Copy + Send + Sync + 'static + sealed::Number {}

/// The number types that go down as well: `i64` and `f64`.
pub trait Signed: Copy + Send + Sync + 'static + sealed::Signed {}

mod sealed {
    use super::{Arc, GaugeValues, InstrumentSpec, Meter, otel};

    pub trait Number: Sized {
        fn counter(meter: &Meter, name: &str, spec: &InstrumentSpec) -> otel::Counter<Self>;
        fn observe(meter: &Meter, name: &str, spec: &InstrumentSpec, values: Arc<GaugeValues<Self>>);
    }

    pub trait Signed: Sized {
        fn up_down_counter(meter: &Meter, name: &str, spec: &InstrumentSpec) -> otel::UpDownCounter<Self>;
    }
}

macro_rules! number {
    ($type:ty, $counter:ident, $gauge:ident) => {
        impl Number for $type {}
        impl sealed::Number for $type {
            fn counter(meter: &Meter, name: &str, spec: &InstrumentSpec) -> otel::Counter<Self> {
                meter.$counter(name.to_owned()).with_unit(spec.unit).with_description(spec.description).build()
            }

            fn observe(meter: &Meter, name: &str, spec: &InstrumentSpec, values: Arc<GaugeValues<Self>>) {
                meter
                    .$gauge(name.to_owned())
                    .with_unit(spec.unit)
                    .with_description(spec.description)
                    .with_callback(move |observer| values.observe(|value, labels| observer.observe(value, labels)))
                    .build();
            }
        }
    };
}
number!(u64, u64_counter, u64_observable_gauge);
number!(f64, f64_counter, f64_observable_gauge);

macro_rules! signed {
    ($type:ty, $up_down_counter:ident) => {
        impl Signed for $type {}
        impl sealed::Signed for $type {
            fn up_down_counter(meter: &Meter, name: &str, spec: &InstrumentSpec) -> otel::UpDownCounter<Self> {
                meter.$up_down_counter(name.to_owned()).with_unit(spec.unit).with_description(spec.description).build()
            }
        }
    };
}
signed!(i64, i64_up_down_counter);
signed!(f64, f64_up_down_counter);
