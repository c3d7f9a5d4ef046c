//! `ltel-cli recorders`: what each recorder emits.

use std::fmt::Write as _;

use ltel_core::recorder::{InstrumentSpec, Per, RecordSpec, Spec};
use ltel_core::registry::{RecorderType, Registry};
use ltel_core::text::printable;
use serde_json::{Value, json};

use super::{Failure, load_config};
use crate::cli::args::{Format, RecordersArgs};
use crate::cli::print;
use crate::cli::table::plain;
use crate::config::{Config, RecorderConfig};

pub(crate) fn recorders(args: &RecordersArgs, registry: &Registry) -> Result<(), Failure> {
    let config = args.config.config.is_some().then(|| load_config(&args.config, Vec::new(), registry)).transpose()?;
    let listed: Vec<Listed<'_>> = match &config {
        Some(config) => config.recorders.iter().map(|of| Listed::of_config(of, config)).collect(),
        None => registry.types().map(Listed::of_type).collect(),
    };
    let text = match args.format {
        Format::Table => as_table(&listed),
        Format::Json => as_json(&listed).map_err(|error| Failure::failed(error.to_string()))?,
    };
    print::stdout(&text).map_err(|error| Failure::failed(error.to_string()))
}

/// A type of recorder, or a recorder of a configuration.
struct Listed<'a> {
    /// What the names of its metrics begin with.
    name: &'a str,
    spec: &'static Spec,
    options: Option<&'static [&'static str]>,
    when: Option<&'a str>,
    /// Those of the configuration: they are on everything that it emits.
    labels: Vec<&'a str>,
}

impl<'a> Listed<'a> {
    fn of_type(of: &'a RecorderType) -> Self {
        Self { name: of.spec.name, spec: of.spec, options: of.options.listed(), when: None, labels: Vec::new() }
    }

    fn of_config(of: &'a RecorderConfig, config: &'a Config) -> Self {
        let common = of.factory.common();
        let labels = common.label_names().chain(config.labels.iter().map(|label| label.key.as_str())).collect();
        Self { name: &of.name, spec: of.spec, options: None, when: common.when(), labels }
    }

    /// Names of a spec, and those of the configuration.
    fn with_labels(&self, names: &[&'a str]) -> Vec<&'a str> {
        names.iter().chain(&self.labels).copied().collect()
    }

    /// The name of a record. It begins with the type's, where it is named after the recorder.
    fn record(&self, record: &RecordSpec) -> String {
        match record.name.strip_prefix(self.spec.name) {
            Some(rest) if rest.starts_with('.') => format!("{}{rest}", self.name),
            _ => record.name.to_owned(),
        }
    }
}

fn as_table(recorders: &[Listed<'_>]) -> String {
    let mut out = String::new();
    for recorder in recorders {
        let spec = recorder.spec;
        let mut table = plain(&["name", "instrument", "unit", "labels", "description"]);
        for instrument in instruments(spec) {
            let labels = labels(spec, instrument.attributes.iter().map(|(name, _)| *name));
            let labels = recorder.with_labels(&labels).join(", ");
            table.add_row([
                &instrument.full_name(recorder.name),
                instrument.kind.as_str(),
                instrument.unit,
                &labels,
                instrument.description,
            ]);
        }
        for record in spec.records {
            let name = recorder.record(record);
            table.add_row([&name, "record", "", &recorder.with_labels(record.fields).join(", "), record.description]);
        }
        for span in spec.spans {
            table.add_row([span.name, "span", "", &recorder.with_labels(span.attributes).join(", "), span.description]);
        }
        let options = match recorder.options.unwrap_or_default() {
            [] => String::new(),
            options => format!("\noptions: {}", options.join(", ")),
        };
        let when = recorder.when.map(|when| format!("\nwhen: {}", printable(when))).unwrap_or_default();
        let table = if table.is_empty() { String::new() } else { format!("\n{table}") };
        let _ = writeln!(out, "{}: {}{options}{when}{table}\n", recorder.name, spec.description);
    }
    out
}

fn as_json(recorders: &[Listed<'_>]) -> serde_json::Result<String> {
    let recorders: Vec<Value> = recorders
        .iter()
        .map(|recorder| {
            let spec = recorder.spec;
            let instruments: Vec<Value> = instruments(spec)
                .map(|instrument| {
                    json!({
                        "name": instrument.full_name(recorder.name),
                        "instrument": instrument.kind.as_str(),
                        "unit": instrument.unit,
                        "labels": recorder.with_labels(&labels(spec, instrument.attributes.iter().map(|(name, _)| *name))),
                        "description": instrument.description,
                    })
                })
                .collect();
            let records: Vec<Value> = spec
                .records
                .iter()
                .map(|r| json!({"name": recorder.record(r), "fields": recorder.with_labels(r.fields), "description": r.description}))
                .collect();
            let spans: Vec<Value> = spec
                .spans
                .iter()
                .map(|s| json!({"name": s.name, "attributes": recorder.with_labels(s.attributes), "description": s.description}))
                .collect();
            json!({
                "recorder": recorder.name,
                "type": spec.name,
                "description": spec.description,
                "options": recorder.options,
                "when": recorder.when,
                "instruments": instruments,
                "records": records,
                "spans": spans,
            })
        })
        .collect();
    serde_json::to_string_pretty(&recorders).map(|text| text + "\n")
}

/// Without those that differ from one before only in the values of their labels: people see one metric.
fn instruments(spec: &'static Spec) -> impl Iterator<Item = &'static InstrumentSpec> {
    let shown = |of: &InstrumentSpec| {
        let labels: Vec<_> = of.attributes.iter().map(|(label, _)| *label).collect();
        (of.full_name(spec.name), labels, of.description)
    };
    let is_new = move |(n, of): &(usize, &InstrumentSpec)| {
        !spec.instruments[..*n].iter().any(|before| shown(before) == shown(of))
    };
    spec.instruments.iter().enumerate().filter(is_new).map(|(_, of)| of)
}

fn labels(spec: &'static Spec, constant: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let source: &[_] = if spec.per == Per::Source { &["source", "source_id"] } else { &[] };
    constant.chain(spec.labels.iter().copied()).chain(source.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use ltel_core::backend::Environment;

    use super::*;

    /// Guarantees: a metric whose label has two values is listed once.
    #[test]
    fn each_metric_once() {
        let registry = ltel_recorders::registry();
        let listed: Vec<_> = registry.types().map(Listed::of_type).collect();
        for text in [as_table(&listed), as_json(&listed).expect("JSON")] {
            assert_eq!(text.matches("locust.tl.system.metric.network").count(), 1, "{text}");
            assert!(text.contains("direction"), "{text}");
        }
    }

    /// Guarantees: a declared recorder of a configuration is listed with its own names, its condition, and the labels of the
    /// configuration on everything that it emits.
    #[test]
    fn declared_recorders_of_a_configuration() {
        let text = r#"
            [recorders.checkout]
            type = "declared"
            description = "Traffic of the checkout."
            on = "request"
            when = 'name.startsWith("/checkout")'
            labels = { tenant = "context.tenant" }
            metrics.duration = { histogram = "response_time", unit = "ms", description = "Time to the last byte." }
            records.slow = { when = "response_time > 2000.0", fields = { endpoint = "name" } }
            [labels]
            region = "eu"
            [backends.json]
        "#;
        let registry = crate::with_backends(ltel_recorders::registry());
        let config = crate::config::load("telemetry.toml", text, &registry, &Environment::default()).expect("valid");
        let listed: Vec<_> = config.recorders.iter().map(|of| Listed::of_config(of, &config)).collect();
        insta::assert_snapshot!(as_table(&listed));
    }
}
