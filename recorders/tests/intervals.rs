//! What `stats` tells of each interval beside the figures since the start.
// Values are set, not computed.
#![allow(missing_docs, clippy::float_cmp)]

use std::collections::BTreeMap;

use ltel_core::replay::{Replay, ReplayOutput, master, request, reset_stats, test_start, worker};
use ltel_recorders::Stats;
use serde_json::Value;

const STATS: &str = "locust.tl.request.metric.stats";

/// The fields of all lines of this type.
fn lines<'a>(out: &'a ReplayOutput, stats_type: &str) -> Vec<&'a BTreeMap<String, Value>> {
    let records = out.records(STATS).filter(|record| record.fields["stats_type"] == stats_type);
    records.map(|record| &record.fields).collect()
}

fn start(options: &str) -> Replay {
    Replay::of::<Stats>().options(options).interval("3s").source(master()).event(test_start()).source(worker(0))
}

/// Scenario: a fast interval, a quiet one, a slow one with failures and requests without a time, and a rest.
/// Guarantees: percentiles and rates are those of each interval; a quiet one has 0 requests/s and no percentile; the rest at the
/// end has a line, so that the intervals add up to the whole; Locust's own figures are as they are without intervals.
#[test]
fn percentiles_and_rates_of_each_interval() {
    let fast = (1..=100).map(|ms| request("GET", "/").took_ms(f64::from(ms)));
    let slow = (1..=3).map(|n| request("GET", "/").took_ms(f64::from(n) * 1_000.0).failed("Timeout", "too late"));
    let out = start("percentiles = [50, 95]")
        .events(fast)
        .advance("6s")
        .events(slow)
        .event(request("MQTT", "publish"))
        .advance("5s")
        .event(request("GET", "/").took_ms(7.0))
        .finish();
    let current = lines(&out, "current");
    let of = |key: &str| current.iter().map(|line| line.get(key).and_then(Value::as_f64)).collect::<Vec<_>>();
    assert_eq!(of("interval"), [Some(3.0), Some(3.0), Some(3.0), Some(2.0)]);
    assert_eq!(of("interval_requests"), [Some(100.0), Some(0.0), Some(4.0), Some(1.0)]);
    assert_eq!(of("interval_failures"), [Some(0.0), Some(0.0), Some(3.0), Some(0.0)]);
    assert_eq!(of("interval_rps"), [Some(100.0 / 3.0), Some(0.0), Some(4.0 / 3.0), Some(0.5)]);
    assert_eq!(of("interval_fail_per_sec"), [Some(0.0), Some(0.0), Some(1.0), Some(0.0)]);
    assert_eq!(of("interval_percentile_95"), [Some(95.039), None, Some(3000.0), Some(7.0)]);
    assert_eq!(of("interval_avg_response_time"), [Some(50.5), None, Some(2000.0), Some(7.0)]);
    assert_eq!(of("interval_max_response_time"), [Some(100.0), None, Some(3000.0), Some(7.0)]);
    // Those since the start.
    assert_eq!(of("num_requests"), [Some(100.0), Some(100.0), Some(104.0), Some(105.0)]);
    assert_eq!(of("percentile_50"), [Some(50.015), Some(50.015), Some(52.031), Some(51.007)]);
    assert!(lines(&out, "interval").is_empty(), "endpoints have lines at the end only");
    assert_eq!(lines(&out, "final")[0]["num_requests"], 105);
}

/// Scenario: `endpoints = "interval"`. Guarantees: each interval has a line per endpoint that had requests in it, of a type of
/// its own, so that panels of the total or of the final table do not count them; the order is the table's.
#[test]
fn lines_of_endpoints() {
    let out = start("endpoints = \"interval\"\npercentiles = [50]")
        .event(request("GET", "/b").took_ms(20.0))
        .event(request("POST", "/a").took_ms(10.0))
        .event(request("GET", "/a").took_ms(30.0))
        .advance("4s")
        .event(request("GET", "/b").took_ms(40.0).raised("Timeout"))
        .finish();
    let told: Vec<_> = lines(&out, "interval")
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            (text("method"), text("name"), line["interval_failures"].as_u64(), line["interval_percentile_50"].as_f64())
        })
        .collect();
    let expected = [("GET", "/a", 0, 30.0), ("POST", "/a", 0, 10.0), ("GET", "/b", 0, 20.0), ("GET", "/b", 1, 40.0)];
    let expected = expected.map(|(method, name, n, ms)| (method.to_owned(), name.to_owned(), Some(n), Some(ms)));
    assert_eq!(told, expected);
    // Three endpoints and an error.
    assert_eq!((lines(&out, "current").len(), lines(&out, "endpoint").len()), (2, 4));
}

/// Scenario: the statistics are reset in the middle of an interval. Guarantees: the interval has each request that came in it
/// once, whatever the reset does to Locust's own figures.
#[test]
fn a_reset_within_an_interval() {
    let of = |ms| request("GET", "/").took_ms(ms).from(worker(0));
    let out = start("percentiles = [50]")
        .events([of(10.0), of(10.0)])
        .advance("4s")
        .event(of(500.0))
        .event(reset_stats().from(master()))
        .event(reset_stats().from(worker(0)))
        .events([of(20.0), of(20.0)])
        .advance("2s")
        .finish();
    let told: Vec<_> = lines(&out, "current")
        .iter()
        .map(|line| {
            (line["num_requests"].as_u64(), line["interval_requests"].as_u64(), line["interval_percentile_50"].as_f64())
        })
        .collect();
    assert_eq!(told, [(Some(2), Some(2), Some(10.0)), (Some(2), Some(3), Some(20.015))]);
}

/// Scenario: more endpoints than the limit of series. Guarantees: those beyond it are one, as in the table.
#[test]
fn endpoints_beyond_the_limit() {
    let requests = (0..9).map(|n| request("GET", format!("/{n}")).took_ms(f64::from(n)));
    let out = start("endpoints = \"interval\"").series_limit(2).events(requests).finish();
    let told: Vec<_> = lines(&out, "interval")
        .iter()
        .map(|line| (line["name"].as_str().unwrap().to_owned(), line["interval_requests"].as_u64().unwrap()))
        .collect();
    assert_eq!(told, [("/0".to_owned(), 1), ("/1".to_owned(), 1), ("other endpoints".to_owned(), 7)]);
}

const RESPONSE_TIME: &str = "locust.tl.request.metric.response_time";

/// Scenario: `quantiles`, and requests of several workers; then an interval in which only one endpoint has requests.
/// Guarantees: the gauges are the exact quantiles of all workers together; those of an endpoint without a request have ended.
#[test]
fn gauges_of_quantiles() {
    let of = |n: u32, name: &'static str, ms: u32| request("GET", name).took_ms(f64::from(ms)).from(worker(n));
    let both = || {
        start("quantiles = [0.5, 0.95, 1]")
            .events((1..=100).map(|ms| of(0, "/a", ms)))
            .events((101..=200).map(|ms| of(1, "/a", ms)))
            .events((1..=10).map(|_| of(1, "/b", 7)))
            .event(request("MQTT", "untimed"))
    };
    let out = both().advance("4s").finish();
    let value = |endpoint: &str, quantile: &str| {
        let labels = [("method", "GET"), ("endpoint", endpoint), ("quantile", quantile)];
        out.value(RESPONSE_TIME, if endpoint == "Aggregated" { &labels[1..] } else { &labels })
    };
    let values = ["0.5", "0.95", "1"].map(|quantile| value("/a", quantile));
    assert_eq!(values, [100.031, 190.079, 200.0]);
    assert_eq!(["0.5", "1"].map(|quantile| value("/b", quantile)), [7.0, 7.0]);
    assert_eq!(value("Aggregated", "1"), 200.0);
    let out = both().advance("4s").event(of(0, "/b", 9)).finish();
    insta::assert_snapshot!(out.to_string().split("records").next().unwrap().trim_end());
}

/// Guarantees: a quantile is a number between 0 and 1, and stands there once.
#[test]
fn quantiles_are_checked() {
    for (quantiles, expected) in [
        ("[95]", "quantiles must be between 0 and 1, such as `[0.5, 0.95, 0.99]`; got 95"),
        ("[0.5, 0.9, 0.50]", "quantile 0.5 is there twice"),
        ("[nan]", "quantiles must be between 0 and 1"),
    ] {
        let error = Replay::of::<Stats>().options(&format!("quantiles = {quantiles}")).try_finish().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// Scenario: as many endpoints as there may be series. Guarantees: the total does not take the place of those beyond the limit.
#[test]
fn gauges_of_endpoints_beyond_the_limit() {
    let requests = (0..9).map(|n| request("GET", format!("/{n}")).took_ms(f64::from(n)));
    let out = start("quantiles = [1]").series_limit(2).events(requests).finish();
    assert_eq!(out.value(RESPONSE_TIME, &[("otel.metric.overflow", "true"), ("quantile", "1")]), 8.0);
    assert_eq!(out.value(RESPONSE_TIME, &[("endpoint", "/1"), ("method", "GET"), ("quantile", "1")]), 1.0);
    assert!(!out.to_string().contains("Aggregated  "), "{out}");
}
