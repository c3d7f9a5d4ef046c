//! Grafana dashboards and Prometheus alert rules, made from the recorders' specs: a panel of a metric that no recorder has
//! cannot be made.

mod names;
mod grafana;
mod promql;
mod prometheus;
mod http;
mod loki;
mod alerts;

use ltel_core::registry::Registry;

use names::Names;

/// A file to be written.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) name: &'static str,
    /// One sentence for people.
    pub(crate) description: &'static str,
    pub(crate) content: String,
}

/// All dashboards and the alert rules.
///
/// # Errors
/// The names of metrics, labels and fields that the registry's recorders do not have.
pub(crate) fn files(registry: &Registry) -> Result<Vec<File>, Vec<String>> {
    let names = Names::of(registry);
    let files = vec![
        File {
            name: "ltel-prometheus.json",
            description: "Grafana, Prometheus: the recorders `requests`, `users`, `system` and `lifecycle`, and `workers` and `tasks` where they are on",
            content: prometheus::dashboard(&names).to_json(),
        },
        File {
            name: "ltel-http.json",
            description: "Grafana, Prometheus: the recorder `http`, with the names of the semantic conventions",
            content: http::dashboard(&names).to_json(),
        },
        File {
            name: "ltel-loki.json",
            description: "Grafana, Loki: JSON lines of `stats`, `failures` and `lifecycle`",
            content: loki::dashboard(&names).to_json(),
        },
        File { name: "ltel-alerts.yml", description: "Prometheus: alert rules", content: alerts::rules(&names) },
    ];
    match names.unknown() {
        unknown if unknown.is_empty() => Ok(files),
        unknown => Err(unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantees: all names exist, and the files change only on purpose.
    #[test]
    fn all_files_of_the_built_in_recorders() {
        for file in files(&ltel_recorders::registry()).unwrap() {
            insta::assert_snapshot!(file.name, file.content);
        }
    }

    /// Scenario: a program without the recorder `http`, and with another `requests`. Guarantees: each name that is missing is
    /// named.
    #[test]
    fn what_no_recorder_has_cannot_be_shown() {
        let unknown = files(&Registry::new().with::<ltel_recorders::Requests>()).unwrap_err();
        assert!(unknown.iter().any(|name| name == "recorder `http`"), "{unknown:?}");
        assert!(unknown.iter().any(|name| name == "recorder `users`"), "{unknown:?}");
        assert!(!unknown.iter().any(|name| name.contains("`requests`")), "{unknown:?}");
    }
}
