//! Recorders that are declared in TOML.
#![allow(missing_docs, clippy::unwrap_used, clippy::float_cmp)]

use ltel_core::declared::Declared;
use ltel_core::event::{EventKind, MeasurementKind};
use ltel_core::prelude::*;
use ltel_core::recorder::{OptionsCheck, RecorderFactory};
use ltel_core::replay::{
    Replay, ReplayEvent, cpu_warning, custom, local, log, measurement, report_to_master, request, reset_stats,
    spawning_complete, task, test_start, test_stop, usage, user_error, users, worker, workers,
};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// Traffic of the checkout, as the README shows it.
const CHECKOUT: &str = r#"
on = "request"

[metrics]
duration = { histogram = "response_time", unit = "ms", buckets = [100, 250, 1000], description = "Time to the last byte" }
failures = { counter = true, when = "error != null" }
bytes = { counter = "response_length", unit = "By" }

[records]
slow = { when = "response_time > 2000.0", severity = "warning", fields = { endpoint = "name", took_ms = "response_time" } }
"#;

fn factory(toml: &str) -> Box<dyn RecorderFactory> {
    let registry = Registry::new().with::<Declared>();
    let table = Spanned::new(0..toml.len(), DeValue::Table(DeTable::parse(toml).unwrap().into_inner()));
    let mut check = OptionsCheck::new(toml);
    let factory = registry.get("declared").unwrap().configure(ValueDeserializer::from(table), &mut check).unwrap();
    assert_eq!(check.into_errors(), []);
    factory
}

fn all_events() -> Vec<(EventKind, ReplayEvent)> {
    vec![
        (EventKind::Request, request("GET", "/").erased()),
        (EventKind::Task, task("Buyer", "buy").erased()),
        (EventKind::Measurement, measurement(MeasurementKind::Counter, "cart.items", 3.0).erased()),
        (EventKind::TestStart, test_start().erased()),
        (EventKind::TestStop, test_stop().erased()),
        (EventKind::SpawningComplete, spawning_complete(5).erased()),
        (EventKind::CpuWarning, cpu_warning(95.0).erased()),
        (EventKind::Usage, usage().erased()),
        (EventKind::Users, users(&[("Buyer", 3)]).erased()),
        (EventKind::UserError, user_error("Buyer", "KeyError").erased()),
        (EventKind::ResetStats, reset_stats().erased()),
        (EventKind::ReportToMaster, report_to_master(1).erased()),
        (EventKind::Custom, custom("sale").erased()),
        (EventKind::Workers, workers(2, 1).erased()),
        (EventKind::Log, log("INFO", "shop", "hello").erased()),
    ]
}

/// Guarantees: a declared recorder sees each kind of event, by its name in the configuration, asks for it, and sees no other.
#[test]
fn every_event() {
    let events = all_events();
    assert_eq!(events.iter().map(|(kind, _)| kind.name()).collect::<Vec<_>>().len(), EventKind::ALL.len());
    for kind in EventKind::ALL {
        let toml = format!("on = \"{}\"\nmetrics.seen.counter = true", kind.name());
        let of_kind = |wanted: bool| {
            all_events().into_iter().filter(move |(have, _)| (have == kind) == wanted).map(|(_, event)| event)
        };
        let out = Replay::declared(&toml).events(of_kind(true)).finish();
        assert_eq!(out.value("declared.seen", &[]), 1.0, "{kind:?}");
        assert_eq!(out.withheld, [""; 0], "{kind:?}");
        assert!(Replay::declared(&toml).events(of_kind(false)).finish().points.is_empty(), "{kind:?}");
    }
}

/// Guarantees: every field of every event can be a field of a record.
#[test]
fn every_field() {
    for (kind, event) in all_events() {
        let fields = kind.fields().iter().map(|field| format!("f_{0} = \"{0}\"", field.name)).collect::<Vec<_>>();
        let toml = format!("on = \"{}\"\n[records.all.fields]\n{}", kind.name(), fields.join("\n"));
        let out = Replay::declared(&toml).event(event).finish();
        assert_eq!(out.left_out, 0, "{out}");
        for field in kind.fields().iter().filter(|field| !field.optional) {
            assert!(out.records[0].fields.contains_key(&format!("f_{}", field.name)), "{kind:?} {}: {out}", field.name);
        }
    }
}

#[test]
fn checkout() {
    let out = Replay::declared(CHECKOUT)
        .named("checkout")
        .event(request("POST", "/checkout/pay").took_ms(2612.5).bytes(10).raised("Timeout"))
        .event(request("POST", "/checkout/pay").took_ms(80.0).bytes(200))
        .event(request("GET", "/").from(worker(1)).bytes(7))
        .finish();
    insta::assert_snapshot!(out);
}

/// Guarantees: Locust sends what the expressions name, and nothing else.
#[test]
fn needs_are_those_of_the_expressions() {
    for (toml, needs) in [
        (CHECKOUT, Needs::NONE),
        (
            "on = 'request'\nmetrics.n = { counter = true, when = 'context.a == 1' }",
            Needs { context: true, ..Needs::NONE },
        ),
        ("on = 'request'\nmetrics.n = { counter = 'request_length' }", Needs { request_length: true, ..Needs::NONE }),
        (
            "on = 'request'\nrecords.n = { when = 'user_class == \"A\"', fields = { url = 'url' } }",
            Needs { url: true, user_class: true, ..Needs::NONE },
        ),
        ("on = 'task'\nmetrics.n.histogram = 'duration'", Needs { tasks: true, ..Needs::NONE }),
        ("on = 'usage'\nmetrics.n.gauge = 'cpu_percent'", Needs { usage: true, ..Needs::NONE }),
        ("on = 'measurement'\nmetrics.n.counter = true", Needs { measurements: true, ..Needs::NONE }),
        ("on = 'log'\nmetrics.n.counter = true", Needs { logs: Some(20), ..Needs::NONE }),
        ("on = 'log'\nlevel = 'error'\nmetrics.n.counter = true", Needs { logs: Some(40), ..Needs::NONE }),
    ] {
        assert_eq!(factory(toml).needs(), needs, "{toml}");
    }
}

/// Guarantees: a spec is there once for each content, however often it is read.
#[test]
fn specs_are_made_once() {
    let spec = factory(CHECKOUT).spec();
    assert!(std::ptr::eq(spec, factory(&format!("# The same.\n{CHECKOUT}")).spec()));
    assert!(!std::ptr::eq(spec, factory(&CHECKOUT.replace("250", "300")).spec()));
    assert_eq!((spec.name, spec.events), ("declared", &[EventKind::Request][..]));
}

/// Guarantees: values that an instrument cannot record are left out, counted, and said once for each expression.
#[test]
fn faults() {
    let toml = r#"
        on = "custom"
        [metrics]
        sold = { counter = "attributes.sold" }
        stock = { up_down_counter = "attributes.sold" }
        price = { histogram = "attributes.price" }
        absent = { gauge = "value" }
        red = { counter = true, when = "attributes.color == 'red'" }
    "#;
    let sale = |sold: f64| custom("sale").attribute("sold", sold).attribute("color", "red");
    let out = Replay::declared(toml)
        .event(sale(2.5).attribute("price", "much"))
        .event(sale(-1.0).attribute("price", 3))
        .event(sale(-1.0).attribute("price", true))
        .event(custom("sale").attribute("sold", 1).attribute("price", 1.5))
        .finish();
    insta::assert_snapshot!(out);
}

/// Guarantees: each reason of an expression is said, and few of them.
#[test]
fn reasons() {
    let toml = "on = 'custom'\nmetrics.price.gauge = 'attributes.price'\nlabels.tenant = 'attributes.tenant'";
    let sale = || custom("sale");
    let mut replay = Replay::declared(toml).event(sale()).event(sale().attribute("price", 1));
    for _ in 0..9 {
        replay = replay.event(sale().attribute("price", 1).attribute("tenant", 1.5));
    }
    let out = replay.event(sale().attribute("price", "a")).finish();
    let said = |reason: &str| out.notices.iter().filter(|notice| notice.contains(reason)).count();
    let reasons = ["has no `price`", "has no `tenant`", "a label is a text, a whole number", "it is a string"];
    assert_eq!((reasons.map(said), out.notices.len()), ([1; 4], 4), "{out}");
    assert!(out.left_out >= 11, "{out}");
}

/// Scenario: runs in which a recorder sees nothing, one with a condition and one without, and runs in which it does.
/// Guarantees: the end of the run tells which recorder saw nothing, and of how much; other recorders tell nothing.
#[test]
fn nothing_seen() {
    let count = "metrics.seen.counter = true";
    let checkout = r#"when = 'name == "/checkout"'"#;
    let requests = |n: usize| (0..n).map(|_| request("GET", "/").erased());
    for (on, when, events, told) in [
        ("request", checkout, requests(2).collect(), Some("`when` held for none of 2 requests")),
        ("request", checkout, requests(1).collect(), Some("`when` held for none of 1 request")),
        ("request", checkout, vec![request("GET", "/checkout").erased()], None),
        ("request", "", requests(1).collect(), None),
        ("custom", "", requests(1).collect(), Some("the run had no event `custom`")),
        (
            "custom",
            "when = 'name == \"x\"'",
            vec![custom("sale").erased()],
            Some("`when` held for none of 1 event `custom`"),
        ),
        ("user_error", "", requests(1).collect(), None),
    ] {
        let out = Replay::declared(&format!("on = '{on}'\n{when}\n{count}")).events(events).finish();
        assert_eq!(out.notices.first().map(String::as_str), told, "{on} {when}");
        assert!(out.notices.len() < 2, "{:?}", out.notices);
    }
}

/// Guarantees: of log messages, only those of the level are seen, also where another recorder needs more.
#[test]
fn level_of_logs() {
    let out = Replay::declared("on = 'log'\nlevel = 'warning'\nmetrics.lines.counter = true")
        .also_needed(Needs { logs: Some(10), ..Needs::NONE })
        .event(log("INFO", "shop", "fine"))
        .event(log("WARNING", "shop", "hm"))
        .event(log("CRITICAL", "shop", "no"))
        .finish();
    assert_eq!(out.value("declared.lines", &[]), 2.0);
}

/// Guarantees: the processes of a run share their series if `per` says so; gauges end with their source if not.
#[test]
fn per_run_and_per_source() {
    let replay = |per: &str| {
        let toml = format!("on = 'users'\nper = '{per}'\nmetrics.running = {{ gauge = 'total', unit = '{{user}}' }}");
        Replay::declared(&toml)
            .event(users(&[("Buyer", 3)]).from(worker(0)))
            .event(users(&[("Buyer", 4)]).from(worker(1)))
            .gone(worker(0))
            .finish()
    };
    assert_eq!(replay("run").value("declared.running", &[]), 4.0);
    assert_eq!(replay("source").value("declared.running", &[("source_id", "worker-1")]), 4.0);
    assert_eq!(replay("source").points.len(), 1);
}

/// Guarantees: two metrics are one, where constant labels tell them apart; `name` is the whole name.
#[test]
fn metrics_that_share_a_name() {
    let toml = r#"
        on = "usage"
        [metrics.sent]
        name = "network.bytes"
        counter = "net_sent_bytes"
        unit = "By"
        labels = { direction = { value = "sent" } }
        [metrics.received]
        name = "network.bytes"
        counter = "net_recv_bytes"
        unit = "By"
        labels = { direction = { value = "received" } }
        [records.seen]
        name = "network.seen"
        fields = { host = { value = "a" }, limit = { value = 1.5 }, sent = "net_sent_bytes" }
    "#;
    let out = Replay::declared(toml).event(usage().network(100, 2000)).source(local()).finish();
    insta::assert_snapshot!(out);
}

/// Guarantees: each mistake is named with its line, and what would be right.
#[test]
fn mistakes_of_a_replay() {
    let toml = "on = 'request'\n[metrics]\na = { counter = 'response_lenth' }\nb = { counter = true, unit = 'msec' }";
    let error = Replay::declared(toml).try_finish().unwrap_err().to_string();
    assert!(error.contains("line 3: ") && error.contains("`response_lenth`"), "{error}");
    assert!(error.contains("line 4: `msec` is not a UCUM unit; did you mean `ms`?"), "{error}");
}
