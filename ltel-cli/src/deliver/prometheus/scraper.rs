//! Scrapers, and which series each has seen. `increase()` and `rate()` use differences between values, so they miss
//! everything that a series has counted before its first scrape. So a scraper first sees a new series at zero, and its
//! value at the next scrape.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

// Bounded: each scraper is kept with all series that it has seen.
const MOST: usize = 8;

// Prometheus looks back this far for a value. A scraper that is away for longer has gaps anyway, and the sum of that time
// would look like a peak.
const ABSENCE: Duration = Duration::from_mins(5);

// Sent by everything that scrapes at an interval: Prometheus, and programs built on its scraper or like it. An `Accept` of
// its formats proves less: a script may scrape once with it, and would see only zeros.
const HEADER: &str = "x-prometheus-scrape-timeout-seconds";

/// Whether a request is from a scraper that comes at an interval. Other requests get the plain values.
pub(super) fn is_scrape(headers: &HeaderMap) -> bool {
    headers.contains_key(HEADER)
}

/// The hash of a scraper's address and `User-Agent`. Two scrapers with the same hash count as one, and the second one sees
/// plain values.
pub(super) type Scraper = u64;

/// The known scrapers.
#[derive(Debug, Default)]
pub(super) struct Scrapers {
    // Each with the time of its last scrape.
    known: Vec<(Scraper, Instant)>,
    // When a scraper last found no room. The series that it saw are not known.
    turned_away: Option<Instant>,
}

/// How a known scraper, or one that becomes known, sees a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub(super) scraper: Scraper,
    known: bool,
    turned_away: Option<Instant>,
    now: Instant,
}

impl Scrapers {
    /// How a scraper sees a page now. `None` if there are too many: it gets plain values.
    pub(super) fn sight(&mut self, scraper: Scraper, now: Instant) -> Option<Sight> {
        let known = self.present(now).any(|present| present == scraper);
        if !known && self.present(now).count() >= MOST {
            self.turned_away = Some(now);
            return None;
        }
        Some(Sight { scraper, known, turned_away: self.turned_away, now })
    }

    /// Called when its page has arrived.
    pub(super) fn arrived(&mut self, scraper: Scraper, now: Instant) {
        self.known.retain(|(known, last)| *known != scraper && is_present(*last, now));
        if self.known.len() < MOST {
            self.known.push((scraper, now));
        }
    }

    /// The scrapers that have scraped lately.
    pub(super) fn present(&self, now: Instant) -> impl Iterator<Item = Scraper> {
        self.known.iter().filter(move |(_, last)| is_present(*last, now)).map(|(scraper, _)| *scraper)
    }
}

fn is_present(last: Instant, now: Instant) -> bool {
    now.saturating_duration_since(last) <= ABSENCE
}

impl Sight {
    /// Whether unseen series of a run that began then are shown at zero. To a new scraper only if the run is young:
    /// otherwise the sum of hours would look like the count between two scrapes.
    pub(super) fn zero_first(&self, begun: Instant) -> bool {
        self.known || (is_present(begun, self.now) && self.turned_away.is_none_or(|then| begun > then))
    }
}

/// The series of one recorder in one run that each scraper has seen, by hash.
#[derive(Debug, Default)]
pub(super) struct Shown(Mutex<BTreeMap<Scraper, HashSet<u64>>>);

impl Shown {
    pub(super) fn has(&self, scraper: Scraper, series: u64) -> bool {
        self.lock().get(&scraper).is_some_and(|shown| shown.contains(&series))
    }

    pub(super) fn add(&self, scraper: Scraper, series: &[u64]) {
        self.lock().entry(scraper).or_default().extend(series);
    }

    /// Forgets the scrapers that are not among these.
    pub(super) fn keep(&self, present: &BTreeSet<Scraper>) {
        self.lock().retain(|scraper, _| present.contains(scraper));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Scraper, HashSet<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
