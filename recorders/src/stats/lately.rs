//! The last seconds of an endpoint, for Locust's `current_*` rates: they average ten seconds that end two before the last request.

use super::Window;

// The rest is room for processes whose requests come later than those of others.
const SECONDS: u64 = 32;

/// Requests by the second in which they were reported. Seconds without requests take no memory.
#[derive(Debug, Default)]
pub(super) struct Lately(Vec<Second>);

/// Oldest first.
#[derive(Clone, Copy, Debug)]
struct Second {
    at: u64,
    requests: u32,
    failures: u32,
}

impl Lately {
    #[inline]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole seconds since the epoch
    pub(super) fn record(&mut self, at: f64, failed: bool) {
        self.add_second(Second { at: at as u64, requests: 1, failures: u32::from(failed) });
    }

    pub(super) fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|second| self.add_second(*second));
    }

    #[inline]
    fn add_second(&mut self, more: Second) {
        // From the newest on: most are of that, or of the one before.
        match self.0.iter_mut().rev().find(|second| second.at <= more.at) {
            Some(second) if second.at == more.at => second.add(more),
            _ => self.add_other_second(more),
        }
    }

    #[cold]
    fn add_other_second(&mut self, more: Second) {
        let newest = self.0.last().map_or(more.at, |last| last.at.max(more.at));
        if more.at.saturating_add(SECONDS) <= newest {
            return;
        }
        match self.0.binary_search_by_key(&more.at, |second| second.at) {
            Ok(index) => self.0[index].add(more),
            Err(index) => {
                self.0.insert(index, more);
                self.0.retain(|second| second.at >= newest.saturating_sub(SECONDS - 1));
            }
        }
    }

    /// Requests and failures per second, as Locust's `StatsEntry.current_rps`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole seconds since the epoch
    pub(super) fn rates(&self, window: Window) -> (f64, f64) {
        let (begun, last) = (window.begun as u64, window.last as u64);
        let from = last.saturating_sub(12).max(begun);
        let until = last.saturating_sub(2);
        let seconds = until.saturating_sub(from);
        if seconds == 0 {
            return (0.0, 0.0);
        }
        let within = self.0.iter().filter(|second| (from..until).contains(&second.at));
        let (requests, failures) =
            within.fold((0, 0), |(r, f), second| (r + u64::from(second.requests), f + u64::from(second.failures)));
        (requests as f64 / seconds as f64, failures as f64 / seconds as f64)
    }
}

impl Second {
    #[inline]
    fn add(&mut self, more: Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.failures = self.failures.saturating_add(more.failures);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: requests of any time, in any order. Guarantees: no more than 32 seconds are kept, each once and in order, and
    /// those that count for the rates are among them.
    #[test]
    fn only_the_last_seconds_are_kept() {
        let mut lately = Lately::default();
        let mut all = Vec::new();
        for n in 0..2_000_u64 {
            let at = n / 5 + n * 7_919 % 23;
            lately.record(at as f64, n % 3 == 0);
            all.push(at);
        }
        assert!(lately.0.len() <= 32 && lately.0.is_sorted_by(|a, b| a.at < b.at), "{lately:?}");
        let newest = all.iter().max().copied().unwrap_or_default();
        let expected = all.iter().filter(|at| (newest - 12..newest - 2).contains(*at)).count() as f64 / 10.0;
        assert_eq!(lately.rates(Window { begun: 0.0, last: newest as f64 }).0.to_bits(), expected.to_bits());
        for odd in [f64::MAX, f64::NAN, -1.0, f64::INFINITY, 0.0] {
            lately.record(odd, false);
            lately.rates(Window { begun: odd, last: odd });
        }
        assert!(lately.0.len() <= 32, "{lately:?}");
    }
}
