//! A check: a quantity, an operator, and a limit.

use std::fmt;

use super::{Quantity, Unit};

/// What must hold: `p95 < 500ms`.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// As it was written.
    pub(super) text: String,
    /// What is compared.
    pub quantity: Quantity,
    /// How.
    pub operator: Operator,
    /// With what.
    pub limit: Limit,
}

impl Check {
    /// Whether the other one means the same, however it is written.
    #[must_use]
    pub fn means(&self, other: &Self) -> bool {
        self.quantity == other.quantity && self.operator == other.operator && self.limit == other.limit
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How a figure is compared with its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`, of counts only.
    Equal,
}

impl Operator {
    /// All operators.
    pub const ALL: [Self; 5] = [Self::Below, Self::AtMost, Self::Above, Self::AtLeast, Self::Equal];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
        }
    }

    /// The operator that is written so.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.as_str() == text)
    }

    /// Whether the comparison is true. Never, if one of them is not a number.
    #[must_use]
    #[allow(clippy::float_cmp)] // counts
    pub fn holds(self, actual: f64, limit: f64) -> bool {
        match self {
            Self::Below => actual < limit,
            Self::AtMost => actual <= limit,
            Self::Above => actual > limit,
            Self::AtLeast => actual >= limit,
            Self::Equal => actual == limit,
        }
    }

    /// Whether greater figures are better.
    #[must_use]
    pub const fn wants_more(self) -> bool {
        matches!(self, Self::Above | Self::AtLeast)
    }

    /// How far a figure is on the wrong side: the greater, the worse.
    pub(super) fn badness(self, actual: f64, limit: f64) -> f64 {
        match self {
            Self::Below | Self::AtMost => actual - limit,
            Self::Above | Self::AtLeast => limit - actual,
            Self::Equal => (actual - limit).abs(),
        }
    }
}

/// What a figure is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// A value, in the quantity's unit.
    Value(f64),
    /// The same figure of an earlier run: `factor` times it, plus `plus` in the quantity's unit.
    Baseline {
        /// 1.1 for `baseline + 10%`.
        factor: f64,
        /// 20 for `baseline + 20ms`.
        plus: f64,
    },
}

impl Limit {
    /// Whether it needs the figures of an earlier run.
    #[must_use]
    pub const fn needs_baseline(self) -> bool {
        matches!(self, Self::Baseline { .. })
    }
}

/// The range of values that a quantity of this unit can have.
pub(super) const fn range(quantity: Quantity) -> (f64, f64) {
    match quantity.unit() {
        Unit::Ratio => (0.0, 1.0),
        _ => (0.0, f64::INFINITY),
    }
}
