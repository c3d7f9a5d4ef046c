//! The examples, and the files of each.

/// An example.
#[derive(Debug)]
pub(super) struct Example {
    pub(super) name: &'static str,
    /// What it shows, for the list.
    pub(super) about: &'static str,
    /// Paths within its folder, and contents, in which `{{version}}` is ltel's.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// Whether it has the dashboards and alert rules too.
    pub(super) dashboards: bool,
}

/// Files of one folder beside this file.
macro_rules! files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!($folder, "/", $name)))),+]
    };
}

const fn example(name: &'static str, about: &'static str, files: &'static [(&'static str, &'static str)]) -> Example {
    Example { name, about, files, dashboards: false }
}

/// All examples: where to run ltel, then where its telemetry goes.
pub(super) const EXAMPLES: &[Example] = &[
    example(
        "container",
        "images of ltel alone and of Locust with ltel, for docker or podman",
        files!("container": "Containerfile", "Containerfile.locust", "requirements.txt", ".dockerignore", "telemetry.toml"),
    ),
    example(
        "kubernetes",
        "a test as a Job: ltel as a sidecar; thresholds that fail the Job; a master and workers",
        files!("kubernetes": "sidecar.yaml", "thresholds.yaml", "distributed.yaml"),
    ),
    example(
        "operator",
        "tests of the two Locust operators for Kubernetes, and ltel as a service for them",
        files!("operator": "ltel.yaml", "docs-locust-io.yaml", "locust-k8s-operator.yaml"),
    ),
    Example {
        name: "compose",
        about: "Locust, ltel, a collector, Prometheus, Loki, and Grafana with the dashboards, on one machine",
        files: &[
            ("compose.yaml", include_str!("compose/compose.yaml")),
            ("telemetry.toml", include_str!("compose/telemetry.toml")),
            ("locustfile.py", include_str!("compose/locustfile.py")),
            ("Containerfile.locust", include_str!("container/Containerfile.locust")),
            ("requirements.txt", include_str!("container/requirements.txt")),
            (".dockerignore", include_str!("container/.dockerignore")),
            ("prometheus.yml", include_str!("compose/prometheus.yml")),
            ("loki.yaml", include_str!("compose/loki.yaml")),
            ("otelcol.yaml", include_str!("compose/otelcol.yaml")),
            ("grafana/datasources.yaml", include_str!("compose/grafana/datasources.yaml")),
            ("grafana/providers.yaml", include_str!("compose/grafana/providers.yaml")),
        ],
        dashboards: true,
    },
    example("systemd", "ltel as a service of a Linux machine", files!("systemd": "ltel.service", "telemetry.toml")),
    example(
        "github-actions",
        "a test with thresholds, a summary and a report, in GitHub Actions",
        files!("github-actions": "load-test.yml", "telemetry.toml"),
    ),
    example(
        "gitlab-ci",
        "a test with thresholds and a report, in GitLab CI",
        files!("gitlab-ci": ".gitlab-ci.yml", "telemetry.toml"),
    ),
    example("prometheus", "Prometheus scrapes ltel", files!("prometheus": "telemetry.toml", "prometheus.yml")),
    example(
        "prometheus-otlp",
        "ltel sends its metrics to Prometheus 3",
        files!("prometheus-otlp": "telemetry.toml", "prometheus.yml"),
    ),
    example(
        "collector",
        "everything to an OpenTelemetry collector",
        files!("collector": "telemetry.toml", "otelcol.yaml"),
    ),
    example(
        "grafana-cloud",
        "Grafana Cloud, or any receiver of OTLP with headers",
        files!("grafana-cloud": "telemetry.toml"),
    ),
    example("datadog", "Datadog, by its Agent or without", files!("datadog": "telemetry.toml", "agentless.toml")),
    example("newrelic", "New Relic", files!("newrelic": "telemetry.toml")),
    example("loki", "records to Loki, over OTLP", files!("loki": "telemetry.toml")),
    example(
        "loki-alloy",
        "JSON lines to Loki: a file that Grafana Alloy tails, for the dashboard",
        files!("loki-alloy": "telemetry.toml", "config.alloy"),
    ),
    example(
        "elastic",
        "JSON lines to Elasticsearch: a file that Filebeat tails",
        files!("elastic": "telemetry.toml", "filebeat.yml"),
    ),
];
