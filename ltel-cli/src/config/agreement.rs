//! Checks that recorders and backends, each valid by itself, fit together.

use std::fmt::Write as _;
use std::ops::Range;

use ltel_core::backend::{ConfigError, Signal, Takes};
use ltel_core::registry::Registry;
use ltel_core::wire::TraceFeatures;

use super::names::join;
use super::{BackendConfig, RecorderConfig, shared_metrics};
use crate::program;

/// Reports what does not fit together, and returns the recorders to run. Without valid backends there is nothing to check.
/// `takes_figures`: somebody shows or judges the figures of runs.
pub(super) fn check(
    recorders: Vec<(RecorderConfig, Range<usize>)>,
    backends: Option<&[BackendConfig]>,
    takes_figures: bool,
    registry: &Registry,
    errors: &mut Vec<ConfigError>,
    warnings: &mut Vec<String>,
) -> Vec<RecorderConfig> {
    one_kind_of_traces(&recorders, errors);
    shared_metrics::check(&recorders, errors, warnings);
    let mut working = Vec::new();
    for (recorder, header) in recorders {
        match backends.map_or(Reach::Some, |backends| reach(&recorder, backends, takes_figures)) {
            Reach::Some => {}
            Reach::None => errors.push(no_backend_takes_it(&recorder, header, registry)),
            Reach::Off => {
                let (name, what) = (&recorder.name, items(&recorder));
                warnings.push(format!(
                    "[recorders.{name}]: left out, as the environment turns off every backend that takes its {what}"
                ));
                continue;
            }
        }
        working.push(recorder);
    }
    working
}

/// The recorders of which some backend takes something.
pub(super) fn with_a_taker(
    mut recorders: Vec<(RecorderConfig, Range<usize>)>,
    backends: &[BackendConfig],
    takes_figures: bool,
) -> Vec<(RecorderConfig, Range<usize>)> {
    recorders.retain(|(recorder, _)| !matches!(reach(recorder, backends, takes_figures), Reach::None));
    recorders
}

/// Locust decides which requests are traced, once for all recorders.
fn one_kind_of_traces(recorders: &[(RecorderConfig, Range<usize>)], errors: &mut Vec<ConfigError>) {
    let mut first: Option<(&str, TraceFeatures)> = None;
    for (recorder, header) in recorders {
        let Some(trace) = recorder.factory.needs().trace else { continue };
        let Some((name, have)) = first else {
            first = Some((&recorder.name, trace));
            continue;
        };
        // `keep` may differ: each recorder applies its own.
        if (trace.ratio, trace.propagate, trace.tasks) != (have.ratio, have.propagate, have.tasks) {
            let message = format!("[recorders.{}] and [recorders.{name}] ask for different traces", recorder.name);
            errors.push(ConfigError::new(message, header.clone()).help(
                "all recorders share one set of traces: use the same `ratio`, `propagate` and `tasks`; `keep` may differ",
            ));
        }
    }
}

/// The signals that a recorder emits with its options; empty if its spec does not say.
fn emits(recorder: &RecorderConfig) -> Vec<Signal> {
    let all = [
        (Signal::Metrics, !recorder.factory.has_points()),
        (Signal::Traces, recorder.spec.spans.is_empty()),
        (Signal::Logs, recorder.spec.records.is_empty()),
    ];
    all.into_iter().filter_map(|(signal, none)| (!none).then_some(signal)).collect()
}

/// Whether a recorder's output reaches a backend.
enum Reach {
    /// A backend takes some of it.
    Some,
    /// Backends would take it, but the environment turns them off.
    Off,
    None,
}

fn reach(recorder: &RecorderConfig, backends: &[BackendConfig], takes_figures: bool) -> Reach {
    let emits = emits(recorder);
    let any = |takes| {
        let mut routes = recorder.backends.iter().map(|&index| &backends[index].backend);
        routes.any(|backend| emits.iter().any(|&signal| backend.takes(signal) == takes))
    };
    let shows = takes_figures && recorder.factory.has_figures();
    if emits.is_empty() || any(Takes::Yes) || shows {
        Reach::Some
    } else if any(Takes::TurnedOff) {
        Reach::Off
    } else {
        Reach::None
    }
}

/// What a recorder emits, for messages.
fn items(recorder: &RecorderConfig) -> String {
    emits(recorder).into_iter().map(Signal::items).collect::<Vec<_>>().join(" and ")
}

/// The error for a recorder whose output no backend takes.
fn no_backend_takes_it(recorder: &RecorderConfig, header: Range<usize>, registry: &Registry) -> ConfigError {
    let message =
        format!("[recorders.{}] emits {}, but none of its backends takes them", recorder.name, items(recorder));
    // The signal that the fewest types of backends take is most likely the cause.
    let takers = emits(recorder).into_iter().map(|signal| (signal, takers(signal, registry)));
    let Some((signal, takers)) = takers.min_by_key(|(_, takers)| takers.len()) else {
        return ConfigError::new(message, header);
    };
    let mut help = format!("backends that take {}: {}", signal.items(), join(takers));
    if signal == Signal::Metrics {
        help.push_str("; unless `signals` leaves them out");
    }
    if !recorder.spec.instruments.is_empty() && !recorder.factory.has_points() {
        let _ = write!(help, "; an option turns its points on: see `{} recorders`", program::name());
    }
    ConfigError::new(message, header).help(help)
}

/// The types of backends that can take a signal, each with the option that it needs.
fn takers(signal: Signal, registry: &Registry) -> Vec<String> {
    let types = registry.backend_types().filter_map(|type_| {
        let (_, option) = type_.spec.signals.iter().find(|(have, _)| *have == signal)?;
        let with = option.map_or(String::new(), |option| format!(" with `{option}`"));
        Some(format!("`{}`{with}", type_.spec.name))
    });
    types.collect()
}
