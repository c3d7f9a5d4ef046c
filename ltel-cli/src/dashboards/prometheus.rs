//! The dashboard for the metrics of `requests`, `users`, `system` and `lifecycle` in Prometheus, and of `workers` and `tasks` where they
//! are on.

use super::grafana::{Annotation, Dashboard, DataSource, Kind, Panel, Row, Variable};
use super::names::Names;
use super::promql::{greatest, percentile, rate, rate_by};

// What the variables at the top choose.
const CHOSEN: &str = "testplan=~\"$testplan\",run_id=~\"$run_id\",endpoint=~\"$endpoint\"";

// The same for what has no endpoint.
const CHOSEN_RUN: &str = "testplan=~\"$testplan\",run_id=~\"$run_id\"";

#[allow(clippy::too_many_lines)] // a list of panels
pub(super) fn dashboard(names: &Names<'_>) -> Dashboard {
    let [requests, failures, success, error] =
        ["all", "failures", "success", "error"].map(|field| names.metric("requests", field));
    let users = names.metric("users", "count");
    let [cpu, memory, sent] = ["cpu", "mem", "sent"].map(|field| names.metric("system", field));
    let events = names.metric("lifecycle", "events");
    let workers = names.metric("workers", "workers");
    let [task_duration, task_failures] = ["duration", "failures"].map(|field| names.metric("tasks", field));
    let (state, task) = (workers.label("state"), task_duration.label("task"));
    let user_class = task_failures.label("user_class");
    let [endpoint, method, status] = ["endpoint", "method", "status_code"].map(|label| requests.label(label));
    let [source, direction] = [cpu.label("source_id"), sent.label("direction")];
    // Response times of all requests: those that passed and those that failed are histograms of their own.
    success.bucket(CHOSEN);
    let buckets = format!("{{__name__=~\"{}|{}\",{CHOSEN}}}", success.bucket_name(), error.bucket_name());
    let (recent, in_all) = (rate(&buckets), greatest(&buckets));
    let counted = |series: &str| format!("sum({})", greatest(series));
    let all = counted(&requests.total(CHOSEN));
    let failed = counted(&failures.total(CHOSEN));
    // Where the series of the event begins: one of the end of a test is scraped only with its final value.
    let event = |event: &str| {
        let series = events.total(&format!("event=\"{event}\""));
        format!("sum by (run_id) ({series} > 0 unless ({series} offset $__interval) > 0)")
    };
    let found = |label: &str| format!("label_values({}, {label})", requests.total(""));
    Dashboard {
        uid: "ltel-prometheus",
        title: "Load test",
        source: DataSource::Prometheus,
        variables: vec![
            Variable::Query { name: "testplan", label: "Test plan", query: found(&requests.label("testplan")) },
            Variable::Query { name: "run_id", label: "Run", query: found(&requests.label("run_id")) },
            Variable::Query { name: "endpoint", label: "Endpoint", query: found(&endpoint) },
        ],
        annotations: vec![
            Annotation {
                name: "Test started",
                color: "green",
                query: event(names.record("lifecycle", "locust.tl.event.test.start").name()),
                title: "run {{run_id}} started".to_owned(),
            },
            Annotation {
                name: "Test stopped",
                color: "red",
                query: event(names.record("lifecycle", "locust.tl.event.test.stop").name()),
                title: "run {{run_id}} stopped".to_owned(),
            },
        ],
        rows: vec![
            Row {
                height: 4,
                panels: vec![
                    Panel::number("Requests", "short", all.clone()),
                    Panel::number("Failed requests", "percentunit", format!("({failed} or vector(0)) / {all}")),
                    Panel::number("Median response time", "ms", percentile("0.5", "", &in_all)),
                    Panel::number("p95 response time", "ms", percentile("0.95", "", &in_all)),
                    Panel::number("p99 response time", "ms", percentile("0.99", "", &in_all)),
                    Panel::number("Users", "short", format!("sum({})", users.value(""))),
                ],
            },
            Row {
                height: 8,
                panels: vec![
                    Panel::lines(
                        "Requests per second",
                        "reqps",
                        vec![
                            (format!("sum({})", rate(&requests.total(CHOSEN))), "requests"),
                            (format!("sum({}) or vector(0)", rate(&failures.total(CHOSEN))), "failures"),
                        ],
                    ),
                    Panel::lines("Users", "short", vec![(format!("sum({})", users.value("")), "users")]),
                ],
            },
            Row {
                height: 8,
                panels: vec![
                    Panel::lines(
                        "Response times",
                        "ms",
                        vec![
                            (percentile("0.5", "", &recent), "p50"),
                            (percentile("0.95", "", &recent), "p95"),
                            (percentile("0.99", "", &recent), "p99"),
                        ],
                    ),
                    Panel {
                        title: "Distribution of response times",
                        kind: Kind::Heatmap,
                        unit: "ms",
                        queries: vec![(format!("sum by (le) (increase({buckets}[$__rate_interval]))"), "{{le}}")],
                    },
                ],
            },
            Row {
                height: 9,
                panels: vec![
                    Panel::lines(
                        "Requests per second by endpoint",
                        "reqps",
                        vec![(
                            rate_by(&format!("{method}, {endpoint}"), &requests.total(CHOSEN)),
                            "{{method}} {{endpoint}}",
                        )],
                    ),
                    Panel::lines(
                        "p95 response time by endpoint",
                        "ms",
                        vec![(
                            percentile("0.95", &format!(", {method}, {endpoint}"), &recent),
                            "{{method}} {{endpoint}}",
                        )],
                    ),
                ],
            },
            Row {
                height: 8,
                panels: vec![
                    Panel::lines(
                        "Failures per second by endpoint and status",
                        "reqps",
                        vec![(
                            rate_by(&format!("{method}, {endpoint}, {status}"), &failures.total(CHOSEN)),
                            "{{method}} {{endpoint}} {{status_code}}",
                        )],
                    ),
                    Panel::lines(
                        "Requests per second by status",
                        "reqps",
                        vec![(rate_by(&status, &requests.total(CHOSEN)), "{{status_code}}")],
                    ),
                ],
            },
            Row {
                height: 8,
                panels: vec![
                    Panel::lines(
                        "CPU of the load generators",
                        "percent",
                        vec![(format!("max by ({source}) ({})", cpu.value("")), "{{source_id}}")],
                    ),
                    Panel::lines(
                        "Memory of the load generators",
                        "bytes",
                        vec![(format!("max by ({source}) ({})", memory.value("")), "{{source_id}}")],
                    ),
                    Panel::lines(
                        "Network of their hosts",
                        "Bps",
                        vec![(
                            format!("max by ({source}, {direction}) (deriv({}[$__rate_interval]))", sent.value("")),
                            "{{source_id}} {{direction}}",
                        )],
                    ),
                ],
            },
            Row {
                height: 8,
                panels: vec![
                    Panel::lines(
                        "Workers by state",
                        "short",
                        vec![(format!("max by ({state}) ({})", workers.value("")), "{{state}}")],
                    ),
                    Panel::lines(
                        "p95 duration of tasks",
                        "s",
                        vec![(
                            percentile(
                                "0.95",
                                &format!(", {user_class}, {task}"),
                                &rate(&task_duration.bucket(CHOSEN_RUN)),
                            ),
                            "{{user_class}} {{task}}",
                        )],
                    ),
                    Panel::lines(
                        "Failed tasks per second",
                        "short",
                        vec![(
                            rate_by(&format!("{user_class}, {task}"), &task_failures.total(CHOSEN_RUN)),
                            "{{user_class}} {{task}}",
                        )],
                    ),
                ],
            },
        ],
    }
}
