//! Thresholds: what the figures of a run must be for the run to pass.

/// The judgement on one threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What it applies to, as in the configuration: `all`, or a pattern of endpoints such as `GET /search`.
    pub target: String,
    /// The check, as in the configuration: `p95 < 500ms`.
    pub check: String,
    /// The figure that was compared, with its unit, for people: `612 ms`; absent if there is none.
    pub actual: Option<String>,
    /// Whether it holds.
    pub passed: bool,
    /// Why it was judged so, where the figure does not say: no endpoint matches, no request has a response time.
    pub reason: Option<String>,
    /// Whether it has stopped the test.
    pub aborted: bool,
}
