//! The result of `check` for machines. Its schema is in the README; keys are only added.

use ltel_core::expression::Written;
use ltel_core::recorder::field_of;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::{addresses, is_true};
use crate::cli::args::{ConfigArg, VARIABLE};
use crate::cli::commands::Failure;
use crate::config::{Config, ConfigErrors};

/// The document of a file that was read.
pub(super) fn document(arg: &ConfigArg, file: &str, checked: Result<&Config, &ConfigErrors>) -> String {
    let (diagnostics, config) = match checked {
        Ok(config) => (
            config.warnings.iter().map(|warning| at_no_place("warning", file, warning)).collect::<Vec<_>>(),
            Some(config),
        ),
        Err(errors) => (self::errors(errors), None),
    };
    written(arg, file, &diagnostics, config)
}

/// The document of a file that cannot be read.
pub(super) fn unread(arg: &ConfigArg, failure: &Failure) -> String {
    let file = arg.config.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    written(arg, &file, &[at_no_place("error", &file, &failure.message)], None)
}

fn written(arg: &ConfigArg, file: &str, diagnostics: &[Value], config: Option<&Config>) -> String {
    let document = json!({
        "version": 1,
        "file": file,
        "file_from": arg.is_from_environment.then_some(VARIABLE),
        "valid": config.is_some(),
        "diagnostics": diagnostics,
        "configuration": config.map(configuration),
    });
    format!("{document:#}\n")
}

fn errors(errors: &ConfigErrors) -> Vec<Value> {
    let each = errors.errors().iter().map(|error| {
        let place = errors.is_in_file(error).then(|| errors.place(error));
        json!({
            "severity": "error",
            "file": errors.file(),
            "line": place.map(|(begin, _)| begin.line),
            "column": place.map(|(begin, _)| begin.column),
            "end_line": place.map(|(_, end)| end.line),
            "end_column": place.map(|(_, end)| end.column),
            "message": error.message,
            "help": error.help,
        })
    });
    each.collect()
}

fn at_no_place(severity: &str, file: &str, message: &str) -> Value {
    json!({
        "severity": severity,
        "file": file,
        "line": null,
        "column": null,
        "end_line": null,
        "end_column": null,
        "message": message,
        "help": null,
    })
}

/// A label as it is in the file.
fn label((name, written): (&str, Written)) -> (String, Value) {
    let value = match written {
        Written::Expression(text) => text.into(),
        Written::Constant(value) => json!({ "value": value }),
    };
    (name.to_owned(), value)
}

/// What would run.
fn configuration(config: &Config) -> Value {
    let recorders = config.recorders.iter().map(|recorder| {
        let backends = recorder.backends.iter().map(|&index| config.backends[index].name.as_str());
        json!({
            "name": recorder.name,
            "type": recorder.spec.name,
            "interval_s": recorder.interval.map(|interval| interval.as_secs_f64()),
            "backends": backends.collect::<Vec<_>>(),
            "when": recorder.factory.common().when(),
            "labels": recorder.factory.common().labels().map(label).collect::<Map<_, _>>(),
        })
    });
    let labels = config.labels.iter().map(|label| (label.key.to_string(), field_of(&label.value)));
    let names = config.names.written().map(|rule| {
        json!({
            "match": rule.pattern.as_ref().map(Spanned::get_ref),
            "method": rule.method.as_ref().map(Spanned::get_ref),
            "replace": rule.replace.as_ref().map(Spanned::get_ref),
            "drop": is_true(rule.drop.as_ref()),
            "cut_query": is_true(rule.cut_query.as_ref()),
        })
    });
    let backends = config.backends.iter().map(|backend| {
        let spec = backend.backend.spec();
        json!({
            "name": backend.name,
            "type": spec.name,
            "interval_s": if spec.pace.is_none() { Some(backend.interval.as_secs_f64()) } else { None },
            "to": backend.backend.destination(),
        })
    });
    let thresholds = config.thresholds.list.iter().map(|threshold| {
        json!({
            "target": threshold.target.to_string(),
            "check": threshold.check.to_string(),
            "abort_after_s": threshold.abort_after.map(|after| after.as_secs_f64()),
        })
    });
    json!({
        "listen": addresses(config),
        "health": config.health.map(|health| health.to_string()),
        "labels": labels.collect::<Map<_, _>>(),
        "names": names.collect::<Vec<_>>(),
        "recorders": recorders.collect::<Vec<_>>(),
        "backends": backends.collect::<Vec<_>>(),
        "thresholds": thresholds.collect::<Vec<_>>(),
        "baseline": config.thresholds.baseline.as_ref().map(|baseline| baseline.path.display().to_string()),
    })
}
