//! Backends that share a meter, and those that cannot.
#![allow(missing_docs)]

use ltel_core::exemplar::KeepExemplars;
use ltel_core::meter::{Collector, MeterSettings, meters};
use ltel_core::points::{self, PointValue};
use opentelemetry::Key;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;

const NO_RESOURCE: &str = "";

fn settings(service: &'static str, temporality: Temporality) -> MeterSettings {
    let builder = Resource::builder_empty();
    let builder = if service == NO_RESOURCE { builder } else { builder.with_service_name(service) };
    MeterSettings::new(builder.build(), temporality)
}

/// The sum that a collection has, if any; and whose resource.
fn collect(collector: &Collector) -> (Option<f64>, Option<String>) {
    let collected = collector.collect().expect("points");
    let points = points::metrics(&collected).flat_map(|metric| metric.points().collect::<Vec<_>>());
    let sums = points.map(|point| match point.value {
        PointValue::Number { value } => value.as_f64(),
        other => panic!("a sum, not {other:?}"),
    });
    let service = collected.metrics.resource().get(&Key::from_static_str("service.name"));
    (sums.last(), service.map(|service| service.to_string()))
}

/// Scenario: backends of every kind. Guarantees: those that want the same share a meter, whatever exemplars they want; each one's
/// collections are as if it were alone, with its own resource if it has one.
#[test]
fn backends_that_want_the_same_share_a_meter() {
    use Temporality::{Cumulative, Delta};
    let json = settings(NO_RESOURCE, Cumulative);
    let shop = settings("shop", Cumulative);
    let backends = [
        json.clone(),
        shop.clone(),
        settings("shop", Delta),
        settings("shop", Delta),
        MeterSettings { exponential: true, ..shop.clone() },
        settings("bank", Cumulative),
        MeterSettings { exemplars: KeepExemplars::UntilReplaced, ..json },
        shop,
    ];
    let (meters, collectors) = meters(&backends, "test", 10);
    assert_eq!((meters.len(), collectors.len()), (5, backends.len()));
    let counters: Vec<_> = meters.iter().map(|meter| meter.f64_counter("sold").build()).collect();
    let sell = || counters.iter().for_each(|counter| counter.add(3.0, &[]));
    let add_up = |of: &MeterSettings| of.temporality == Cumulative;
    for (time, sum) in [(1, 3.0), (2, 6.0)] {
        sell();
        for again in [false, true] {
            for (number, (backend, collector)) in backends.iter().zip(&collectors).enumerate() {
                let (got, service) = collect(collector);
                let expected = if add_up(backend) { Some(sum) } else { (!again).then_some(3.0) };
                assert_eq!(got, expected, "backend {number}, time {time}, again: {again}");
                let own = backend.resource.get(&Key::from_static_str("service.name"));
                assert!(own.is_none() || own.map(|own| own.to_string()) == service, "backend {number}: {service:?}");
            }
        }
    }
}
