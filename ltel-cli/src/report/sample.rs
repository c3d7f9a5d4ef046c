//! Figures for tests: a run of every kind. Nothing in them depends on chance or on the clock.

#![allow(clippy::cast_possible_truncation)] // small numbers

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ltel_core::figures::{
    Annotation, AnnotationKind, EndpointFigures, ErrorFigures, ExceptionFigures, Exemplar, GeneratorFigures, Histogram,
    Point, PointTimes, RunFigures, Sketch, Stage, TestInfo, Timeline,
};
use ltel_core::runs::{DropReason, RunAccount, RunInfo, SourceAccount, SourceInfo, SourceStatus};
use ltel_core::source::{Source, SourceKind};
use ltel_core::thresholds::{Judgement, Unit};
use ltel_core::{Now, Timestamp};

/// A name as no honest test has it: markup, what ends a script, quotes, what ends a table's cell or a code span, line breaks, an
/// escape sequence, a mark that turns the direction of text, characters that XML does not have.
pub(crate) const HOSTILE: &str =
    "/a|b`c``d</script><img src=x onerror=alert(1)>&amp;\"'\\\r\n\u{1b}[31m\u{202e}]]>\u{0}\u{fffe} 🦀";

const BEGUN: f64 = 1_767_225_600.25;

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_secs(BEGUN + seconds)
}

/// The run of all these figures.
pub(crate) fn run() -> RunInfo {
    RunInfo {
        run_id: "7c1f".to_owned(),
        testplan: "shop".to_owned(),
        begun: Now { wall: at(0.0), steady: Duration::from_secs(3) },
        started: Some(BEGUN + 0.5),
        ..RunInfo::default()
    }
}

/// A run with a hostile id and test plan.
pub(crate) fn hostile_run() -> RunInfo {
    RunInfo { run_id: format!("../{HOSTILE}"), testplan: HOSTILE.to_owned(), ..run() }
}

/// A run in which everything occurs: two workers, one of which was busy, failures, hostile names, requests without a time.
pub(crate) fn small() -> RunFigures {
    let points = 5;
    let endpoints = vec![
        endpoint("GET", "/", 400, 0, 7_000, points),
        endpoint("GET", HOSTILE, 120, 12, 90_000, points),
        EndpointFigures {
            method: "TICK".to_owned(),
            name: "untimed".to_owned(),
            requests: 3,
            rate: 0.6,
            mean_length: Some(0.0),
            points: vec![Point { requests: 3, ..Point::default() }],
            ..EndpointFigures::default()
        },
    ];
    RunFigures {
        thresholds: vec![
            Judgement {
                actual_value: Some(162.0),
                limit_value: Some(500.0),
                unit: Unit::Milliseconds,
                ..judgement("all", "p95", "< 500ms", Some("162 ms"), true)
            },
            Judgement {
                actual_value: Some(0.0229),
                limit_value: Some(0.01),
                unit: Unit::Ratio,
                ..judgement("all", "failure_ratio", "< 1%", Some("2.29 %"), false)
            },
            Judgement {
                reason: Some("no endpoint matches `POST /none*`".to_owned()),
                unit: Unit::Milliseconds,
                ..judgement("POST /none*", "p99", "< 1s", None, false)
            },
            Judgement {
                aborted: true,
                actual_value: Some(1_800.0),
                limit_value: Some(100.0),
                unit: Unit::Milliseconds,
                endpoint: Some(format!("GET {HOSTILE}")),
                ..judgement("GET /a*", "max", "< 100ms", Some("1800 ms"), false)
            },
        ],
        errors: vec![
            error(HOSTILE, "ConnectionRefusedError(111, 'Connection refused')", 10),
            error(HOSTILE, HOSTILE, 2),
        ],
        exceptions: vec![ExceptionFigures {
            user: "Shopper".to_owned(),
            error: format!("KeyError: {HOSTILE}"),
            traceback: format!("Traceback (most recent call last):\n  File \"shop.py\", line 9\n{HOSTILE}"),
            occurrences: 4,
            first: at(1.0),
            last: at(4.0),
        }],
        ..of(endpoints, points)
    }
}

/// A run of an hour with 100 endpoints.
pub(crate) fn large() -> RunFigures {
    let points = 450;
    let endpoint = |n: u64| {
        let name = format!("/catalogue/{n:03}/items");
        endpoint(["GET", "POST"][n as usize % 2], &name, 36_000 + 70 * n, n % 7 * 40, 4_000 + 900 * n, points)
    };
    let mut figures = of((0..100).map(endpoint).collect(), points);
    figures.timeline.step = Duration::from_secs(8);
    figures.duration = Duration::from_hours(1);
    figures
}

/// A run without a single request.
pub(crate) fn empty() -> RunFigures {
    RunFigures {
        time: at(5.0),
        stage: Stage::Final { complete: true },
        begun: at(0.5),
        total: EndpointFigures { name: "Aggregated".to_owned(), ..EndpointFigures::default() },
        ..RunFigures::default()
    }
}

/// Like [`small`], with requests that did not arrive and a worker that did not end well.
pub(crate) fn incomplete() -> RunFigures {
    let mut figures = small();
    figures.stage = Stage::Final { complete: false };
    figures.account.sources[1].dropped = BTreeMap::from([(DropReason::BufferFull, 7), (DropReason::NotReceived, 2)]);
    figures.account.sources[1].sent += 9;
    figures.account.sources[2].status = SourceStatus::Missing;
    figures
}

/// Like [`small`], where rules drop requests that the figures hold, or not, and recorders have left out values.
pub(crate) fn filtered(own_names: bool) -> RunFigures {
    let mut figures = small();
    figures.account.sources[1].recorded -= 5;
    figures.account.sources[1].filtered = 5;
    figures.own_names = own_names;
    figures.values_left_out = BTreeMap::from([("checkout".to_owned(), 665), ("events".to_owned(), 240)]);
    figures
}

fn of(endpoints: Vec<EndpointFigures>, points: usize) -> RunFigures {
    let total = total(&endpoints);
    let times = |n: usize| Sketch { counts: vec![(40 + n as u16 % 7, 30), (70, 9), (100 + n as u16 % 3, 2)] };
    let worker = |index: u32| {
        let source = Source {
            kind: SourceKind::Worker,
            id: format!("w{index}"),
            worker_index: Some(index),
            host: "load-1".to_owned(),
            pid: 100 + index,
        };
        Some(Arc::new(SourceInfo::new(index + 1, source)))
    };
    let master = Source { kind: SourceKind::Master, host: "load-1".to_owned(), pid: 99, ..Source::default() };
    let master = Some(Arc::new(SourceInfo::new(0, master)));
    let account = |source: &Option<Arc<SourceInfo>>, sent| SourceAccount {
        source: source.clone(),
        label: source.as_ref().map(|source| source.label.clone()).unwrap_or_default(),
        status: SourceStatus::Done,
        sent,
        recorded: sent,
        filtered: 0,
        dropped: BTreeMap::new(),
    };
    let half = total.requests / 2;
    RunFigures {
        time: at(6.0),
        stage: Stage::Final { complete: true },
        test: TestInfo {
            host: Some("http://shop.example".to_owned()),
            users: Some(20),
            spawn_rate: Some(2.5),
            run_time: Some(Duration::from_secs(5)),
            locustfile: Some("shop".to_owned()),
            user_classes: vec!["Shopper".to_owned(), HOSTILE.to_owned()],
            locust_version: Some("2.47.0".to_owned()),
        },
        begun: at(0.5),
        duration: Duration::from_secs(5),
        users: 20,
        timeline: Timeline {
            begun: at(0.25),
            step: Duration::from_secs(1),
            users: (0..points as u64).map(|n| (n > 0).then_some(20.min(5 * n))).collect(),
            times: (0..points).map(times).collect(),
        },
        generators: [(None, master.clone()), (Some(35.0), worker(0)), (Some(95.5), worker(1))]
            .into_iter()
            .map(|(cpu, source): (Option<f32>, _)| GeneratorFigures {
                label: source.as_ref().map(|source: &Arc<SourceInfo>| source.label.clone()).unwrap_or_default(),
                source,
                cpu_percent: vec![cpu; points],
                memory_bytes: vec![cpu.map(|_| 90 << 20); points],
                max_cpu_percent: cpu.map(f64::from),
                mean_cpu_percent: cpu.map(|cpu| f64::from(cpu) * 0.9),
                max_memory_bytes: cpu.map(|_| 90 << 20),
                cpu_warnings: u64::from(cpu.is_some_and(|cpu| cpu > 90.0)),
            })
            .collect(),
        annotations: vec![
            annotation(0.5, AnnotationKind::Start, None, ""),
            annotation(3.0, AnnotationKind::SpawningComplete, None, "20 users"),
            annotation(4.0, AnnotationKind::CpuWarning, Some("worker-1"), "95.5 %"),
            annotation(5.5, AnnotationKind::Stop, None, ""),
        ],
        account: RunAccount {
            sources: vec![account(&master, 0), account(&worker(0), half), account(&worker(1), total.requests - half)],
            ..RunAccount::default()
        },
        total,
        endpoints,
        ..RunFigures::default()
    }
}

/// An endpoint whose response times are spread from `us` to its double, with a few that are much slower.
fn endpoint(method: &str, name: &str, requests: u64, failures: u64, us: u64, points: usize) -> EndpointFigures {
    let mut counts = BTreeMap::new();
    // Some at a time, as tests are not optimized.
    let at_once = requests / 2_000 + 1;
    for n in 0..requests.div_ceil(at_once) {
        // Far from evenly spread, as in life, and yet the same each time.
        let slow = if n % 97 == 0 { 20 } else { 1 };
        let time = us * slow + n.wrapping_mul(2_654_435_761) % 65_536 * us / 65_536;
        *counts.entry(Histogram::bucket_of(time)).or_insert(0_u64) += at_once.min(requests - n * at_once);
    }
    let histogram = Histogram::from_counts(counts);
    let ms = us as f64 / 1e3;
    let of_point = |n: usize| {
        let requests = (requests * (n as u64 + 1)) / points as u64 - (requests * n as u64) / points as u64;
        let p50 = ms as f32 * (1.4 + n as f32 % 11.0 / 40.0);
        let times = PointTimes { p50_ms: p50, p95_ms: p50 * 1.37, p99_ms: p50 * 9.13, max_ms: p50 * 12.5 };
        Point { requests, failures: failures.min(n as u64 % 2), times: Some(times) }
    };
    EndpointFigures {
        method: method.to_owned(),
        name: name.to_owned(),
        requests,
        failures,
        min_ms: histogram.at_rank(1),
        max_ms: histogram.at_rank(requests),
        mean_ms: Some(ms * 1.7),
        mean_length: Some(1_234.5),
        rate: requests as f64 / 5.0,
        failure_rate: failures as f64 / 5.0,
        current_rate: requests as f64 / 4.0,
        current_failure_rate: failures as f64 / 4.0,
        histogram,
        points: (0..points).map(of_point).collect(),
        exemplars: vec![Exemplar {
            time: at(2.0),
            ms: ms * 20.0,
            failed: failures > 0,
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            span_id: "b7ad6b7169203331".to_owned(),
        }],
    }
}

fn total(endpoints: &[EndpointFigures]) -> EndpointFigures {
    let mut total = EndpointFigures { name: "Aggregated".to_owned(), ..EndpointFigures::default() };
    for endpoint in endpoints {
        total.requests += endpoint.requests;
        total.failures += endpoint.failures;
        total.rate += endpoint.rate;
        total.failure_rate += endpoint.failure_rate;
        total.histogram.add(&endpoint.histogram);
        for (n, point) in endpoint.points.iter().enumerate() {
            if total.points.len() <= n {
                total.points.push(Point::default());
            }
            let sum = &mut total.points[n];
            *sum = Point {
                requests: sum.requests + point.requests,
                failures: sum.failures + point.failures,
                times: point.times.or(sum.times),
            };
        }
    }
    let times = || endpoints.iter().filter(|endpoint| !endpoint.histogram.is_empty());
    total.min_ms = times().filter_map(|endpoint| endpoint.min_ms).reduce(f64::min);
    total.max_ms = times().filter_map(|endpoint| endpoint.max_ms).reduce(f64::max);
    total.mean_ms = Some(42.125);
    total.mean_length = Some(1_234.5);
    total.exemplars = endpoints.iter().flat_map(|endpoint| endpoint.exemplars.clone()).take(5).collect();
    total
}

fn error(name: &str, error: &str, occurrences: u64) -> ErrorFigures {
    ErrorFigures {
        method: "GET".to_owned(),
        name: name.to_owned(),
        error: error.to_owned(),
        occurrences,
        first: at(1.5),
        last: at(4.5),
    }
}

fn judgement(target: &str, quantity: &str, than: &str, actual: Option<&str>, passed: bool) -> Judgement {
    Judgement {
        target: target.to_owned(),
        check: format!("{quantity} {than}"),
        quantity: quantity.to_owned(),
        operator: "<".to_owned(),
        actual: actual.map(ToOwned::to_owned),
        passed,
        ..Judgement::default()
    }
}

fn annotation(seconds: f64, kind: AnnotationKind, source: Option<&str>, text: &str) -> Annotation {
    Annotation { time: at(seconds), kind, source: source.map(ToOwned::to_owned), text: text.to_owned() }
}
