//! Whether a backend's histograms have exemplars: those of requests whose trace is sampled.

use ltel_core::backend::{Environment, Variable, VariableValues};

/// Of OpenTelemetry's filters, `always_on` is left out: an exemplar without a trace leads nowhere.
/// <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#exemplar>
pub(super) const VARIABLE: Variable =
    Variable { name: "OTEL_METRICS_EXEMPLAR_FILTER", takes: VariableValues::OneOf(&["trace_based", "always_off"]) };

/// What the file says, else the environment.
pub(super) fn exemplars(stated: Option<bool>, env: &Environment) -> bool {
    stated.unwrap_or_else(|| !env.says(VARIABLE.name, "always_off"))
}
