//! The dashboard for the metrics of `http`, which have the names of OpenTelemetry's semantic conventions, in Prometheus.

use super::grafana::{Dashboard, DataSource, Kind, Panel, Row, Variable};
use super::names::Names;

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
    let rate = format!("rate({}[$__rate_interval])", duration.bucket(CHOSEN));
    let in_all = format!("max_over_time({}[$__range])", duration.bucket(CHOSEN));
    let percentile =
        |quantile: &str, by: &str, over: &str| format!("histogram_quantile({quantile}, sum by (le{by}) ({over}))");
    // Each request is in the last bucket.
    let requests = duration.bucket(&format!("{CHOSEN},le=\"+Inf\""));
    let failed = duration.bucket(&format!("{CHOSEN},le=\"+Inf\",error_type!=\"\""));
    let per_second = |series: &str, by: &str| format!("sum by ({by}) (rate({series}[$__rate_interval]))");
    let counted = |series: &str| format!("sum(max_over_time({series}[$__range]))");
    let number = |title, unit, query| Panel { title, kind: Kind::Number, unit, queries: vec![(query, "")] };
    let lines = |title, unit, queries| Panel { title, kind: Kind::Lines, unit, queries };
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
                    number("Requests with a response time", "short", counted(&requests)),
                    number(
                        "Failed requests",
                        "percentunit",
                        format!("({} or vector(0)) / {}", counted(&failed), counted(&requests)),
                    ),
                    number("Median duration", "s", percentile("0.5", "", &in_all)),
                    number("p95 duration", "s", percentile("0.95", "", &in_all)),
                    number("p99 duration", "s", percentile("0.99", "", &in_all)),
                    number("Users", "short", format!("sum({})", users.value(""))),
                ],
            },
            Row {
                height: 8,
                panels: vec![
                    lines(
                        "Requests per second",
                        "reqps",
                        vec![
                            (format!("sum(rate({requests}[$__rate_interval]))"), "requests"),
                            (format!("sum(rate({failed}[$__rate_interval])) or vector(0)"), "failures"),
                        ],
                    ),
                    lines(
                        "Users by class",
                        "short",
                        vec![(format!("sum by ({class}) ({})", users.value("")), "{{locust_user_class}}")],
                    ),
                ],
            },
            Row {
                height: 8,
                panels: vec![
                    lines(
                        "Duration",
                        "s",
                        vec![
                            (percentile("0.5", "", &rate), "p50"),
                            (percentile("0.95", "", &rate), "p95"),
                            (percentile("0.99", "", &rate), "p99"),
                        ],
                    ),
                    lines(
                        "p95 duration by endpoint",
                        "s",
                        vec![(
                            percentile("0.95", &format!(", {method}, {template}"), &rate),
                            "{{http_request_method}} {{url_template}}",
                        )],
                    ),
                ],
            },
            Row {
                height: 8,
                panels: vec![
                    lines(
                        "Requests per second by status",
                        "reqps",
                        vec![(per_second(&requests, &status), "{{http_response_status_code}}")],
                    ),
                    lines(
                        "Failures per second by type",
                        "reqps",
                        vec![(per_second(&failed, &format!("{template}, {error}")), "{{url_template}} {{error_type}}")],
                    ),
                    lines(
                        "p95 size of responses",
                        "bytes",
                        vec![(
                            format!(
                                "histogram_quantile(0.95, sum by (le) (rate({}[$__rate_interval])))",
                                response_size.bucket(CHOSEN)
                            ),
                            "p95",
                        )],
                    ),
                ],
            },
            Row {
                height: 8,
                panels: vec![
                    lines(
                        "CPU of the load generators",
                        "percentunit",
                        vec![(format!("max by ({source}) ({})", cpu.value("")), "{{source_id}}")],
                    ),
                    lines(
                        "Memory of the load generators",
                        "bytes",
                        vec![(format!("max by ({source}) ({})", memory.value("")), "{{source_id}}")],
                    ),
                ],
            },
        ],
    }
}
