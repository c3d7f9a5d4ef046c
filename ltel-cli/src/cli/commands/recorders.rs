//! `ltel-cli recorders`: what each recorder emits.

use std::fmt::Write as _;

use ltel_core::recorder::{InstrumentSpec, Per, Spec};
use ltel_core::registry::Registry;
use serde_json::{Value, json};

use super::Failure;
use crate::cli::args::{Format, RecordersArgs};
use crate::cli::print;
use crate::cli::table::plain;

pub(crate) fn recorders(args: &RecordersArgs, registry: &Registry) -> Result<(), Failure> {
    let text = match args.format {
        Format::Table => as_table(registry),
        Format::Json => as_json(registry).map_err(|error| Failure::failed(error.to_string()))?,
    };
    print::stdout(&text).map_err(|error| Failure::failed(error.to_string()))
}

fn as_table(registry: &Registry) -> String {
    let mut out = String::new();
    for recorder in registry.types() {
        let spec = recorder.spec;
        let mut table = plain(&["name", "instrument", "unit", "labels", "description"]);
        for instrument in instruments(spec) {
            let labels = labels(spec, instrument.attributes.iter().map(|(name, _)| *name)).join(", ");
            table.add_row([
                &instrument.full_name(spec.name),
                instrument.kind.as_str(),
                instrument.unit,
                &labels,
                instrument.description,
            ]);
        }
        for record in spec.records {
            table.add_row([record.name, "record", "", &record.fields.join(", "), record.description]);
        }
        for span in spec.spans {
            table.add_row([span.name, "span", "", &span.attributes.join(", "), span.description]);
        }
        let options = match recorder.options.listed().unwrap_or_default() {
            [] => String::new(),
            options => format!("\noptions: {}", options.join(", ")),
        };
        let _ = writeln!(out, "{}: {}{options}\n{table}\n", spec.name, spec.description);
    }
    out
}

fn as_json(registry: &Registry) -> serde_json::Result<String> {
    let recorders: Vec<Value> = registry
        .types()
        .map(|recorder| {
            let spec = recorder.spec;
            let instruments: Vec<Value> = instruments(spec)
                .map(|instrument| {
                    json!({
                        "name": instrument.full_name(spec.name),
                        "instrument": instrument.kind.as_str(),
                        "unit": instrument.unit,
                        "labels": labels(spec, instrument.attributes.iter().map(|(name, _)| *name)),
                        "description": instrument.description,
                    })
                })
                .collect();
            let records: Vec<Value> = spec
                .records
                .iter()
                .map(|r| json!({"name": r.name, "fields": r.fields, "description": r.description}))
                .collect();
            let spans: Vec<Value> = spec
                .spans
                .iter()
                .map(|s| json!({"name": s.name, "attributes": s.attributes, "description": s.description}))
                .collect();
            json!({
                "recorder": spec.name,
                "description": spec.description,
                "options": recorder.options.listed(),
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
    use super::*;

    /// Guarantees: a metric whose label has two values is listed once.
    #[test]
    fn each_metric_once() {
        let registry = ltel_recorders::registry();
        for text in [as_table(&registry), as_json(&registry).expect("JSON")] {
            assert_eq!(text.matches("locust.tl.system.metric.network").count(), 1, "{text}");
            assert!(text.contains("direction"), "{text}");
        }
    }
}
