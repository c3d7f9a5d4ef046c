//! The result of a comparison.

use super::Unit;

/// The judgement on one threshold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// What it applies to, as in the configuration: `all`, or a pattern of endpoints such as `GET /search`.
    pub target: String,
    /// The check, as in the configuration: `p95 < 500ms`.
    pub check: String,
    /// The figure that was compared, with its unit, for people: `612 ms`; absent if there is none.
    pub actual: Option<String>,
    /// Whether it holds.
    pub passed: bool,
    /// Why it was judged so, where the figure does not say: no endpoint matches, no request has a response time. For people.
    pub reason: Option<String>,
    /// Whether it has stopped the test. Such a judgement has not passed, however the figures have changed since.
    pub aborted: bool,
    /// What was compared, such as `p95`.
    pub quantity: String,
    /// The operator, such as `<`.
    pub operator: String,
    /// The figure as a number, in `unit`.
    pub actual_value: Option<f64>,
    /// What it was compared with, in `unit`; absent if that depends on a baseline that does not have it.
    pub limit_value: Option<f64>,
    /// The unit of both numbers.
    pub unit: Unit,
    /// The endpoint that the figure is of, as `GET /search`: the worst one that the pattern matches. Absent for `all`.
    pub endpoint: Option<String>,
}

impl Judgement {
    /// What it says in a line: `p95 of POST /checkout is 612 ms, must be < 300 ms`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let of = match (&self.endpoint, &*self.target) {
            (Some(endpoint), _) => format!(" of {endpoint}"),
            (None, Self::ALL) => String::new(),
            (None, target) => format!(" of {target}"),
        };
        let quantity = &self.quantity;
        let Some(actual) = &self.actual else {
            let why = self.reason.as_deref().unwrap_or("it has no value");
            return format!("`{}`{of}: {why}", self.check);
        };
        let must = match self.limit_value {
            Some(limit) => format!("{} {}", self.operator, self.unit.shown(limit)),
            None => self.check.clone(),
        };
        match self.passed {
            true => format!("{quantity}{of} is {actual}, as it must be: {must}"),
            false if self.holds() => format!("{quantity}{of} is {actual} by now, but it was not {must}"),
            false => format!("{quantity}{of} is {actual}, must be {must}"),
        }
    }

    /// The limit with its unit, for people, where the check does not state it itself: it depends on a baseline.
    #[must_use]
    pub fn baseline_limit(&self) -> Option<String> {
        self.limit_value.filter(|_| self.check.contains("baseline")).map(|limit| self.unit.shown(limit))
    }

    // An aborted test may have a figure in the end that would have passed.
    fn holds(&self) -> bool {
        self.aborted
            && self.actual_value.zip(self.limit_value).is_some_and(|(actual, limit)| {
                super::Operator::parse(&self.operator).is_some_and(|operator| operator.holds(actual, limit))
            })
    }

    /// The target of the total.
    pub const ALL: &'static str = "all";
}
