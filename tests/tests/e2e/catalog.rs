//! What a configuration alone can say, together: declared recorders, rules for names, labels, and metrics of the locustfile.

use std::collections::BTreeMap;
use std::fs;

use ltel_tests::{
    Lines, Point, Prometheus, SLOW, Scene, TestAgent, Turn, Value, check_account, config, free_port, latest,
    prometheus_backend,
};
use rustix::process::Signal;

const TABLES: &str = r#"
[labels]
region = "eu"
build = { env = "BUILD_ID" }

[[names]]
cut_query = true
[[names]]
match = '^/health/'
drop = true
[[names]]
match = '^/(product|offer)/\d+$'
replace = "/$1/{id}"

[recorders.tasks]
[recorders.custom]

[recorders.checkout]
type = "declared"
on = "request"
when = 'method == "GET" && (name.startsWith("/product/") || name == "/offer/{id}")'
labels = { endpoint = "name", tenant = "context.tenant" }

[recorders.checkout.metrics]
duration = { histogram = "response_time", unit = "ms", buckets = [100, 250, 1000], description = "Time to the last byte" }
failures = { counter = true, when = "error != null" }
bytes = { counter = "response_length", unit = "By" }

[recorders.checkout.records]
slow = { when = "response_time > 400.0", severity = "warning", fields = { took_ms = "response_time" } }
"#;

const ENDPOINT: &[&str] = &["endpoint", "tenant"];
const TASK: &[&str] = &["task", "user_class"];

/// What the locustfile counts, the metric, its name in Prometheus, its labels, and which part of it.
const METRICS: [(&str, &str, &str, &[&str], &str); 9] = [
    ("duration count", "checkout.duration", "checkout_duration_milliseconds_count", ENDPOINT, "count"),
    ("duration sum", "checkout.duration", "checkout_duration_milliseconds_sum", ENDPOINT, "sum"),
    ("failures", "checkout.failures", "checkout_failures_total", ENDPOINT, "value"),
    ("bytes", "checkout.bytes", "checkout_bytes_total", ENDPOINT, "value"),
    ("tasks", "locust.task.duration", "locust_task_duration_seconds_count", TASK, "count"),
    ("tasks failed", "locust.task.failures", "locust_task_failures_total", TASK, "value"),
    ("cart.items", "cart.items", "cart_items_total", &["tenant"], "value"),
    ("cart.value count", "cart.value", "cart_value_EUR_count", &[], "count"),
    ("cart.value sum", "cart.value", "cart_value_EUR_sum", &[], "sum"),
];

/// Values by labels, joined with commas; an absent label is an empty one.
type Series = BTreeMap<String, f64>;

/// Scenario: real Locust with two workers, 3,000 URLs, contexts, tasks and metrics of its own; rules make two names of 2,000 URLs
/// and drop the others.
/// Guarantees: the declared recorder, `tasks` and `custom` say what the locustfile counted, label by label, in JSON, OTLP and
/// Prometheus; the constant labels are on everything; what was dropped is shown and is no loss; values that are absent are told.
#[apply(e2e)]
fn what_the_locustfile_counts() {
    let _turn = Turn::shared();
    let (scene, port) = (Scene::new(), free_port());
    let agent = TestAgent::start(&scene);
    let config = config(&scene, "", &format!("{}{}{TABLES}", prometheus_backend(port, ""), agent.grpc_backend()));
    let master_port = free_port().to_string();
    let locust = ["--headless", "-f", "catalog.py", "--only-summary", "-u2", "-r2", "--processes=2"];
    let ports = ["--master-bind-port", &master_port, "--master-port", &master_port];
    let mut command = scene.run(&config, locust.into_iter().chain(ports));
    command.env("BUILD_ID", "1.2-rc1");
    let mut run = scene.start("run", command);
    let prometheus = Prometheus::start(&scene, port, "1s");
    prometheus.sees("sum(checkout_duration_milliseconds_count) == 2000");
    run.signal(Signal::TERM);
    run.wait(SLOW);

    let (counted, lines, points) = (counted(&scene), scene.lines(), agent.points("grpc"));
    for (what, metric, in_prometheus, labels, part) in METRICS {
        assert!(!counted[what].is_empty(), "{what}");
        let in_prometheus = format!("sum by ({}) (last_over_time({in_prometheus}[1m]))", labels.join(","));
        let in_prometheus = prometheus.query(&in_prometheus).into_iter().map(|sample| {
            let labels: Vec<_> = labels.iter().map(|label| sample.label(label)).collect();
            (labels.join(","), sample.value())
        });
        same(&format!("{what}, JSON"), &of_lines(&lines, metric, labels, part), &counted[what]);
        same(&format!("{what}, OTLP"), &of_points(&points, metric, labels, part), &counted[what]);
        same(&format!("{what}, Prometheus"), &in_prometheus.collect(), &counted[what]);
    }
    let mut slow = Series::new();
    for line in lines.named("checkout.slow") {
        assert!(line.number("took_ms") > 400.0, "{line:?}");
        *slow.entry(joined(ENDPOINT, |label| line.telemetry.get(label)?.as_str())).or_default() += 1.0;
    }
    same("slow, JSON", &slow, &counted["slow"]);
    slow.clear();
    for record in
        agent.log_records("grpc").iter().filter(|record| record.attribute("telemetry_name") == "checkout.slow")
    {
        assert_eq!(record.severity, "WARNING", "{record:?}");
        *slow.entry(joined(ENDPOINT, |label| Some(record.attribute(label)))).or_default() += 1.0;
    }
    same("slow, OTLP", &slow, &counted["slow"]);
    assert_eq!(prometheus.query("last_over_time(queue_depth[1m]) != 7"), []);
    assert!(!prometheus.query("last_over_time(queue_depth[1m])").is_empty());

    for line in &lines.0 {
        assert!(line.is("region", "eu") && line.is("build", "1.2-rc1"), "{line:?}");
    }
    for point in points.iter().filter(|point| !point.metric.starts_with("ltel.")) {
        assert_eq!((point.attribute("region"), point.attribute("build")), ("eu", "1.2-rc1"), "{point:?}");
    }
    let report = lines.report();
    check_account(report);
    assert_eq!((report.count("sent"), report.count("filtered")), (3_000, counted["dropped"][""] as u64), "{report:?}");
    assert_eq!(report.telemetry["complete"], true);
    assert!(run.stderr().contains("context.tenant"), "{}", run.stderr());
}

/// What all processes counted.
fn counted(scene: &Scene) -> BTreeMap<String, Series> {
    let mut all = BTreeMap::<String, Series>::new();
    for entry in fs::read_dir(scene.path(".")).expect("the test's folder").flatten() {
        if entry.file_name().to_string_lossy().starts_with("counted-") {
            let text = fs::read_to_string(entry.path()).expect("what a process counted");
            let counted: BTreeMap<String, Series> = serde_json::from_str(&text).expect("JSON");
            for (metric, series) in counted {
                let sum = all.entry(metric).or_default();
                for (labels, value) in series {
                    *sum.entry(labels).or_default() += value;
                }
            }
        }
    }
    all
}

fn of_lines(lines: &Lines, metric: &str, labels: &[&str], part: &str) -> Series {
    let mut series = Series::new();
    for line in lines.latest(metric).values() {
        let labels = joined(labels, |label| line.telemetry.get(label)?.as_str());
        *series.entry(labels).or_default() += line.number(part);
    }
    series
}

fn of_points(points: &[Point], metric: &str, labels: &[&str], part: &str) -> Series {
    let mut series = Series::new();
    for point in latest(points, metric) {
        let value = match (&point.value, part) {
            (Value::Number(value), "value") => *value,
            (Value::Histogram(histogram), "count") => histogram.count as f64,
            (Value::Histogram(histogram), "sum") => histogram.sum,
            (value, part) => panic!("{metric}: no {part} of {value:?}"),
        };
        *series.entry(joined(labels, |label| Some(point.attribute(label)))).or_default() += value;
    }
    series
}

fn joined<'a>(labels: &[&str], value: impl Fn(&str) -> Option<&'a str>) -> String {
    labels.iter().map(|label| value(label).unwrap_or_default()).collect::<Vec<_>>().join(",")
}

fn same(what: &str, exported: &Series, counted: &Series) {
    let rounded = |series: &Series| -> BTreeMap<String, i64> {
        // No series is as good as one with nothing in it.
        series
            .iter()
            .filter(|(_, v)| **v != 0.0)
            .map(|(labels, v)| (labels.clone(), (v * 100.0).round() as i64))
            .collect()
    };
    assert_eq!(rounded(exported), rounded(counted), "{what}");
}
