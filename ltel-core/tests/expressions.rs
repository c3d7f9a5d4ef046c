//! Expressions over the fields of events.
#![allow(missing_docs)]

use ltel_core::event::{Event, EventKind, Request};
use ltel_core::expression::{Expression, Purpose, Value};
use serde_json::json;

fn request() -> Request<'static> {
    let mut extra = Box::<ltel_core::event::Extra<'_>>::default();
    extra.context = json!({ "tenant": "blue" }).as_object().cloned().unwrap_or_default();
    Request {
        name: "/checkout/pay".into(),
        method: "POST".into(),
        status_code: Some(200),
        extra: Some(extra),
        ..Request::default()
    }
}

#[test]
fn values() {
    let request = request();
    let event = Event::Request(&request);
    for (text, purpose, expected) in [
        (r#"name.startsWith("/checkout") && status_code != 404"#, Purpose::Condition, Value::Bool(true)),
        ("error != null", Purpose::Condition, Value::Bool(false)),
        ("context.tenant", Purpose::Label, Value::String("blue".into())),
        ("response_time == null", Purpose::Condition, Value::Bool(true)),
    ] {
        let expression = Expression::compile(text, EventKind::Request, purpose).unwrap();
        assert_eq!(expression.evaluate(&event), Ok(expected), "{text}");
    }
}

/// Guarantees: every field of every event is a name in both forms, also one that CEL reserves.
#[test]
fn every_field() {
    for kind in EventKind::ALL {
        for field in kind.fields() {
            let text = format!("({0}) == null || [{0}].filter(x, x == {0}).size() == 1", field.name);
            for make in [Expression::compile, Expression::interpret] {
                make(&text, *kind, Purpose::Condition).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
            }
        }
    }
}

/// Guarantees: the names that an expression reads are in the order of its text, whatever it does with them; a variable is none.
#[test]
fn names() {
    let names =
        Expression::names(r#"url != null && context.all(key, key != name) ? {"a": method}["a"] : url + size(error).x"#);
    assert_eq!(names.unwrap(), ["url", "context", "name", "method", "error"]);
    assert_eq!(Expression::names(&"(".repeat(5_000)), None);
    assert_eq!(Expression::names("1 +"), None);
}
