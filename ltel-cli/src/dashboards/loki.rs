//! The dashboard for JSON lines in Loki.

use super::grafana::{Annotation, Dashboard, DataSource, Kind, Panel, Row, Variable};
use super::names::{Names, Record};

// Whatever labels the log shipper sets: a text at the top selects ltel's streams.
const STREAMS: &str = "{$streams}";

#[allow(clippy::too_many_lines)] // a list of panels
pub(super) fn dashboard(names: &Names<'_>) -> Dashboard {
    let stats = names.record("stats", ltel_recorders::stats::NAME);
    let failure = names.record("failures", ltel_recorders::failures::REQUEST);
    let user_error = names.record("failures", ltel_recorders::failures::USER);
    let [start, stop] =
        ["locust.tl.event.test.start", "locust.tl.event.test.stop"].map(|name| names.record("lifecycle", name));
    let current = format!("{} | {}=`current`", lines_of(&stats), stats.field("stats_type"));
    // A line is the state at its time: the newest of each run counts.
    let unwrapped = |field: &str| {
        let field = stats.field(field);
        format!("sum(last_over_time({current} | unwrap {field} [$__interval]) by (telemetry_run_id))")
    };
    let most = |field: &str| {
        let field = stats.field(field);
        format!("max(last_over_time({current} | unwrap {field} [$__interval]) by (telemetry_run_id))")
    };
    let logs = |title, query| Panel { title, kind: Kind::Logs, unit: "", queries: vec![(query, "")] };
    let final_lines = |kind: &str| format!("{} | {}=`{kind}`", lines_of(&stats), stats.field("stats_type"));
    let [method, name, requests, failures, p95, error, times] =
        ["method", "name", "num_requests", "num_failures", "percentile_95", "error", "occurrences"]
            .map(|field| format!("{{{{.{}}}}}", stats.field(field)));
    Dashboard {
        uid: "ltel-loki",
        title: "Load test, JSON lines",
        source: DataSource::Loki,
        variables: vec![
            Variable::Text { name: "streams", label: "Stream selector", default: "job=\"ltel\"" },
            Variable::Text { name: "run_id", label: "Run (regular expression)", default: ".+" },
        ],
        annotations: vec![
            Annotation {
                name: "Test started",
                color: "green",
                query: lines_of(&start),
                title: "run {{telemetry_run_id}} started".to_owned(),
            },
            Annotation {
                name: "Test stopped",
                color: "red",
                query: lines_of(&stop),
                title: "run {{telemetry_run_id}} stopped".to_owned(),
            },
        ],
        rows: vec![
            Row {
                height: 8,
                panels: vec![
                    Panel::lines(
                        "Requests per second",
                        "reqps",
                        vec![(unwrapped("current_rps"), "requests"), (unwrapped("current_fail_per_sec"), "failures")],
                    ),
                    Panel::lines("Users", "short", vec![(unwrapped("user_count"), "users")]),
                ],
            },
            Row {
                height: 8,
                panels: vec![
                    Panel::lines(
                        "Response times since the start",
                        "ms",
                        vec![
                            (most("median_response_time"), "p50"),
                            (most("percentile_95"), "p95"),
                            (most("percentile_99"), "p99"),
                        ],
                    ),
                    Panel::lines(
                        "Requests and failures since the start",
                        "short",
                        vec![(unwrapped("num_requests"), "requests"), (unwrapped("num_failures"), "failures")],
                    ),
                ],
            },
            Row {
                height: 9,
                panels: vec![
                    logs(
                        "Endpoints at the end",
                        format!(
                            "{} | {}=`success` | line_format `{method} {name}: {requests} requests, {failures} failures, p95 {p95} ms`",
                            final_lines("endpoint"),
                            stats.field("status"),
                        ),
                    ),
                    logs(
                        "Errors at the end",
                        format!(
                            "{} | {}=`error` | line_format `{times} times, {method} {name}: {error}`",
                            final_lines("endpoint"),
                            stats.field("status"),
                        ),
                    ),
                ],
            },
            Row {
                height: 9,
                panels: vec![
                    logs(
                        "New failures",
                        format!(
                            "{} | {}=`first` | line_format `{{{{.{}}}}} {{{{.{}}}}}: {{{{.{}}}}}`",
                            lines_of(&failure),
                            failure.field("report"),
                            failure.field("method"),
                            failure.field("name"),
                            failure.field("error"),
                        ),
                    ),
                    logs(
                        "New exceptions of users",
                        format!(
                            "{} | {}=`first` | line_format `{{{{.{}}}}}: {{{{.{}}}}}`",
                            lines_of(&user_error),
                            user_error.field("report"),
                            user_error.field("user"),
                            user_error.field("error"),
                        ),
                    ),
                ],
            },
        ],
    }
}

/// The lines of a record, of the chosen runs.
fn lines_of(record: &Record<'_>) -> String {
    let name = record.name();
    format!("{STREAMS} |= `{name}` | json | telemetry_telemetry_name=`{name}` | telemetry_run_id=~`$run_id`")
}
