//! The dashboards and alert rules that `ltel-cli dashboards` writes, asked of a real Prometheus.

use std::process::Command;

use ltel_tests::{Exit, Prometheus, SLOW, Scene, Target, Turn, config, free_port, program, prometheus_backend};
use rustix::process::Signal;
use serde_json::Value;

/// The metrics that dashboards of locust-telemetry query, as a collector's Prometheus exporter writes them.
const KNOWN: [&str; 9] = [
    "sum by (endpoint) (rate(locust_tl_request_metric_success_milliseconds_count{run_id=~\".+\",testplan=~\".+\"}[1m]))",
    "histogram_quantile(0.95, sum by (le, endpoint) (rate(locust_tl_request_metric_success_milliseconds_bucket[1m])))",
    "sum by (endpoint, status_code) (locust_tl_request_metric_error_milliseconds_count)",
    "sum(locust_tl_request_metric_success_milliseconds_sum{metric=\"locust.tl.request.metric.success\"})",
    "locust_tl_user_metric_count_ratio{source=\"LocalRunner\"}",
    "locust_tl_system_metric_cpu_percent{source_id=\"local\"}",
    "locust_tl_system_metric_mem_bytes",
    "rate(locust_tl_system_metric_network_bytes{direction=\"recv\"}[1m])",
    "locust_tl_event_test_events_total{event=\"locust.tl.event.spawn.complete\",user_count=\"5\"}",
];

/// Scenario: Prometheus scrapes an ltel with all recorders that the dashboards are for, while a real Locust sends requests of every
/// kind, and another one has a worker and tasks that fail. Guarantees: each query of the dashboards, their variables, their annotations and the alert rules answers with data, and
/// so do those of locust-telemetry's dashboards; Prometheus accepts the alert rules.
#[apply(e2e)]
fn each_query_answers_with_data() {
    let _turn = Turn::shared();
    let (scene, target, port) = (Scene::new(), Target::start(), free_port());
    let folder = scene.path("dashboards");
    let mut writer =
        scene.start("dashboards", scene.ltel(["dashboards".as_ref(), "--out".as_ref(), folder.as_os_str()]));
    assert_eq!(writer.wait(SLOW), Exit::Code(0), "{}", writer.stderr());
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file that was written");
    let written = writer.stdout();
    for name in ["ltel-prometheus.json", "ltel-http.json", "ltel-loki.json", "ltel-alerts.yml"] {
        assert!(written.contains(name) && !read(name).is_empty(), "{written}");
    }
    let rules = folder.join("ltel-alerts.yml");
    let checked = Command::new(program("promtool")).args(["check", "rules"]).arg(rules).output();
    let checked = checked.expect("promtool");
    assert!(checked.status.success(), "{checked:?}");

    let config = config(
        &scene,
        "",
        &format!("[recorders.http]\n[recorders.tasks]\n[recorders.workers]\n{}", prometheus_backend(port, "")),
    );
    let _ltel = scene.serve(&config, &[]);
    let prometheus = Prometheus::start(&scene, port, "1s");
    let url = target.url();
    let locust = ["--headless", "-f", "everything.py", "-H", &url, "-u5", "-r10"];
    let mut command = scene.locust_to(&scene.address(), locust);
    command.env("REFUSING", "http://127.0.0.1:1");
    let mut locust = scene.start("locust", command);
    let (bind, to) = (free_port().to_string(), scene.address());
    let distributed =
        ["--headless", "-f", "measuring.py", "-u2", "-r10", "--processes=1", "--master-bind-host=127.0.0.1"];
    let ports = ["--master-bind-port", &bind, "--master-host=127.0.0.1", "--master-port", &bind];
    let mut distributed = scene.start("distributed", scene.locust_to(&to, distributed.into_iter().chain(ports)));
    let of_dashboards = ["ltel-prometheus.json", "ltel-http.json"].map(|name| queries(&read(name)));
    let alerts: Vec<_> = figures(&read("ltel-alerts.yml"));
    assert!(of_dashboards.iter().all(|queries| queries.len() >= 18) && alerts.len() == 5, "{of_dashboards:?}");
    // At the end of a test, a counter of it appears that nothing can be said about before.
    let (at_the_end, during): (Vec<_>, Vec<_>) =
        of_dashboards.concat().into_iter().partition(|query| query.contains("test.stop"));
    for query in during.iter().chain(&alerts).map(String::as_str).chain(KNOWN) {
        prometheus.sees(query);
    }
    locust.signal(Signal::TERM);
    locust.wait(SLOW);
    distributed.signal(Signal::TERM);
    distributed.wait(SLOW);
    for query in at_the_end {
        prometheus.sees(&query);
    }
}

/// All queries of a dashboard, with Grafana's variables replaced.
fn queries(dashboard: &str) -> Vec<String> {
    let dashboard: Value = serde_json::from_str(dashboard).expect("JSON");
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let mut queries = Vec::new();
    for panel in list(&dashboard["panels"]) {
        queries.extend(list(&panel["targets"]).iter().map(|target| target["expr"].clone()));
    }
    queries.extend(list(&dashboard["annotations"]["list"]).iter().map(|annotation| annotation["expr"].clone()));
    let variables = list(&dashboard["templating"]["list"]);
    queries.extend(
        variables.iter().filter(|variable| variable["type"] == "query").map(|variable| variable["query"].clone()),
    );
    queries.iter().map(|query| replaced(query.as_str().expect("a query"))).collect()
}

fn replaced(query: &str) -> String {
    if let Some(asked) = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')) {
        let (series, label) = asked.rsplit_once(", ").expect("series and a label");
        return format!("count by ({label}) ({series})");
    }
    let mut query = query.replace("$__rate_interval", "30s").replace("$__range", "5m").replace("$__interval", "5m");
    for variable in ["$testplan", "$run_id", "$endpoint", "$url_template"] {
        query = query.replace(variable, ".*");
    }
    assert!(!query.contains('$'), "an unknown variable: {query}");
    query
}

/// What the alert rules watch, without their limits.
fn figures(rules: &str) -> Vec<String> {
    let lines: Vec<_> = rules.lines().map(str::trim).collect();
    let expressions = lines.windows(2).filter(|pair| pair[0] == "expr: |-").map(|pair| pair[1]);
    expressions.map(|expression| expression.rsplit_once(" > ").expect("a limit").0.to_owned()).collect()
}
