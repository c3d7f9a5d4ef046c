//! The metrics that the locustfile has used so far in a run, and those that cannot be metrics.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use ltel_core::Series;
use ltel_core::event::{Measurement, MeasurementKind};
use ltel_core::name::{is_metric_name, plain};
use ltel_core::open_instruments::{OpenInstrument, OpenInstruments};
use ltel_core::prelude::*;
use ltel_core::text::shortened;

use super::{Options, PerSeries};
use crate::buckets;

// Bounded: names that are kept, of metrics and of those that are none.
const NAMES: usize = 2_000;

// The longest unit that OpenTelemetry allows.
const UNIT: usize = 63;

// What an entry takes beside its texts, about.
const ENTRY: usize = 192;

// Bounded: what is said about the metrics of a run.
const SAID: usize = 100;

/// The metrics of a run.
#[derive(Debug)]
pub(super) struct Metrics {
    instruments: OpenInstruments,
    // Without case and punctuation.
    taken: BTreeSet<String>,
    by_name: HashMap<Box<str>, Metric>,
    // By their names without case and punctuation: a store may take two such names for one.
    alike: HashMap<String, Box<str>>,
    said: BTreeSet<(Problem, Box<str>)>,
    // Whether the memory for recorders could not hold another name.
    is_full: bool,
}

/// What is known of a name.
#[derive(Debug)]
enum Metric {
    Open { number: usize, kind: MeasurementKind, unit: Box<str> },
    LeftOut,
}

/// What becomes of a value.
#[derive(Debug)]
pub(super) enum Known {
    /// It is one of the instrument with this number; and what to say about it, if that was not said before.
    Metric(usize, Option<String>),
    /// It is left out, for this reason if that was not said before.
    LeftOut(Option<String>),
}

/// Why something is not as the locustfile has it. Each is said once by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Problem {
    Kind(&'static str),
    Unit,
    NoUnit,
    Negative,
    Name,
    Label,
    TooMany,
}

impl Metrics {
    /// `taken`: the names of other recorders' metrics.
    pub(super) fn new(instruments: OpenInstruments, taken: &BTreeSet<String>) -> Self {
        let taken = taken.iter().map(|name| plain(name)).collect();
        Self {
            instruments,
            taken,
            by_name: HashMap::new(),
            alike: HashMap::new(),
            said: BTreeSet::new(),
            is_full: false,
        }
    }

    pub(super) const fn instruments(&self) -> &OpenInstruments {
        &self.instruments
    }

    pub(super) fn record(&mut self, number: usize, series: Series<'_>, value: f64) {
        self.instruments.record(number, series, value);
    }

    /// The metric of a value: opened at its first.
    pub(super) fn find(&mut self, measurement: &Measurement<'_>, options: &Options) -> Known {
        let (name, kind) = (&*measurement.name, measurement.kind);
        let (number, known_kind, unit) = match self.by_name.get(name) {
            Some(Metric::Open { number, kind, unit }) => (*number, *kind, unit),
            Some(Metric::LeftOut) => return Known::LeftOut(None),
            None => return self.open(measurement, options),
        };
        if kind != known_kind {
            return self.left_out(Problem::Kind(kind.as_str()), name, || {
                let (is, also) = (known_kind.as_str(), kind.as_str());
                format!("metric `{name}` is a {is}, but the locustfile also uses it as a {also}: those values are left out and counted")
            });
        }
        if *measurement.unit != **unit && !measurement.unit.is_empty() {
            let is = if unit.is_empty() { "no unit".to_owned() } else { format!("the unit `{unit}`") };
            let also = &*measurement.unit;
            return self.left_out(Problem::Unit, name, || {
                format!("metric `{name}` has {is}, but the locustfile also gives it `{also}`: those values are left out and counted")
            });
        }
        if kind == MeasurementKind::Counter && measurement.value < 0.0 {
            return self.left_out(Problem::Negative, name, || {
                format!(
                    "counter `{name}` only grows, so negative values are left out and counted: use `ltel_locust.up_down_counter`"
                )
            });
        }
        Known::Metric(number, None)
    }

    #[cold]
    fn open(&mut self, measurement: &Measurement<'_>, options: &Options) -> Known {
        let name = &*measurement.name;
        if self.by_name.len() >= NAMES || self.is_full {
            return self.too_many();
        }
        let why = match self.problem(name) {
            Some(why) => why,
            // Its name three times: here, as it is alike, and with that.
            None if self.instruments.take(2 * ENTRY + 3 * name.len() + measurement.unit.len())
                && let Some(number) = self.instruments.open(&instrument(measurement, options)) =>
            {
                self.alike.insert(plain(name), name.into());
                let (kind, unit) = (measurement.kind, measurement.unit.as_ref().into());
                self.by_name.insert(name.into(), Metric::Open { number, kind, unit });
                // It may be a negative value of a counter.
                return match (self.find(measurement, options), self.without_unit(measurement)) {
                    (Known::Metric(number, _), said) => Known::Metric(number, said),
                    (Known::LeftOut(Some(why)), Some(said)) => Known::LeftOut(Some(format!("{why}; {said}"))),
                    (Known::LeftOut(why), said) => Known::LeftOut(why.or(said)),
                };
            }
            None => {
                self.remember_as_left_out(name);
                return self.too_many();
            }
        };
        self.remember_as_left_out(name);
        self.left_out(Problem::Name, name, || format!("metric `{name}` is left out and counted: {why}"))
    }

    /// What to say about a unit that a metric cannot have.
    fn without_unit(&mut self, measurement: &Measurement<'_>) -> Option<String> {
        let (name, unit) = (&*measurement.name, &*measurement.unit);
        if is_unit(unit) {
            return None;
        }
        self.say(Problem::NoUnit, name, || {
            let unit = shortened(unit, UNIT);
            format!("metric `{name}` has no unit instead of `{unit}`: units have at most {UNIT} characters, all of ASCII, such as `ms`, `By` or `{{item}}`")
        })
    }

    fn remember_as_left_out(&mut self, name: &str) {
        if self.instruments.take(ENTRY + name.len()) {
            self.by_name.insert(name.into(), Metric::LeftOut);
        } else {
            self.is_full = true;
        }
    }

    #[cold]
    fn too_many(&mut self) -> Known {
        self.left_out(Problem::TooMany, "", || {
            "there are too many metrics, or they take too much memory: further ones are left out and counted; what differs from value \
             to value belongs into a label, not into the name of a metric"
                .to_owned()
        })
    }

    /// Why a name that is new cannot be a metric.
    fn problem(&self, name: &str) -> Option<String> {
        if !is_metric_name(name) {
            return Some(
                "the name of a metric begins with a letter, and has at most 255 letters, digits, `_`, `.`, `-` and `/`, all of \
                 ASCII; rename it in the locustfile"
                    .to_owned(),
            );
        }
        let plain = plain(name);
        let is_ltels = |prefix: &str| plain.starts_with(prefix);
        if is_ltels("locust_tl_") || is_ltels("ltel_") || OF_RECORDERS.contains(&plain) {
            return Some("ltel has metrics of this name; rename it in the locustfile".to_owned());
        }
        if self.taken.contains(&plain) {
            return Some(
                "another recorder of the configuration has a metric of this name; rename one of them".to_owned(),
            );
        }
        let other = self.alike.get(&plain)?;
        Some(format!("Prometheus would take it for `{other}`; use one spelling in the locustfile"))
    }

    /// What to say about a label that is called otherwise, if it was not said before.
    #[cold]
    pub(super) fn renamed(&mut self, label: &str) -> Option<String> {
        self.say(Problem::Label, label, || {
            format!("the label `{label}` is called `exported_{label}`, since points have another field of this name; rename it in the locustfile")
        })
    }

    #[cold]
    fn left_out(&mut self, problem: Problem, name: &str, why: impl FnOnce() -> String) -> Known {
        Known::LeftOut(self.say(problem, name, why))
    }

    fn say(&mut self, problem: Problem, name: &str, what: impl FnOnce() -> String) -> Option<String> {
        let key = (problem, name.into());
        if self.said.len() >= SAID || self.said.contains(&key) {
            return None;
        }
        self.said.insert(key);
        Some(what())
    }
}

/// The names of metrics of the recorders that come with ltel, without case and punctuation.
static OF_RECORDERS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let registry = crate::registry();
    let instruments = registry.types().flat_map(|type_| type_.spec.instruments);
    instruments.filter_map(|instrument| instrument.name.map(plain)).collect()
});

/// Whether OpenTelemetry allows a unit.
fn is_unit(unit: &str) -> bool {
    unit.is_ascii() && unit.len() <= UNIT
}

/// The instrument of a metric.
fn instrument<'a>(measurement: &'a Measurement<'_>, options: &'a Options) -> OpenInstrument<'a> {
    let kind = match measurement.kind {
        MeasurementKind::UpDownCounter => InstrumentKind::UpDownCounter,
        MeasurementKind::Gauge => InstrumentKind::Gauge,
        MeasurementKind::Histogram => InstrumentKind::Histogram,
        _ => InstrumentKind::Counter,
    };
    let per = match (kind, options.per) {
        (InstrumentKind::Gauge, _) | (_, PerSeries::Source) => Per::Source,
        (_, PerSeries::Run) => Per::Run,
    };
    // A metric without its unit is better than none.
    let unit = if is_unit(&measurement.unit) { &*measurement.unit } else { "" };
    let buckets = options.buckets.get(&*measurement.name).map_or_else(|| buckets::of_unit(unit), Vec::as_slice);
    OpenInstrument { name: &measurement.name, kind, unit, description: &measurement.description, buckets, per }
}
