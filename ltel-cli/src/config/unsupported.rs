//! Variables of the OpenTelemetry specification that ltel does not follow, and values that it does not know. They count as not
//! set, and people are told: so the specification has it ("Environment Variable Specification", Enum and Boolean).

use super::section::list;
use super::{BackendKind, Config, Environment};

/// What ltel takes of a variable.
enum Takes {
    Nothing,
    OneOf(&'static [&'static str]),
    /// A number from 0 to 1.
    Part,
}

impl Takes {
    fn takes(&self, value: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::OneOf(known) => known.iter().any(|known| known.eq_ignore_ascii_case(value)),
            Self::Part => value.parse().is_ok_and(|part: f64| (0.0..=1.0).contains(&part)),
        }
    }
}

const SWITCH: Takes = Takes::OneOf(&["true", "false"]);
const EXPORTERS: Takes = Takes::OneOf(&["otlp", "none"]);
const SAMPLERS: Takes = Takes::OneOf(&[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]);

/// A name (`*` stands for any text), what is taken of it, and the configurations that it concerns.
type Variable = (&'static str, Takes, fn(&Config) -> bool);

const VARIABLES: [Variable; 18] = [
    ("OTEL_SDK_DISABLED", SWITCH, sends_otlp),
    ("OTEL_METRICS_EXPORTER", EXPORTERS, sends_otlp),
    ("OTEL_TRACES_EXPORTER", EXPORTERS, sends_otlp),
    ("OTEL_LOGS_EXPORTER", EXPORTERS, sends_otlp),
    ("OTEL_EXPORTER_OTLP*_INSECURE", SWITCH, sends_otlp),
    ("OTEL_EXPORTER_OTLP*_COMPRESSION", Takes::OneOf(&["gzip", "none"]), sends_otlp),
    ("OTEL_TRACES_SAMPLER", SAMPLERS, traces),
    ("OTEL_TRACES_SAMPLER_ARG", Takes::Part, traces),
    ("OTEL_PROPAGATORS", Takes::OneOf(&["tracecontext", "tracecontext,baggage", "baggage,tracecontext"]), traces),
    ("OTEL_*_LIMIT", Takes::Nothing, sends_otlp),
    ("OTEL_BSP_*", Takes::Nothing, sends_otlp),
    ("OTEL_BLRP_*", Takes::Nothing, sends_otlp),
    ("OTEL_METRIC_EXPORT_TIMEOUT", Takes::Nothing, sends_otlp),
    ("OTEL_METRICS_EXEMPLAR_FILTER", Takes::OneOf(&["always_off"]), sends_otlp),
    ("OTEL_LOG_LEVEL", Takes::Nothing, sends_otlp),
    ("OTEL_CONFIG_FILE", Takes::Nothing, sends_otlp),
    ("OTEL_EXPERIMENTAL_CONFIG_FILE", Takes::Nothing, sends_otlp),
    ("OTEL_EXPORTER_PROMETHEUS_*", Takes::Nothing, is_scraped),
];

fn sends_otlp(config: &Config) -> bool {
    config.backends.iter().any(|backend| matches!(backend.kind, BackendKind::Otlp(_)))
}

fn is_scraped(config: &Config) -> bool {
    config.backends.iter().any(|backend| matches!(backend.kind, BackendKind::Prometheus(_)))
}

fn traces(config: &Config) -> bool {
    config.recorders.iter().any(|recorder| recorder.factory.needs().trace.is_some())
}

/// A variable that is set, and that ltel does not follow.
pub(super) struct Unsupported {
    name: String,
    /// For people: the variable, and what would be right.
    pub(super) warning: String,
    /// The configurations that it concerns.
    pub(super) concerns: fn(&Config) -> bool,
}

/// Parts the environment into what is followed and what is not.
pub(super) fn part(env: &Environment) -> (Environment, Vec<Unsupported>) {
    let found = env.iter().filter_map(|(name, value)| {
        let (_, takes, concerns) = VARIABLES.iter().find(|(pattern, ..)| matches(pattern, name))?;
        if takes.takes(value) {
            return None;
        }
        let warning = match takes {
            Takes::Nothing => format!("{name}: not supported, ignored"),
            Takes::OneOf(known) => {
                format!("{name}: `{value}` is not supported, ignored; supported: {}", list(known.iter().copied()))
            }
            Takes::Part => format!("{name}: `{value}` is not a number from 0 to 1, ignored"),
        };
        Some(Unsupported { name: name.to_owned(), warning, concerns: *concerns })
    });
    let found: Vec<_> = found.collect();
    let followed = env.iter().filter(|(name, _)| found.iter().all(|unsupported| unsupported.name != *name));
    (followed.collect(), found)
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((begin, end)) => name.strip_prefix(begin).is_some_and(|rest| rest.ends_with(end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variable: (&str, &str), expected: Option<&str>) {
        let (followed, unsupported) = part(&[variable].into_iter().collect());
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
            // What is of no specification is not ours to speak of.
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
