//! Confidence intervals: within which bounds a figure may lie, given how many requests it comes from.
//!
//! How sure they are is a number of standard errors, `z`. A quantile of independent requests needs no assumption about their
//! distribution: how many of n requests are below the true quantile q is binomial, so its bounds are the requests at two ranks. What
//! requests have in common (see [`super::noise`]) makes fewer of them count: n divided by the design effect.

use ltel_core::figures::Histogram;
use statrs::function::beta::beta_reg;
use statrs::function::erf::erfc;

/// Bounds of a figure. One that is not known is infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    /// It is at least this.
    pub(crate) low: f64,
    /// It is at most this.
    pub(crate) high: f64,
}

impl Interval {
    /// Nothing is known.
    pub(crate) const UNKNOWN: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY };

    /// Whether all of it lies within these bounds.
    pub(crate) fn is_within(self, low: f64, high: f64) -> bool {
        self.low >= low && self.high <= high
    }

    /// Both bounds under a function that ascends.
    pub(crate) fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { low: f(self.low), high: f(self.high) }
    }

    /// With its bounds exchanged and negated: of `-x`, if this is of `x`.
    pub(crate) fn negated(self) -> Self {
        Self { low: -self.high, high: -self.low }
    }
}

/// A figure and its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) interval: Interval,
}

/// The bounds of the difference of two independent figures, from the bounds of each: each side is as far from the difference as
/// its two distances together, as those of a right-angled triangle. ("MOVER", Zou and Donner 2008; for two ratios it is the method of
/// Newcombe 1998.) Unlike a sum of standard errors, it keeps what is skewed skewed.
pub(crate) fn difference(from: Estimate, to: Estimate) -> Interval {
    let change = to.value - from.value;
    Interval {
        low: change - (to.value - to.interval.low).hypot(from.interval.high - from.value),
        high: change + (to.interval.high - to.value).hypot(from.value - from.interval.low),
    }
}

/// The bounds of the response time, in milliseconds, that a share `q` of all requests does not exceed, by order statistics.
pub(crate) fn quantile(histogram: &Histogram, q: f64, design_effect: f64, z: f64) -> Interval {
    let count = histogram.count();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count
    let effective = (count as f64 / design_effect) as u64;
    if effective == 0 {
        return Interval { low: 0.0, high: f64::INFINITY };
    }
    let (below, above) = ranks(effective, q, z);
    // The rank among all requests, for one among those that count.
    let scale = count as f64 / effective as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count
    let rank = |rank: f64| (rank as u64).clamp(1, count);
    Interval {
        low: below
            .and_then(|below| bounds_ms(histogram, rank((below as f64 * scale).floor())))
            .map_or(0.0, |ms| ms.low),
        high: above
            .and_then(|above| bounds_ms(histogram, rank((above as f64 * scale).ceil())))
            .map_or(f64::INFINITY, |ms| ms.high),
    }
}

fn bounds_ms(histogram: &Histogram, rank: u64) -> Option<Interval> {
    let high = histogram.at_rank(rank)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole microseconds
    let (low, _) = Histogram::bounds_us(Histogram::bucket_of((high * 1e3).round() as u64));
    Some(Interval { low: low as f64 / 1e3, high })
}

/// The ranks, from 1 for the fastest, of the two requests of `n` between which the quantile `q` lies. One is absent if there are too few
/// requests beyond the quantile.
pub(crate) fn ranks(n: u64, q: f64, z: f64) -> (Option<u64>, Option<u64>) {
    let tail = upper_tail(z);
    // Of the fastest n requests, `k` or fewer are below the quantile with this probability.
    let at_most = |k: u64| binomial(n, q, k);
    // The greatest rank l with P(fewer than l below the quantile) <= tail.
    let below = first(0, n, |k| at_most(k) > tail);
    // The least rank u with P(u or more below the quantile) <= tail.
    let above = first(0, n, |k| at_most(k) >= 1.0 - tail) + 1;
    ((below > 0).then_some(below), (above <= n).then_some(above))
}

/// The bounds of the ratio of failures to requests (Wilson 1927): unlike others it holds for few failures, and for none.
pub(crate) fn ratio(failures: u64, requests: u64, design_effect: f64, z: f64) -> Interval {
    let n = requests as f64 / design_effect;
    if n <= 0.0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let p = failures as f64 / requests as f64;
    let center = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    Interval { low: (center - half).clamp(0.0, p), high: (center + half).clamp(p, 1.0) }
}

/// How likely a standard normal figure is greater than `z`.
pub(crate) fn upper_tail(z: f64) -> f64 {
    0.5 * erfc(z / std::f64::consts::SQRT_2)
}

// The probability that of n trials, each of which succeeds with probability p, k or fewer succeed.
fn binomial(n: u64, p: f64, k: u64) -> f64 {
    // Where the normal distribution is as good, and the sum below does not converge.
    const LARGE: f64 = 1_000.0;
    if k >= n {
        return 1.0;
    }
    let (n, k) = (n as f64, k as f64);
    let variance = n * p * (1.0 - p);
    if variance > LARGE {
        // With the corrections for whole numbers and for the skew, which is none for what never happens.
        let z = ((k + 0.5 - n * p) / variance.sqrt()).clamp(-10.0, 10.0);
        let skew = (1.0 - 2.0 * p) / (6.0 * variance.sqrt());
        return upper_tail(-(z - skew * (z * z - 1.0)));
    }
    beta_reg(n - k, k + 1.0, 1.0 - p)
}

// The least number from `low` to `high` for which it holds, if it holds for all numbers beyond one; `high` if for none.
fn first(mut low: u64, mut high: u64, holds: impl Fn(u64) -> bool) -> u64 {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of the normal distribution, two-sided.
    const Z95: f64 = 1.959_963_985;
    const Z99: f64 = 2.575_829_304;

    /// Known values: the tables of nonparametric intervals of quantiles (ranks of the median of 10, 20 and 100; of the 95th percentile
    /// of 100 the upper rank does not exist at 99 %).
    #[test]
    fn ranks_are_those_of_the_tables() {
        for (n, q, z, expected) in [
            (5, 0.5, Z95, (None, None)),
            (6, 0.5, Z95, (Some(1), Some(6))),
            (10, 0.5, Z95, (Some(2), Some(9))),
            (20, 0.5, Z95, (Some(6), Some(15))),
            (100, 0.5, Z95, (Some(40), Some(61))),
            (100, 0.5, Z99, (Some(37), Some(64))),
            (100, 0.95, Z95, (Some(90), Some(100))),
            (58, 0.95, Z99, (Some(50), None)),
            (0, 0.5, Z95, (None, None)),
        ] {
            assert_eq!(ranks(n, q, z), expected, "{n} {q}");
        }
    }

    /// Scenario: sizes at which the computation changes from sums to the normal distribution. Guarantees: the ranks on both sides of
    /// that are as close to each other as the sizes.
    #[test]
    fn many_requests_have_the_ranks_of_fewer() {
        for (n, q) in [(3_999, 0.5), (21_052, 0.95), (101_010, 0.99)] {
            for z in [1.0, Z95, Z99, 3.9, 4.9] {
                let (few, many) = (ranks(n, q, z), ranks(n + 2, q, z));
                let near = |a: Option<u64>, b: Option<u64>| a.unwrap().abs_diff(b.unwrap()) <= 3;
                assert!(near(few.0, many.0) && near(few.1, many.1), "{n} {q} {z}: {few:?} {many:?}");
            }
        }
        let (low, high) = ranks(u64::MAX / 4, 0.5, Z95);
        assert!(low < high);
    }

    #[test]
    fn ratios_are_those_of_wilson() {
        let close = |interval: Interval, low: f64, high: f64| {
            assert!((interval.low - low).abs() < 5e-5 && (interval.high - high).abs() < 5e-5, "{interval:?}");
        };
        close(ratio(0, 10, 1.0, Z95), 0.0, 0.2775);
        close(ratio(81, 263, 1.0, Z95), 0.2553, 0.3662);
        close(ratio(10, 10, 1.0, Z95), 0.7225, 1.0);
        close(ratio(162, 526, 2.0, Z95), 0.2553, 0.3662);
        assert_eq!(ratio(0, 0, 1.0, Z95), Interval { low: 0.0, high: 1.0 });
        // Newcombe's example: 56 of 70 and 48 of 80 differ by 0.2, from 0.0524 to 0.3339.
        let of = |failures, requests| Estimate {
            value: failures as f64 / requests as f64,
            interval: ratio(failures, requests, 1.0, Z95),
        };
        close(difference(of(48, 80), of(56, 70)), 0.0524, 0.3339);
    }

    #[test]
    fn a_quantile_lies_between_two_requests() {
        let histogram = Histogram::from_counts((1..=100).map(|ms| (Histogram::bucket_of(ms * 1_000), 1)));
        let median = quantile(&histogram, 0.5, 1.0, Z95);
        assert!((39.9..=40.0).contains(&median.low) && (61.0..=61.1).contains(&median.high), "{median:?}");
        let fewer = quantile(&histogram, 0.5, 10.0, Z95);
        assert!((19.9..=20.0).contains(&fewer.low) && (90.0..=90.1).contains(&fewer.high), "{fewer:?}");
        let unknown = quantile(&histogram, 0.99, 1.0, Z95);
        assert!(unknown.low > 90.0 && unknown.high.is_infinite(), "{unknown:?}");
        let none = Interval { low: 0.0, high: f64::INFINITY };
        assert_eq!(quantile(&histogram, 0.5, 1e6, Z95), none);
        assert_eq!(quantile(&Histogram::default(), 0.5, 1.0, Z95), none);
    }
}
