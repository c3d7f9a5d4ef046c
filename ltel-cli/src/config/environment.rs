//! The environment, as a value: what configures OpenTelemetry exporters everywhere (`OTEL_*`) fills what the file leaves open.
//!
//! ltel reads these variables itself. The exporters would give them to every backend alike, and one backend's key must
//! not reach another.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Signal;

/// Environment variables.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect())
    }

    /// A variable's value. Empty is not set, as the OpenTelemetry specification has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// All that are set, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.trim())).filter(|(_, value)| !value.is_empty())
    }

    /// Whether a variable is set to this word.
    fn says(&self, name: &str, word: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case(word))
    }

    /// `OTEL_SDK_DISABLED`: nothing is to be sent by OTLP.
    pub(super) fn is_disabled(&self) -> bool {
        self.says("OTEL_SDK_DISABLED", "true")
    }

    /// `OTEL_<signal>_EXPORTER`: whether a signal is to be sent nowhere.
    pub(super) fn exports_no(&self, signal: Signal) -> bool {
        self.says(&exporter(signal), "none")
    }

    /// `OTEL_TRACES_SAMPLER`: the part of all traces that is sampled.
    pub(super) fn sampled(&self) -> Option<f64> {
        let sampler = self.get("OTEL_TRACES_SAMPLER")?.to_ascii_lowercase();
        // Locust begins its traces: there is no parent to go by.
        match sampler.strip_prefix("parentbased_").unwrap_or(&sampler) {
            "always_on" => Some(1.0),
            "always_off" => Some(0.0),
            "traceidratio" => Some(self.get("OTEL_TRACES_SAMPLER_ARG").and_then(|arg| arg.parse().ok()).unwrap_or(1.0)),
            _ => None,
        }
    }

    /// `OTEL_EXPORTER_OTLP_<signal>_<name>`, else `OTEL_EXPORTER_OTLP_<name>`.
    pub(super) fn otlp(&self, signal: Signal, name: &str) -> Option<Variable> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{name}", signal.as_str().to_uppercase());
        [(own, true), (format!("OTEL_EXPORTER_OTLP_{name}"), false)]
            .into_iter()
            .find_map(|(name, is_for_signal)| self.get(&name).map(|value| Variable { name, value, is_for_signal }))
    }

    /// `OTEL_RESOURCE_ATTRIBUTES`: `key=value` pairs.
    pub(super) fn resource_attributes(&self) -> Result<Vec<(String, String)>, String> {
        self.get("OTEL_RESOURCE_ATTRIBUTES")
            .map_or(Ok(Vec::new()), |text| pairs(&text).map_err(|error| format!("OTEL_RESOURCE_ATTRIBUTES: {error}")))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(iter: T) -> Self {
        Self(iter.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

/// The name of the variable that selects a signal's exporter.
pub(super) fn exporter(signal: Signal) -> String {
    format!("OTEL_{}_EXPORTER", signal.as_str().to_uppercase())
}

/// A variable that is set.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
    /// Whether it is the one for this signal alone. Its endpoint is used as it is.
    pub(super) is_for_signal: bool,
}

impl Variable {
    /// `OTEL_EXPORTER_OTLP_TIMEOUT` is in milliseconds.
    pub(super) fn milliseconds(&self) -> Result<Duration, String> {
        match self.value.parse() {
            Ok(ms) if ms > 0 => Ok(Duration::from_millis(ms)),
            _ => Err(format!("{}: `{}` is not a number of milliseconds", self.name, self.value)),
        }
    }

    pub(super) fn pairs(&self) -> Result<Vec<(String, String)>, String> {
        pairs(&self.value).map_err(|error| format!("{}: {error}", self.name))
    }
}

/// `key=value,key=value`, percent-encoded: the form of W3C baggage, which the specification refers to.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
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
    fn the_signals_own_variable_wins() {
        let env: Environment =
            [("OTEL_EXPORTER_OTLP_TIMEOUT", "1"), ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "2")].into_iter().collect();
        assert_eq!(env.otlp(Signal::Metrics, "TIMEOUT").expect("set").value, "2");
        assert_eq!(env.otlp(Signal::Traces, "TIMEOUT").expect("set").value, "1");
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
            assert_eq!(env.sampled(), expected, "{sampler} {arg}");
        }
    }
}
