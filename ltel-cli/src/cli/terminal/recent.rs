//! What happened in the last seconds: rates and percentiles that follow the test.

use std::collections::VecDeque;
use std::time::Duration;

use ltel_core::figures::{Histogram, RunFigures};
use tokio::time::Instant;

/// How far back it looks.
const WINDOW: Duration = Duration::from_secs(5);

/// The totals of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<(Instant, u64, Histogram)>);

impl Recent {
    /// Takes the figures of this moment.
    pub(super) fn take(&mut self, figures: &RunFigures, now: Instant) {
        let total = &figures.total;
        // The statistics were reset.
        if self.0.back().is_some_and(|(_, requests, _)| *requests > total.requests) {
            self.0.clear();
        }
        while self.0.len() > 1 && self.0.get(1).is_some_and(|(at, ..)| now.duration_since(*at) >= WINDOW) {
            self.0.pop_front();
        }
        self.0.push_back((now, total.requests, total.histogram.clone()));
    }

    /// Requests per second; absent until it has seen two moments.
    pub(super) fn rate(&self) -> Option<f64> {
        let ((first, before, _), (last, requests, _)) = (self.0.front()?, self.0.back()?);
        let seconds = last.duration_since(*first).as_secs_f64();
        (seconds > 0.0).then(|| (requests - before) as f64 / seconds)
    }

    /// A percentile of the response times, in milliseconds; absent if no request had one.
    pub(super) fn percentile(&self, percent: f64) -> Option<f64> {
        let ((_, _, before), (_, _, times)) = (self.0.front()?, self.0.back()?);
        times.since(before).percentile(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a second of 100 requests of 1 ms, ten of 10 requests of 2 ms, a reset, silence.
    /// Guarantees: rate and percentile are those of the last five seconds; silence is 0 requests/s and no percentile.
    #[tokio::test(start_paused = true)]
    async fn only_the_last_seconds_count() {
        let mut recent = Recent::default();
        let mut figures = RunFigures::default();
        let begun = Instant::now();
        let mut at = |recent: &mut Recent, second: u64, fast: u64, slow: u64| {
            figures.total.requests = fast + slow;
            figures.total.histogram = Histogram::from_counts([(1_000, fast), (2_000, slow)]);
            recent.take(&figures, begun + Duration::from_secs(second));
        };
        at(&mut recent, 0, 0, 0);
        assert_eq!((recent.rate(), recent.percentile(50.0)), (None, None));
        at(&mut recent, 1, 100, 0);
        assert_eq!((recent.rate(), recent.percentile(50.0)), (Some(100.0), Some(1.0)));
        for second in 1..=10 {
            at(&mut recent, 1 + second, 100, second * 10);
        }
        assert_eq!((recent.rate(), recent.percentile(1.0)), (Some(10.0), Some(2.0)));
        at(&mut recent, 12, 3, 0);
        assert_eq!(recent.rate(), None);
        for second in 13..20 {
            at(&mut recent, second, 3, 0);
        }
        assert_eq!((recent.rate(), recent.percentile(50.0)), (Some(0.0), None));
    }
}
