//! What a traced request costs in process: decoding a batch of requests with ids, and writing their spans.
#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ltel_core::event::{Extra, Request, RequestError, ResponseTime};
use ltel_core::recorder::{Emitted, Factory, Origin, RecorderFactory, SeriesLimits};
use ltel_core::runs::{RunInfo, SourceInfo};
use ltel_core::source::Source;
use ltel_core::trace::TraceContext;
use ltel_core::wire::{Decoded, Encoding, Frame, Message, Rows};
use ltel_core::{Now, Timestamp};
use ltel_recorders::{Spans, spans};

const ROWS: u32 = 1_000;
const AT: f64 = 1_700_000_000.0;

fn frame() -> Vec<u8> {
    let row = |n: u32| {
        let failed = n.is_multiple_of(50);
        let name = format!("/api/v1/resource/{}", n % 100);
        let trace = TraceContext {
            trace_id: u128::from(n + 1).into(),
            span_id: u64::from(n + 1).into(),
            parent_span_id: None,
            sampled: true,
        };
        let extra = Extra {
            url: Some(format!("http://shop.example:8080{name}?page={n}").into()),
            user_class: Some("Shopper".into()),
            trace: Some(trace),
            ..Extra::default()
        };
        Request {
            start_time: AT + f64::from(n) / 1e3,
            method: "GET".into(),
            name: name.into(),
            response_time: ResponseTime::from_ms(5.0 + f64::from(n * 31 % 900)),
            response_length: 1_234,
            status_code: Some(if failed { 500 } else { 200 }),
            error: failed.then(|| RequestError { class: "HTTPError".into(), text: "500 Server Error".into() }),
            extra: Some(Box::new(extra)),
            ..Request::default()
        }
    };
    let rows = Rows { rows: (0..ROWS).map(row).collect(), time: Some(AT + 1.0), ..Rows::default() };
    let frame = Frame { seq: Some(1), message: Message::Requests(rows) };
    Encoding::MessagePack.encode(&frame).expect("can be encoded").split_off(4)
}

fn spans(c: &mut Criterion) {
    let payload = frame();
    let source = Arc::new(SourceInfo::new(0, Source::default()));
    let now = Now { wall: Timestamp::from_secs(AT + 1.0), ..Now::default() };
    let origin = Origin { source: Some(&source), now };
    let decode = |payload| match Encoding::MessagePack.decode(payload, now.wall) {
        Ok(Decoded { frame: Frame { message: Message::Requests(rows), .. }, .. }) => rows,
        other => panic!("a batch of requests, not {other:?}"),
    };
    let mut group = c.benchmark_group("spans");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    group.bench_function("decode", |b| b.iter(|| black_box(decode(black_box(&payload)))));
    let run = Arc::new(RunInfo { run_id: "12345678".to_owned(), testplan: "shop".to_owned(), ..RunInfo::default() });
    let factory = Factory::<Spans>::new(spans::Options::default());
    let mut recorder = factory.build("spans", run, &[], SeriesLimits::of_count(2_000));
    let (rows, mut out) = (decode(&payload), Emitted::default());
    group.bench_function("write", |b| {
        b.iter(|| {
            recorder.record_requests(black_box(&rows.rows), origin, &mut out);
            assert!(out.mismatches.is_empty());
            black_box(out.spans.take());
        });
    });
    group.finish();
}

criterion_group!(benches, spans);
criterion_main!(benches);
