//! Instruments whose names are known only while a test runs, such as those of the locustfile's own metrics. All others are in
//! their recorder's [`crate::recorder::Spec`].

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use opentelemetry::metrics as otel;

use crate::gauge::{ForgetSource, GaugeValues};
use crate::instrument::{Bind, HistogramExemplars};
use crate::meter::Meter;
use crate::name::is_metric_name;
use crate::recorder::{InstrumentKind, Per, SeriesLimits};
use crate::series::Series;

// Bounded: the SDK keeps each for as long as its run.
const MOST: usize = 1_000;

// About what the SDK reserves for each series that an instrument may have, when it is built: a place in a table.
const RESERVED: usize = 56;

// Longest unit by the OpenTelemetry specification.
const UNIT: usize = 63;

/// What an instrument is.
#[derive(Clone, Copy, Debug)]
pub struct OpenInstrument<'a> {
    /// The name of its metric. OpenTelemetry must allow it ([`is_metric_name`]).
    pub name: &'a str,
    /// Its kind.
    pub kind: InstrumentKind,
    /// Its unit, in UCUM; may be empty. At most 63 characters of ASCII.
    pub unit: &'a str,
    /// One sentence for people; may be empty.
    pub description: &'a str,
    /// A histogram's upper bounds, ascending, in its unit.
    pub buckets: &'a [f64],
    /// Whether each Locust process has its own series.
    pub per: Per,
}

/// Instruments whose names are known only while a test runs.
pub struct OpenInstruments {
    meters: Vec<Meter>,
    limits: SeriesLimits,
    gauges: Arc<Gauges>,
    all: Vec<Open>,
}

/// An open instrument, with what its series take and whether each process has its own.
struct Open {
    per: Per,
    cost: usize,
    kind: OpenKind,
}

enum OpenKind {
    Counter(Bound<otel::Counter<f64>>),
    UpDownCounter(Bound<otel::UpDownCounter<f64>>),
    Histogram(Bound<otel::Histogram<f64>>, HistogramExemplars),
    // Its series, by the numbers that they have in the table of all series.
    Gauge(HashMap<usize, usize>, Arc<GaugeValues<f64>>),
}

/// One SDK instrument per meter, and their bound handles by series.
struct Bound<I: Bind> {
    instruments: Vec<I>,
    bound: HashMap<usize, Box<[I::Bound]>>,
}

impl OpenInstruments {
    pub(crate) fn new(meters: &[Meter], limits: &SeriesLimits) -> Self {
        Self { meters: meters.to_vec(), limits: limits.clone(), gauges: Arc::default(), all: Vec::new() }
    }

    pub(crate) fn gauges(&self) -> Arc<dyn ForgetSource> {
        Arc::clone(&self.gauges) as Arc<dyn ForgetSource>
    }

    /// Takes memory for what a recorder itself keeps of an instrument, such as its name; `false` if it is not there.
    #[must_use]
    pub fn take(&self, bytes: usize) -> bool {
        self.limits.memory.take(bytes)
    }

    /// Opens an instrument, and returns its number. `None` if there are 1,000, if the memory for recorders is used up, or if its
    /// name or its unit is not valid.
    pub fn open(&mut self, instrument: &OpenInstrument<'_>) -> Option<usize> {
        let OpenInstrument { name, kind, unit, description, buckets, per } = *instrument;
        let valid = is_metric_name(name) && unit.is_ascii() && unit.len() <= UNIT;
        let texts = name.len() + unit.len() + description.len();
        // About what an instrument takes in a meter, beside its series.
        let reserved = self.limits.count.saturating_add(1).saturating_mul(RESERVED);
        let bytes = size_of::<Open>() + self.meters.len() * (1_024 + texts + size_of_val(buckets) + reserved);
        if !valid || self.all.len() >= MOST || !self.limits.memory.take(bytes) {
            return None;
        }
        macro_rules! built {
            ($build:ident) => {
                built!($build, |builder| builder)
            };
            ($build:ident, |$builder:ident| $more:expr) => {{
                let instruments = self.meters.iter().map(|meter| {
                    let $builder = meter.$build(name.to_owned());
                    $more.with_unit(unit.to_owned()).with_description(description.to_owned()).build()
                });
                Bound { instruments: instruments.collect(), bound: HashMap::new() }
            }};
        }
        let kind = match kind {
            InstrumentKind::Counter => OpenKind::Counter(built!(f64_counter)),
            InstrumentKind::UpDownCounter => OpenKind::UpDownCounter(built!(f64_up_down_counter)),
            InstrumentKind::Histogram => {
                let built = built!(f64_histogram, |builder| builder.with_boundaries(buckets.to_vec()));
                OpenKind::Histogram(built, HistogramExemplars::new(&self.meters, name, buckets, &self.limits.memory))
            }
            InstrumentKind::Gauge => {
                let values = Arc::<GaugeValues<f64>>::default();
                for meter in &self.meters {
                    let values = Arc::clone(&values);
                    meter
                        .f64_observable_gauge(name.to_owned())
                        .with_unit(unit.to_owned())
                        .with_description(description.to_owned())
                        .with_callback(move |observer| values.observe(|value, labels| observer.observe(value, labels)))
                        .build();
                }
                self.gauges.add(&values);
                OpenKind::Gauge(HashMap::new(), values)
            }
        };
        let cost = self.meters.len() * bytes_per_series(&kind, buckets.len());
        self.all.push(Open { per, cost, kind });
        Some(self.all.len() - 1)
    }

    /// Adds to, sets or records to a series of the instrument with this number. Values that are not finite are ignored, as are
    /// negative ones of a counter.
    pub fn record(&mut self, number: usize, series: Series<'_>, value: f64) {
        let Some(open) = self.all.get_mut(number).filter(|_| value.is_finite()) else { return };
        match &mut open.kind {
            OpenKind::Counter(_) if value < 0.0 => {}
            OpenKind::Counter(counter) => counter.each(series, |bound| bound.add(value)),
            OpenKind::UpDownCounter(counter) => counter.each(series, |bound| bound.add(value)),
            OpenKind::Histogram(histogram, exemplars) => {
                histogram.each(series, |bound| bound.record(value));
                if let Some(sampled) = series.sampled() {
                    exemplars.put(series, sampled, value, || series.attributes([], true));
                }
            }
            OpenKind::Gauge(places, values) => {
                let next = places.len();
                let place = *places.entry(series.number()).or_insert(next);
                values.set_at(place, series, &[], value);
            }
        }
    }

    /// Whether each process has its own series of it, and about how many bytes a series takes, beside its labels.
    pub(crate) fn series_of(&self, number: usize) -> (Per, usize) {
        self.all.get(number).map_or((Per::Run, 0), |open| (open.per, open.cost))
    }
}

impl fmt::Debug for OpenInstruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenInstruments({})", self.all.len())
    }
}

impl<I: Bind> Bound<I> {
    #[inline]
    fn each(&mut self, series: Series<'_>, record: impl Fn(&I::Bound)) {
        let instruments = &self.instruments;
        let bound = self.bound.entry(series.number()).or_insert_with(|| {
            let attributes = series.attributes([], true);
            instruments.iter().map(|instrument| instrument.bind(&attributes)).collect()
        });
        bound.iter().for_each(record);
    }
}

/// About how many bytes a series takes in one meter.
const fn bytes_per_series(kind: &OpenKind, buckets: usize) -> usize {
    let value = match kind {
        // Exponential ones have 160 buckets where values are far apart.
        OpenKind::Histogram(..) => 1_024 + size_of::<u64>() * buckets,
        OpenKind::Counter(_) | OpenKind::UpDownCounter(_) | OpenKind::Gauge(..) => 128,
    };
    value + 384
}

/// All open gauges: their series end with their source.
#[derive(Debug, Default)]
struct Gauges(Mutex<Vec<Arc<GaugeValues<f64>>>>);

impl Gauges {
    fn add(&self, values: &Arc<GaugeValues<f64>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(values));
    }
}

impl ForgetSource for Gauges {
    fn forget_source(&self, source: u32) {
        for values in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            values.forget_source(source);
        }
    }
}
