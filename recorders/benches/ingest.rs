//! How many request events one core takes: frames as the plugin sends them, decoded and recorded by `requests` and `stats`
//! for a JSON and an OTLP backend. Collection by the backends is measured apart: it happens once per interval.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ltel_core::event::{Extra, Request, RequestError, ResponseTime};
use ltel_core::exemplar::KeepExemplars;
use ltel_core::figures::Stage;
use ltel_core::meter::{Collector, MeterSettings, meters};
use ltel_core::recorder::{AnyRecorder, Emitted, Factory, Origin, Recorder, RecorderFactory, SeriesLimits};
use ltel_core::runs::{RunInfo, SourceInfo};
use ltel_core::source::Source;
use ltel_core::trace::TraceContext;
use ltel_core::wire::{Decoded, Encoding, Frame, Message, Rows};
use ltel_core::{Now, Timestamp};
use ltel_recorders::{Failures, Http, Requests, Stats, failures, http, requests, stats};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;

const ROWS: u32 = 1_000;
const ENDPOINTS: u32 = 100;

fn frame() -> Vec<u8> {
    let row = |n: u32| Request {
        start_time: 1_700_000_000.0 + f64::from(n) / 1e3,
        reported_at: 1_700_000_001.0,
        method: if n.is_multiple_of(3) { "POST".into() } else { "GET".into() },
        name: format!("/api/v1/resource/{}", n * 7 % ENDPOINTS).into(),
        response_time: ResponseTime::from_ms(5.0 + f64::from(n * 31 % 900)),
        response_length: 1_234,
        status_code: Some(if n.is_multiple_of(50) { 500 } else { 200 }),
        error: n
            .is_multiple_of(50)
            .then(|| RequestError { class: "HTTPError".into(), text: "500 Server Error".into() }),
        extra: None,
    };
    let rows = Rows { rows: (0..ROWS).map(row).collect(), ..Rows::default() };
    let frame = Frame { seq: Some(1), message: Message::Requests(rows) };
    Encoding::MessagePack.encode(&frame).expect("can be encoded").split_off(4)
}

/// A recorder for as many backends that want the same, in a run that begins now.
fn recorder<R: Recorder>(options: R::Options, backends: usize, begun: Now) -> (Box<dyn AnyRecorder>, Vec<Collector>) {
    recorder_with::<R>(options, backends, begun, KeepExemplars::No)
}

fn recorder_with<R: Recorder>(
    options: R::Options,
    backends: usize,
    begun: Now,
    exemplars: KeepExemplars,
) -> (Box<dyn AnyRecorder>, Vec<Collector>) {
    let settings =
        MeterSettings { exemplars, ..MeterSettings::new(Resource::builder_empty().build(), Temporality::Cumulative) };
    recorder_of::<R>(options, &vec![settings; backends], begun)
}

fn recorder_of<R: Recorder>(
    options: R::Options,
    backends: &[MeterSettings],
    begun: Now,
) -> (Box<dyn AnyRecorder>, Vec<Collector>) {
    let (meters, collectors) = meters(backends, "bench", 2_000);
    (
        Factory::<R>::new(options).build(
            "bench",
            Arc::new(RunInfo { begun, ..RunInfo::default() }),
            &meters,
            SeriesLimits::of_count(2_000),
        ),
        collectors,
    )
}

fn ingest(c: &mut Criterion) {
    let payload = frame();
    let source = Arc::new(SourceInfo::new(0, Source::default()));
    let origin =
        Origin { source: Some(&source), now: Now { wall: Timestamp::from_secs(1_700_000_001.0), ..Now::default() } };
    let decode = |payload| match Encoding::MessagePack.decode(payload, origin.now.wall) {
        Ok(Decoded { frame: Frame { message: Message::Requests(rows), .. }, .. }) => rows,
        other => panic!("a batch of requests, not {other:?}"),
    };

    let mut group = c.benchmark_group("ingest");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    group.bench_function("decode", |b| b.iter(|| black_box(decode(black_box(&payload)))));

    let mut out = Emitted::default();
    // One of the second pair wants deltas, so that each request is recorded twice.
    for (name, temporalities) in [
        ("requests to 2", [Temporality::Cumulative, Temporality::Cumulative]),
        ("requests to 2, one with deltas", [Temporality::Cumulative, Temporality::Delta]),
    ] {
        let backends = temporalities.map(|wanted| MeterSettings::new(Resource::builder_empty().build(), wanted));
        let (mut recorder, _collectors) = recorder_of::<Requests>(requests::Options::default(), &backends, origin.now);
        let rows = decode(&payload);
        group.bench_function(name, |b| {
            b.iter(|| recorder.record_requests(black_box(&rows.rows), origin, &mut out));
        });
    }
    // The price of exemplars: of requests without traces, of those that are not sampled, and of those that are.
    for (exemplars, name) in [(KeepExemplars::No, "no exemplars"), (KeepExemplars::UntilCollected, "exemplars")] {
        for (trace, rows_are) in [(None, "untraced"), (Some(false), "not sampled"), (Some(true), "sampled")] {
            let (mut recorder, _collectors) =
                recorder_with::<Requests>(requests::Options::default(), 2, origin.now, exemplars);
            let mut rows = decode(&payload);
            for (n, row) in rows.rows.iter_mut().enumerate() {
                row.extra = trace.map(|sampled| {
                    let (trace_id, span_id) = ((n as u128 + 1).into(), (n as u64 + 1).into());
                    let trace = TraceContext { trace_id, span_id, parent_span_id: None, sampled };
                    Box::new(Extra { trace: Some(trace), ..Extra::default() })
                });
            }
            group.bench_function(format!("requests to 2, {name}, {rows_are}"), |b| {
                b.iter(|| recorder.record_requests(black_box(&rows.rows), origin, &mut out));
            });
        }
    }
    let (mut http_only, _collectors) = recorder::<Http>(http::Options::default(), 1, origin.now);
    let rows = decode(&payload);
    group.bench_function("http to 1", |b| {
        b.iter(|| http_only.record_requests(black_box(&rows.rows), origin, &mut out));
    });
    let (mut failures_only, _) = recorder::<Failures>(failures::Options::default(), 0, origin.now);
    let rows = decode(&payload);
    group.bench_function("failures", |b| {
        b.iter(|| failures_only.record_requests(black_box(&rows.rows), origin, &mut out));
    });
    let (mut stats_only, _) = recorder::<Stats>(stats::Options::default(), 0, origin.now);
    let rows = decode(&payload);
    group.bench_function("stats", |b| {
        b.iter(|| stats_only.record_requests(black_box(&rows.rows), origin, &mut out));
    });

    let (mut stats_shown, _) = recorder::<Stats>(stats::Options::default(), 0, origin.now);
    stats_shown.keep_figures();
    group.bench_function("stats with figures", |b| {
        b.iter(|| stats_shown.record_requests(black_box(&rows.rows), origin, &mut out));
    });

    let (mut figures_only, _) = recorder::<Stats>(stats::Options::for_figures(), 0, origin.now);
    figures_only.keep_figures();
    group.bench_function("figures without records", |b| {
        b.iter(|| figures_only.record_requests(black_box(&rows.rows), origin, &mut out));
    });

    let (mut requests, collectors) = recorder::<Requests>(requests::Options::default(), 2, origin.now);
    let (mut stats, _) = recorder::<Stats>(stats::Options::default(), 0, origin.now);
    group.bench_function("decode, requests to 2, stats", |b| {
        b.iter(|| {
            let rows = decode(black_box(&payload));
            requests.record_requests(&rows.rows, origin, &mut out);
            stats.record_requests(&rows.rows, origin, &mut out);
        });
    });
    group.finish();

    c.bench_function("collect 100 endpoints", |b| {
        b.iter_batched(|| (), |()| black_box(collectors[0].collect()), BatchSize::SmallInput);
    });
}

/// Figures as they are taken each second while a test runs, after a point of each endpoint for a long time.
fn figures(c: &mut Criterion) {
    let source = Arc::new(SourceInfo::new(0, Source::default()));
    let mut out = Emitted::default();
    for endpoints in [100, 2_000] {
        let (mut recorder, _) = recorder::<Stats>(stats::Options::default(), 0, Now::default());
        recorder.keep_figures();
        let names: Vec<_> = (0..endpoints).map(|n| format!("/api/v1/resource/{n}")).collect();
        let at = |second: u32| {
            let now = Now::default().later(Duration::from_secs(u64::from(second)));
            Origin { source: Some(&source), now }
        };
        for second in 0..500 {
            let row = |n: u32| Request {
                reported_at: f64::from(second),
                name: (&*names[n as usize % names.len()]).into(),
                response_time: ResponseTime::from_ms(20.0 + f64::from((n * 7_919 + second * 31) % 200)),
                ..Request::default()
            };
            let rows: Vec<_> = (0..2_000).map(row).collect();
            recorder.record_requests(&rows, at(second), &mut out);
        }
        c.bench_function(&format!("figures of {endpoints} endpoints"), |b| {
            b.iter(|| black_box(recorder.figures(Stage::Running, at(500))));
        });
    }
}

criterion_group!(benches, ingest, figures);
criterion_main!(benches);
