//! What can be compared, and its units.

use std::borrow::Cow;
use std::fmt;

use crate::figures::{EndpointFigures, RunFigures};
use crate::runs::{RunAccount, SourceStatus};
use crate::text::shortened;

// Sources whose loss is not known: how many are named, and with how many characters each.
const NAMED: usize = 3;
const SHOWN: usize = 60;

/// A figure that a check compares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// The response time that this percentage of the requests did not exceed: `p95`, `p99.9`.
    Percentile(f64),
    /// The mean response time.
    Average,
    /// The shortest response time.
    Min,
    /// The longest response time.
    Max,
    /// Requests, including failed ones.
    Requests,
    /// Failed requests.
    Failures,
    /// Failed requests of all requests.
    FailureRatio,
    /// Requests per second, over the whole test.
    Rps,
    /// The greatest CPU usage of a generator, in percent of one core: of the busiest one.
    Cpu,
    /// Requests that are missing from the figures.
    Dropped,
}

impl Quantity {
    /// The names of all that are not percentiles.
    pub(super) const NAMES: [(&'static str, Self); 9] = [
        ("avg", Self::Average),
        ("min", Self::Min),
        ("max", Self::Max),
        ("requests", Self::Requests),
        ("failures", Self::Failures),
        ("failure_ratio", Self::FailureRatio),
        ("rps", Self::Rps),
        ("cpu", Self::Cpu),
        ("dropped", Self::Dropped),
    ];

    /// The unit of its values.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::Percentile(_) | Self::Average | Self::Min | Self::Max => Unit::Milliseconds,
            Self::Requests | Self::Failures | Self::Dropped => Unit::Count,
            Self::FailureRatio => Unit::Ratio,
            Self::Rps => Unit::PerSecond,
            Self::Cpu => Unit::Percent,
        }
    }

    /// Whether it is of the generators, and so of no endpoint.
    #[must_use]
    pub const fn is_of_generators(self) -> bool {
        matches!(self, Self::Cpu | Self::Dropped)
    }

    /// Whether it is about 0 when a test begins, whatever the test is like.
    #[must_use]
    pub const fn begins_at_zero(self) -> bool {
        matches!(self, Self::Requests | Self::Failures | Self::Rps | Self::Dropped)
    }

    /// Its value of these requests, or of the run's generators; or why it has none. Never NaN.
    pub(super) fn of(self, endpoint: &EndpointFigures, run: &RunFigures) -> Result<f64, Cow<'static, str>> {
        const NO_REQUEST: &str = "no request was made";
        const NO_TIME: &str = "no request had a response time";
        let (value, otherwise) = match self {
            Self::Percentile(percent) => (endpoint.percentile(percent), NO_TIME),
            Self::Average => (endpoint.mean_ms, NO_TIME),
            Self::Min => (endpoint.min_ms, NO_TIME),
            Self::Max => (endpoint.max_ms, NO_TIME),
            Self::Requests => (Some(endpoint.requests as f64), NO_REQUEST),
            Self::Failures => (Some(endpoint.failures as f64), NO_REQUEST),
            Self::FailureRatio => (endpoint.failure_ratio(), NO_REQUEST),
            Self::Rps => (Some(endpoint.rate), NO_REQUEST),
            Self::Cpu => {
                let busiest = run.generators.iter().filter_map(|generator| generator.max_cpu_percent).reduce(f64::max);
                (busiest, "the CPU usage of no generator is known")
            }
            Self::Dropped
                if run.is_final()
                    && let Some(why) = unknown_loss(&run.account) =>
            {
                return Err(why.into());
            }
            Self::Dropped => (Some(run.account.dropped().values().fold(0.0, |sum, count| sum + *count as f64)), ""),
        };
        let otherwise = if endpoint.requests == 0 && !self.is_of_generators() { NO_REQUEST } else { otherwise };
        match value {
            Some(value) if value.is_finite() => Ok(value),
            Some(_) => Err("the figure is not a number".into()),
            None => Err(otherwise.into()),
        }
    }
}

/// If a source's part has not ended as it should: that, in words. Its requests may be lost without being counted.
fn unknown_loss(account: &RunAccount) -> Option<String> {
    let mut parts = Vec::new();
    let unknown = account.sources.iter().filter(|source| source.status != SourceStatus::Done);
    let more = unknown.clone().count().saturating_sub(NAMED);
    parts.extend(
        unknown.take(NAMED).map(|source| format!("{} ({})", shortened(&source.label, SHOWN), source.status.as_str())),
    );
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    if account.unlisted_sources > 0 {
        parts.push(format!("{} beyond the limit of sources", account.unlisted_sources));
    }
    (!parts.is_empty()).then(|| format!("it is not known what these sources dropped: {}", parts.join(", ")))
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percent) => write!(f, "p{percent}"),
            other => {
                let name = Self::NAMES.iter().find(|(_, quantity)| quantity == other).map(|(name, _)| *name);
                f.write_str(name.unwrap_or_default())
            }
        }
    }
}

/// The unit of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Whole requests.
    #[default]
    Count,
    /// Milliseconds.
    Milliseconds,
    /// A part of all, from 0 to 1. People see it in percent.
    Ratio,
    /// Requests per second.
    PerSecond,
    /// Percent of one core.
    Percent,
}

impl Unit {
    /// All units.
    pub const ALL: [Self; 5] = [Self::Count, Self::Milliseconds, Self::Ratio, Self::PerSecond, Self::Percent];

    /// Its name in documents and records, in UCUM.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "{request}",
            Self::Milliseconds => "ms",
            Self::Ratio => "1",
            Self::PerSecond => "1/s",
            Self::Percent => "%",
        }
    }

    /// A value for people, with its unit.
    #[must_use]
    pub fn shown(self, value: f64) -> String {
        self.with_digits(value, 3)
    }

    /// A value for people, with as many digits as it takes to see on which side of a limit it lies.
    #[must_use]
    pub(super) fn shown_beside(self, value: f64, limit: f64) -> String {
        // Without the noise of the multiplication.
        let rounded = |number: f64| (number * 1e9).round();
        let (side, scale) = (value.partial_cmp(&limit), self.scale());
        let is_right = |digits: &usize| {
            let shown: Option<f64> = format!("{:.digits$}", value * scale).parse().ok();
            shown.and_then(|shown| rounded(shown).partial_cmp(&rounded(limit * scale))) == side
        };
        let digits = (default_digits(value * scale)..9).find(is_right).unwrap_or(9);
        self.with_digits(value, digits)
    }

    /// What a value is multiplied with to be shown.
    const fn scale(self) -> f64 {
        match self {
            Self::Ratio => 100.0,
            _ => 1.0,
        }
    }

    fn with_digits(self, value: f64, digits: usize) -> String {
        let mut number = format!("{:.digits$}", value * self.scale());
        if number.contains('.') {
            number.truncate(number.trim_end_matches('0').trim_end_matches('.').len());
        }
        match self {
            Self::Count => number,
            Self::Milliseconds => number + " ms",
            Self::Ratio | Self::Percent => number + " %",
            Self::PerSecond => number + " req/s",
        }
    }
}

// About three digits in all; a whole number needs none after the point.
fn default_digits(value: f64) -> usize {
    match value.abs() {
        whole if whole.fract() == 0.0 => 0,
        small if small < 10.0 => 2,
        middle if middle < 100.0 => 1,
        _ => 0,
    }
}
