//! The environment, as a value: `OTEL_*` variables apply if the configuration does not set an option.

use std::collections::BTreeMap;

/// Environment variables.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect())
    }

    /// A variable's value. An empty value counts as not set, as the OpenTelemetry specification requires.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// All variables that are set, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.trim())).filter(|(_, value)| !value.is_empty())
    }

    /// Whether a variable is set to this word.
    #[must_use]
    pub fn says(&self, name: &str, word: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case(word))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(iter: T) -> Self {
        Self(iter.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

/// A variable that people may expect a backend to follow. An unsupported value counts as not set, with a warning, as the
/// OpenTelemetry specification requires.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name; `*` stands for any text.
    pub name: &'static str,
    /// The values that are supported.
    pub takes: VariableValues,
}

impl Variable {
    /// Whether this is the variable with that name.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        match self.name.split_once('*') {
            None => self.name == name,
            Some((begin, end)) => name.strip_prefix(begin).is_some_and(|rest| rest.ends_with(end)),
        }
    }
}

/// The supported values of a variable.
#[derive(Clone, Copy, Debug)]
pub enum VariableValues {
    /// None: the variable is not supported.
    Nothing,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A number from 0 to 1.
    Ratio,
}

impl VariableValues {
    /// `true` or `false`.
    pub const SWITCH: Self = Self::OneOf(&["true", "false"]);

    /// Whether a value is supported.
    #[must_use]
    pub fn contains(&self, value: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::OneOf(known) => known.iter().any(|known| known.eq_ignore_ascii_case(value)),
            Self::Ratio => value.parse().is_ok_and(|part: f64| (0.0..=1.0).contains(&part)),
        }
    }
}
