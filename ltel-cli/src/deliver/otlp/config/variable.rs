//! The environment variables of one signal: `OTEL_EXPORTER_OTLP_<signal>_<name>`, else `OTEL_EXPORTER_OTLP_<name>`.

use std::time::Duration;

use ltel_core::backend::{Environment, Signal};

use crate::config::environment;

/// The beginning of their names.
const OTLP: &str = "OTEL_EXPORTER_OTLP_";

/// A variable that is set.
#[derive(Clone, Debug)]
pub(super) struct SetVariable {
    pub(super) name: String,
    pub(super) value: String,
    /// Whether it is for this signal alone. Then its endpoint is used as it is.
    pub(super) is_for_signal: bool,
}

impl SetVariable {
    /// The signal's own variable, else the one of this name, which is for all signals.
    pub(super) fn find(env: &Environment, signal: Signal, name: &str) -> Option<Self> {
        let own = format!("{OTLP}{}_{}", signal.as_str().to_uppercase(), name.trim_start_matches(OTLP));
        [(own, true), (name.to_owned(), false)]
            .into_iter()
            .find_map(|(name, is_for_signal)| env.get(&name).map(|value| Self { name, value, is_for_signal }))
    }

    /// `OTEL_EXPORTER_OTLP_TIMEOUT` is in milliseconds.
    pub(super) fn milliseconds(&self) -> Result<Duration, String> {
        environment::milliseconds(&self.name, &self.value)
    }

    pub(super) fn pairs(&self) -> Result<Vec<(String, String)>, String> {
        environment::pairs(&self.value).map_err(|error| format!("{}: {error}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signals_own_variable_wins() {
        let env: Environment =
            [("OTEL_EXPORTER_OTLP_TIMEOUT", "1"), ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "2")].into_iter().collect();
        let value = |signal| SetVariable::find(&env, signal, "OTEL_EXPORTER_OTLP_TIMEOUT").expect("set").value;
        assert_eq!((value(Signal::Metrics).as_str(), value(Signal::Traces).as_str()), ("2", "1"));
    }
}
