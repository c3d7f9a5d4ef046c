//! The difference of a figure between two runs, and whether it is more than noise.

use ltel_core::figures::EndpointFigures;

use super::interval::{self, Estimate, Interval};
use super::noise::Batches;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    P50,
    P95,
    P99,
    FailureRatio,
    Rps,
}

impl Quantity {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 5] = [Self::P50, Self::P95, Self::P99, Self::FailureRatio, Self::Rps];

    /// Its name in documents.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::FailureRatio => "failure_ratio",
            Self::Rps => "rps",
        }
    }

    /// Its name for people.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::FailureRatio => "failures",
            Self::Rps => "req/s",
            _ => self.as_str(),
        }
    }

    /// The quantile that it is, if it is one.
    const fn quantile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.50),
            Self::P95 => Some(0.95),
            Self::P99 => Some(0.99),
            Self::FailureRatio | Self::Rps => None,
        }
    }

    /// Whether more of it is worse.
    pub(crate) const fn more_is_worse(self) -> bool {
        !matches!(self, Self::Rps)
    }

    /// A change in percent, in this quantity's own measure. A ratio of failures changes by percentage points, since from 0 no change in
    /// percent leads anywhere; one point weighs as much as 10 %.
    pub(crate) const fn measure(self, percent: f64) -> f64 {
        match self {
            Self::FailureRatio => percent / 1_000.0,
            _ => percent / 100.0,
        }
    }

    /// Its value; absent if there is none.
    pub(crate) fn of(self, figures: &EndpointFigures) -> Option<f64> {
        let value = match self {
            Self::P50 => figures.percentile(50.0),
            Self::P95 => figures.percentile(95.0),
            Self::P99 => figures.percentile(99.0),
            Self::FailureRatio => figures.failure_ratio(),
            Self::Rps => (figures.rate > 0.0).then_some(figures.rate),
        };
        value.filter(|value| value.is_finite())
    }
}

/// How a figure compares with its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    SurelyWorse,
    MaybeWorse,
    /// No difference that matters.
    Same,
    MaybeBetter,
    SurelyBetter,
    /// It cannot be told.
    Unclear(Why),
}

/// Why it cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// There are too few requests.
    Few,
    /// There are enough requests, but their figures change much over time.
    Noisy,
    /// The time that both runs have in common is too short to see how much their figures change over time.
    Short,
    /// One of them has no such figure.
    Missing,
}

impl Verdict {
    /// For people.
    pub(crate) const fn words(self, quantity: Quantity) -> &'static str {
        use Quantity::{FailureRatio, Rps};
        match (self, quantity) {
            (Self::SurelyWorse, FailureRatio) | (Self::SurelyBetter, Rps) => "surely higher",
            (Self::MaybeWorse, FailureRatio) | (Self::MaybeBetter, Rps) => "maybe higher",
            (Self::SurelyBetter, FailureRatio) | (Self::SurelyWorse, Rps) => "surely lower",
            (Self::MaybeBetter, FailureRatio) | (Self::MaybeWorse, Rps) => "maybe lower",
            (Self::SurelyWorse, _) => "surely slower",
            (Self::MaybeWorse, _) => "maybe slower",
            (Self::SurelyBetter, _) => "surely faster",
            (Self::MaybeBetter, _) => "maybe faster",
            (Self::Same, _) => "no difference that matters",
            (Self::Unclear(Why::Few), _) => "too few requests to say",
            (Self::Unclear(Why::Noisy), _) => "too much noise to say",
            (Self::Unclear(Why::Short), _) => "too short to say",
            (Self::Unclear(Why::Missing), _) => "nothing to compare",
        }
    }

    /// In documents.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::SurelyWorse => "surely_worse",
            Self::MaybeWorse => "maybe_worse",
            Self::Same => "same",
            Self::MaybeBetter => "maybe_better",
            Self::SurelyBetter => "surely_better",
            Self::Unclear(Why::Few) => "too_few_requests",
            Self::Unclear(Why::Noisy) => "too_noisy",
            Self::Unclear(Why::Short) => "too_short",
            Self::Unclear(Why::Missing) => "missing",
        }
    }

    /// Whether there is a difference, or may be.
    pub(crate) const fn is_difference(self) -> bool {
        matches!(self, Self::SurelyWorse | Self::MaybeWorse | Self::MaybeBetter | Self::SurelyBetter)
    }
}

/// A figure beside its baseline. Changes are shares of the baseline: 0.1 is 10 % more. Those of a ratio of failures are differences
/// instead: 0.1 is 10 percentage points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Difference {
    /// Milliseconds, a ratio from 0 to 1, or requests per second.
    pub(crate) value: Option<f64>,
    /// By how much it has changed.
    pub(crate) change: Option<f64>,
    /// Within which bounds the true change lies, at a confidence of 95 % for all comparisons together.
    pub(crate) likely: Interval,
    /// The same at 99 %.
    pub(crate) sure: Interval,
    pub(crate) verdict: Verdict,
}

/// How sure differences must be, and how large.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demands {
    /// Percent: what changes by less does not matter.
    pub(crate) min_change: f64,
    /// All comparisons that could show a difference by chance.
    pub(crate) comparisons: usize,
}

impl Demands {
    // The probability beyond each end of an interval, so that with this confidence no interval of all is wrong (Bonferroni).
    fn tail(self, confidence: f64) -> f64 {
        (1.0 - confidence) / 2.0 / self.comparisons.max(1) as f64
    }
}

/// What can hide in an interval that is called "no difference that matters": at most so many times the smallest change that matters.
pub(crate) const WIDEST: f64 = 4.0;

/// Whether there is enough to compare; why not, if not. No comparison with too little can show a difference, so it is not counted.
pub(crate) fn comparable(
    quantity: Quantity,
    batches: Option<&Batches>,
    from: &EndpointFigures,
    to: &EndpointFigures,
) -> Result<(), Why> {
    // Requests on the rarer side of a quantile, so that two ranks can lie around it.
    const BEYOND: f64 = 5.0;
    if quantity.of(from).is_none() || quantity.of(to).is_none() {
        return Err(Why::Missing);
    }
    match quantity.quantile() {
        Some(q) => {
            let fewest = from.histogram.count().min(to.histogram.count()) as f64;
            // As whole numbers: 100 * 0.05 is not 5.
            if (fewest * q.min(1.0 - q)).round() < BEYOND {
                return Err(Why::Few);
            }
        }
        None if quantity == Quantity::FailureRatio && from.requests.min(to.requests) < 10 => return Err(Why::Few),
        None => {}
    }
    if batches.is_none() { Err(Why::Short) } else { Ok(()) }
}

/// Compares a figure of two runs.
pub(crate) fn compare(
    quantity: Quantity,
    batches: Option<&Batches>,
    from: &EndpointFigures,
    to: &EndpointFigures,
    demands: Demands,
) -> Difference {
    let (before, after) = (quantity.of(from), quantity.of(to));
    let change = before.zip(after).map(|(before, after)| quantity.change(before, after));
    let unclear = |why| Difference {
        value: after,
        change,
        likely: Interval::UNKNOWN,
        sure: Interval::UNKNOWN,
        verdict: Verdict::Unclear(why),
    };
    let (change, batches) = match (comparable(quantity, batches, from, to), change, batches) {
        (Err(why), ..) => return unclear(why),
        (Ok(()), Some(change), Some(batches)) => (change, batches),
        (Ok(()), ..) => return unclear(Why::Missing),
    };
    let noise = Noise::of(quantity, batches, from, to);
    let at = |confidence: f64| noise.interval(quantity, from, to, batches.standard_errors(demands.tail(confidence)));
    let (likely, sure) = (at(0.95), at(0.99));
    let smallest = quantity.measure(demands.min_change);
    let hides_nothing = |interval: Interval| interval.is_within(-WIDEST * smallest, WIDEST * smallest);
    let verdict = match judge(quantity, change, likely, sure, smallest) {
        Verdict::Same if !hides_nothing(likely) => {
            let independent = Noise::of_independent(from, to);
            let z = batches.standard_errors(demands.tail(0.95));
            let enough = hides_nothing(independent.interval(quantity, from, to, z));
            Verdict::Unclear(if enough { Why::Noisy } else { Why::Few })
        }
        verdict => verdict,
    };
    Difference { value: after, change: Some(change), likely, sure, verdict }
}

// Surely: at 99 % the change is greater than the smallest that matters. Maybe: at 95 % there is a change, and it looks like one that
// matters.
fn judge(quantity: Quantity, change: f64, likely: Interval, sure: Interval, smallest: f64) -> Verdict {
    let worse = |interval: Interval| if quantity.more_is_worse() { interval } else { interval.negated() };
    let change = if quantity.more_is_worse() { change } else { -change };
    let (likely, sure) = (worse(likely), worse(sure));
    if sure.low > smallest {
        Verdict::SurelyWorse
    } else if sure.high < -smallest {
        Verdict::SurelyBetter
    } else if likely.low > 0.0 && change > smallest {
        Verdict::MaybeWorse
    } else if likely.high < 0.0 && change < -smallest {
        Verdict::MaybeBetter
    } else {
        Verdict::Same
    }
}

impl Difference {
    /// Whether it is surely worse by more than this many percent.
    pub(crate) fn is_surely_worse_by(&self, quantity: Quantity, percent: f64) -> bool {
        let by = if quantity.more_is_worse() { self.sure.low } else { -self.sure.high };
        self.verdict == Verdict::SurelyWorse && by > quantity.measure(percent)
    }
}

impl Quantity {
    /// Whether a bound of a change says anything: a time or a rate that falls by 100 % would be none at all.
    pub(crate) fn is_known(self, bound: f64) -> bool {
        bound.is_finite() && (self == Self::FailureRatio || bound > -1.0)
    }

    fn change(self, before: f64, after: f64) -> f64 {
        match self {
            Self::FailureRatio => after - before,
            _ => (logarithm(after) - logarithm(before)).exp_m1(),
        }
    }
}

// Times and rates change by factors, so their logarithms are compared.
fn logarithm(value: f64) -> f64 {
    // A microsecond, the resolution of response times.
    const LEAST: f64 = 0.001;
    value.max(LEAST).ln()
}

#[derive(Clone, Copy, Debug)]
struct Noise {
    design_effect: f64,
    // Of the logarithm of a rate.
    standard_error: f64,
}

impl Noise {
    fn of(quantity: Quantity, batches: &Batches, from: &EndpointFigures, to: &EndpointFigures) -> Self {
        let mut noise = Self { design_effect: 1.0, standard_error: 0.0 };
        match quantity.quantile() {
            Some(q) => noise.design_effect = batches.of_quantile(q, from, to),
            None if quantity == Quantity::FailureRatio => noise.design_effect = batches.of_failures(from, to),
            None => noise.standard_error = batches.of_rate(from, to),
        }
        noise
    }

    // Of requests that have nothing in common.
    fn of_independent(from: &EndpointFigures, to: &EndpointFigures) -> Self {
        let variance = 1.0 / from.requests.max(1) as f64 + 1.0 / to.requests.max(1) as f64;
        Self { design_effect: 1.0, standard_error: variance.sqrt() }
    }

    fn interval(self, quantity: Quantity, from: &EndpointFigures, to: &EndpointFigures, z: f64) -> Interval {
        let value = |figures: &EndpointFigures| quantity.of(figures).unwrap_or_default();
        match quantity.quantile() {
            Some(q) => {
                let estimate = |figures: &EndpointFigures| Estimate {
                    value: logarithm(value(figures)),
                    interval: interval::quantile(&figures.histogram, q, self.design_effect, z).map(logarithm),
                };
                interval::difference(estimate(from), estimate(to)).map(f64::exp_m1)
            }
            None if quantity == Quantity::FailureRatio => {
                let estimate = |figures: &EndpointFigures| Estimate {
                    value: value(figures),
                    interval: interval::ratio(figures.failures, figures.requests, self.design_effect, z),
                };
                interval::difference(estimate(from), estimate(to))
            }
            None => {
                let change = logarithm(value(to)) - logarithm(value(from));
                let half = z * self.standard_error;
                Interval { low: change - half, high: change + half }.map(f64::exp_m1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ltel_core::figures::RunFigures;

    use super::super::simulated::{STEADY, Simulated};
    use super::*;

    const ONE: Demands = Demands { min_change: 5.0, comparisons: 1 };

    fn pairs(from: Simulated, to: Simulated, count: u64) -> impl Iterator<Item = (RunFigures, RunFigures)> {
        (0..count).map(move |seed| (from.run(2 * seed), to.run(2 * seed + 1)))
    }

    fn all(a: &RunFigures, b: &RunFigures, demands: Demands) -> [Difference; 5] {
        let batches = Batches::of(a, b);
        Quantity::ALL.map(|quantity| compare(quantity, batches.as_ref(), &a.total, &b.total, demands))
    }

    /// Scenario: 60 pairs of the same test each: independent requests, few and many, alike and unlike each other, while users are
    /// spawned, and with a drift that lasts for seconds. Guarantees: the bounds at 95 % hold the true change, which is none, in at
    /// least 95 % of what they claim.
    #[test]
    fn bounds_hold_what_they_claim() {
        const PAIRS: u64 = 60;
        for (name, test) in [
            ("independent", STEADY),
            ("ten seconds", Simulated { seconds: 10, ..STEADY }),
            ("many, alike", Simulated { seconds: 20, rate: 100.0, spread: 0.02, ..STEADY }),
            ("few", Simulated { seconds: 120, rate: 2.5, ..STEADY }),
            ("spawning", Simulated { ramp: 40, ..STEADY }),
            ("drift of a second", Simulated { drift: 0.2, ..STEADY }),
            ("drift of seconds", Simulated { drift: 0.2, memory: 0.5, ..STEADY }),
            ("long drift", Simulated { drift: 0.2, memory: 0.8, seconds: 120, ..STEADY }),
        ] {
            let mut held = [0; 5];
            for (a, b) in pairs(test, test, PAIRS) {
                for (held, found) in held.iter_mut().zip(all(&a, &b, ONE)) {
                    *held += u64::from(found.likely.low <= 0.0 && found.likely.high >= 0.0);
                }
            }
            let shares = held.map(|held| held as f64 / PAIRS as f64);
            assert!(shares.iter().all(|share| *share >= 0.95 * 0.95), "{name}: {shares:?}");
        }
    }

    /// Scenario: 40 pairs of the same test, with drift. Guarantees: in 38 of them no figure is called different, and where
    /// requests are many, "no difference that matters" is what is said of the median and the 95th percentile.
    #[test]
    fn the_same_test_does_not_differ() {
        let demands = Demands { comparisons: 5, ..ONE };
        for test in [
            Simulated { rate: 200.0, spread: 0.3, ..STEADY },
            Simulated { rate: 200.0, spread: 0.3, drift: 0.05, memory: 0.7, ..STEADY },
            Simulated { rate: 200.0, spread: 0.3, drift: 0.2, memory: 0.7, ..STEADY },
        ] {
            let found: Vec<_> = pairs(test, test, 40).map(|(a, b)| all(&a, &b, demands)).collect();
            let different = found.iter().filter(|all| all.iter().any(|of| of.verdict.is_difference())).count();
            assert!(different <= 2, "{test:?}: {different}");
            if test.drift < 0.1 {
                let same = |of: &&[Difference; 5]| of[..2].iter().all(|of| of.verdict == Verdict::Same);
                assert!(found.iter().filter(same).count() >= 38, "{test:?}");
            }
        }
    }

    /// Scenario: the second run is 20 % slower, or has four times as many failures, or a fifth fewer requests. Guarantees: each is found
    /// in each of 10 pairs, as `surely`, on its side, and by nothing but what has changed.
    #[test]
    fn what_is_worse_is_found() {
        let demands = Demands { comparisons: 5, ..ONE };
        let test = Simulated { rate: 200.0, drift: 0.03, memory: 0.7, spread: 0.3, ..STEADY };
        let verdicts = |to: Simulated| pairs(test, to, 10).map(move |(a, b)| all(&a, &b, demands));
        for found in verdicts(Simulated { median_ms: 48.0, ..test }) {
            assert!(found[..2].iter().all(|of| of.verdict == Verdict::SurelyWorse), "{found:#?}");
            assert!(found[3..].iter().all(|of| !of.verdict.is_difference()), "{found:#?}");
            assert!(
                found[0].is_surely_worse_by(Quantity::P50, 10.0) && !found[0].is_surely_worse_by(Quantity::P50, 20.0)
            );
        }
        for found in verdicts(Simulated { failing: 0.04, ..test }) {
            assert_eq!(found[3].verdict, Verdict::SurelyWorse, "{found:#?}");
            assert!(found[..3].iter().all(|of| !of.verdict.is_difference()), "{found:#?}");
        }
        for found in verdicts(Simulated { rate: 160.0, median_ms: 32.0, ..test }) {
            assert_eq!(found[4].verdict, Verdict::SurelyWorse, "{found:#?}");
            assert!(found[..2].iter().all(|of| of.verdict == Verdict::SurelyBetter), "{found:#?}");
        }
    }

    /// A difference that is sure but small does not matter, and one that is large but may be chance is no more than "maybe".
    #[test]
    fn verdicts_follow_bounds() {
        let of = |low: f64, high: f64| Interval { low, high };
        for (change, likely, sure, verdict) in [
            (0.20, of(0.12, 0.28), of(0.06, 0.33), Verdict::SurelyWorse),
            (0.20, of(0.06, 0.33), of(0.04, 0.35), Verdict::MaybeWorse),
            (0.20, of(-0.01, 0.40), of(-0.05, 0.45), Verdict::Same),
            (0.04, of(0.03, 0.05), of(0.03, 0.05), Verdict::Same),
            (-0.04, of(-0.05, -0.03), of(-0.05, -0.03), Verdict::Same),
            (-0.20, of(-0.28, -0.12), of(-0.33, -0.06), Verdict::SurelyBetter),
            (-0.20, of(-0.33, -0.06), of(-0.35, -0.04), Verdict::MaybeBetter),
            (0.20, Interval::UNKNOWN, Interval::UNKNOWN, Verdict::Same),
        ] {
            assert_eq!(judge(Quantity::P95, change, likely, sure, 0.05), verdict, "{change}");
        }
        let fewer = judge(Quantity::Rps, -0.2, of(-0.28, -0.12), of(-0.33, -0.06), 0.05);
        assert_eq!(fewer, Verdict::SurelyWorse);
    }

    /// Scenario: few requests, none at all, a short run, numbers that no run has. Guarantees: nothing is called different, the reason
    /// is the right one, and nothing panics.
    #[test]
    fn what_cannot_be_told_is_said() {
        let few = Simulated { rate: 4.0, seconds: 10, ..STEADY };
        let found = all(&few.run(1), &few.run(2), ONE).map(|of| of.verdict);
        assert_eq!(found[0], Verdict::Unclear(Why::Few));
        assert_eq!(found[1..3], [Verdict::Unclear(Why::Few); 2]);
        let short = Simulated { rate: 900.0, seconds: 3, ..STEADY };
        let found = all(&short.run(1), &short.run(2), ONE);
        assert!(found.iter().all(|of| of.verdict == Verdict::Unclear(Why::Short)), "{found:#?}");
        let noisy = Simulated { rate: 500.0, drift: 0.6, memory: 0.3, ..STEADY };
        assert_eq!(all(&noisy.run(3), &noisy.run(4), ONE)[0].verdict, Verdict::Unclear(Why::Noisy));
        let none = RunFigures::default();
        for (a, b) in [(&none, &none), (&none, &STEADY.run(1)), (&STEADY.run(1), &none)] {
            assert!(all(a, b, ONE).iter().all(|of| of.verdict == Verdict::Unclear(Why::Missing)));
        }
        let mut odd = STEADY.run(3);
        odd.total.requests = u64::MAX;
        odd.total.failures = u64::MAX;
        odd.total.rate = f64::NAN;
        for point in &mut odd.total.points {
            point.requests = u64::MAX;
            point.times.as_mut().unwrap().p50_ms = f32::NAN;
            point.times.as_mut().unwrap().p95_ms = -1.0;
            point.times.as_mut().unwrap().p99_ms = f32::INFINITY;
        }
        for (a, b) in [(&odd, &odd), (&odd, &STEADY.run(1)), (&STEADY.run(1), &odd)] {
            let found = all(a, b, ONE);
            assert!(found.iter().all(|of| !of.likely.low.is_nan() && !of.likely.high.is_nan()), "{found:#?}");
        }
    }
}
