//! The figures of a run: what is in them, that nothing is missing, and what they take.

#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // small numbers of tests

use std::sync::Arc;
use std::time::Duration;

use ltel_core::Now;
use ltel_core::event::{Extra, Request, RequestError, ResponseTime};
use ltel_core::figures::{AnnotationKind, Point, RunFigures, Stage};
use ltel_core::recorder::{
    AnyRecorder, Emitted, Factory, Needs, Origin, RecorderFactory, RecorderMemory, SeriesLimits,
};
use ltel_core::replay::{
    BEGIN, Replay, cpu_warning, master, request, reset_stats, spawning_complete, test_start, test_stop, usage,
    user_error, users, worker,
};
use ltel_core::runs::{RunInfo, SourceInfo};
use ltel_core::source::{Source, SourceKind};
use ltel_core::trace::TraceContext;
use ltel_core::wire::TraceFeatures;
use ltel_recorders::{Stats, stats};

fn recorder(limits: SeriesLimits) -> Box<dyn AnyRecorder> {
    let run = RunInfo { begun: at(0.0), ..RunInfo::default() };
    let mut recorder = Factory::<Stats>::new(stats::Options::default()).build("stats", Arc::new(run), &[], limits);
    recorder.keep_figures();
    recorder
}

// In every test, ltel begins then.
fn at(secs: f64) -> Now {
    let since = Duration::from_secs_f64(secs);
    Now { wall: BEGIN + since, steady: since }
}

fn sources(count: u32) -> Vec<Arc<SourceInfo>> {
    let kind = |index: u32| if index == 0 { SourceKind::Master } else { SourceKind::Worker };
    let source = |index: u32| Source { kind: kind(index), worker_index: index.checked_sub(1), ..Source::default() };
    (0..count).map(|index| Arc::new(SourceInfo::new(index, source(index)))).collect()
}

fn figures(recorder: &mut dyn AnyRecorder, stage: Stage, now: Now) -> RunFigures {
    recorder.figures(stage, Origin { source: None, now }).expect("they are kept")
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn uniform(&mut self) -> f64 {
        self.below(1 << 30) as f64 / f64::from(1 << 30)
    }

    /// About normal: a sum of uniform numbers is.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// Scenario: a master and two workers, one of which is short of CPU; two kinds of exceptions, a request with a sampled trace and one
/// without. Guarantees: each part of the figures says what happened, when, and where.
#[test]
fn what_happened_is_in_them() {
    let trace = |sampled| {
        let ids = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        TraceContext::from_hex(ids.0, ids.1, None, sampled).unwrap()
    };
    let figures = Replay::of::<Stats>()
        .also_needed(Needs { trace: Some(TraceFeatures::default()), ..Needs::NONE })
        .source(master())
        .event(test_start().host("http://shop").users(20, 5.0).locustfile("shop").locust_version("2.47.0"))
        .event(test_start().from(worker(0)))
        .event(users(&[("Shopper", 5)]))
        .advance("1s")
        .event(request("GET", "/").took_ms(100.0).trace(trace(false)).from(worker(0)))
        .event(request("GET", "/").took_ms(300.0).trace(trace(true)).from(worker(1)))
        .event(usage().cpu(40.0).memory(100).from(worker(0)))
        .event(usage().cpu(60.0).memory(50).from(worker(0)))
        .advance("2s")
        .event(spawning_complete(20))
        .event(spawning_complete(10).from(worker(0)))
        .event(cpu_warning(97.4).from(worker(1)))
        .event(request("GET", "/").took_ms(100.0).failed("E", "refused").from(worker(0)))
        .event(user_error("Shopper", "KeyError: 'a'").traceback("at b").from(worker(0)))
        .event(user_error("Shopper", "KeyError: 'b'").from(worker(0)))
        .event(user_error("Shopper", "KeyError: 'b'").from(worker(1)))
        .advance("3s")
        .event(request("POST", "/").from(worker(1)))
        .event(usage().cpu(20.0).memory(70).from(worker(0)))
        .event(test_stop())
        .event(test_stop().from(worker(0)))
        .figures();

    assert_eq!(figures.test.locust_version.as_deref(), Some("2.47.0"));
    let timeline = &figures.timeline;
    assert_eq!((timeline.begun, timeline.step, timeline.len()), (BEGIN, Duration::from_secs(1), 7));
    assert_eq!(timeline.users, [5, 5, 5, 20, 20, 20, 20].map(Some));
    let times: Vec<usize> = timeline.times.iter().map(|sketch| sketch.counts.len()).collect();
    assert_eq!(times, [0, 2, 0, 1, 0, 0, 0]);
    let counts = |points: &[Point]| points.iter().map(|point| (point.requests, point.failures)).collect::<Vec<_>>();
    assert_eq!(counts(&figures.total.points), [(0, 0), (2, 0), (0, 0), (1, 1), (0, 0), (0, 0), (1, 0)]);
    let [get, post] = &figures.endpoints[..] else { panic!("two endpoints") };
    assert_eq!(counts(&get.points), [(0, 0), (2, 0), (0, 0), (1, 1)]);
    assert_eq!(post.points[6].times, None, "it had no response time");
    let times = get.points[1].times.unwrap();
    assert!((97.0..103.0).contains(&times.p50_ms) && times.p95_ms.to_bits() == 300_f32.to_bits(), "{times:?}");
    assert_eq!(times.max_ms.to_bits(), 300_f32.to_bits());
    assert_eq!(get.exemplars.iter().map(|exemplar| exemplar.ms).collect::<Vec<_>>(), [300.0]);
    assert_eq!(figures.total.exemplars, get.exemplars);

    let annotations: Vec<_> = figures.annotations.iter().map(|a| (a.kind, a.source.as_deref(), &*a.text)).collect();
    assert_eq!(
        annotations,
        [
            (AnnotationKind::Start, None, ""),
            (AnnotationKind::SpawningComplete, None, "20 users"),
            (AnnotationKind::CpuWarning, Some("worker-1"), "97 % of a core"),
            (AnnotationKind::Stop, None, ""),
        ]
    );
    let [first, second] = &figures.generators[..] else {
        panic!("those that said something: {:?}", figures.generators)
    };
    assert_eq!((&*first.label, first.max_cpu_percent, first.mean_cpu_percent), ("worker-0", Some(60.0), Some(40.0)));
    assert_eq!((first.max_memory_bytes, first.was_busy()), (Some(100), false));
    assert_eq!(first.cpu_percent[..2], [None, Some(60.0)]);
    assert_eq!((first.cpu_percent.len(), first.memory_bytes[6]), (7, Some(70)));
    assert_eq!((&*second.label, second.cpu_warnings, second.was_busy()), ("worker-1", 1, true));
    let exceptions: Vec<_> = figures.exceptions.iter().map(|e| (&*e.error, e.occurrences, &*e.traceback)).collect();
    assert_eq!(exceptions, [("KeyError: 'b'", 2, ""), ("KeyError: 'a'", 1, "at b")]);
}

/// Scenario: statistics are reset in the middle of a test. Guarantees: counts begin again, the timeline is of the whole test, and an
/// annotation says when.
#[test]
fn the_timeline_survives_a_reset() {
    let figures = Replay::of::<Stats>()
        .source(master())
        .event(test_start())
        .event(request("GET", "/").from(worker(0)))
        .advance("5s")
        .event(reset_stats())
        .event(reset_stats().from(worker(0)))
        .advance("1s")
        .event(request("GET", "/").from(worker(0)))
        .figures();
    assert_eq!(figures.total.requests, 1);
    let requests: Vec<_> = figures.total.points.iter().map(|point| point.requests).collect();
    assert_eq!(requests, [1, 0, 0, 0, 0, 0, 1]);
    assert_eq!(figures.endpoints[0].points, figures.total.points);
    let resets = figures.annotations.iter().filter(|a| a.kind == AnnotationKind::ResetStats);
    assert_eq!(
        resets.map(|a| (a.time, a.source.clone())).collect::<Vec<_>>(),
        [(BEGIN + Duration::from_secs(5), None)]
    );
}

/// Scenario: a thousand distinct exceptions with texts of 100 KiB. Guarantees: a hundred are told apart, their texts are cut, and
/// none is forgotten.
#[test]
fn exceptions_are_bounded() {
    let long = "é".repeat(50 << 10);
    let error = |n: u32| user_error(&long, &format!("{n} {long}")).traceback(&long);
    let figures = Replay::of::<Stats>().events((0..1_000).map(error)).figures();
    assert_eq!(figures.exceptions.len(), 101);
    assert_eq!(figures.exceptions.iter().map(|exception| exception.occurrences).sum::<u64>(), 1_000);
    assert_eq!((&*figures.exceptions[100].error, figures.exceptions[100].occurrences), ("other exceptions", 900));
    let longest = figures.exceptions.iter().map(|e| e.user.len() + e.error.len() + e.traceback.len()).max();
    assert!(longest < Some(7 << 10), "{longest:?}");
}

/// Scenario: tests of any length, of workers that report late, in any order, or have wrong clocks; figures that are taken in between;
/// recorders with enough memory, or with little. Guarantees: the points of each endpoint, and of the total, hold all of its requests
/// and failures, and there are never too many.
#[test]
fn no_request_is_lost_between_points() {
    let mut numbers = Numbers(1);
    let (mut merged, mut without) = (0, 0);
    for case in 0..24_u32 {
        let bytes = [usize::MAX, 2 << 20, 200 << 10][case as usize % 3];
        let limits = SeriesLimits { count: 100, memory: Arc::new(RecorderMemory::new(bytes, 0)).begin_run() };
        let mut recorder = recorder(limits);
        let sources = sources(4);
        let names: Vec<_> = (0..20).map(|n| format!("/{n}")).collect();
        let length = [3.0, 600.0, 5_000.0, 400_000.0][case as usize / 3 % 4];
        let mut out = Emitted::default();
        let frames = 100_u32;
        for frame in 0..frames {
            let now = at(length * f64::from(frame) / f64::from(frames));
            let source = &sources[numbers.below(4) as usize];
            // The last one's clock is wrong by a day.
            let wrong = if source.index == 3 { -86_400.0 } else { 0.0 };
            let late = [0.0, 0.0, 2.0, 300.0][numbers.below(4) as usize];
            let rows: Vec<_> = (0..numbers.below(200))
                .map(|_| Request {
                    reported_at: now.wall.as_secs() - late - numbers.uniform() + wrong,
                    name: (&*names[numbers.below(400).isqrt() as usize]).into(),
                    response_time: ResponseTime::from_ms(match numbers.below(20) {
                        0 => f64::NAN,
                        1 => numbers.normal() * 1e9,
                        _ => numbers.normal().exp() * 100.0,
                    }),
                    error: (numbers.below(10) == 0).then(|| RequestError { class: "E".into(), text: "failed".into() }),
                    ..Request::default()
                })
                .collect();
            recorder.record_requests(&rows, Origin { source: Some(source), now }, &mut out);
            if numbers.below(20) == 0 {
                figures(&mut *recorder, Stage::Running, now);
            }
        }
        recorder.finish(true, Origin { source: None, now: at(length) }, &mut out);
        let figures = figures(&mut *recorder, Stage::Final { complete: true }, at(length));
        let timeline = &figures.timeline;
        assert!(timeline.len() <= 512 && timeline.users.len() == timeline.len(), "{}", timeline.len());
        merged += u32::from(timeline.step.as_secs() > 1);
        let total = &figures.total;
        for endpoint in figures.endpoints.iter().chain([total]) {
            assert!(endpoint.points.len() <= timeline.len());
            if endpoint.points.is_empty() {
                assert!(bytes < 1 << 20, "there was memory for it");
                without += 1;
                continue;
            }
            let sum = |of: fn(&Point) -> u64| endpoint.points.iter().map(of).sum::<u64>();
            assert_eq!(sum(|point| point.requests), endpoint.requests, "case {case}: {}", endpoint.name);
            assert_eq!(sum(|point| point.failures), endpoint.failures, "case {case}: {}", endpoint.name);
            let max = endpoint.points.iter().filter_map(|point| Some(point.times?.max_ms)).fold(f32::MIN, f32::max);
            assert_eq!(Some(max), endpoint.max_ms.map(|ms| ms as f32), "{}", endpoint.name);
        }
        let timed = timeline.times.iter().flat_map(|sketch| &sketch.counts).map(|(_, count)| u64::from(*count));
        assert_eq!(timed.sum::<u64>(), total.histogram.count());
    }
    assert!(merged >= 18 && without > 0, "{merged} {without}");
}

/// Scenario: new endpoints all the time, for which points have to be merged. Guarantees: the only request of each is in the point of its
/// time.
#[test]
fn requests_of_new_endpoints_are_where_they_belong() {
    let limits = SeriesLimits { count: 2_000, memory: Arc::new(RecorderMemory::new(1 << 20, 0)).begin_run() };
    let mut recorder = recorder(limits);
    let (sources, mut out) = (sources(2), Emitted::default());
    for second in 0..400_u32 {
        let row = Request {
            reported_at: at(f64::from(second)).wall.as_secs(),
            name: format!("{second}").into(),
            response_time: ResponseTime::from_ms(100.0),
            ..Request::default()
        };
        let now = at(f64::from(second));
        recorder.record_requests(&[row], Origin { source: Some(&sources[1]), now }, &mut out);
    }
    let figures = figures(&mut *recorder, Stage::Final { complete: true }, at(400.0));
    let step = figures.timeline.step.as_secs() as usize;
    assert!(step > 1 && figures.endpoints.len() > 100, "{step} {}", figures.endpoints.len());
    for endpoint in figures.endpoints.iter().filter(|endpoint| !endpoint.points.is_empty()) {
        let Ok(second) = endpoint.name.parse::<usize>() else { continue };
        assert_eq!(endpoint.points.len(), second / step + 1, "the point of {second}");
    }
}

/// Scenario: a request with a sampled trace, of a source whose clock is two hours behind. Guarantees: it is said when it came.
#[test]
fn exemplars_of_a_wrong_clock() {
    let mut recorder = recorder(SeriesLimits::of_count(10));
    let (sources, mut out) = (sources(2), Emitted::default());
    let row = Request {
        reported_at: at(100.0).wall.as_secs() - 7_200.0,
        response_time: ResponseTime::from_ms(100.0),
        extra: Some(Box::new(Extra {
            trace: TraceContext::from_hex("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", None, true),
            ..Extra::default()
        })),
        ..Request::default()
    };
    recorder.record_requests(&[row], Origin { source: Some(&sources[1]), now: at(100.0) }, &mut out);
    let figures = figures(&mut *recorder, Stage::Final { complete: true }, at(101.0));
    let off = figures.total.exemplars[0].time.as_secs() - at(100.0).wall.as_secs();
    assert!(off.abs() < 1.0, "{off}");
}

/// Scenario: endpoints of many distributions. Guarantees: percentiles of a point are within 4 % of the exact ones.
#[test]
fn percentiles_of_points_are_about_right() {
    let mut numbers = Numbers(2);
    let mut recorder = recorder(SeriesLimits::of_count(100));
    let sources = sources(2);
    let mut out = Emitted::default();
    for spread in 1..20_u32 {
        let name = format!("/{spread}");
        let rows: Vec<_> = (0..2_000)
            .map(|_| Request {
                reported_at: at(1.5).wall.as_secs(),
                name: (&*name).into(),
                response_time: ResponseTime::from_ms((numbers.normal() * f64::from(spread) / 5.0).exp() * 50.0),
                ..Request::default()
            })
            .collect();
        recorder.record_requests(&rows, Origin { source: Some(&sources[1]), now: at(2.0) }, &mut out);
    }
    let figures = figures(&mut *recorder, Stage::Final { complete: true }, at(3.0));
    for endpoint in &figures.endpoints {
        let times = endpoint.points[0].times.unwrap();
        for (percent, got) in [(50.0, times.p50_ms), (95.0, times.p95_ms), (99.0, times.p99_ms), (100.0, times.max_ms)]
        {
            let (exact, got) = (endpoint.percentile(percent).unwrap(), f64::from(got));
            assert!((got / exact - 1.0).abs() < 0.04, "p{percent} of {}: {got}, not {exact}", endpoint.name);
        }
    }
}

/// Scenario: 24 hours of 100 endpoints whose requests take anything between a millisecond and minutes, with three copies of the
/// figures in the hands of backends. Guarantees: all of it takes less than what 64 MiB leave beside the rest of ltel, also while
/// points are merged and figures are taken.
#[test]
fn a_day_is_kept_in_bounds() {
    const MOST: u64 = 30 << 20;
    let mut numbers = Numbers(3);
    let names: Vec<_> = (0..100).map(|n| format!("/api/v1/resource/{n}")).collect();
    let sources = sources(5);
    let memory = Arc::new(RecorderMemory::new(96 << 20, 100));
    let mut recorder = recorder(SeriesLimits { count: 2_000, memory: memory.begin_run() });
    let (mut shown, mut out) = (Vec::<RunFigures>::new(), Emitted::default());
    let mut of_hour = |hour: u32| {
        for second in (0..360).map(|step| hour * 3_600 + step * 10) {
            let now = at(f64::from(second));
            let row = |n: usize| Request {
                reported_at: now.wall.as_secs() - numbers.uniform(),
                name: (&*names[n % names.len()]).into(),
                response_time: ResponseTime::from_ms((numbers.normal() * 1.5).exp() * 100.0),
                ..Request::default()
            };
            let rows: Vec<_> = (0..200).map(row).collect();
            let source = &sources[1 + second as usize / 10 % 4];
            recorder.record_requests(&rows, Origin { source: Some(source), now }, &mut out);
        }
        if hour % 4 == 3 {
            shown.drain(..shown.len().saturating_sub(2));
            shown.push(figures(&mut *recorder, Stage::Running, at(f64::from(hour + 1) * 3_600.0)));
        }
    };
    let mut kept = 0;
    for hour in 0..24 {
        let taken = allocation_counter::measure(|| of_hour(hour));
        let most = kept + i64::try_from(taken.bytes_max).unwrap();
        assert!(most < MOST as i64, "{most} bytes after {hour} hours");
        kept += taken.bytes_current;
    }
    let last = shown.pop().unwrap();
    assert_eq!(last.total.requests, 24 * 360 * 200);
    assert_eq!(last.total.points.iter().map(|point| point.requests).sum::<u64>(), last.total.requests);
    assert!((128..=512).contains(&last.timeline.len()), "{}", last.timeline.len());
    let copy = allocation_counter::measure(|| drop(last));
    assert!(copy.bytes_current > -(6 << 20), "a copy of the figures: {copy:?}, {kept} in all");
}

/// Scenario: two thousand endpoints, each of which has a request now and then for eight minutes, with a copy of the figures in the hands of
/// a backend. Guarantees: the points of all of them take no more than timelines may.
#[test]
fn endpoints_with_few_requests_are_kept_in_bounds() {
    let names: Vec<_> = (0..2_000).map(|n| format!("/{n}")).collect();
    let (sources, mut out) = (sources(2), Emitted::default());
    let mut recorder = recorder(SeriesLimits::of_count(2_000));
    for second in (0..450_u32).step_by(45) {
        let now = at(f64::from(second));
        let row = |n: usize| Request {
            reported_at: now.wall.as_secs(),
            name: (&*names[n]).into(),
            response_time: ResponseTime::from_ms(100.0),
            ..Request::default()
        };
        let rows: Vec<_> = (0..names.len()).map(row).collect();
        recorder.record_requests(&rows, Origin { source: Some(&sources[1]), now }, &mut out);
    }
    let taken = allocation_counter::measure(|| drop(figures(&mut *recorder, Stage::Running, at(450.0))));
    assert!(taken.bytes_max < 12 << 20, "{taken:?}");
}
