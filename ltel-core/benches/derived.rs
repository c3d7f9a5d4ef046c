//! A derived recorder against the same by hand: they should cost the same.
#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ltel_core::Now;
use ltel_core::event::{RequestError, ResponseTime};
use ltel_core::meter::{MeterSettings, meter};
use ltel_core::prelude::*;
use ltel_core::recorder::{Emitted, Factory, Origin, RecorderFactory, SeriesLimits};
use ltel_core::replay::local;
use ltel_core::runs::{RunInfo, SourceInfo};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct CheckoutOptions {
    slow_ms: f64,
}

/// Checkout traffic by endpoint.
#[derive(Recorder)]
#[recorder(
    on = Request,
    when = |r| r.name.starts_with("/checkout"),
    labels(method, endpoint = name),
    options = CheckoutOptions,
)]
struct Derived {
    /// Time to the last byte.
    #[histogram(unit = "ms", value = response_time, buckets = [100, 250, 1000])]
    duration: Histogram,

    /// Requests that raised.
    #[counter(when = |r| r.error.is_some())]
    failures: Counter,

    /// Requests slower than the configured limit.
    #[counter(when = |r, o| r.response_time > o.slow_ms)]
    slow: Counter,
}

struct ByHand {
    duration: Histogram,
    failures: Counter,
    slow: Counter,
}

impl Recorder for ByHand {
    type Options = CheckoutOptions;

    const SPEC: &'static Spec = &Spec {
        name: "by_hand",
        description: "Checkout traffic by endpoint.",
        scope: "bench",
        events: &[EventKind::Request],
        per: Per::Source,
        labels: &["method", "endpoint"],
        instruments: &[
            InstrumentSpec::new("duration", InstrumentKind::Histogram, "ms", "Time to the last byte.")
                .buckets(&[100.0, 250.0, 1000.0]),
            InstrumentSpec::new("failures", InstrumentKind::Counter, "1", "Requests that raised."),
            InstrumentSpec::new("slow", InstrumentKind::Counter, "1", "Requests slower than the configured limit."),
        ],
        records: &[],
        spans: &[],
        needs: Needs::NONE,
    };

    fn build(_: &CheckoutOptions, instruments: &mut Instruments<'_>) -> Self {
        Self {
            duration: instruments.histogram(&Self::SPEC.instruments[0]),
            failures: instruments.counter(&Self::SPEC.instruments[1]),
            slow: instruments.counter(&Self::SPEC.instruments[2]),
        }
    }

    #[inline]
    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, CheckoutOptions>) {
        let Event::Request(request) = event else { return };
        if !request.name.starts_with("/checkout") {
            return;
        }
        let slow_ms = cx.options().slow_ms;
        let series = cx.series([Label::Str(&request.method), Label::Str(&request.name)]);
        if let Some(ms) = request.response_time.ms() {
            self.duration.record(series, ms);
            if ms > slow_ms {
                self.slow.add(series, 1);
            }
        }
        if request.error.is_some() {
            self.failures.add(series, 1);
        }
    }
}

fn rows() -> Vec<Request<'static>> {
    let paths = ["/checkout/cart", "/checkout/pay", "/checkout/address", "/checkout/done", "/"];
    (0..1_000)
        .map(|i| Request {
            method: if i % 3 == 0 { "POST".into() } else { "GET".into() },
            name: paths[i % paths.len()].into(),
            response_time: ResponseTime::from_ms((i * 7 % 1_300) as f64),
            status_code: Some(200),
            error: (i % 17 == 0).then(|| RequestError { class: "Timeout".into(), text: "too late".into() }),
            ..Request::default()
        })
        .collect()
}

fn bench(c: &mut Criterion) {
    let rows = rows();
    let source = Arc::new(SourceInfo::new(0, local()));
    let mut group = c.benchmark_group("recorder");
    group.throughput(Throughput::Elements(rows.len() as u64));
    let factories: [(&str, Box<dyn RecorderFactory>); 2] = [
        ("by hand", Box::new(Factory::<ByHand>::new(CheckoutOptions { slow_ms: 500.0 }))),
        ("derived", Box::new(Factory::<Derived>::new(CheckoutOptions { slow_ms: 500.0 }))),
    ];
    for (name, factory) in factories {
        let settings = MeterSettings {
            resource: Resource::builder_empty().build(),
            temporality: Temporality::Cumulative,
            exponential: false,
        };
        let (meter, _collector) = meter(&settings, "bench", 2_000);
        let mut recorder =
            factory.build("checkout", Arc::new(RunInfo::default()), &[meter], SeriesLimits::of_count(2_000));
        let mut out = Emitted::default();
        group.bench_function(name, |b| {
            b.iter(|| {
                let origin = Origin { source: Some(&source), now: Now::default() };
                recorder.record_requests(black_box(&rows), origin, &mut out);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
