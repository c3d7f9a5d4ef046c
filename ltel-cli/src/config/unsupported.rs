//! Variables of the OpenTelemetry specification, and values of them, that ltel does not support. They are ignored with a
//! warning, as the specification demands ("Environment Variable Specification", Enum and Boolean).

use ltel_core::backend::{Variable, VariableValues};
use ltel_core::registry::Registry;

use super::names::list;
use super::{Config, Environment};

const SAMPLERS: VariableValues = VariableValues::OneOf(&[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]);

/// Variables of the recorders that need traces. Each type of backend names its own.
const OF_TRACES: [Variable; 3] = [
    Variable { name: "OTEL_TRACES_SAMPLER", takes: SAMPLERS },
    Variable { name: "OTEL_TRACES_SAMPLER_ARG", takes: VariableValues::Ratio },
    Variable {
        name: "OTEL_PROPAGATORS",
        takes: VariableValues::OneOf(&["tracecontext", "tracecontext,baggage", "baggage,tracecontext"]),
    },
];

/// A variable that is set and that ltel ignores.
pub(super) struct Unsupported {
    name: String,
    /// The warning: the variable, and the supported values.
    pub(super) warning: String,
    // The types of backends that it concerns; absent for recorders that need traces.
    concerned: Vec<Option<&'static str>>,
}

impl Unsupported {
    /// Whether it makes a difference to a configuration.
    pub(super) fn concerns(&self, config: &Config) -> bool {
        self.concerned.iter().any(|concerned| match concerned {
            Some(name) => config.backends.iter().any(|backend| backend.backend.spec().name == *name),
            None => config.recorders.iter().any(|recorder| recorder.factory.needs().trace.is_some()),
        })
    }
}

/// The environment without what ltel ignores.
pub(crate) fn followed(env: &Environment, registry: &Registry) -> Environment {
    part(env, registry).0
}

/// Splits the environment into supported variables and ignored ones.
pub(super) fn part(env: &Environment, registry: &Registry) -> (Environment, Vec<Unsupported>) {
    let of_backends = registry
        .backend_types()
        .flat_map(|type_| type_.spec.variables.iter().map(|variable| (variable, Some(type_.spec.name))));
    let known: Vec<_> = of_backends.chain(OF_TRACES.iter().map(|variable| (variable, None))).collect();
    let found = env.iter().filter_map(|(name, value)| {
        let all = || known.iter().filter(|(variable, _)| variable.is(name));
        let (Variable { takes, .. }, _) = all().next()?;
        if takes.contains(value) {
            return None;
        }
        let warning = match takes {
            VariableValues::Nothing => format!("{name}: not supported, ignored"),
            VariableValues::OneOf(known) => {
                format!("{name}: `{value}` is not supported, ignored; supported: {}", list(known.iter().copied()))
            }
            VariableValues::Ratio => format!("{name}: `{value}` is not a number from 0 to 1, ignored"),
        };
        let concerned = all().map(|(_, concerned)| *concerned).collect();
        Some(Unsupported { name: name.to_owned(), warning, concerned })
    });
    let found: Vec<_> = found.collect();
    let followed = env.iter().filter(|(name, _)| found.iter().all(|unsupported| unsupported.name != *name));
    (followed.collect(), found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variable: (&str, &str), expected: Option<&str>) {
        let (followed, unsupported) = part(&[variable].into_iter().collect(), &crate::deliver::built_in());
        let warnings: Vec<_> = unsupported.iter().map(|unsupported| unsupported.warning.as_str()).collect();
        assert_eq!(warnings, Vec::from_iter(expected), "{variable:?}");
        assert_eq!(followed.get(variable.0).is_some(), expected.is_none() && !variable.1.is_empty(), "{variable:?}");
    }

    #[test]
    fn what_is_followed_is_not_spoken_of() {
        for variable in [
            ("OTEL_SDK_DISABLED", "TRUE"),
            ("OTEL_SDK_DISABLED", ""),
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_TRACES_EXPORTER", "None"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "False"),
            ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip"),
            ("OTEL_TRACES_SAMPLER", "ParentBased_TraceIdRatio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_PROPAGATORS", "tracecontext,baggage"),
            ("OTEL_METRICS_EXEMPLAR_FILTER", "always_off"),
            ("OTEL_METRICS_EXEMPLAR_FILTER", "Trace_Based"),
            // A variable outside of the specification gets no warning.
            ("OTEL_PYTHON_LOG_CORRELATION", "true"),
            ("BSP_SCHEDULE_DELAY", "1"),
        ] {
            check(variable, None);
        }
    }

    #[test]
    fn what_is_not_followed_is_said() {
        let switch = "OTEL_SDK_DISABLED: `1` is not supported, ignored; supported: `false` and `true`";
        check(("OTEL_SDK_DISABLED", "1"), Some(switch));
        let list = "OTEL_METRICS_EXPORTER: `otlp,console` is not supported, ignored; supported: `none` and `otlp`";
        check(("OTEL_METRICS_EXPORTER", "otlp,console"), Some(list));
        let insecure =
            "OTEL_EXPORTER_OTLP_TRACES_INSECURE: `yes` is not supported, ignored; supported: `false` and `true`";
        check(("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "yes"), Some(insecure));
        let zstd = "OTEL_EXPORTER_OTLP_COMPRESSION: `zstd` is not supported, ignored; supported: `gzip` and `none`";
        check(("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"), Some(zstd));
        for number in ["1.5", "-0.1", "half", "NaN"] {
            let part = format!("OTEL_TRACES_SAMPLER_ARG: `{number}` is not a number from 0 to 1, ignored");
            check(("OTEL_TRACES_SAMPLER_ARG", number), Some(&part));
        }
        for (name, value) in [
            ("OTEL_BSP_SCHEDULE_DELAY", "1000"),
            ("OTEL_BLRP_MAX_QUEUE_SIZE", "10"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "10"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "10"),
            ("OTEL_CONFIG_FILE", "otel.yaml"),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", "9000"),
        ] {
            check((name, value), Some(&format!("{name}: not supported, ignored")));
        }
    }
}
