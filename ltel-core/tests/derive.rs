//! Derived recorders at work: the whole path from events to points and records.
#![allow(missing_docs, clippy::float_cmp, clippy::cast_precision_loss)]

use ltel_core::Timestamp;
use ltel_core::prelude::*;
use ltel_core::replay::*;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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
struct Checkout {
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

#[test]
fn checkout() {
    let out = Replay::of::<Checkout>()
        .options("slow_ms = 500")
        .event(request("POST", "/checkout/pay").took_ms(612.0).raised("Timeout"))
        .event(request("POST", "/checkout/pay").took_ms(100.0))
        .event(request("GET", "/checkout/cart"))
        .event(request("GET", "/"))
        .advance("10s")
        .finish();
    insta::assert_snapshot!("checkout", out);
    insta::assert_snapshot!("checkout_spec", spec::<Checkout>());
}

/// The life of a test.
#[derive(Recorder)]
#[recorder(
    on = [TestStart, TestStop, SpawningComplete, CpuWarning],
    when = |e, _, cx| cx.speaks_for_run() || matches!(e, Event::CpuWarning(_)),
    labels(event = |e| life(e), user_count = |e| match e {
        Event::SpawningComplete(e) => Some(e.user_count),
        _ => None,
    }),
    scope = "locust_telemetry",
)]
struct Lifecycle {
    /// Lifecycle events of the test.
    #[counter(name = "locust.tl.event.test.events")]
    events: Counter,
    /// The test starts.
    #[record(on = TestStart, name = "locust.tl.event.test.start")]
    start: Records,
    /// The test has stopped.
    #[record(on = TestStop, name = "locust.tl.event.test.stop", fields(end_time = |e| Timestamp::from_secs(e.time + 1.0)))]
    stop: Records,
    /// All users are spawned.
    #[record(on = SpawningComplete, name = "locust.tl.event.spawn.complete", fields(user_count))]
    spawned: Records,
    /// A Locust process is short of CPU.
    #[record(
        on = CpuWarning, severity = warning, name = "locust.tl.event.cpu.warning", fields(value = cpu_usage, unit = "percent"),
    )]
    cpu: Records,
}

fn life(event: &Event<'_>) -> &'static str {
    match event {
        Event::TestStart(_) => "locust.tl.event.test.start",
        Event::TestStop(_) => "locust.tl.event.test.stop",
        Event::SpawningComplete(_) => "locust.tl.event.spawn.complete",
        _ => "locust.tl.event.cpu.warning",
    }
}

#[test]
fn lifecycle() {
    let out = Replay::of::<Lifecycle>()
        .source(master())
        .event(test_start())
        .event(test_start().from(worker(0)))
        .advance("2s")
        .event(spawning_complete(20))
        .event(cpu_warning(97.5).from(worker(0)))
        .advance("1m")
        .event(test_stop())
        .finish();
    insta::assert_snapshot!("lifecycle", out);
    insta::assert_snapshot!("lifecycle_spec", spec::<Lifecycle>());
}

/// What the Locust processes use.
#[derive(Recorder)]
#[recorder(on = Usage, labels())]
struct System {
    /// CPU of the Locust process.
    #[gauge(name = "locust.tl.system.metric.cpu", unit = "%", value = cpu_percent)]
    cpu: Gauge,
    /// Bytes over the host's network.
    #[gauge(name = "locust.tl.system.metric.network", unit = "By", value = net_sent_bytes, labels(direction = "sent"))]
    sent: Gauge<u64>,
    /// Bytes over the host's network.
    #[gauge(name = "locust.tl.system.metric.network", unit = "By", value = net_recv_bytes, labels(direction = "recv"))]
    recv: Gauge<u64>,
}

#[test]
fn fields_share_a_metric_and_gauges_end_with_their_source() {
    let replay = || {
        Replay::of::<System>()
            .event(usage().cpu(12.5).network(100, 200).from(worker(0)))
            .event(usage().cpu(50.0).network(1, 2).from(worker(1)))
    };
    insta::assert_snapshot!("system", replay().finish());
    insta::assert_snapshot!("system_one_gone", replay().gone(worker(1)).finish());
    assert_eq!((System::SPEC.needs.usage, System::SPEC.needs.url), (true, false));
}

#[derive(Deserialize, JsonSchema)]
struct Bounds {
    bounds: Vec<f64>,
}

/// Requests in all detail.
#[derive(Recorder)]
#[recorder(
    on = Request,
    per = run,
    options = Bounds,
    labels("user.class" = user_class, tenant = |r| r.context().and_then(|c| c.get("tenant")), status_code, kind = "http"),
    needs(context),
)]
struct Detail {
    /// Response times.
    #[histogram(name = "times", unit = "ms", value = response_time, when = |r| r.error.is_none(), labels(outcome = "passed"),
        buckets = |o| &o.bounds)]
    passed: Histogram,
    /// Response times.
    #[histogram(name = "times", unit = "ms", value = response_time, when = |r| r.error.is_some(), labels(outcome = "failed"),
        buckets = |o| o.bounds.clone())]
    failed: Histogram,
    /// Bytes in and out.
    #[counter(unit = "KiBy", value = |r| r.response_length as f64 / 1024.0)]
    size: Counter<f64>,
    /// Sessions.
    #[up_down_counter(unit = "{session}", value = |r| match &*r.name {
        "/login" => Some(1),
        "/logout" => Some(-1),
        _ => None,
    })]
    sessions: UpDownCounter,
}

#[test]
fn details() {
    let out = Replay::of::<Detail>()
        .named("shop")
        .options("bounds = [10, 100]")
        .event(request("POST", "/login").took_ms(5.0).status(200).bytes(512).user_class("A").context("tenant", "x"))
        .event(request("POST", "/login").took_ms(50.0).status(200).bytes(512).user_class("A").context("tenant", "x"))
        .event(request("POST", "/logout").took_ms(500.0).status(503).failed("HTTPError", "503").from(worker(3)))
        .finish();
    insta::assert_snapshot!("details", out);
    insta::assert_json_snapshot!("details_json", out);
    assert!(Detail::SPEC.needs.context && Detail::SPEC.needs.user_class && !Detail::SPEC.needs.url);
}

/// Users by class.
#[derive(Recorder)]
#[recorder(on = Users, each = |u| &u.counts, labels(class = |(class, _)| *class))]
struct UsersByClass {
    /// Running users.
    #[gauge(unit = "{user}", value = |(_, n)| *n)]
    running: Gauge<u64>,
}

#[test]
fn an_item_in_the_events_place() {
    let out = Replay::of::<UsersByClass>().event(users(&[("Buyer", 3), ("Browser", 40)])).finish();
    insta::assert_snapshot!("users_by_class", out);
}

/// Sales of the shop.
#[derive(Recorder)]
#[recorder(on = Custom, when = |c| c.name == "sold", labels(article = |c| c.attributes.get("article")), every = "5s")]
struct Sales {
    /// Turnover.
    #[counter(unit = "{EUR}", value = value)]
    turnover: Counter<f64>,
    /// Sales since the test began.
    #[gauge(on = Tick, value = |_, _, cx| cx.state.sold)]
    sold: Gauge<u64>,
    /// A sale.
    #[record(fields(article = |c, _, cx| {
        cx.state.sold += 1;
        c.attributes.get("article")
    }, value, n = |_, _, cx| cx.state.sold, attributes))]
    sale: Records,
    /// How many there were each interval.
    #[record(on = Tick, kind = metrics, fields(sold = |_, _, cx| cx.state.sold))]
    so_far: Records,
    /// How many there were in all.
    #[record(on = Finish, name = "sales.total", kind = metrics, fields(sold = |_, _, cx| cx.state.sold, by = |now| *now))]
    total: Records,
    #[state(init = |_| Shop { sold: 0 })]
    shop: Shop,
}

struct Shop {
    sold: u64,
}

#[test]
fn state_ticks_and_the_end() {
    let out = Replay::of::<Sales>()
        .event(custom("sold").value(9.5).attribute("article", "book"))
        .event(custom("lost").value(9.5))
        .advance("7s")
        .event(custom("sold").attribute("article", 12))
        .advance("3s")
        .finish();
    insta::assert_snapshot!("sales", out);
    insta::assert_yaml_snapshot!("sales_yaml", out);
    assert_eq!(Sales::EVERY, Some(std::time::Duration::from_secs(5)));
}

#[test]
fn two_instances_have_their_own_names_and_options() {
    let run = |name, options| {
        Replay::of::<Checkout>().named(name).options(options).event(request("GET", "/checkout").took_ms(10.0)).finish()
    };
    assert_eq!(run("a", "slow_ms = 5").value("a.slow", &[]), 1.0);
    assert_eq!(run("b", "slow_ms = 50").points.len(), 1, "only b.duration");
}

#[test]
fn wrong_options_are_an_error_in_a_value() {
    for (options, says) in [
        ("slow = 5", "unknown field `slow`, expected `slow_ms`"),
        ("slow_ms = \"5\"", "expected f64"),
        ("", "missing field `slow_ms`"),
        ("slow_ms =", "TOML parse error"),
    ] {
        let error = Replay::of::<Checkout>().options(options).try_finish().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn beyond_the_series_limit_all_are_one() {
    let names = ["/checkout/1", "/checkout/2", "/checkout/3"];
    let out = Replay::of::<Checkout>()
        .options("slow_ms = 5")
        .series_limit(1)
        .events(names.map(|name| request("GET", name).took_ms(1.0)))
        .finish();
    insta::assert_snapshot!("overflow", out);
}

#[test]
#[should_panic(
    expected = "no point `checkout.slow` with the labels [(\"method\", \"PUT\")]; there are:\ncheckout.duration"
)]
fn a_point_that_is_not_there_is_answered_with_those_that_are() {
    let out = Replay::of::<Checkout>().options("slow_ms = 5").event(request("GET", "/checkout").took_ms(1.0)).finish();
    out.value("checkout.slow", &[("method", "PUT")]);
}
