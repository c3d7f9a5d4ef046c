//! Alert rules for Prometheus.

use std::fmt::Write as _;

use super::names::Names;

struct Alert {
    name: &'static str,
    /// What is watched.
    figure: String,
    /// When it is too much.
    limit: &'static str,
    lasting: &'static str,
    severity: &'static str,
    summary: &'static str,
}

/// The rules as a file for Prometheus.
pub(super) fn rules(names: &Names<'_>) -> String {
    let mut file = format!(
        "# Alert rules for load tests, made by `{} dashboards`. The limits are examples: set your own.\n\
         # [4m] is for a scrape_interval of up to a minute; with 15s, [1m] is enough and finds a problem sooner.\ngroups:\n  - name: ltel\n    rules:\n",
        crate::program::name()
    );
    for Alert { name, figure, limit, lasting, severity, summary } in alerts(names) {
        let _ = write!(
            file,
            "      - alert: {name}\n        expr: |-\n          {figure} {limit}\n        for: {lasting}\n        labels:\n          \
             severity: {severity}\n        annotations:\n          summary: '{summary}'\n"
        );
    }
    file
}

fn alerts(names: &Names<'_>) -> Vec<Alert> {
    let [requests, failures, success] = ["all", "failures", "success"].map(|field| names.metric("requests", field));
    let cpu = names.metric("system", "cpu");
    let (run, source) = (requests.label("run_id"), cpu.label("source_id"));
    let recent = |series: String, by: &str| format!("sum by ({by}) (rate({series}[4m]))");
    vec![
        Alert {
            name: "LoadTestFailures",
            figure: format!("{} / {}", recent(failures.total(""), &run), recent(requests.total(""), &run)),
            limit: "> 0.05",
            lasting: "1m",
            severity: "warning",
            summary: "{{ $value | humanizePercentage }} of the requests of load test {{ $labels.run_id }} fail",
        },
        Alert {
            name: "LoadTestSlow",
            figure: format!("histogram_quantile(0.95, {})", recent(success.bucket(""), &format!("le, {run}"))),
            limit: "> 1000",
            lasting: "1m",
            severity: "warning",
            summary: "The p95 response time of load test {{ $labels.run_id }} is {{ $value | humanize }} ms",
        },
        Alert {
            name: "LoadGeneratorBusy",
            figure: format!("max by ({source}) ({})", cpu.value("")),
            limit: "> 90",
            lasting: "30s",
            severity: "warning",
            summary: "Locust process {{ $labels.source_id }} uses {{ $value | humanize }} % of a core: its response times are its own",
        },
        Alert {
            name: "LoadTestWorkersMissing",
            figure: format!("sum({})", names.metric("workers", "workers").value("state=\"missing\"")),
            limit: "> 0",
            lasting: "30s",
            severity: "warning",
            summary: "{{ $value }} workers of a load test are missing: it runs with fewer users",
        },
        Alert {
            // One of ltel's own metrics, which have no recorder.
            name: "LoadTestTelemetryLost",
            figure: "sum by (backend, reason) (increase(ltel_backend_lost_total[5m]))".to_owned(),
            limit: "> 0",
            lasting: "0s",
            severity: "warning",
            summary: "Backend {{ $labels.backend }} of ltel has lost telemetry: {{ $labels.reason }}",
        },
    ]
}
