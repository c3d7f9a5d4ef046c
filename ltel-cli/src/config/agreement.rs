//! What recorders and backends, each right by itself, must agree on.

use std::ops::Range;

use ltel_core::recorder::Spec;
use ltel_core::wire::TraceFeatures;

use super::error::ConfigError;
use super::{BackendConfig, RecorderConfig, Signal};

/// Finds what does not fit together. Without backends that are right there is nothing to say of them.
pub(super) fn check(
    recorders: &[(RecorderConfig, Range<usize>)],
    backends: Option<&[BackendConfig]>,
    errors: &mut Vec<ConfigError>,
) {
    one_kind_of_traces(recorders, errors);
    if let Some(backends) = backends {
        for (recorder, header) in recorders {
            errors
                .extend(reaches_nobody(recorder, backends).map(|error| ConfigError { span: header.clone(), ..error }));
        }
    }
}

/// Locust decides once for all recorders which requests are traced.
fn one_kind_of_traces(recorders: &[(RecorderConfig, Range<usize>)], errors: &mut Vec<ConfigError>) {
    let mut first: Option<(&str, TraceFeatures)> = None;
    for (recorder, header) in recorders {
        let Some(trace) = recorder.factory.needs().trace else { continue };
        let Some((name, have)) = first else {
            first = Some((&recorder.name, trace));
            continue;
        };
        // What to keep, each decides for itself.
        if (trace.ratio, trace.propagate, trace.tasks) != (have.ratio, have.propagate, have.tasks) {
            let message = format!("[recorders.{}] wants other traces than [recorders.{name}]", recorder.name);
            errors.push(ConfigError::new(message, header.clone()).help(
                "Locust is told once what to trace: give both the same `ratio`, `propagate` and `tasks`; `keep` may differ",
            ));
        }
    }
}

/// What a recorder emits; nothing if its spec does not say.
fn emits(spec: &Spec) -> Vec<Signal> {
    let all = [
        (Signal::Metrics, spec.instruments.is_empty()),
        (Signal::Traces, spec.spans.is_empty()),
        (Signal::Logs, spec.records.is_empty()),
    ];
    all.into_iter().filter_map(|(signal, none)| (!none).then_some(signal)).collect()
}

/// A recorder works for nothing if no backend that it is routed to takes what it emits.
fn reaches_nobody(recorder: &RecorderConfig, backends: &[BackendConfig]) -> Option<ConfigError> {
    let emits = emits(recorder.spec);
    let routes = || recorder.backends.iter().map(|&index| &backends[index]);
    let reaches = |signal| routes().any(|backend| backend.kind.takes(signal));
    if emits.is_empty() || emits.iter().any(|&signal| reaches(signal)) {
        return None;
    }
    let what: Vec<_> = emits.iter().map(|signal| signal.items()).collect();
    let message = format!(
        "[recorders.{}] emits {}, and no backend that it goes to takes them",
        recorder.name,
        what.join(" and ")
    );
    let help = if emits.contains(&Signal::Traces) {
        "backends of type `otlp` take spans, and of type `json` with `spans = true`"
    } else if emits.contains(&Signal::Logs) {
        "backends of type `json` and `otlp` take records"
    } else {
        "backends of every type take metrics, unless their `signals` leave them out"
    };
    Some(ConfigError::new(message, 0..0).help(help))
}
