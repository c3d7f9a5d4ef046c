//! What an event costs in memory: nothing, once its series is known.

use std::sync::Arc;
use std::time::Duration;

use ltel_core::event::{Event, Extra, Measurement, MeasurementKind, Request, RequestError, ResponseTime};
use ltel_core::exemplar::KeepExemplars;
use ltel_core::meter::{Collector, MeterSettings, meter};
use ltel_core::recorder::{
    AnyRecorder, Emitted, Factory, Origin, Recorder, RecorderFactory, RecorderMemory, SeriesLimits,
};
use ltel_core::runs::{RunInfo, SourceInfo};
use ltel_core::source::Source;
use ltel_core::trace::TraceContext;
use ltel_core::{Now, Timestamp};
use ltel_recorders::{Custom, Failures, Http, Requests, Stats, custom, failures, http, requests, stats};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;

fn recorder<R: Recorder>(options: R::Options) -> (Box<dyn AnyRecorder>, Vec<Collector>) {
    recorder_within::<R>(options, SeriesLimits::of_count(2_000))
}

fn recorder_within<R: Recorder>(options: R::Options, limits: SeriesLimits) -> (Box<dyn AnyRecorder>, Vec<Collector>) {
    recorder_with::<R>(options, limits, KeepExemplars::No)
}

fn recorder_with<R: Recorder>(
    options: R::Options,
    limits: SeriesLimits,
    exemplars: KeepExemplars,
) -> (Box<dyn AnyRecorder>, Vec<Collector>) {
    let resource = Resource::builder_empty().build();
    let settings = MeterSettings { exemplars, ..MeterSettings::new(resource, Temporality::Cumulative) };
    let (meters, collectors): (Vec<_>, Vec<_>) = (0..2).map(|_| meter(&settings, "test", 2_000)).unzip();
    (Factory::<R>::new(options).build("test", Arc::new(RunInfo::default()), &meters, limits), collectors)
}

fn rows() -> Vec<Request<'static>> {
    let error = || RequestError { class: "HTTPError".into(), text: "503 Service Unavailable".into() };
    let row = |n: u32| Request {
        start_time: 1_700_000_000.0,
        reported_at: 1_700_000_001.0,
        method: "GET".into(),
        name: format!("/resource/{}", n % 100).into(),
        response_time: ResponseTime::from_ms(f64::from(n % 900)),
        response_length: 512,
        status_code: Some(if n.is_multiple_of(50) { 503 } else { 200 }),
        error: (n.is_multiple_of(50)).then(error),
        extra: None,
    };
    (0..1_000).map(row).collect()
}

/// Scenario: the same thousand requests again, of a hundred endpoints, some of them failed, to two backends.
/// Guarantees: recording them allocates nothing.
#[test]
fn what_is_known_costs_no_allocation() {
    let rows = rows();
    let source = Arc::new(SourceInfo::new(0, Source::default()));
    let origin =
        Origin { source: Some(&source), now: Now { wall: Timestamp::from_secs(1_700_000_001.0), ..Now::default() } };
    for (name, (mut recorder, _collectors)) in [
        ("requests", recorder::<Requests>(requests::Options::default())),
        ("http", recorder::<Http>(http::Options::default())),
        ("failures", recorder::<Failures>(failures::Options::default())),
        ("stats", recorder::<Stats>(stats::Options::default())),
    ] {
        let mut out = Emitted::default();
        let first = allocation_counter::measure(|| recorder.record_requests(&rows, origin, &mut out));
        assert!(first.count_total > 0, "{name}: what is new is kept");
        let again = allocation_counter::measure(|| recorder.record_requests(&rows, origin, &mut out));
        assert_eq!(again.count_total, 0, "{name}: {again:?}");
    }
}

/// Scenario: the same requests to backends that want exemplars, without traces and with traces that are not sampled; and then all of
/// them sampled.
/// Guarantees: recording those that are not sampled allocates nothing for exemplars, nor does a later exemplar in place of another.
#[test]
fn what_is_not_sampled_costs_no_allocation() {
    let source = Arc::new(SourceInfo::new(0, Source::default()));
    let origin =
        Origin { source: Some(&source), now: Now { wall: Timestamp::from_secs(1_700_000_001.0), ..Now::default() } };
    let traced = |sampled| {
        let context = |n: usize| TraceContext {
            trace_id: (n as u128 + 1).into(),
            span_id: (n as u64 + 1).into(),
            parent_span_id: None,
            sampled,
        };
        let extra = |n| Some(Box::new(Extra { trace: Some(context(n)), ..Extra::default() }));
        rows().into_iter().enumerate().map(|(n, row)| Request { extra: extra(n), ..row }).collect::<Vec<_>>()
    };
    let (untraced, not_sampled, sampled) = (rows(), traced(false), traced(true));
    let limits = SeriesLimits::of_count(2_000);
    let (mut recorder, collectors) =
        recorder_with::<Requests>(requests::Options::default(), limits, KeepExemplars::UntilCollected);
    let mut out = Emitted::default();
    let mut allocated = |rows: &[Request<'_>]| {
        allocation_counter::measure(|| recorder.record_requests(rows, origin, &mut out)).count_total
    };
    assert!(allocated(&untraced) > 0, "what is new is kept");
    assert_eq!((allocated(&untraced), allocated(&not_sampled)), (0, 0));
    assert!(allocated(&sampled) > 0, "the first exemplars are kept");
    assert_eq!(allocated(&sampled), 0);
    for collector in &collectors {
        collector.collect().expect("points");
    }
    assert_eq!(allocated(&sampled), 0, "what was collected leaves its room");
}

/// Scenario: endpoints whose requests take what requests take, a few of them or a hundred thousand, and one whose requests take
/// anything from a microsecond to a day.
/// Guarantees: `stats` needs no more memory for an endpoint than what its response times differ by; at most twice as much if each
/// interval is told of each endpoint.
#[test]
#[allow(clippy::cast_sign_loss)]
fn what_an_endpoint_takes() {
    let source = Arc::new(SourceInfo::new(0, Source::default()));
    let mut random = 1_u64;
    let mut uniform = move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut taken = |endpoints: stats::EndpointLines, requests: u32, ms: &mut dyn FnMut(f64) -> f64| {
        const ENDPOINTS: [&str; 10] = ["/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h", "/i", "/j"];
        let (mut recorder, _) = recorder::<Stats>(stats::Options { endpoints, ..stats::Options::default() });
        let mut out = Emitted::default();
        let mut next_tick = 3.0;
        let all = allocation_counter::measure(|| {
            for n in 0..requests {
                let seconds = f64::from(n) * 60.0 / f64::from(requests);
                let now = Now::default().later(Duration::from_secs_f64(seconds));
                if seconds >= next_tick {
                    next_tick += 3.0;
                    recorder.tick(Origin { source: Some(&source), now }, &mut Emitted::default());
                }
                // A sum of uniform numbers is about normal.
                let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
                let ms = ms(normal);
                let rows = ENDPOINTS.map(|name| Request {
                    reported_at: seconds,
                    name: name.into(),
                    response_time: ResponseTime::from_ms(ms),
                    ..Request::default()
                });
                recorder.record_requests(&rows, Origin { source: Some(&source), now }, &mut out);
            }
        });
        all.bytes_current as u64 / ENDPOINTS.len() as u64
    };
    let mut around_100_ms = |normal: f64| (normal * 0.5).exp() * 100.0;
    for (endpoints, requests, most) in [
        (stats::EndpointLines::Final, 1, 2 << 10),
        (stats::EndpointLines::Final, 100, 7 << 10),
        (stats::EndpointLines::Final, 100_000, 16 << 10),
        (stats::EndpointLines::Interval, 100_000, 32 << 10),
    ] {
        let taken = taken(endpoints, requests, &mut around_100_ms);
        assert!(taken < most, "{requests} requests: {taken} bytes per endpoint");
    }
    let taken = taken(stats::EndpointLines::Final, 100_000, &mut |normal: f64| 10_f64.powf(normal * 2.0 + 2.0));
    assert!(taken < 48 << 10, "any time: {taken} bytes per endpoint");
}

/// Scenario: twenty runs at a time, each of a thousand endpoints with names of 900 bytes and as many errors, to recorders that have
/// 8 MiB for all of them. Guarantees: they allocate no more than that; what finds no room is counted as beyond the series limit;
/// each run has some series of its own, also the last one; all is free again when the runs are over.
#[test]
fn what_the_recorders_of_all_runs_keep_is_bounded() {
    const BYTES: i64 = 8 << 20;
    let memory = Arc::new(RecorderMemory::new(8 << 20, 20));
    let source = Arc::new(SourceInfo::new(0, Source::default()));
    let origin = Origin { source: Some(&source), now: Now::default() };
    let long = |n: usize| format!("{n} {}", "x".repeat(900));
    let rows: Vec<_> = (0..1_000)
        .map(|n| Request {
            name: long(n).into(),
            response_time: ResponseTime::from_ms((n * n) as f64),
            error: Some(RequestError { class: "HTTPError".into(), text: long(n).into() }),
            ..Request::default()
        })
        .collect();
    let mut out = Emitted::default();
    let begin = || {
        let limits = SeriesLimits { count: 2_000, memory: memory.begin_run() };
        [
            recorder_within::<Requests>(requests::Options::default(), limits.clone()),
            recorder_within::<Stats>(stats::Options::default(), limits),
        ]
    };
    let mut runs: Vec<_> = (0..20).map(|_| begin()).collect();
    let kept = allocation_counter::measure(|| {
        for (recorder, _) in runs.iter_mut().flatten() {
            recorder.record_requests(&rows, origin, &mut out);
        }
    });
    assert!((2 << 20..=BYTES).contains(&kept.bytes_current), "{kept:?}");
    let overflowed =
        |run: &[(Box<dyn AnyRecorder>, Vec<Collector>)]| run.iter().map(|of| of.0.overflowed()).sum::<u64>();
    let (first, last) = (overflowed(&runs[0]), overflowed(&runs[19]));
    assert!(first < last && last < 2_000, "{first} {last}");
    drop(runs);
    let mut again = begin();
    for (recorder, _) in &mut again {
        recorder.record_requests(&rows, origin, &mut out);
    }
    assert_eq!(overflowed(&again), first);
}

/// Scenario: twenty runs at a time, each of 2,000 metrics with long names that no metric can have, to recorders that have 4 MiB for all of
/// them. Guarantees: their names are within it, but for what was said of some.
#[test]
fn names_that_no_metric_can_have_are_bounded() {
    const BYTES: usize = 4 << 20;
    const SAID: usize = 1 << 20;
    let source = Arc::new(SourceInfo::new(0, Source::default()));
    let origin = Origin { source: Some(&source), now: Now::default() };
    let memory = Arc::new(RecorderMemory::new(BYTES, 20));
    let mut runs: Vec<_> = (0..20)
        .map(|_| {
            let limits = SeriesLimits { count: 2_000, memory: memory.begin_run() };
            recorder_within::<Custom>(custom::Options::default(), limits)
        })
        .collect();
    let kept = allocation_counter::measure(|| {
        for (recorder, _) in &mut runs {
            for n in 0..2_000 {
                let value = Measurement {
                    time: 0.0,
                    name: format!("0{n}{}", "x".repeat(240)).into(),
                    kind: MeasurementKind::Counter,
                    unit: "".into(),
                    description: "".into(),
                    value: 1.0,
                    labels: Arc::default(),
                };
                recorder.record(&Event::Measurement(&value), origin, &mut Emitted::default());
            }
        }
    });
    let kept = usize::try_from(kept.bytes_current).unwrap();
    assert!((BYTES / 4..BYTES + SAID).contains(&kept), "{kept} bytes");
}
