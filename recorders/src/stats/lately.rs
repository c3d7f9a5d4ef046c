//! The last seconds of an endpoint, for Locust's `current_*` rates: they average ten seconds that end two before the last request.

use super::Window;

// The rest is room for processes whose requests come later than those of others.
const SECONDS: u64 = 32;

/// Requests by the second in which they were reported. Seconds without requests take no memory.
#[derive(Clone, Debug, Default)]
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
        match self.0.last_mut() {
            Some(last) if last.at == more.at => last.add(more),
            _ => self.add_other_second(more),
        }
    }

    #[cold]
    fn add_other_second(&mut self, more: Second) {
        let newest = self.0.last().map_or(more.at, |last| last.at.max(more.at));
        if more.at + SECONDS <= newest {
            return;
        }
        match self.0.binary_search_by_key(&more.at, |second| second.at) {
            Ok(index) => self.0[index].add(more),
            Err(index) => {
                self.0.insert(index, more);
                self.0.retain(|second| second.at + SECONDS > newest);
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
