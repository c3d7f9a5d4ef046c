use std::fmt::Write as _;
use std::time::Duration;

use super::*;
use crate::figures::{EndpointFigures, GeneratorFigures, Histogram, RunFigures, Stage};
use crate::runs::{DropReason, RunAccount, SourceAccount, SourceStatus};

fn parse(text: &str) -> Check {
    Check::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

fn is_read(text: &str, quantity: Quantity, operator: Operator, limit: Limit) {
    let check = parse(text);
    assert_eq!((check.quantity, check.operator, check.limit), (quantity, operator, limit), "{text}");
    assert_eq!(check.to_string(), text.trim());
}

#[test]
fn checks_are_read() {
    use Limit::{Baseline, Value};
    use Operator::{Above, AtLeast, AtMost, Below, Equal};
    use Quantity::{Average, Cpu, Dropped, FailureRatio, Failures, Max, Min, Percentile, Requests, Rps};
    is_read("p95 < 500ms", Percentile(95.0), Below, Value(500.0));
    is_read("p99.9<=1.5s", Percentile(99.9), AtMost, Value(1_500.0));
    is_read("  p0 >= 20 us ", Percentile(0.0), AtLeast, Value(0.02));
    is_read("p100 < 250µs", Percentile(100.0), Below, Value(0.25));
    is_read("avg < 2m", Average, Below, Value(120_000.0));
    is_read("min > 1ms", Min, Above, Value(1.0));
    is_read("max < 10s", Max, Below, Value(10_000.0));
    is_read("requests >= 1000", Requests, AtLeast, Value(1_000.0));
    is_read("requests == 1000", Requests, Equal, Value(1_000.0));
    is_read("failures == 0", Failures, Equal, Value(0.0));
    is_read("failures <= 0", Failures, AtMost, Value(0.0));
    is_read("failure_ratio < 0.7 %", FailureRatio, Below, Value(0.007));
    is_read("failure_ratio <= 0%", FailureRatio, AtMost, Value(0.0));
    is_read("failure_ratio >= 100%", FailureRatio, AtLeast, Value(1.0));
    is_read("rps > 99.5", Rps, Above, Value(99.5));
    is_read("cpu < 90%", Cpu, Below, Value(90.0));
    is_read("dropped == 0", Dropped, Equal, Value(0.0));
    is_read("p95 < baseline", Percentile(95.0), Below, Baseline { factor: 1.0, plus: 0.0 });
    is_read("p95 < baseline + 10%", Percentile(95.0), Below, Baseline { factor: 1.1, plus: 0.0 });
    is_read("rps>baseline-5%", Rps, Above, Baseline { factor: 0.95, plus: 0.0 });
    is_read("avg < baseline + 0.1s", Average, Below, Baseline { factor: 1.0, plus: 100.0 });
    is_read("failure_ratio < baseline + 0.5%", FailureRatio, Below, Baseline { factor: 1.0, plus: 0.005 });
}

#[test]
fn every_mistake_is_found_at_its_place() {
    let mut shown = String::new();
    for text in [
        "",
        "  ",
        "< 500ms",
        "p95th < 500ms",
        "p101 < 1s",
        "p < 1s",
        "p9x < 1s",
        "p(95) < 500",
        "median < 1s",
        "P95 < 1s",
        "failure_ration < 1%",
        "error_rate < 1%",
        "latency < 1s",
        "p95",
        "p95 500ms",
        "p95 = 500ms",
        "requests = 10",
        "p95 =< 1s",
        "p95 ≤ 1s",
        "p95 != 1s",
        "p95 == 1s",
        "failure_ratio == 0%",
        "p95 <",
        "p95 < fast",
        "p95 < 500",
        "p95 < 500sec",
        "p95 < 10%",
        "p95 < 1,5s",
        "p95 < 1e3ms",
        "p95 < .5s",
        "p95 < 500 ms and p99 < 1s",
        "failure_ratio < 0.01",
        "failure_ratio < 1",
        "failure_ratio < 10ms",
        "rps > 100/s",
        "cpu < 90",
        "failures < 1%",
        "requests > 10ms",
        "failures < 0.5",
        "failure_ratio < 0%",
        "p95 < 0ms",
        "p95 < -5ms",
        "p95 <= -5ms",
        "p95 >= 0s",
        "failures < 0",
        "requests >= 0",
        "failure_ratio > 100%",
        "failure_ratio <= 100%",
        "failure_ratio < 120%",
        "requests == -1",
        "p95 < baseline * 1.1",
        "p95 < baseline + 10",
        "p95 < baseline + ",
        "p95 < baseline 10%",
        "p95 < baseline - 100%",
        "p95 <= baseline - 150%",
        "rps > baseline - 150%",
        "failure_ratio < baseline + 200%",
        "failure_ratio > baseline + 100%",
        "rps > 1k",
        "requests == 1e3",
        "requests == baseline",
        "cpu < baseline",
        "p95 < baselin",
        "日本 < 1s",
        "p95 < 日本",
        "p95 < 1s 日本",
    ] {
        let error = Check::parse(text).expect_err(text);
        let place = text.get(error.span.clone()).unwrap_or_else(|| panic!("{text}: {:?}", error.span));
        writeln!(shown, "`{text}` at `{place}`: {}\n    {}", error.message, error.help).unwrap();
    }
    insta::assert_snapshot!(shown);
}

fn endpoint(method: &str, name: &str, ms: &[u64], failures: u64) -> EndpointFigures {
    let mut ms = ms.to_vec();
    ms.sort_unstable();
    let bucket = |ms: &u64| Histogram::bucket_of(ms * 1_000);
    let mut counts = std::collections::BTreeMap::new();
    for ms in &ms {
        *counts.entry(bucket(ms)).or_default() += 1;
    }
    EndpointFigures {
        method: method.to_owned(),
        name: name.to_owned(),
        requests: ms.len() as u64,
        failures,
        min_ms: ms.first().map(|ms| *ms as f64),
        max_ms: ms.last().map(|ms| *ms as f64),
        mean_ms: (!ms.is_empty()).then(|| ms.iter().sum::<u64>() as f64 / ms.len() as f64),
        rate: ms.len() as f64 / 10.0,
        histogram: Histogram::from_counts(counts),
        ..EndpointFigures::default()
    }
}

fn run(endpoints: Vec<EndpointFigures>) -> RunFigures {
    let mut total = EndpointFigures { name: "Aggregated".to_owned(), ..EndpointFigures::default() };
    for endpoint in &endpoints {
        total.requests += endpoint.requests;
        total.failures += endpoint.failures;
        total.rate += endpoint.rate;
        total.histogram.add(&endpoint.histogram);
        total.min_ms = total.min_ms.into_iter().chain(endpoint.min_ms).reduce(f64::min);
        total.max_ms = total.max_ms.into_iter().chain(endpoint.max_ms).reduce(f64::max);
    }
    RunFigures { stage: Stage::Final { complete: true }, total, endpoints, ..RunFigures::default() }
}

fn judged(target: &str, check: &str, figures: &RunFigures, baseline: Option<&RunFigures>) -> Judgement {
    let threshold = Threshold { target: Target::new(target), check: parse(check), abort_after: None };
    let judgement = threshold.judge(figures, baseline);
    assert_eq!((&*judgement.target, &*judgement.check), (target, check));
    judgement
}

/// Whether it passed, its figure, its endpoint, and the reason.
fn line(judgement: &Judgement) -> String {
    let part = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
    let passed = if judgement.passed { "passed" } else { "broken" };
    format!("{passed}, {}, {}, {}", part(&judgement.actual), part(&judgement.endpoint), part(&judgement.reason))
}

fn check(target: &str, check: &str, figures: &RunFigures, expected: &str) {
    assert_eq!(line(&judged(target, check, figures, None)), expected, "{target}: {check}");
}

fn shop() -> RunFigures {
    run(vec![
        endpoint("GET", "/a", &[10, 20, 30, 40], 0),
        endpoint("GET", "/b", &[100, 200, 300, 612], 1),
        endpoint("POST", "/b", &[7], 0),
        endpoint("", "a job", &[], 0),
    ])
}

#[test]
fn the_total_is_judged() {
    let shop = shop();
    check("all", "p95 < 700ms", &shop, "passed, 612 ms, -, -");
    check("all", "p95 < 500ms", &shop, "broken, 612 ms, -, -");
    check("all", "max <= 612ms", &shop, "passed, 612 ms, -, -");
    check("all", "max < 612ms", &shop, "broken, 612 ms, -, -");
    check("all", "min >= 8ms", &shop, "broken, 7 ms, -, -");
    check("all", "requests == 9", &shop, "passed, 9, -, -");
    check("all", "failures <= 0", &shop, "broken, 1, -, -");
    check("all", "failure_ratio < 12%", &shop, "passed, 11.1 %, -, -");
    check("all", "rps > 0.9", &shop, "broken, 0.9 req/s, -, -");
}

#[test]
fn what_is_shown_does_not_contradict_the_judgement() {
    let mut shop = shop();
    shop.total.mean_ms = Some(499.96);
    check("all", "avg < 500ms", &shop, "passed, 499.96 ms, -, -");
    shop.total.mean_ms = Some(500.000_4);
    check("all", "avg < 500ms", &shop, "broken, 500.0004 ms, -, -");
    (shop.total.requests, shop.total.failures) = (1_000, 7);
    check("all", "failure_ratio <= 0.7%", &shop, "passed, 0.7 %, -, -");
    check("all", "failure_ratio < 0.7%", &shop, "broken, 0.7 %, -, -");
}

#[test]
fn the_worst_endpoint_of_a_pattern_is_judged() {
    let shop = shop();
    check("GET /a", "p95 < 41ms", &shop, "passed, 40 ms, GET /a, -");
    check("/b", "max < 1s", &shop, "passed, 612 ms, GET /b, GET /b is the worst of 2 endpoints");
    check("* /b", "requests > 1", &shop, "broken, 1, POST /b, POST /b is the worst of 2 endpoints");
    check("GET *", "p50 < 50ms", &shop, "broken, 200 ms, GET /b, GET /b is the worst of 2 endpoints");
    check("*", "failures == 0", &shop, "broken, 1, GET /b, GET /b is the worst of 4 endpoints");
    let untimed = "broken, -, a job, no request was made; a job is the worst of 4 endpoints";
    check("*", "p95 < 1s", &shop, untimed);
    check("a*", "p95 < 1s", &shop, "broken, -, a job, no request was made");
}

#[test]
fn what_does_not_exist_has_not_passed() {
    let mut shop = shop();
    check("GET /A", "requests > 0", &shop, "broken, -, -, no endpoint matches; did you mean `GET /a`?");
    check("/aa", "requests > 0", &shop, "broken, -, -, no endpoint matches; did you mean `/a`?");
    let some = "no endpoint matches; there were `GET /a`, `GET /b`, `POST /b`, ...";
    check("DELETE /everything", "requests > 0", &shop, &format!("broken, -, -, {some}"));
    check("all", "cpu < 90%", &shop, "broken, -, -, the CPU usage of no generator is known");
    shop.endpoints[3].requests = 3;
    check("a job", "avg > 1ms", &shop, "broken, -, a job, no request had a response time");
    shop.total.mean_ms = Some(f64::NAN);
    check("all", "avg > 1ms", &shop, "broken, -, -, the figure is not a number");
    let empty = run(Vec::new());
    check("GET /", "failures == 0", &empty, "broken, -, -, no request was made");
    check("all", "failure_ratio < 1%", &empty, "broken, -, -, no request was made");
    check("all", "failures == 0", &empty, "passed, 0, -, -");
    shop.stage = Stage::Final { complete: false };
    check("all", "requests > 1", &shop, "passed, 9, -, figures are incomplete");
}

#[test]
fn generators_are_judged() {
    let mut shop = shop();
    let generator = |percent| GeneratorFigures { max_cpu_percent: percent, ..GeneratorFigures::default() };
    shop.generators = vec![generator(Some(12.0)), generator(None), generator(Some(97.25))];
    check("all", "cpu < 90%", &shop, "broken, 97.2 %, -, -");
    check("all", "dropped == 0", &shop, "passed, 0, -, -");
    let source = SourceAccount {
        source: None,
        label: "a".to_owned(),
        status: SourceStatus::Done,
        sent: 10,
        recorded: 6,
        filtered: 0,
        dropped: [(DropReason::BufferFull, 3), (DropReason::NotReceived, 1)].into_iter().collect(),
    };
    shop.account = RunAccount { sources: vec![source], ..RunAccount::default() };
    check("all", "dropped == 0", &shop, "broken, 4, -, -");
}

#[test]
fn what_is_not_known_to_be_dropped_has_not_passed() {
    let mut shop = shop();
    let source = |label: &str, status| SourceAccount {
        source: None,
        label: label.to_owned(),
        status,
        sent: 10,
        recorded: 10,
        filtered: 0,
        dropped: std::collections::BTreeMap::new(),
    };
    let sources = [
        ("a", SourceStatus::Done),
        ("b", SourceStatus::Missing),
        ("c", SourceStatus::Open),
        ("d", SourceStatus::Disagrees),
        ("e", SourceStatus::Missing),
    ];
    let sources = sources.map(|(label, status)| source(label, status)).into();
    shop.account = RunAccount { sources, unlisted_sources: 2, ..RunAccount::default() };
    shop.stage = Stage::Running;
    check("all", "dropped == 0", &shop, "passed, 0, -, -");
    shop.stage = Stage::Final { complete: false };
    let unknown = "it is not known what these sources dropped: b (missing), c (open), d (disagrees), 1 more, 2 beyond \
                   the limit of sources";
    check("all", "dropped == 0", &shop, &format!("broken, -, -, {unknown}; figures are incomplete"));
    shop.account.sources.truncate(1);
    shop.account.unlisted_sources = 0;
    check("all", "dropped == 0", &shop, "passed, 0, -, figures are incomplete");
}

#[test]
fn what_may_still_come_is_not_the_worst_while_the_test_runs() {
    let mut shop = shop();
    shop.stage = Stage::Running;
    check("*", "p95 < 500ms", &shop, "broken, 612 ms, GET /b, GET /b is the worst of 3 endpoints");
    check("a*", "p95 < 500ms", &shop, "broken, -, a job, no request was made");
}

#[test]
fn a_baseline_is_compared_with() {
    let (before, now) = (
        run(vec![endpoint("GET", "/a", &[30], 0), endpoint("GET", "/b", &[600], 0)]),
        run(vec![endpoint("GET", "/a", &[35], 0), endpoint("GET", "/b", &[600], 0), endpoint("GET", "/c", &[900], 1)]),
    );
    let check = |target: &str, check: &str, baseline: Option<&RunFigures>, expected: &str| {
        assert_eq!(line(&judged(target, check, &now, baseline)), expected, "{target}: {check}");
    };
    let before = Some(&before);
    check("GET /a", "p95 < baseline + 10%", before, "broken, 35 ms, GET /a, -");
    check("GET /a", "p95 < baseline + 20%", before, "passed, 35 ms, GET /a, -");
    check("GET /a", "p95 < baseline + 6ms", before, "passed, 35 ms, GET /a, -");
    check("GET /a", "requests >= baseline", before, "passed, 1, GET /a, -");
    check(
        "GET *",
        "p95 < baseline + 10%",
        before,
        "broken, 35 ms, GET /a, GET /a is the worst of 2 endpoints; GET /c is not in the baseline, so it is left out",
    );
    check("GET /c", "p95 < baseline", before, "broken, -, -, the baseline does not have this figure");
    check("all", "p95 < baseline", None, "broken, -, -, the baseline does not have this figure");
    check("all", "failure_ratio < baseline + 40%", before, "passed, 33.3 %, -, -");
}

#[test]
fn patterns() {
    let matches =
        |pattern: &str, method: &str, name: &str| Target::new(pattern).matches(&endpoint(method, name, &[], 0));
    for (pattern, method, name) in [
        ("GET /a", "GET", "/a"),
        ("/a", "POST", "/a"),
        ("GET /a", "", "GET /a"),
        ("a b c", "", "a b c"),
        ("*", "", ""),
        ("GET*", "GET", ""),
        ("*/a/*/c", "GET", "/a/b/c"),
        ("*a*a", "", "aXaXa"),
        ("a*b*b", "", "abb"),
        (r"/files/\*", "GET", "/files/*"),
        (r"C:\dir", "", r"C:\dir"),
        ("* all", "GET", "all"),
    ] {
        assert!(matches(pattern, method, name), "{pattern} matches {method} {name}");
    }
    for (pattern, method, name) in [
        ("GET /a", "POST", "/a"),
        ("/a", "GET", "/ab"),
        ("get /a", "GET", "/a"),
        ("a*a", "", "a"),
        ("a*b*b", "", "ab"),
        (r"/files/\*", "GET", "/files/x"),
        ("all", "", "all"),
        ("GET", "GET", "/"),
    ] {
        assert!(!matches(pattern, method, name), "{pattern} does not match {method} {name}");
    }
}

#[test]
fn sentences() {
    let shop = shop();
    for (target, check, sentence) in [
        ("GET /b", "p95 < 300ms", "p95 of GET /b is 612 ms, must be < 300 ms"),
        ("all", "failure_ratio < 1.5%", "failure_ratio is 11.1 %, must be < 1.5 %"),
        ("all", "requests == 9", "requests is 9, as it must be: == 9"),
        ("GET /A", "avg < 1ms", "`avg < 1ms` of GET /A: no endpoint matches; did you mean `GET /a`?"),
    ] {
        assert_eq!(judged(target, check, &shop, None).sentence(), sentence);
    }
    let mut late = judged("all", "requests < 10", &shop, None);
    (late.passed, late.aborted) = (false, true);
    assert_eq!(late.sentence(), "requests is 9 by now, but it was not < 10");
}

#[test]
fn without_figures_nothing_has_passed() {
    let (target, check) = (Target::new("all"), parse("failures == 0"));
    let threshold = Threshold { target, check, abort_after: Some(Duration::ZERO) };
    let judgement = threshold.without_figures("the recorder `stats` panicked");
    assert_eq!(line(&judgement), "broken, -, -, the recorder `stats` panicked");
    assert_eq!((judgement.limit_value, judgement.unit), (Some(0.0), Unit::Count));
}
