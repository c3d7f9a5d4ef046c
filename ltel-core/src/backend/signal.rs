//! The signals of OpenTelemetry, and whether a backend takes them.

/// A signal: what kind of telemetry something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Points of instruments.
    Metrics,
    /// Spans.
    Traces,
    /// Records.
    Logs,
}

impl Signal {
    /// All signals.
    pub const ALL: [Self; 3] = [Self::Metrics, Self::Traces, Self::Logs];

    /// Its name in configurations, in `OTEL_*` variables (in capitals) and in OTLP's paths.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Traces => "traces",
            Self::Logs => "logs",
        }
    }

    /// What its items are called.
    #[must_use]
    pub const fn items(self) -> &'static str {
        match self {
            Self::Metrics => "points",
            Self::Traces => "spans",
            Self::Logs => "records",
        }
    }
}

/// Whether a backend takes a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It can, but the environment turns it off.
    TurnedOff,
}
