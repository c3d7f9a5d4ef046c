//! Parses the values of OpenTelemetry's environment variables, as its specification defines them. ltel reads the variables
//! itself: the exporters would apply them to every backend, and one backend's key must not reach another.

use std::time::Duration;

pub use ltel_core::backend::Environment;

use super::values::MAX_DURATION;

/// `OTEL_TRACES_SAMPLER`: the ratio of traces that are sampled.
pub(crate) fn sampled(env: &Environment) -> Option<f64> {
    let sampler = env.get("OTEL_TRACES_SAMPLER")?.to_ascii_lowercase();
    // Locust begins its traces, so there is no parent that could decide.
    match sampler.strip_prefix("parentbased_").unwrap_or(&sampler) {
        "always_on" => Some(1.0),
        "always_off" => Some(0.0),
        "traceidratio" => Some(env.get("OTEL_TRACES_SAMPLER_ARG").and_then(|arg| arg.parse().ok()).unwrap_or(1.0)),
        _ => None,
    }
}

/// A number of milliseconds.
pub(crate) fn milliseconds(name: &str, value: &str) -> Result<Duration, String> {
    match value.parse().map(Duration::from_millis) {
        Ok(duration) if duration.is_zero() || duration > MAX_DURATION => {
            Err(format!("{name}: `{value}` milliseconds is out of range: 1 ms to 100 years"))
        }
        Ok(duration) => Ok(duration),
        Err(_) => Err(format!("{name}: `{value}` is not a number of milliseconds")),
    }
}

/// `key=value,key=value`, percent-encoded, as in W3C baggage.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .enumerate()
        .map(|(n, pair)| {
            // Not shown: it may be a key.
            let (key, value) = pair.split_once('=').ok_or_else(|| format!("part {} is not `key=value`", n + 1))?;
            Ok((percent_decode(key.trim()), percent_decode(value.trim())))
        })
        .collect()
}

fn percent_decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_those_of_baggage() {
        assert_eq!(
            pairs("api-key=a%2Cb, x = y=z ,").expect("valid"),
            [("api-key".into(), "a,b".into()), ("x".into(), "y=z".into())]
        );
        assert!(pairs("nonsense").is_err());
    }

    #[test]
    fn milliseconds_have_bounds() {
        assert_eq!(milliseconds("T", "1500"), Ok(Duration::from_millis(1_500)));
        for wrong in ["0", "-1", "3s", "", "18446744073709551615", "99999999999999999999"] {
            assert!(milliseconds("T", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_sampler_is_a_ratio() {
        for (sampler, arg, expected) in [
            ("", "0.5", None),
            ("always_on", "0.5", Some(1.0)),
            ("always_off", "", Some(0.0)),
            ("traceidratio", "0.5", Some(0.5)),
            ("traceidratio", "", Some(1.0)),
            ("parentbased_always_on", "", Some(1.0)),
            ("parentbased_always_off", "", Some(0.0)),
            ("ParentBased_TraceIdRatio", "1e-3", Some(0.001)),
        ] {
            let env: Environment =
                [("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", arg)].into_iter().collect();
            assert_eq!(sampled(&env), expected, "{sampler} {arg}");
        }
    }
}
