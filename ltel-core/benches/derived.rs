//! The same recorder by hand, derived, and declared in TOML, over the same rows. The first two should cost the same.
#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ltel_core::Now;
use ltel_core::declared::Declared;
use ltel_core::event::{Extra, RequestError, ResponseTime};
use ltel_core::meter::{MeterSettings, meter};
use ltel_core::prelude::*;
use ltel_core::recorder::{Common, CommonKeys, Emitted, Factory, OptionsCheck, Origin, RecorderFactory, SeriesLimits};
use ltel_core::replay::local;
use ltel_core::runs::{RunInfo, SourceInfo};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

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

/// As the README has it.
const DECLARED: &str = r#"
on = "request"

[metrics]
duration = { histogram = "response_time", unit = "ms", buckets = [100, 250, 1000], description = "Time to the last byte" }
failures = { counter = true, when = "error != null" }
bytes = { counter = "response_length", unit = "By" }

[records]
slow = { when = "response_time > 2000.0", severity = "warning", fields = { endpoint = "name", took_ms = "response_time" } }
"#;

const WHEN: &str = "when = 'name.startsWith(\"/checkout\") && status_code != 404'\n";

/// What `DECLARED` is as a derived recorder, with the label `endpoint`.
#[derive(Recorder)]
#[recorder(
    on = Request,
    when = |r| r.name.starts_with("/checkout") && r.status_code != Some(404),
    labels(endpoint = name),
)]
struct Checkout {
    /// Time to the last byte.
    #[histogram(unit = "ms", value = response_time, buckets = [100, 250, 1000])]
    duration: Histogram,

    /// Requests that raised.
    #[counter(when = |r| r.error.is_some())]
    failures: Counter,

    /// Bytes of responses.
    #[counter(unit = "By", value = response_length)]
    bytes: Counter,

    /// Slow requests.
    #[record(severity = warning, when = |r| r.response_time > 2000.0, fields(endpoint = name, took_ms = response_time))]
    slow: Records,
}

/// The same with the tenant, as the README has it.
#[derive(Recorder)]
#[recorder(
    on = Request,
    when = |r| r.name.starts_with("/checkout") && r.status_code != Some(404),
    needs(context),
    labels(endpoint = name, tenant = |r| r.context().and_then(|context| context.get("tenant"))),
)]
struct CheckoutByTenant {
    /// Time to the last byte.
    #[histogram(unit = "ms", value = response_time, buckets = [100, 250, 1000])]
    duration: Histogram,

    /// Requests that raised.
    #[counter(when = |r| r.error.is_some())]
    failures: Counter,

    /// Bytes of responses.
    #[counter(unit = "By", value = response_length)]
    bytes: Counter,

    /// Slow requests.
    #[record(severity = warning, when = |r| r.response_time > 2000.0, fields(endpoint = name, took_ms = response_time))]
    slow: Records,
}

/// A recorder that is declared by this table.
fn declared(toml: &str) -> Box<dyn RecorderFactory> {
    let mut check = OptionsCheck::new(toml);
    let mut table = DeTable::parse(toml).expect("TOML").into_inner();
    let keys = ["when", "labels"].into_iter().filter_map(|key| table.remove_entry(key)).collect();
    let value = |table| ValueDeserializer::from(Spanned::new(0..toml.len(), DeValue::Table(table)));
    let keys = CommonKeys::deserialize(value(keys)).expect("the keys of all recorders");
    let registry = Registry::new().with::<Declared>();
    let declared = registry.get(Declared::SPEC.name).expect("it is there");
    let mut factory = declared.configure(value(table), &mut check).expect("options");
    factory.set_common(Common::new(&keys, factory.subject(), &mut check));
    assert!(check.into_errors().is_empty(), "{toml}");
    factory
}

fn rows() -> Vec<Request<'static>> {
    let paths = ["/checkout/cart", "/checkout/pay", "/checkout/address", "/checkout/done", "/"];
    (0..1_000)
        .map(|i| Request {
            method: if i % 3 == 0 { "POST".into() } else { "GET".into() },
            name: paths[i % paths.len()].into(),
            response_time: ResponseTime::from_ms((i * 7 % 1_300) as f64),
            status_code: Some(200),
            response_length: 1_234,
            extra: Some(Box::new(Extra {
                context: [("tenant".to_owned(), ["blue", "red"][i % 2].into())].into_iter().collect(),
                ..Extra::default()
            })),
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
    let by_endpoint = format!("{WHEN}labels = {{ endpoint = \"name\" }}\n{DECLARED}");
    let by_tenant = format!("{WHEN}labels = {{ endpoint = \"name\", tenant = \"context.tenant\" }}\n{DECLARED}");
    let factories: [(&str, Box<dyn RecorderFactory>); 6] = [
        ("by hand", Box::new(Factory::<ByHand>::new(CheckoutOptions { slow_ms: 500.0 }))),
        ("derived", Box::new(Factory::<Derived>::new(CheckoutOptions { slow_ms: 500.0 }))),
        ("checkout, derived", Box::new(Factory::<Checkout>::new(NoOptions {}))),
        ("checkout, declared", declared(&by_endpoint)),
        ("checkout by tenant, derived", Box::new(Factory::<CheckoutByTenant>::new(NoOptions {}))),
        ("checkout by tenant, declared", declared(&by_tenant)),
    ];
    for (name, factory) in factories {
        let settings = MeterSettings::new(Resource::builder_empty().build(), Temporality::Cumulative);
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
