//! Rules for the names of requests, compared with what the locustfile counts itself.

use std::collections::BTreeMap;

use ltel_tests::{
    Endpoint, Exit, Figures, Lines, Prometheus, SLOW, SOON, Scene, Target, TestAgent, Turn, Value, free_port, latest,
    prometheus_backend, until,
};

const REQUESTS: &str = "locust.tl.request.metric.requests";
const FAILURES: &str = "locust.tl.request.metric.failures";

const RULES: &str = r#"
[[names]]
cut_query = true
[[names]]
match   = '^/product/\d+$'
replace = "/product/{id}"
[[names]]
match = '^/health$'
drop  = true
[[names]]
method  = "WS"
match   = '^room-(\d)\d*$'
replace = "room-${1}x"
"#;

/// What the rules make of an endpoint, said in another way.
fn renamed(endpoint: &Endpoint) -> Option<Endpoint> {
    let name = match endpoint.name.as_str() {
        "/health" => return None,
        name if name.starts_with("/product/") => "/product/{id}".to_owned(),
        name if name.starts_with("/ok?") => "/ok".to_owned(),
        name => format!("{}x", &name[..6]),
    };
    Some(Endpoint::new(&endpoint.method, &name))
}

/// Requests and failures by method and name.
type Counts = BTreeMap<Endpoint, (u64, u64)>;

fn expected(witness: &Figures) -> Counts {
    let mut counts = Counts::new();
    for (endpoint, counted) in &witness.0 {
        let Some(endpoint) = renamed(endpoint) else { continue };
        let sum = counts.entry(endpoint).or_default();
        *sum = (sum.0 + counted.requests, sum.1 + counted.failures);
    }
    counts
}

/// The two counters together; one that has counted nothing has no series.
fn counts(of: impl Fn(&str) -> Vec<(Endpoint, u64)>) -> Counts {
    let mut counts = Counts::new();
    for (endpoint, count) in of(REQUESTS) {
        counts.entry(endpoint).or_default().0 += count;
    }
    for (endpoint, count) in of(FAILURES) {
        counts.entry(endpoint).or_default().1 += count;
    }
    counts
}

fn config(scene: &Scene, rules: &str, more: &str) -> String {
    format!(
        "{rules}\n[listen]\nunix = '{}'\n[recorders.requests]\n[recorders.failures]\n[recorders.spans]\nbackends = [\"file\"]\n\
         [recorders.stats]\nbackends = [\"file\"]\nseries_limit = 5000\nerror_limit = 5000\n\
         [recorders.named]\ntype = \"stats\"\nnames = true\nbackends = [\"named\"]\n\
         [backends.file]\ntype = \"json\"\nspans = true\noutput = '{}'\n\
         [backends.named]\ntype = \"json\"\noutput = '{}'\n{more}",
        scene.socket().display(),
        scene.path("telemetry.ndjson").display(),
        scene.path("named.ndjson").display(),
    )
}

fn locust(target: &Target) -> Vec<String> {
    let url = target.url();
    ["--headless", "-f", "naming.py", "-H", &url, "-u", "5", "-r", "10", "--only-summary", "--json-file", "figures"]
        .map(str::to_owned)
        .into()
}

/// Scenario: a real Locust asks for 3,000 distinct URLs, and rules cut queries, give ids one name, rename what is not HTTP, and
/// drop a health check. Guarantees: JSON, OTLP and Prometheus have the names of the rules, with exactly the counts of the
/// locustfile; so have failures and spans, and `stats` with `names = true`; `stats` without it is Locust's own table. What was
/// dropped is counted as filtered, and nothing is missing.
#[apply(e2e)]
fn thousands_of_urls_become_few_names() {
    let _turn = Turn::shared();
    let (scene, target, port) = (Scene::new(), Target::start(), free_port());
    let agent = TestAgent::start(&scene);
    let more = agent.grpc_backend() + &prometheus_backend(port, "keep = \"1h\"");
    let mut ltel = scene.serve(&config(&scene, RULES, &more), &[]);
    let prometheus = Prometheus::start(&scene, port, "1s");
    let mut locust = scene.start("locust", scene.locust_to(&scene.address(), locust(&target)));
    assert_eq!(locust.wait(SLOW), Exit::Code(1), "Locust's own exit code for a test with failures");
    scene.reported(1);
    let witness = scene.witnessed();
    assert!(witness.0.len() > 3_000, "{}", witness.0.len());
    let expected = expected(&witness);
    assert_eq!(expected.len(), 2 + 10, "{expected:?}");

    until("the last scrape", SOON, || {
        let all = prometheus.query("sum(last_over_time(locust_tl_request_metric_requests_total[5m]))");
        let all = all.first().map_or(0.0, ltel_tests::Sample::value);
        (all >= expected.values().map(|count| count.0 as f64).sum()).then_some(())
    });
    let scraped = |metric: &str| {
        let metric = metric.replace('.', "_");
        let samples = prometheus.query(&format!("sum by (method, endpoint) (last_over_time({metric}_total[5m]))"));
        let endpoint = |sample: &ltel_tests::Sample| Endpoint::new(sample.label("method"), sample.label("endpoint"));
        samples.iter().map(|sample| (endpoint(sample), sample.value() as u64)).collect()
    };
    assert_eq!(counts(scraped), expected, "Prometheus");
    ltel.signal(rustix::process::Signal::TERM);
    assert_eq!(ltel.wait(SLOW), Exit::Code(0), "what is filtered is not lost");

    let lines = scene.lines();
    let in_json = |metric: &str| {
        let endpoint = |line: &ltel_tests::Line| Endpoint::new(line.text("method"), line.text("endpoint"));
        lines.latest(metric).values().map(|line| (endpoint(line), line.count("value"))).collect()
    };
    assert_eq!(counts(in_json), expected, "JSON");
    let points = agent.points("grpc");
    let exported = |metric: &str| {
        let number = |point: &ltel_tests::Point| match point.value {
            Value::Number(number) => number as u64,
            Value::Histogram(_) => panic!("a counter: {point:?}"),
        };
        let endpoint =
            |point: &ltel_tests::Point| Endpoint::new(point.attribute("method"), point.attribute("endpoint"));
        latest(&points, metric).into_iter().map(|point| (endpoint(point), number(point))).collect()
    };
    assert_eq!(counts(exported), expected, "OTLP");

    let mut failures = BTreeMap::<Endpoint, u64>::new();
    for line in lines.named("locust.tl.event.failure").filter(|line| line.is("report", "final")) {
        *failures.entry(Endpoint::new(line.text("method"), line.text("name"))).or_default() +=
            line.count("occurrences");
    }
    let failed = expected.iter().filter(|(_, count)| count.1 > 0).map(|(endpoint, count)| (endpoint.clone(), count.1));
    assert_eq!(failures, failed.collect());
    let mut spans = BTreeMap::<String, u64>::new();
    for line in lines.0.iter().filter(|line| line.is("telemetry_type", "span")) {
        *spans.entry(line.name().to_owned()).or_default() += 1;
    }
    let named = expected.iter().map(|(endpoint, count)| (format!("{} {}", endpoint.method, endpoint.name), count.0));
    assert_eq!(spans, named.collect());

    lines.check_figures(&witness);
    let (all, kept) = (witness.total().requests, expected.values().map(|count| count.0).sum::<u64>());
    let named = Lines::read(&scene.path("named.ndjson"));
    let last = named.final_record();
    assert_eq!((last.count("num_requests"), last.count("filtered")), (kept, all - kept));
    assert!(!lines.final_record().has("filtered"));
    let report = lines.report();
    assert_eq!((report.count("sent"), report.count("recorded"), report.count("filtered")), (all, kept, all - kept));
    assert_eq!(report.telemetry["complete"], true);
    assert!(ltel.stderr().contains(&format!("{kept} requests recorded, {} filtered, 0 dropped", all - kept)));
    assert!(!ltel.stderr().contains("[[names]]"), "{}", ltel.stderr());
}

/// Scenario: the same test without rules, under `run`; then with the rules that ltel has said. Guarantees: ltel says once that there
/// are many names, with rules that can be pasted, and with these says it no more.
#[apply(e2e)]
fn many_names_are_said_with_rules_for_them() {
    let _turn = Turn::shared();
    let target = Target::start();
    let run = |rules: &str| {
        let scene = Scene::new();
        let mut run = scene.start("run", scene.run(&config(&scene, rules, ""), locust(&target)));
        assert_eq!(run.wait(SLOW), Exit::Code(1));
        run.stderr()
    };
    let said = run("");
    let hint = "requests have at least 300 names";
    assert_eq!(said.matches(hint).count(), 1, "{said}");
    let rules =
        said.lines().find_map(|line| line.split_once("top of the configuration: ")).map(|(_, rules)| rules.to_owned());
    let rules = rules.unwrap_or_else(|| panic!("no rules: {said}"));
    assert!(rules.contains("cut_query = true") && rules.contains(r"match = '^/product/\d+$'"), "{said}");
    let said = run(&rules);
    assert!(!said.contains(hint), "{said}");
}
