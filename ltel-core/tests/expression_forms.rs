//! The compiled form of expressions against the interpreter of the crate `cel`: the same values, and faults at the same events.
#![allow(missing_docs)]

use std::collections::BTreeMap;

use ltel_core::event::{Event, EventKind, Extra, Request, RequestError, ResponseTime, TestStart, Users};
use ltel_core::expression::{Expression, ExpressionError, Fault, Purpose, Value};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value as Json, json};

/// A value without what the forms may write differently.
fn plain(value: Result<Value<'_>, Fault>) -> Result<String, ()> {
    match value {
        Ok(Value::Error(error)) => Ok(json!({ "class": &*error.class, "text": &*error.text }).to_string()),
        // JSON has no NaN.
        Ok(Value::Double(double)) => Ok(format!("{double:?}")),
        Ok(value) => Ok(sorted(value.to_json()).to_string()),
        Err(_) => Err(()),
    }
}

/// The crate's maps have no order, and its numbers are narrower.
fn sorted(json: Json) -> Json {
    match json {
        Json::Object(map) => {
            let map: BTreeMap<_, _> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Json::Object(map.into_iter().collect())
        }
        Json::Array(items) => items.into_iter().map(sorted).collect(),
        // A whole number with more than 64 bits with a sign is one with a fraction in CEL.
        Json::Number(number) if number.as_i64().is_none() => number.as_f64().into(),
        other => other,
    }
}

fn compare(text: &str, event: &Event<'_>) -> Result<bool, TestCaseError> {
    let compiled = Expression::compile(text, event.kind(), Purpose::Field);
    let interpreted = Expression::interpret(text, event.kind(), Purpose::Field);
    let (compiled, interpreted) = match (compiled, interpreted) {
        (Ok(compiled), Ok(interpreted)) => (compiled, interpreted),
        // A random expression with a mistake is no case; nor is one that never has a value.
        (Err(compiled), Err(interpreted)) => {
            let places = |errors: &[ExpressionError]| errors.iter().map(|error| error.span.clone()).collect::<Vec<_>>();
            prop_assert_eq!(places(&compiled), places(&interpreted), "{}", text);
            return Err(TestCaseError::reject("a mistake"));
        }
        (compiled, interpreted) => {
            return Err(TestCaseError::fail(format!("{text}: {compiled:?}, but {interpreted:?}")));
        }
    };
    let (have, expected) = (compiled.evaluate(event), interpreted.evaluate(event));
    prop_assert_eq!(plain(have.clone()), plain(expected.clone()), "{}: {:?}, but {:?}", text, have, expected);
    prop_assert_eq!(compiled.holds(event).ok(), interpreted.holds(event).ok(), "{}", text);
    Ok(compiled.is_compiled())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Double,
    String,
    List,
    Map,
    Any,
}

const TEXTS: &[&str] = &["", "/", "/checkout", "/checkout/pay", "a", "café", "404", "1.5", "true"];

fn text() -> BoxedStrategy<String> {
    select(TEXTS).prop_map(|text| format!("\"{text}\"")).boxed()
}

fn leaf(kind: Kind) -> BoxedStrategy<String> {
    let fields: &[&str] = match kind {
        Kind::Bool => &["true", "false", "context.flag", "(error == null)"],
        Kind::Int => {
            &["0", "1", "404", "-3", "9223372036854775807", "status_code", "response_length", "context.n", "size(name)"]
        }
        Kind::Double => &["0.0", "1.5", "-2.0", "404.0", "response_time", "start_time", "context.x"],
        Kind::String => {
            &["name", "method", "url", "error.class", "error.text", "context.tenant", "context[\"tenant\"]"]
        }
        Kind::List => &["context.list", "[\"a\", \"/\"]", "[1, 2, 404]", "[]"],
        Kind::Map => &["context", "context.map", "error"],
        Kind::Any => {
            &["null", "context.any", "context.missing", "context.map.a", "context.list[0]", "context[\"n\"]", "error"]
        }
    };
    match kind {
        Kind::String => prop_oneof![select(fields).prop_map(str::to_owned), text()].boxed(),
        _ => select(fields).prop_map(str::to_owned).boxed(),
    }
}

/// Expressions of a type, as the checks know it.
fn expression(kind: Kind, depth: u32) -> BoxedStrategy<String> {
    if depth == 0 {
        return leaf(kind);
    }
    let of = move |kind| expression(kind, depth - 1);
    let relation = || select(&["==", "!=", "<", "<=", ">", ">="][..]);
    let ternary = (of(Kind::Bool), of(kind), of(kind)).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})"));
    let composed = match kind {
        Kind::Bool => prop_oneof![
            3 => (of(Kind::Bool), select(&["&&", "||"][..]), of(Kind::Bool), of(Kind::Bool))
                .prop_map(|(a, op, b, c)| format!("({a} {op} {b} {op} {c})")),
            1 => of(Kind::Bool).prop_map(|a| format!("!{a}")),
            2 => (of(Kind::Int), relation(), of(Kind::Double)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            2 => (of(Kind::Int), relation(), of(Kind::Int)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            2 => (of(Kind::String), relation(), of(Kind::String)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            1 => (of(Kind::Bool), relation(), of(Kind::Bool)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            2 => (of(Kind::Any), select(&["==", "!="][..]), of(Kind::Any)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            1 => (of(Kind::Map), select(&["==", "!="][..]), leaf(Kind::Map)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            1 => (of(Kind::String), select(&["==", "!="][..])).prop_map(|(a, op)| format!("({a} {op} null)")),
            3 => (of(Kind::String), select(&["startsWith", "endsWith", "contains"][..]), of(Kind::String))
                .prop_map(|(a, f, b)| format!("({a}).{f}({b})")),
            2 => (of(Kind::String), select(&["^/check", "a$", "[0-9]+", "(?i)CAF", "."][..]))
                .prop_map(|(a, p)| format!("({a}).matches(\"{p}\")")),
            1 => (of(Kind::String), text(), text()).prop_map(|(a, b, c)| format!("({a} in [{b}, {c}])")),
            1 => (of(Kind::Int), of(Kind::Int)).prop_map(|(a, b)| format!("({a} in [200, {b}, 404])")),
            1 => (of(Kind::Any), of(Kind::List)).prop_map(|(a, b)| format!("({a} in {b})")),
            1 => (of(Kind::String), of(Kind::Map)).prop_map(|(a, b)| format!("({a} in {b})")),
            1 => select(&["context.tenant", "context.missing", "context.map.a", "error.class", "context.n.a"][..])
                .prop_map(|a| format!("has({a})")),
            1 => (of(Kind::List), select(&["all", "exists"][..]), leaf(Kind::Any))
                .prop_map(|(a, f, b)| format!("({a}).{f}(i, i == {b})")),
            1 => (select(&["all", "exists"][..]), text(), leaf(Kind::String))
                .prop_map(|(f, a, b)| format!("[{a}, {b}].{f}(i, name.startsWith(i))")),
            1 => (select(&["all", "exists"][..]), leaf(Kind::Map)).prop_map(|(f, a)| format!("({a}).{f}(k, k.size() > 4)")),
            1 => (select(&["all", "exists"][..]), leaf(Kind::List)).prop_map(|(f, a)| format!("({a}).{f}(i, i > 1)")),
            1 => of(Kind::String).prop_map(|a| format!("bool({a})")),
            1 => (leaf(Kind::List), select(&["^/", "a$", "."][..]))
                .prop_map(|(a, p)| format!("({a}.filter(i, i.matches(\"{p}\")).size() > 0)")),
            1 => of(Kind::Int).prop_map(|a| format!("(type({a}) == int)")),
            1 => of(Kind::List).prop_map(|a| format!("(({a}).filter(i, i != 1).size() > 1)")),
        ]
        .boxed(),
        Kind::Int => prop_oneof![
            3 => (of(Kind::Int), select(&["+", "-", "*", "/", "%"][..]), of(Kind::Int)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            1 => of(Kind::Int).prop_map(|a| format!("-({a})")),
            1 => of(Kind::String).prop_map(|a| format!("size({a})")),
            1 => of(Kind::List).prop_map(|a| format!("({a}).size()")),
            1 => of(Kind::Map).prop_map(|a| format!("size({a})")),
            1 => of(Kind::Double).prop_map(|a| format!("int({a})")),
            1 => of(Kind::String).prop_map(|a| format!("int({a})")),
        ]
        .boxed(),
        Kind::Double => prop_oneof![
            3 => (of(Kind::Double), select(&["+", "-", "*", "/"][..]), of(Kind::Double)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            1 => of(Kind::Double).prop_map(|a| format!("-({a})")),
            1 => of(Kind::Int).prop_map(|a| format!("double({a})")),
            1 => of(Kind::String).prop_map(|a| format!("double({a})")),
        ]
        .boxed(),
        Kind::String => prop_oneof![
            2 => (of(Kind::String), of(Kind::String)).prop_map(|(a, b)| format!("({a} + {b})")),
            1 => of(Kind::Int).prop_map(|a| format!("string({a})")),
            1 => of(Kind::Double).prop_map(|a| format!("string({a})")),
            1 => of(Kind::Bool).prop_map(|a| format!("string({a})")),
        ]
        .boxed(),
        Kind::List => (leaf(Kind::Any), leaf(Kind::Any)).prop_map(|(a, b)| format!("[{a}, {b}]")).boxed(),
        Kind::Map => leaf(Kind::Any).prop_map(|a| format!("{{\"a\": {a}}}")).boxed(),
        Kind::Any => prop_oneof![
            (of(Kind::Map), select(&["a", "tenant", "n"][..])).prop_map(|(a, key)| format!("({a})[\"{key}\"]")),
            (of(Kind::List), of(Kind::Int)).prop_map(|(a, b)| format!("({a})[{b}]")),
            (leaf(Kind::Any), select(&["+", "-", "*"][..]), of(Kind::Int)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            of(Kind::Bool),
            of(Kind::Int),
            of(Kind::String),
        ]
        .prop_filter("an error has other keys", |text| !text.starts_with("(error)["))
        .boxed(),
    };
    // A ternary over lists and maps of different types is known at run time only, as any other.
    prop_oneof![1 => leaf(kind), 4 => composed, 1 => ternary].boxed()
}

fn any_json() -> BoxedStrategy<Json> {
    let scalar = || {
        select(vec![
            Json::Null,
            json!(true),
            json!(false),
            json!(0),
            json!(404),
            json!(1.5),
            json!(404.0),
            json!(u64::MAX),
            json!(i64::MIN),
            json!("a"),
            json!("/checkout"),
            json!("404"),
            json!("café"),
        ])
    };
    prop_oneof![
        4 => scalar(),
        1 => prop::collection::vec(scalar(), 0..4).prop_map(Json::from),
        1 => prop::collection::btree_map(select(&["a", "b", "class"][..]), scalar(), 0..3)
            .prop_map(|map| Json::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())),
    ]
    .boxed()
}

prop_compose! {
    fn request()(
        name in select(TEXTS),
        method in select(&["GET", "POST", ""][..]),
        time in select(&[None, Some(0.0), Some(1.5), Some(404.0), Some(2500.0)][..]),
        length in select(&[0, 1, 404, u64::MAX][..]),
        status in select(&[None, Some(0), Some(200), Some(404)][..]),
        error in prop::option::of((select(&["HTTPError", "a"][..]), select(TEXTS))),
        url in prop::option::of(select(TEXTS)),
        context in prop::collection::btree_map(
            select(&["flag", "n", "x", "tenant", "list", "map", "any"][..]), any_json(), 0..7),
        typed in any::<bool>(),
        detailed in prop::bool::weighted(0.9),
    ) -> Request<'static> {
        let mut context: Map<String, Json> = context.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        if typed {
            for (key, value) in [("flag", json!(true)), ("n", json!(7)), ("x", json!(0.5)), ("tenant", json!("blue"))] {
                context.insert(key.to_owned(), value);
            }
        }
        Request {
            start_time: 1.5,
            name: name.into(),
            method: method.into(),
            response_time: time.map_or(ResponseTime::ABSENT, ResponseTime::from_ms),
            response_length: length,
            status_code: status,
            error: error.map(|(class, text)| RequestError { class: class.into(), text: text.into() }),
            extra: detailed.then(|| Box::new(Extra { url: url.map(Into::into), context, ..Extra::default() })),
            ..Request::default()
        }
    }
}

const KINDS: &[Kind] = &[Kind::Bool, Kind::Int, Kind::Double, Kind::String, Kind::List, Kind::Map, Kind::Any];

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(600), max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Scenario: random expressions of the language over random requests. Guarantees: the compiled form has the value, or the
    /// fault, that the interpreter has.
    #[test]
    fn both_forms_agree(
        text in select(KINDS).prop_flat_map(|kind| expression(kind, 3)),
        request in request(),
    ) {
        compare(&text, &Event::Request(&request))?;
    }

    /// Scenario: random signs and words. Guarantees: what the checks take, the parser of the crate takes too; every mistake
    /// has a place in the text; nothing panics.
    #[test]
    fn any_text(words in prop::collection::vec(select(&[
        "name", "error", "context", "status_code", "null", "true", "1", "-1", "1.5", "2u", "\"a\"", "'b'", "r\"\\d\"", "b\"x\"",
        "\"\"\"c\"\"\"", "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "&&", "||", "!", "-", "+", "*", "/", "%", "==", "!=",
        "<", ">=", "in", "size", "matches", "startsWith", "has", "all", "exists", "map", "filter", "x", "and", "not", "is",
        "None", "=", "// c", "\n", " ", "é", "“", "string", "int", "type",
    ][..]), 0..24), spaces in any::<bool>()) {
        let text = words.join(if spaces { " " } else { "" });
        let request = Request::default();
        match Expression::compile(&text, EventKind::Request, Purpose::Field) {
            Ok(_) => {
                compare(&text, &Event::Request(&request))?;
            }
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                for error in errors {
                    prop_assert!(text.get(error.span.clone()).is_some(), "{text}: {error:?}");
                }
            }
        }
    }

    /// Guarantees: no bytes make the compiler panic.
    #[test]
    fn any_characters(text in ".{0,60}") {
        drop(Expression::compile(&text, EventKind::Request, Purpose::Condition));
    }
}

/// Scenario: expressions that people write. Guarantees: they need no interpreter, and both forms agree.
#[test]
fn common_shapes_are_compiled() {
    let request = Request {
        name: "/checkout/pay".into(),
        method: "POST".into(),
        response_time: ResponseTime::from_ms(2500.0),
        status_code: Some(500),
        error: Some(RequestError { class: "HTTPError".into(), text: "500".into() }),
        ..Request::default()
    };
    let start = TestStart { user_classes: vec!["Buyer".into(), "Visitor".into()], ..TestStart::default() };
    let users =
        Users { counts: [("Buyer".to_owned(), 3), ("Visitor".to_owned(), u64::MAX)].into(), ..Users::default() };
    for (event, texts) in [
        (
            Event::Request(&request),
            &[
                "name.startsWith(\"/checkout\") && status_code != 404",
                "error != null",
                "error.class == \"HTTPError\" && error.text.contains(\"5\")",
                "response_time > 2000.0",
                "2000 < response_time",
                "method in [\"GET\", \"POST\"]",
                "status_code in [500, 502, 503]",
                "!(method == \"GET\" || status_code / 100 == 5)",
                "status_code >= 500 ? \"5xx\" : status_code >= 400 ? \"4xx\" : \"ok\"",
                "has(context.tenant) ? context.tenant : \"none\"",
                "context.tenant",
                "\"tenant\" in context",
                "name.matches(\"^/checkout/[a-z]+$\")",
                "size(name) > 5 && name.size() < 100",
                "double(response_length) / response_time * 1000.0",
                "string(status_code) + \" \" + method",
                "[\"/a\", \"/checkout\"].exists(p, name.startsWith(p))",
                "int(response_time) % 10",
                "-response_time",
            ][..],
        ),
        (
            Event::TestStart(&start),
            &[
                "\"Buyer\" in user_classes",
                "user_classes.exists(c, c.startsWith(\"B\"))",
                "user_classes.all(c, c != \"X\")",
                "size(user_classes)",
                "user_classes[0]",
                "user_classes[2] == \"a\"",
                "user_classes",
            ],
        ),
        (
            Event::Users(&users),
            &[
                "counts.Buyer",
                "counts.Visitor",
                "counts[\"X\"]",
                "has(counts.X)",
                "size(counts)",
                "counts",
                "total > 5",
            ],
        ),
    ] {
        for text in texts {
            let compiled = compare(text, &event).unwrap_or_else(|error| panic!("{error}"));
            assert!(compiled, "{text} needs the interpreter");
        }
    }
}
