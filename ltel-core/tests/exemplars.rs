//! Exemplars: the latest sampled value of each bucket and collection, with its span.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ltel_core::event::{Event, Task};
use ltel_core::exemplar::{Exemplar, KeepExemplars};
use ltel_core::meter::{Collected, Collector, MeterSettings, meter, meters};
use ltel_core::open_instruments::{OpenInstrument, OpenInstruments};
use ltel_core::points::{self, ExponentialBuckets, PointValue};
use ltel_core::prelude::*;
use ltel_core::recorder::{
    AnyRecorder, Emitted, Factory, InstrumentKind, InstrumentSpec, Origin, Per, RecorderFactory, RecorderMemory,
    SeriesLimits,
};
use ltel_core::runs::RunInfo;
use ltel_core::trace::TraceContext;
use ltel_core::{Now, Timestamp};
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use proptest::prelude::*;

const BUCKETS: &[f64] = &[0.0, 5.0, 10.0, 25.0];
const DURATION: InstrumentSpec =
    InstrumentSpec::new("duration", InstrumentKind::Histogram, "ms", "How long tasks take.").buckets(BUCKETS);
const SPEC: Spec = Spec {
    name: "tasks",
    description: "Tasks.",
    scope: "test",
    events: &[EventKind::Task],
    per: Per::Run,
    labels: &["user_class"],
    instruments: &[DURATION],
    records: &[],
    spans: &[],
    needs: Needs::NONE,
};

/// Records the duration of tasks, in an instrument of its spec and in an open one.
struct Tasks {
    duration: Histogram,
    open: OpenInstruments,
    opened: usize,
}

impl Recorder for Tasks {
    type Options = NoOptions;
    const SPEC: &'static Spec = &SPEC;

    fn build(_: &NoOptions, instruments: &mut Instruments<'_>) -> Self {
        let mut open = instruments.open();
        let opened = open.open(&OpenInstrument {
            name: "opened",
            kind: InstrumentKind::Histogram,
            unit: "ms",
            description: "",
            buckets: BUCKETS,
            per: Per::Run,
        });
        Self { duration: instruments.histogram(&DURATION), open, opened: opened.expect("a valid instrument") }
    }

    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, NoOptions>) {
        let Event::Task(task) = event else { return };
        self.duration.record(cx.series([Label::Str(&task.user_class)]), task.duration);
        let series = cx.open_series(&self.open, self.opened, &[("class", Label::Str(&task.user_class))]);
        self.open.record(self.opened, series, task.duration);
    }

    /// What is recorded about no event.
    fn tick(&mut self, cx: &mut Context<'_, NoOptions>) {
        self.duration.record(cx.series([Label::Str("tick")]), 7.0);
    }
}

/// A recorder with one meter.
struct Setup {
    recorder: Box<dyn AnyRecorder>,
    collector: Collector,
    // The next task ends at this second.
    second: u32,
}

#[derive(Clone, Copy, Debug)]
struct Wish {
    exponential: bool,
    delta: bool,
    keep: KeepExemplars,
}

const EXPLICIT: Wish = Wish { exponential: false, delta: false, keep: KeepExemplars::UntilCollected };

impl Setup {
    fn new(wish: Wish) -> Self {
        Self::within(wish, SeriesLimits::of_count(100))
    }

    fn within(wish: Wish, limits: SeriesLimits) -> Self {
        let temporality = if wish.delta { Temporality::Delta } else { Temporality::Cumulative };
        let settings = MeterSettings {
            exponential: wish.exponential,
            exemplars: wish.keep,
            ..MeterSettings::new(Resource::builder_empty().build(), temporality)
        };
        let (meter, collector) = meter(&settings, "test", 100);
        let recorder =
            Factory::<Tasks>::new(NoOptions {}).build("tasks", Arc::new(RunInfo::default()), &[meter], limits);
        Self { recorder, collector, second: 0 }
    }

    fn now(&self) -> Now {
        Now { wall: Timestamp::from_secs(f64::from(self.second)), steady: Duration::ZERO }
    }

    /// A task that ends a second after the one before. Its span has the number of this second.
    fn task(&mut self, user_class: &str, ms: f64, sampled: bool) {
        self.second += 1;
        self.task_at(user_class, ms, f64::from(self.second), sampled);
    }

    fn task_at(&mut self, user_class: &str, ms: f64, end: f64, sampled: bool) {
        let trace = Some(TraceContext {
            trace_id: TraceId::from(u128::from(self.second)),
            span_id: SpanId::from(u64::from(self.second)),
            parent_span_id: None,
            sampled,
        });
        let task =
            Task { start_time: end - ms / 1e3, duration: ms, user_class: user_class.into(), trace, ..Task::default() };
        let origin = Origin { source: None, now: self.now() };
        self.recorder.record(&Event::Task(&task), origin, &mut Emitted::default());
    }

    fn collect(&self) -> Collected {
        self.collector.collect().expect("points")
    }

    /// The values of the exemplars of a metric and a class in a collection, each with its second.
    fn exemplars(&self, metric: &str, class: &str) -> Vec<(f64, f64)> {
        let collected = self.collect();
        let metric = points::metrics(&collected).find(|of| of.name == metric).expect("a metric of this name");
        let point = metric.points().find(|point| class_of(point) == class).expect("a point of this class");
        point.exemplars.iter().map(|exemplar| (exemplar.value, exemplar.time.as_secs())).collect()
    }
}

fn class_of(point: &points::Point<'_>) -> String {
    let class = point.attributes.iter().find(|label| label.key.as_str().ends_with("class")).expect("a class");
    class.value.as_str().into_owned()
}

/// Scenario: values at the bounds of explicit buckets. Guarantees: a bound is in its bucket, and each bucket has its latest value.
#[test]
fn the_latest_of_each_bucket() {
    for metric in ["tasks.duration", "opened"] {
        let mut setup = Setup::new(EXPLICIT);
        for ms in [4.0, 5.0, 5.1, 10.0, 25.0, 26.0, 27.0, 0.0] {
            setup.task("A", ms, true);
        }
        setup.task("B", 3.0, true);
        assert_eq!(
            setup.exemplars(metric, "A"),
            [(0.0, 8.0), (5.0, 2.0), (10.0, 4.0), (25.0, 5.0), (27.0, 7.0)],
            "{metric}"
        );
    }
}

/// Guarantees: what is not sampled, and what is recorded outside of events, leaves no exemplar.
#[test]
fn only_sampled_events() {
    let mut setup = Setup::new(EXPLICIT);
    setup.task("A", 4.0, false);
    setup.task("tick", 8.0, true);
    let origin = Origin { source: None, now: setup.now() };
    setup.recorder.tick(origin, &mut Emitted::default());
    assert_eq!(setup.exemplars("tasks.duration", "A"), []);
    setup.task("tick", 6.0, true);
    setup.task("tick", 7.0, false);
    setup.recorder.tick(origin, &mut Emitted::default());
    assert_eq!(setup.exemplars("tasks.duration", "tick"), [(6.0, 3.0)]);
}

/// Guarantees: an exemplar is in one collection, or in each until a later one replaces it.
#[test]
fn once_or_until_replaced() {
    for (keep, again) in [(KeepExemplars::UntilCollected, vec![]), (KeepExemplars::UntilReplaced, vec![(4.0, 1.0)])] {
        let mut setup = Setup::new(Wish { keep, ..EXPLICIT });
        setup.task("A", 4.0, true);
        assert_eq!(setup.exemplars("tasks.duration", "A"), [(4.0, 1.0)]);
        assert_eq!(setup.exemplars("tasks.duration", "A"), again, "{keep:?}");
        setup.task("A", 3.0, true);
        assert_eq!(setup.exemplars("tasks.duration", "A"), [(3.0, 2.0)], "{keep:?}");
    }
    let mut setup = Setup::new(Wish { keep: KeepExemplars::No, ..EXPLICIT });
    setup.task("A", 4.0, true);
    assert_eq!(setup.exemplars("tasks.duration", "A"), []);
}

/// Guarantees: backends that share a meter have their own exemplars, as many and as long as each wants them.
#[test]
fn backends_that_share_a_meter() {
    let keeps = [KeepExemplars::UntilCollected, KeepExemplars::No, KeepExemplars::UntilCollected];
    let settings = keeps.map(|exemplars| MeterSettings {
        exemplars,
        ..MeterSettings::new(Resource::builder_empty().build(), Temporality::Cumulative)
    });
    let (shared, collectors) = meters(&settings, "test", 100);
    assert_eq!(shared.len(), 1);
    let limits = SeriesLimits::of_count(100);
    let recorder = Factory::<Tasks>::new(NoOptions {}).build("tasks", Arc::new(RunInfo::default()), &shared, limits);
    let mut setup = Setup { recorder, collector: collectors[0].clone(), second: 0 };
    setup.task("A", 4.0, true);
    for (keep, collector) in keeps.into_iter().zip(collectors) {
        setup.collector = collector;
        let expected = if keep == KeepExemplars::No { vec![] } else { vec![(4.0, 1.0)] };
        assert_eq!(setup.exemplars("tasks.duration", "A"), expected, "{keep:?}");
        assert_eq!(setup.exemplars("tasks.duration", "A"), [], "{keep:?}");
    }
}

/// Scenario: clocks that differ, and one in the future. Guarantees: the later one stays, and none is later than when it came.
#[test]
fn times_are_the_ends_of_events() {
    let mut setup = Setup::new(EXPLICIT);
    setup.second = 100;
    setup.task_at("A", 4.0, 99.0, true);
    setup.task_at("A", 3.0, 98.0, true);
    setup.task_at("A", 8.0, 5_000.0, true);
    assert_eq!(setup.exemplars("tasks.duration", "A"), [(4.0, 99.0), (8.0, 100.0)]);
}

/// Scenario: memory for one series and a few of its exemplars. Guarantees: series come first, and what is kept is still replaced.
#[test]
fn exemplars_take_no_memory_of_series() {
    let memory = |bytes| Arc::new(RecorderMemory::new(bytes, 0)).begin_run();
    let all = |bytes| {
        let limits = SeriesLimits { count: 100, memory: memory(bytes) };
        let mut setup = Setup::within(EXPLICIT, limits);
        for class in 0..30 {
            setup.task(&format!("class {class}"), 4.0, true);
            setup.task(&format!("class {class}"), 8.0, true);
            setup.task(&format!("class {class}"), 9.0, true);
        }
        let collected = setup.collect();
        let kept: Vec<_> = points::metrics(&collected)
            .filter(|metric| metric.name == "tasks.duration")
            .flat_map(|metric| metric.points().map(|point| point.exemplars.to_vec()).collect::<Vec<_>>())
            .collect();
        let replaced = kept.iter().flatten().filter(|exemplar| (7.0..9.0).contains(&exemplar.value)).count();
        assert_eq!(replaced, 0, "8 is replaced by 9: {kept:?}");
        (setup.recorder.overflowed(), kept.iter().filter(|of| !of.is_empty()).count())
    };
    assert_eq!(all(8 << 20), (0, 30));
    let (overflowed, with_exemplars) = all(190 << 10);
    assert!(overflowed == 0 && (1..30).contains(&with_exemplars), "{overflowed}, {with_exemplars}");
}

#[derive(Clone, Debug)]
enum Step {
    Task { class: usize, ms: f64, sampled: bool },
    Collect,
}

const CLASSES: [&str; 2] = ["A", "B"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ms = prop_oneof![
        4 => (-2.0..6.0_f64).prop_map(|exponent| 10_f64.powf(exponent)),
        1 => (-1.0..3.0_f64).prop_map(|exponent| -10_f64.powf(exponent)),
        2 => (-8..12).prop_map(|exponent| 2_f64.powi(exponent)),
        1 => prop::sample::select(BUCKETS),
        1 => 100.0..101.0_f64,
    ];
    let task =
        (0..CLASSES.len(), ms, prop::bool::ANY).prop_map(|(class, ms, sampled)| Step::Task { class, ms, sampled });
    prop::collection::vec(prop_oneof![30 => task, 1 => Just(Step::Collect)], 1..300)
}

/// The bounds of all buckets with a count: greater than the first, at most the second.
fn counted(value: &PointValue) -> Vec<(f64, f64)> {
    let above = |scale: i8, buckets: &ExponentialBuckets| {
        let bound = move |index: i32| (f64::from(index) * (-f64::from(scale)).exp2()).exp2();
        let indexes = (buckets.offset..).zip(buckets.counts.clone()).filter(|(_, count)| *count > 0);
        indexes.map(move |(index, _)| (bound(index), bound(index + 1))).collect::<Vec<_>>()
    };
    match value {
        PointValue::Histogram { bounds, bucket_counts, .. } => {
            let bounds = [&[f64::NEG_INFINITY], &bounds[..], &[f64::INFINITY]].concat();
            let pairs = bounds.windows(2).map(|pair| (pair[0], pair[1]));
            pairs.zip(bucket_counts).filter(|(_, count)| **count > 0).map(|(pair, _)| pair).collect()
        }
        PointValue::ExponentialHistogram { scale, zero_count, positive, negative, .. } => {
            let mut all = above(*scale, positive);
            // Below zero the lower bound is the one in the bucket: the next number above stands for it.
            all.extend(above(*scale, negative).into_iter().map(|(low, high)| (-high.next_up(), -low.next_up())));
            all.extend((*zero_count > 0).then_some((-f64::MIN_POSITIVE, 0.0)));
            all
        }
        PointValue::Number { .. } => panic!("a histogram"),
    }
}

/// What must be there: of each bucket with a count, the last that is sampled.
fn expected(value: &PointValue, sampled: &[(f64, u32)]) -> Vec<u32> {
    let within = |low: f64, high: f64| sampled.iter().rev().find(move |(ms, _)| low < *ms && *ms <= high);
    counted(value).into_iter().filter_map(|(low, high)| Some(within(low, high)?.1)).collect()
}

proptest! {
    /// Guarantees: in any order of tasks and collections, with any kind of buckets and temporality, each bucket has the latest value
    /// of those that were sampled since the last collection (or at all), and no other.
    #[test]
    fn any_order(steps in steps(), exponential in any::<bool>(), delta in any::<bool>(), replaced in any::<bool>()) {
        let keep = if replaced { KeepExemplars::UntilReplaced } else { KeepExemplars::UntilCollected };
        // Scrapes are cumulative.
        let mut setup = Setup::new(Wish { exponential, delta: delta && !replaced, keep });
        let mut sampled_of: BTreeMap<&str, Vec<(f64, u32)>> = BTreeMap::new();
        for step in steps.into_iter().chain([Step::Collect]) {
            match step {
                Step::Task { class, ms, sampled } => {
                    setup.task(CLASSES[class], ms, sampled);
                    if sampled {
                        sampled_of.entry(CLASSES[class]).or_default().push((ms, setup.second));
                    }
                }
                Step::Collect => {
                    let collected = setup.collect();
                    let mut points = 0;
                    for point in points::metrics(&collected).flat_map(|metric| metric.points().collect::<Vec<_>>()) {
                        points += 1;
                        let none = Vec::new();
                        let sampled = sampled_of.get(&*class_of(&point)).unwrap_or(&none);
                        let mut expected = expected(&point.value, sampled);
                        let mut found: Vec<_> = point.exemplars.iter().map(seconds).collect();
                        found.sort_unstable();
                        expected.sort_unstable();
                        prop_assert_eq!(found, expected, "{:?} of {:?}", &point, sampled);
                    }
                    prop_assert!(points > 0 || delta || sampled_of.is_empty());
                    if !replaced {
                        sampled_of.clear();
                    }
                }
            }
        }
    }
}

/// The second of a task, which its ids tell as well.
fn seconds(exemplar: &Exemplar) -> u32 {
    let of_trace = u32::try_from(u128::from_be_bytes(exemplar.trace_id.to_bytes())).expect("a small number");
    let of_span = u32::try_from(u64::from_be_bytes(exemplar.span_id.to_bytes())).expect("a small number");
    let time = exemplar.time.as_secs();
    assert!(of_trace == of_span && (time - f64::from(of_trace)).abs() < 1e-3, "{exemplar:?}");
    of_span
}
