//! How much less the requests of a load test say than as many independent ones would.
//!
//! Response times follow one another: a queue delays all who wait in it, a pause of the server hits everybody, the same users come
//! again. So requests of one moment resemble each other, and intervals that count each of them are too narrow. The figures over time show by
//! how much: the time that both runs have in common is cut into batches, and the differences of the two runs are compared batch by
//! batch. How much these scatter, over how much they would scatter if requests were independent, is the *design effect*: so many
//! requests say as much as one. That two runs are compared at the same time since their starts takes out what they have in common:
//! the users that spawn, the steps of a load shape, the warming up.

use std::ops::Range;

use ltel_core::figures::{EndpointFigures, Histogram, Point, PointTimes, RunFigures, Sketch};
use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::beta::beta_reg;

use super::interval::upper_tail;

// More batches know the scatter better, longer ones contain more of what lasts.
const MOST_BATCHES: usize = 20;

// With fewer, the scatter is a guess.
const FEWEST_BATCHES: usize = 4;

/// The time that two runs have in common, in batches.
#[derive(Debug)]
pub(crate) struct Batches {
    // The points of each run's timeline that belong to each batch.
    pairs: Vec<(Range<usize>, Range<usize>)>,
}

impl Batches {
    /// The whole points of both timelines, as far as both go. Absent if there are too few.
    pub(crate) fn of(from: &RunFigures, to: &RunFigures) -> Option<Self> {
        let (a, b) = (&from.timeline, &to.timeline);
        let step = a.step.max(b.step).as_secs();
        // Steps are powers of two, so one is a multiple of the other.
        if [a, b].iter().any(|of| of.step.as_secs() == 0 || step % of.step.as_secs() != 0) {
            return None;
        }
        // The last point is partial, unless the test ended with it.
        let whole = |run: &RunFigures| {
            let covered = run.timeline.len() as f64 * run.timeline.step.as_secs_f64();
            let lasted = run.duration.as_secs_f64() + 0.1 * run.timeline.step.as_secs_f64();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count
            let steps = (covered.min(lasted) / step as f64) as usize;
            steps
        };
        let steps = whole(from).min(whole(to));
        let count = steps.min(MOST_BATCHES);
        if count < FEWEST_BATCHES {
            return None;
        }
        #[allow(clippy::cast_possible_truncation)] // as many as points
        let points = |step_of: u64, at: usize| at * (step / step_of) as usize;
        let cut = |index: usize| index * steps / count;
        let bounds = (0..count).map(|index| cut(index)..cut(index + 1));
        let range = |step_of: u64, of: &Range<usize>| points(step_of, of.start)..points(step_of, of.end);
        Some(Self { pairs: bounds.map(|of| (range(a.step.as_secs(), &of), range(b.step.as_secs(), &of))).collect() })
    }

    /// Standard errors that belong to a probability on each side, in the place of the normal distribution's: how the batches scatter
    /// is itself an estimate.
    pub(crate) fn standard_errors(&self, tail: f64) -> f64 {
        let freedom = self.pairs.len() as f64 - 1.0;
        StudentsT::new(0.0, 1.0, freedom).map_or(f64::INFINITY, |t| -t.inverse_cdf(tail))
    }

    /// The design effect of the quantile `q`: as many requests say as much as one independent one. At least 1.
    pub(crate) fn of_quantile(&self, q: f64, from: &EndpointFigures, to: &EndpointFigures) -> f64 {
        let (from, to) = (Deviations::of(q, from), Deviations::of(q, to));
        self.design_effect(|range| from.within(range), |range| to.within(range))
    }

    /// The design effect of the ratio of failures.
    pub(crate) fn of_failures(&self, from: &EndpointFigures, to: &EndpointFigures) -> f64 {
        let parts = |figures: &EndpointFigures, range: &Range<usize>| {
            let ratio = figures.failure_ratio().unwrap_or(0.0);
            let (requests, failures) = counts(figures, range);
            Part {
                requests,
                deviation: failures - ratio * requests,
                unseen: 0.0,
                expected: ratio * (1.0 - ratio) * requests,
            }
        };
        self.design_effect(|range| parts(from, range), |range| parts(to, range))
    }

    /// The standard error of the relative difference of the rates of requests: from the scatter alone, since requests that users
    /// send at their pace are more regular than independent ones.
    pub(crate) fn of_rate(&self, from: &EndpointFigures, to: &EndpointFigures) -> f64 {
        let of_from: f64 = self.pairs.iter().map(|(range, _)| counts(from, range).0).sum();
        let of_to: f64 = self.pairs.iter().map(|(_, range)| counts(to, range).0).sum();
        if of_from <= 0.0 || of_to <= 0.0 {
            return f64::INFINITY;
        }
        let differences: Vec<f64> =
            self.pairs.iter().map(|(a, b)| counts(to, b).0 / of_to - counts(from, a).0 / of_from).collect();
        scatter(&differences).sqrt()
    }

    fn design_effect(&self, from: impl Fn(&Range<usize>) -> Part, to: impl Fn(&Range<usize>) -> Part) -> f64 {
        let from: Vec<Part> = self.pairs.iter().map(|(range, _)| from(range)).collect();
        let to: Vec<Part> = self.pairs.iter().map(|(_, range)| to(range)).collect();
        let requests = |parts: &[Part]| parts.iter().map(|part| part.requests).sum::<f64>();
        let (n, m) = (requests(&from), requests(&to));
        if n <= 0.0 || m <= 0.0 {
            return 1.0;
        }
        let differences: Vec<f64> = from.iter().zip(&to).map(|(a, b)| b.deviation / m - a.deviation / n).collect();
        let sum = |of: fn(&Part) -> f64| {
            from.iter().map(of).sum::<f64>() / (n * n) + to.iter().map(of).sum::<f64>() / (m * m)
        };
        let (unseen, expected) = (sum(|part| part.unseen), sum(|part| part.expected));
        let effect = (scatter(&differences) + unseen) / expected;
        // Not a number, if nothing scatters and nothing would.
        if effect > 1.0 { effect } else { 1.0 }
    }
}

// What one batch of one run adds to the run's figure.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    requests: f64,
    // By how much its requests deviate from the whole run, times their number.
    deviation: f64,
    // The variance of that, as far as the figures are too coarse to show it.
    unseen: f64,
    // Its variance if requests were independent.
    expected: f64,
}

// Requests and failures in a range of points; those beyond the last one are empty.
fn counts(figures: &EndpointFigures, range: &Range<usize>) -> (f64, f64) {
    let points = within(&figures.points, range);
    (points.iter().map(|point| point.requests as f64).sum(), points.iter().map(|point| point.failures as f64).sum())
}

fn within<'a, T>(points: &'a [T], range: &Range<usize>) -> &'a [T] {
    &points[range.start.min(points.len())..range.end.min(points.len())]
}

// The variance of the sum of figures that belong to batches which follow one another: from how they scatter, and from how much each
// resembles the one before it, taken as an autoregressive process of first order.
fn scatter(figures: &[f64]) -> f64 {
    // Beyond it the batches say as good as nothing.
    const MOST_ALIKE: f64 = 0.9;
    let n = figures.len() as f64;
    let mean = figures.iter().sum::<f64>() / n;
    let product = |lag: usize| {
        figures.iter().zip(&figures[lag.min(figures.len())..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>()
    };
    let square = product(0);
    if square <= 0.0 {
        return 0.0;
    }
    // The resemblance of few figures is underestimated by about this (Kendall 1954).
    let alike = product(1) / square;
    let alike = (alike + (1.0 + 3.0 * alike) / n).clamp(0.0, MOST_ALIKE);
    n / (n - 1.0) * square * (1.0 + alike) / (1.0 - alike)
}

// How a quantile deviates over time, in shares of requests: the quantile of each point, as the share of all requests of the run that did
// not exceed it, against the share that is expected of so many independent requests.
struct Deviations {
    points: Vec<Part>,
}

impl Deviations {
    fn of(q: f64, figures: &EndpointFigures) -> Self {
        let ranks = Ranks::of(&figures.histogram);
        Self { points: figures.points.iter().map(|point| deviation(q, point, &ranks)).collect() }
    }

    fn within(&self, range: &Range<usize>) -> Part {
        within(&self.points, range).iter().fold(Part::default(), |sum, part| Part {
            requests: sum.requests + part.requests,
            deviation: sum.deviation + part.deviation,
            unseen: sum.unseen + part.unseen,
            expected: sum.expected + part.expected,
        })
    }
}

fn deviation(q: f64, point: &Point, ranks: &Ranks) -> Part {
    let Some(ms) = point.times.as_ref().map(|times| time_at(q, times)).filter(|_| point.requests > 0) else {
        return Part::default();
    };
    let n = point.requests as f64;
    // The share of the k-th of n independent figures has the beta distribution with these parameters.
    let k = (q * n).ceil().clamp(1.0, n);
    let beta = Beta { a: k, b: n + 1.0 - k };
    // The point's quantile is known to a bucket.
    let (share, unseen) = beta.within(ranks.shares(ms));
    Part {
        requests: n,
        deviation: n * (share - beta.mean()),
        unseen: n * n * unseen,
        expected: n * n * beta.variance(),
    }
}

fn time_at(q: f64, times: &PointTimes) -> f32 {
    if q < 0.9 {
        times.p50_ms
    } else if q < 0.98 {
        times.p95_ms
    } else {
        times.p99_ms
    }
}

// Which share of the requests of a run did not exceed a time.
struct Ranks {
    // The greatest microsecond of each bucket and the requests up to it.
    up_to: Vec<(u64, u64)>,
    count: f64,
}

impl Ranks {
    fn of(histogram: &Histogram) -> Self {
        let mut sum = 0_u64;
        let up_to = histogram.counts().map(|(bucket, count)| {
            sum = sum.saturating_add(count);
            (Histogram::bounds_us(bucket).1, sum)
        });
        Self { up_to: up_to.collect(), count: histogram.count() as f64 }
    }

    // The shares at both ends of the sketch's bucket that this time is of.
    fn shares(&self, ms: f32) -> (f64, f64) {
        // Longer than any time, and short enough for its bucket's end to be a number.
        const LONGEST_US: f64 = 1e18;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole microseconds; what is no number is 0
        let us = (f64::from(ms) * 1e3).round().min(LONGEST_US) as u64;
        let (low, high) = Sketch::bounds_us(Sketch::bucket_of(us));
        (low.checked_sub(1).map_or(0.0, |below| self.share(below)), self.share(high))
    }

    fn share(&self, us: u64) -> f64 {
        match self.up_to.partition_point(|(of, _)| *of <= us).checked_sub(1) {
            Some(index) => self.up_to[index].1 as f64 / self.count,
            None => 0.0,
        }
    }
}

// A beta distribution.
#[derive(Clone, Copy, Debug)]
struct Beta {
    a: f64,
    b: f64,
}

impl Beta {
    fn mean(self) -> f64 {
        self.a / (self.a + self.b)
    }

    fn variance(self) -> f64 {
        let n = self.a + self.b;
        self.a * self.b / (n * n * (n + 1.0))
    }

    // The mean and the variance of what lies between two shares.
    fn within(self, (low, high): (f64, f64)) -> (f64, f64) {
        // Where the normal distribution is as good, and the sums of the beta distribution do not converge.
        const LARGE: f64 = 1_000.0;
        // It hardly ever lies there.
        const NEVER: f64 = 1e-9;
        let (low, high) = (low.clamp(0.0, 1.0), high.clamp(0.0, 1.0));
        let mean = self.mean();
        let nearest = (mean.clamp(low.min(high), high), 0.0);
        if self.a * self.b / (self.a + self.b) > LARGE {
            let deviation = self.variance().sqrt();
            let (low, high) = ((low - mean) / deviation, (high - mean) / deviation);
            let density = |z: f64| (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
            let all = upper_tail(low) - upper_tail(high);
            if all.is_nan() || all <= NEVER {
                return nearest;
            }
            let shift = (density(low) - density(high)) / all;
            let narrowed = 1.0 + (low * density(low) - high * density(high)) / all - shift * shift;
            return (mean + deviation * shift, (self.variance() * narrowed).max(0.0));
        }
        let between = |a: f64| beta_reg(a, self.b, high) - beta_reg(a, self.b, low);
        let all = between(self.a);
        if all.is_nan() || all <= NEVER {
            return nearest;
        }
        let within = mean * between(self.a + 1.0) / all;
        let square = mean * (self.a + 1.0) / (self.a + self.b + 1.0) * between(self.a + 2.0) / all;
        (within, (square - within * within).max(0.0))
    }
}
