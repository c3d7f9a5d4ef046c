//! The keys `when` and `labels` on each built-in recorder, and `[labels]`.

use ltel_core::event::MeasurementKind;
use ltel_core::prelude::*;
use ltel_core::replay::{
    Replay, ReplayOutput, cpu_warning, measurement, request, test_start, test_stop, usage, user_error, users, worker,
};
use ltel_recorders::{Custom, Failures, Http, Lifecycle, Requests, Spans, Stats, System, UsersRecorder};

/// The error of these options.
fn error_of<R: Recorder>(options: &str) -> String {
    Replay::of::<R>().options(options).try_finish().expect_err(options).to_string()
}

/// Requests of two tenants, one of which fails.
fn shop(options: &str, of: Replay) -> ReplayOutput {
    of.options(options)
        .label("region", "eu")
        .event(request("GET", "/checkout").took_ms(10.0).context("tenant", "blue"))
        .event(request("GET", "/checkout").took_ms(20.0).context("tenant", "red"))
        .event(request("GET", "/health").took_ms(30.0).context("tenant", "blue"))
        .event(
            request("GET", "/checkout").took_ms(40.0).status(503).failed("HTTPError", "503").context("tenant", "blue"),
        )
        .finish()
}

const KEYS: &str =
    "when = 'name == \"/checkout\"'\nlabels = { tenant = 'context.tenant', color = { value = 'green' } }";
const CONSTANT: &str = "when = 'name == \"/checkout\"'\nlabels = { color = { value = 'green' } }";

#[test]
fn requests() {
    insta::assert_snapshot!(shop(KEYS, Replay::of::<Requests>()));
}

#[test]
fn http() {
    insta::assert_snapshot!(shop(KEYS, Replay::of::<Http>()));
}

#[test]
fn spans() {
    insta::assert_snapshot!(shop(KEYS, Replay::of::<Spans>()));
}

/// Guarantees: records of a part say so; a label of one event is an error, a constant is not.
#[test]
fn recorders_that_merge_events() {
    insta::assert_snapshot!("stats", shop(CONSTANT, Replay::of::<Stats>()));
    // The other events of the recorder have no name: it sees them all.
    let failures = Replay::of::<Failures>().event(user_error("Buyer", "KeyError"));
    insta::assert_snapshot!("failures", shop(CONSTANT, failures));
    for error in [error_of::<Stats>(KEYS), error_of::<Failures>(KEYS)] {
        assert!(error.contains("sums events up"), "{error}");
    }
}

/// Guarantees: gauges of each event have its labels.
#[test]
fn gauges() {
    let out = Replay::of::<UsersRecorder>()
        .options("when = 'total > 1'\nlabels = { many = 'total > 5' }")
        .label("region", "eu")
        .event(users(&[("Buyer", 1)]).from(worker(0)))
        .event(users(&[("Buyer", 3)]))
        .finish();
    insta::assert_snapshot!("users", out);
    let out = Replay::of::<System>().options("labels = { busy = 'cpu_percent > 90.0' }").event(usage()).finish();
    insta::assert_snapshot!("system", out);
}

/// Guarantees: an event without the fields of the condition is seen.
#[test]
fn several_events() {
    let out = Replay::of::<Lifecycle>()
        .options("when = 'testplan != null'\nlabels = { file = 'locustfile', color = { value = 'green' } }")
        .event(test_start())
        .event(cpu_warning(95.0))
        .event(test_stop())
        .finish();
    insta::assert_snapshot!(out);
}

/// Guarantees: an event without a value for the condition is not recorded, a label without a value is absent; both are counted and
/// said once.
#[test]
fn values_that_are_missing() {
    let out = Replay::of::<Requests>()
        .options("when = 'context.weight > 1.0'\nlabels.tenant = 'context.tenant'")
        .event(request("GET", "/"))
        .event(request("GET", "/").context("weight", 2.5))
        .event(request("GET", "/").context("weight", 2.5).context("tenant", 2.5))
        .event(request("GET", "/").context("weight", 2.5).context("tenant", "blue"))
        .event(request("GET", "/").context("weight", 2.5).context("tenant", serde_json::Value::Null))
        .finish();
    insta::assert_snapshot!(out);
}

/// Guarantees: labels that are computed count to the series limit.
#[test]
fn computed_labels_are_limited() {
    let requests = (0..5).map(|n| request("GET", "/").context("tenant", n));
    let out =
        Replay::of::<Requests>().series_limit(3).options("labels.tenant = 'context.tenant'").events(requests).finish();
    assert_eq!(out.overflowed, 2);
}

/// Guarantees: a label without a value is left out once for an event, however much that event emits.
#[test]
fn a_value_is_missing_once_per_event() {
    let declared = "on = 'request'\nlabels.tenant = 'context.tenant'\n[metrics]\nall = { counter = true }\n\
                    [records]\nfirst = { fields = { of = 'name' } }\nsecond = { fields = { of = 'method' } }";
    let out = Replay::declared(declared).events((0..10).map(|_| request("GET", "/"))).finish();
    assert_eq!((out.records.len(), out.left_out, out.notices.len()), (20, 10, 1), "{out}");
}

/// Guarantees: a condition is about the events whose fields are of the types that it needs; others pass.
#[test]
fn fields_of_several_types() {
    let out = Replay::of::<Failures>()
        .options("when = 'error.class == \"Timeout\"'")
        .event(request("GET", "/").raised("Timeout"))
        .event(request("GET", "/").raised("OSError"))
        .event(user_error("Shopper", "RuntimeError: boom"))
        .finish();
    // Each of the two is told at first, and at the end.
    assert_eq!(out.records.len(), 4, "{out}");
}

/// Guarantees: a label of the locustfile does not take the place of one of the configuration: it is called otherwise, said once.
#[test]
fn labels_of_the_locustfile() {
    let value = || measurement(MeasurementKind::Histogram, "long", 1.0);
    let out = Replay::of::<Custom>()
        .options("labels = { color = { value = 'green' }, metric = 'name' }")
        .label("region", "eu")
        .label("a.b", "c")
        .event(value().label("region", "LOCAL").label("color", "red").label("tenant", "blue"))
        .event(value().label("region", "LOCAL").label("color", "red").label("tenant", "blue"))
        .event(value().label("metric", "mine").label("exported_metric", 1).label("a_b", "d"))
        .finish();
    insta::assert_snapshot!(out);
}
