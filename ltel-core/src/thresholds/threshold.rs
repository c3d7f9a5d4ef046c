//! One threshold, and how it is judged.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use super::target::label;
use super::{Check, Judgement, Limit, Target};
use crate::figures::{EndpointFigures, RunFigures, Stage};
use crate::text::{did_you_mean, shortened};

// The longest endpoint in a reason.
const SHOWN: usize = 120;

/// What must hold of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// What it is about.
    pub target: Target,
    /// What must hold.
    pub check: Check,
    /// If it is to stop the test as soon as it is broken: from this long after the test's start on.
    pub abort_after: Option<Duration>,
}

/// A figure of the target, and its limit.
struct Compared<'a> {
    endpoint: &'a EndpointFigures,
    actual: Result<f64, Cow<'static, str>>,
    // None if there is no such figure in the baseline.
    limit: Option<f64>,
}

/// The figures of an earlier run, if they are compared with.
struct Before<'a> {
    run: Option<&'a RunFigures>,
    // By method and name.
    endpoints: HashMap<(&'a str, &'a str), &'a EndpointFigures>,
}

impl<'a> Before<'a> {
    fn of(run: Option<&'a RunFigures>) -> Self {
        let endpoints = run.into_iter().flat_map(|run| &run.endpoints);
        let endpoints = endpoints.map(|endpoint| ((&*endpoint.method, &*endpoint.name), endpoint)).collect();
        Self { run, endpoints }
    }
}

impl Threshold {
    /// Judges the figures of a run, where needed by those of an earlier one.
    ///
    /// Each endpoint that a pattern matches must pass; the judgement is that of the worst one. A pattern that matches none has
    /// not passed, and neither has a figure that does not exist. An endpoint that the baseline does not have is left out where
    /// others are compared, and the reason says so.
    #[must_use]
    pub fn judge(&self, figures: &RunFigures, baseline: Option<&RunFigures>) -> Judgement {
        let mut judgement = self.unjudged();
        let matched: Vec<_> = if self.target.is_all() {
            vec![&figures.total]
        } else {
            figures.endpoints.iter().filter(|endpoint| self.target.matches(endpoint)).collect()
        };
        let before = Before::of(baseline.filter(|_| self.check.limit.needs_baseline()));
        let compared: Vec<_> = matched.iter().map(|&endpoint| self.compare(endpoint, figures, &before)).collect();
        let mut reasons = Vec::new();
        let (mut with, without): (Vec<_>, Vec<_>) = compared.iter().partition(|compared| compared.limit.is_some());
        // What an endpoint does not have yet, it may still get: until then the others are judged.
        if figures.stage == Stage::Running && with.iter().any(|compared| compared.actual.is_ok()) {
            with.retain(|compared| compared.actual.is_ok());
        }
        let worst = with.iter().max_by(|a, b| self.badness(a).total_cmp(&self.badness(b)));
        match worst {
            None if matched.is_empty() => reasons.push(self.no_match(figures)),
            None => reasons.push("the baseline does not have this figure".to_owned()),
            Some(worst) => {
                if !self.target.is_all() {
                    judgement.endpoint = Some(label(worst.endpoint));
                }
                judgement.limit_value = worst.limit;
                match (&worst.actual, worst.limit) {
                    (&Ok(actual), Some(limit)) => {
                        judgement.passed = self.check.operator.holds(actual, limit);
                        judgement.actual_value = Some(actual);
                        judgement.actual = Some(judgement.unit.shown_beside(actual, limit));
                    }
                    (Err(why), _) => reasons.push(why.to_string()),
                    (Ok(_), None) => {}
                }
                if let [_, _, ..] = *with {
                    reasons.push(format!(
                        "{} is the worst of {} endpoints",
                        shortened(&label(worst.endpoint), SHOWN),
                        with.len()
                    ));
                }
                match *without {
                    [] => {}
                    [only] => reasons.push(format!(
                        "{} is not in the baseline, so it is left out",
                        shortened(&label(only.endpoint), SHOWN)
                    )),
                    [..] => reasons
                        .push(format!("{} endpoints are not in the baseline, so they are left out", without.len())),
                }
            }
        }
        if figures.stage == (Stage::Final { complete: false }) {
            reasons.push("figures are incomplete".to_owned());
        }
        judgement.reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        judgement
    }

    /// A judgement where there are no figures: not passed.
    #[must_use]
    pub fn without_figures(&self, why: &str) -> Judgement {
        Judgement { reason: Some(why.to_owned()), ..self.unjudged() }
    }

    fn unjudged(&self) -> Judgement {
        let limit_value = match self.check.limit {
            Limit::Value(value) => Some(value),
            Limit::Baseline { .. } => None,
        };
        Judgement {
            target: self.target.to_string(),
            check: self.check.to_string(),
            quantity: self.check.quantity.to_string(),
            operator: self.check.operator.as_str().to_owned(),
            unit: self.check.quantity.unit(),
            limit_value,
            ..Judgement::default()
        }
    }

    fn compare<'a>(&self, endpoint: &'a EndpointFigures, run: &RunFigures, before: &Before<'_>) -> Compared<'a> {
        let quantity = self.check.quantity;
        let limit = match self.check.limit {
            Limit::Value(value) => Some(value),
            Limit::Baseline { factor, plus } => before.run.and_then(|run| {
                let key = (&*endpoint.method, &*endpoint.name);
                let before = if self.target.is_all() { Some(&run.total) } else { before.endpoints.get(&key).copied() };
                Some(quantity.of(before?, run).ok()?.mul_add(factor, plus))
            }),
        };
        Compared { endpoint, actual: quantity.of(endpoint, run), limit }
    }

    // A figure that does not exist is worse than any.
    fn badness(&self, compared: &Compared<'_>) -> f64 {
        match (&compared.actual, compared.limit) {
            (&Ok(actual), Some(limit)) => self.check.operator.badness(actual, limit),
            _ => f64::INFINITY,
        }
    }

    fn no_match(&self, figures: &RunFigures) -> String {
        if figures.endpoints.is_empty() {
            return "no request was made".to_owned();
        }
        if figures.stage == Stage::Running {
            return "no endpoint matches yet".to_owned();
        }
        let labels: Vec<_> = figures.endpoints.iter().map(label).collect();
        let names = figures.endpoints.iter().map(|endpoint| &*endpoint.name);
        let text = self.target.to_string();
        match did_you_mean(&text, labels.iter().map(String::as_str).chain(names)) {
            Some(near) => format!("no endpoint matches; did you mean `{}`?", shortened(near, SHOWN)),
            None => {
                let some: Vec<_> =
                    labels.iter().take(3).map(|label| format!("`{}`", shortened(label, SHOWN))).collect();
                let more = if labels.len() > some.len() { ", ..." } else { "" };
                format!("no endpoint matches; there were {}{more}", some.join(", "))
            }
        }
    }
}
