//! The dashboard for the metrics of `http`, which have the names of OpenTelemetry's semantic conventions, in Prometheus.

use super::grafana::{Dashboard, DataSource, Panel, Row, Variable};
use super::names::Names;
use super::promql::{greatest, percentile, rate, rate_by};

const CHOSEN: &str = "testplan=~\"$testplan\",run_id=~\"$run_id\",url_template=~\"$url_template\"";

#[allow(clippy::too_many_lines)] // a list of panels
pub(super) fn dashboard(names: &Names<'_>) -> Dashboard {
    let [duration, response_size, users, cpu, memory] =
        ["duration", "response_size", "users", "cpu", "memory"].map(|field| names.metric("http", field));
    let [method, template, status, error] =
        ["http_request_method", "url_template", "http_response_status_code", "error_type"]
            .map(|label| duration.label(label));
    let (class, source) = (users.label("locust_user_class"), cpu.label("source_id"));
    let found = |label: &str| format!("label_values({}, {label})", duration.bucket(""));
    let buckets = duration.bucket(CHOSEN);
    let (recent, in_all) = (rate(&buckets), greatest(&buckets));
    // Each request is in the last bucket.
    let requests = duration.bucket(&format!("{CHOSEN},le=\"+Inf\""));
    let failed = duration.bucket(&format!("{CHOSEN},le=\"+Inf\",error_type!=\"\""));
    let counted = |series: &str| format!("sum({})", greatest(series));
    Dashboard {
        uid: "ltel-http",
        title: "Load test, HTTP semantic conventions",
        source: DataSource::Prometheus,
        variables: vec![
            Variable::Query { name: "testplan", label: "Test plan", query: found(&duration.label("testplan")) },
            Variable::Query { name: "run_id", label: "Run", query: found(&duration.label("run_id")) },
            Variable::Query { name: "url_template", label: "Endpoint", query: found(&template) },
        ],
        annotations: Vec::new(),
        rows: vec![
            Row {
                height: 4,
                panels: vec![
                    Panel::number("Requests with a response time", "short", counted(&requests)),
                    Panel::number(
                        "Failed requests",
                        "percentunit",
                        format!("({} or vector(0)) / {}", counted(&failed), counted(&requests)),
                    ),
                    Panel::number("Median duration", "s", percentile("0.5", "", &in_all)),
                    Panel::number("p95 duration", "s", percentile("0.95", "", &in_all)),
                    Panel::number("p99 duration", "s", percentile("0.99", "", &in_all)),
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
                            (format!("sum({})", rate(&requests)), "requests"),
                            (format!("sum({}) or vector(0)", rate(&failed)), "failures"),
                        ],
                    ),
                    Panel::lines(
                        "Users by class",
                        "short",
                        vec![(format!("sum by ({class}) ({})", users.value("")), "{{locust_user_class}}")],
                    ),
                ],
            },
            Row {
                height: 8,
                panels: vec![
                    Panel::lines(
                        "Duration",
                        "s",
                        vec![
                            (percentile("0.5", "", &recent), "p50"),
                            (percentile("0.95", "", &recent), "p95"),
                            (percentile("0.99", "", &recent), "p99"),
                        ],
                    ),
                    Panel::lines(
                        "p95 duration by endpoint",
                        "s",
                        vec![(
                            percentile("0.95", &format!(", {method}, {template}"), &recent),
                            "{{http_request_method}} {{url_template}}",
                        )],
                    ),
                ],
            },
            Row {
                height: 8,
                panels: vec![
                    Panel::lines(
                        "Requests per second by status",
                        "reqps",
                        vec![(rate_by(&status, &requests), "{{http_response_status_code}}")],
                    ),
                    Panel::lines(
                        "Failures per second by type",
                        "reqps",
                        vec![(rate_by(&format!("{template}, {error}"), &failed), "{{url_template}} {{error_type}}")],
                    ),
                    Panel::lines(
                        "p95 size of responses",
                        "bytes",
                        vec![(percentile("0.95", "", &rate(&response_size.bucket(CHOSEN))), "p95")],
                    ),
                ],
            },
            Row {
                height: 8,
                panels: vec![
                    Panel::lines(
                        "CPU of the load generators",
                        "percentunit",
                        vec![(format!("max by ({source}) ({})", cpu.value("")), "{{source_id}}")],
                    ),
                    Panel::lines(
                        "Memory of the load generators",
                        "bytes",
                        vec![(format!("max by ({source}) ({})", memory.value("")), "{{source_id}}")],
                    ),
                ],
            },
        ],
    }
}
