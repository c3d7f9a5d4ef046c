//! Expressions over a request: the compiled form against the interpreter, alone and as the declared recorder `checkout` of the
//! book has them.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ltel_core::event::{Event, EventKind, Extra, Request, RequestError, ResponseTime};
use ltel_core::expression::{Expression, Purpose};
use serde_json::json;

type Make = fn(&str, EventKind, Purpose) -> Result<Expression, Vec<ltel_core::expression::ExpressionError>>;

fn requests() -> Vec<Request<'static>> {
    let mut extra = Extra { url: Some("https://shop.test/checkout/pay".into()), ..Extra::default() };
    extra.context = json!({ "tenant": "blue", "plan": "gold" }).as_object().cloned().unwrap_or_default();
    let names = ["/checkout/pay", "/checkout/address", "/cart", "/product/17"];
    (0..names.len() * 4)
        .map(|n| Request {
            method: "POST".into(),
            name: names[n % names.len()].into(),
            response_time: ResponseTime::from_ms(if n % 8 == 0 { 2500.0 } else { 80.0 }),
            response_length: 1024,
            status_code: Some(if n % 5 == 0 { 500 } else { 200 }),
            error: (n % 5 == 0).then(|| RequestError { class: "HTTPError".into(), text: "500 Server Error".into() }),
            extra: Some(Box::new(extra.clone())),
            ..Request::default()
        })
        .collect()
}

/// All expressions of the example, each evaluated for each event.
const CHECKOUT: &[(&str, Purpose)] = &[
    ("name.startsWith(\"/checkout\") && status_code != 404", Purpose::Condition),
    ("name", Purpose::Label),
    ("context.tenant", Purpose::Label),
    ("response_time", Purpose::Number),
    ("error != null", Purpose::Condition),
    ("response_length", Purpose::Number),
    ("response_time > 2000.0", Purpose::Condition),
    ("name", Purpose::Field),
    ("response_time", Purpose::Field),
];

const ALONE: &[(&str, &str)] = &[
    ("comparison", "response_time > 2000.0"),
    ("conjunction", "name.startsWith(\"/checkout\") && status_code != 404"),
    ("in", "method in [\"GET\", \"HEAD\", \"POST\"]"),
    ("key", "context.tenant == \"blue\""),
    ("missing_key", "context.color == \"blue\""),
    ("matches", "name.matches(\"^/checkout/[a-z]+$\")"),
    ("ternary", "(status_code >= 500 ? \"5xx\" : status_code >= 400 ? \"4xx\" : \"ok\") == \"ok\""),
    ("exists", "[\"/cart\", \"/checkout\"].exists(p, name.startsWith(p))"),
    ("interpreted", "[1, 2].filter(i, i > 1).size() == response_length"),
];

fn bench(c: &mut Criterion) {
    let requests = requests();
    for (form, make) in [("compiled", Expression::compile as Make), ("interpreted", Expression::interpret as Make)] {
        let mut group = c.benchmark_group(form);
        let checkout: Vec<_> =
            CHECKOUT.iter().filter_map(|(text, of)| make(text, EventKind::Request, *of).ok()).collect();
        assert_eq!(checkout.len(), CHECKOUT.len());
        let mut events = requests.iter().cycle();
        group.bench_function("checkout", |b| {
            b.iter(|| {
                let Some(request) = events.next() else { return };
                let event = Event::Request(request);
                for (expression, (_, purpose)) in checkout.iter().zip(CHECKOUT) {
                    if *purpose == Purpose::Condition {
                        let _ = black_box(expression.holds(black_box(&event)));
                    } else {
                        let _ = black_box(expression.evaluate(black_box(&event)));
                    }
                }
            });
        });
        for (name, text) in ALONE {
            let Ok(expression) = make(text, EventKind::Request, Purpose::Condition) else { panic!("{text}") };
            let mut events = requests.iter().cycle();
            group.bench_function(*name, |b| {
                b.iter(|| events.next().map(|request| black_box(expression.holds(&Event::Request(request)))));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
