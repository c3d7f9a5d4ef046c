//! Scrapers, and what each has seen. `increase()` and `rate()` take the differences of values: what a series has counted before
//! its first one is lost to them. So a scraper sees a series at zero first, and its value the next time.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

// Bounded: each is remembered with all series that it has seen.
const MOST: usize = 8;

// Prometheus itself looks back so far for a value. Who stays away for longer has gaps in any case, and what was counted meanwhile
// would be a peak that never was.
const ABSENCE: Duration = Duration::from_mins(5);

// Who scrapes at an interval sends it: Prometheus, and what is built upon its scraping or does as it does. An `Accept` of its
// formats says less: a script may send that once, and would see a zero for all its answer.
const HEADER: &str = "x-prometheus-scrape-timeout-seconds";

/// Whether a request is from somewhere that comes at an interval. Others see values as they are.
pub(super) fn is_scrape(headers: &HeaderMap) -> bool {
    headers.contains_key(HEADER)
}

/// The hash of a scraper's address and `User-Agent`. Two with the same are one here, and the second sees plain values.
pub(super) type Scraper = u64;

/// The scrapers that come.
#[derive(Debug, Default)]
pub(super) struct Scrapers {
    // With the time of their last scrape.
    known: Vec<(Scraper, Instant)>,
    // When there was last no room for one. What it saw is not remembered.
    turned_away: Option<Instant>,
}

/// How a known scraper, or one that will be, sees a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub(super) scraper: Scraper,
    known: bool,
    turned_away: Option<Instant>,
    now: Instant,
}

impl Scrapers {
    /// How it sees a page now. Nothing if there are too many: it sees values as they are.
    pub(super) fn sight(&mut self, scraper: Scraper, now: Instant) -> Option<Sight> {
        let known = self.present(now).any(|present| present == scraper);
        if !known && self.present(now).count() >= MOST {
            self.turned_away = Some(now);
            return None;
        }
        Some(Sight { scraper, known, turned_away: self.turned_away, now })
    }

    /// Its page has arrived.
    pub(super) fn arrived(&mut self, scraper: Scraper, now: Instant) {
        self.known.retain(|(known, last)| *known != scraper && is_present(*last, now));
        if self.known.len() < MOST {
            self.known.push((scraper, now));
        }
    }

    /// Those that have come lately.
    pub(super) fn present(&self, now: Instant) -> impl Iterator<Item = Scraper> {
        self.known.iter().filter(move |(_, last)| is_present(*last, now)).map(|(scraper, _)| *scraper)
    }
}

fn is_present(last: Instant, now: Instant) -> bool {
    now.saturating_duration_since(last) <= ABSENCE
}

impl Sight {
    /// Whether what it has not seen yet of a run that began then is shown at zero. To a newcomer only if the run is young: the
    /// sum of hours would look as if it had been counted between two scrapes.
    pub(super) fn zero_first(&self, begun: Instant) -> bool {
        self.known || (is_present(begun, self.now) && self.turned_away.is_none_or(|then| begun > then))
    }
}

/// Which series of one recorder in one run each scraper has seen, by their hashes.
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
