//! The metrics that can be scraped: those of active runs, read at each scrape, and for a while the last figures of runs
//! that are over.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ltel_core::meter::{Collected, Collector};
use ltel_core::runs::RunInfo;
use opentelemetry_sdk::Resource;
use tokio::time::Instant;

use super::family::{Families, Family};
use super::scraper::{Scraper, Scrapers, Shown, Sight};
use super::text::{self, Format};
use crate::deliver::size;

/// All figures that can be scraped.
#[derive(Debug)]
pub(super) struct Shelf {
    resource: Resource,
    scope_labels: bool,
    created: bool,
    hasher: RandomState,
    scrapers: Mutex<Scrapers>,
    // In order of begin. A page is made from a copy, so that the slow part does not hold the lock.
    items: Mutex<Vec<Item>>,
    // Clashing names that were already logged.
    told: Mutex<BTreeSet<String>>,
}

/// The metrics of one recorder in one run.
#[derive(Clone, Debug)]
struct Item {
    // Absent for metrics of ltel itself.
    run: Option<Arc<RunInfo>>,
    begun: Instant,
    // Whether some of it was on a page that arrived.
    scraped: Arc<AtomicBool>,
    figures: Figures,
}

#[derive(Clone, Debug)]
enum Figures {
    Live { collector: Collector, shown: Arc<Shown> },
    Last { metrics: Arc<Collected>, bytes: usize, until: Instant, seen: Arc<Mutex<Seen>> },
}

/// Which scrapers have fetched last figures.
#[derive(Debug, Default)]
struct Seen {
    // Any client at all.
    anyone: bool,
    by: BTreeSet<Scraper>,
}

/// An answer to a scrape, and what counts as scraped when it has arrived.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) text: String,
    pub(super) receipt: Receipt,
}

/// The content of a page.
#[derive(Debug, Default)]
pub(super) struct Receipt {
    /// Series, without those shown at zero.
    pub(super) points: u64,
    scraper: Option<Scraper>,
    scraped: Vec<Arc<AtomicBool>>,
    shown: Vec<(Arc<Shown>, Vec<u64>)>,
    last: Vec<Arc<Mutex<Seen>>>,
}

/// Last figures of a run that were not scraped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unseen {
    pub(super) run_id: String,
    pub(super) points: u64,
    /// Whether nothing of the run was scraped at any time.
    pub(super) never: bool,
}

/// How one scraper sees one recorder's metrics in an active run.
struct View {
    sight: Sight,
    zero_first: bool,
    shown: Arc<Shown>,
    new: Vec<u64>,
}

impl Shelf {
    pub(super) fn new(resource: Resource, scope_labels: bool, created: bool) -> Self {
        Self {
            resource,
            scope_labels,
            created,
            hasher: RandomState::new(),
            scrapers: Mutex::default(),
            items: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// A run's recorder begins.
    pub(super) fn begin(&self, run: Option<Arc<RunInfo>>, collector: Collector, now: Instant) {
        let figures = Figures::Live { collector, shown: Arc::default() };
        lock(&self.items).push(Item { run, begun: now, scraped: Arc::default(), figures });
    }

    /// The scraper at this address, with this `User-Agent`.
    pub(super) fn scraper(&self, address: IpAddr, user_agent: &[u8]) -> Scraper {
        self.hasher.hash_one((address, user_agent))
    }

    /// A run is over: keeps its last figures.
    pub(super) fn end(&self, run: &Arc<RunInfo>, until: Instant) {
        // Nothing records to a run that is over: a second collection, by a scrape meanwhile, yields the same.
        for item in lock(&self.items).iter_mut().filter(|item| item.run.as_ref().is_some_and(|of| Arc::ptr_eq(of, run)))
        {
            if let Figures::Live { collector, .. } = &item.figures {
                let metrics = Arc::new(collected(collector).unwrap_or_default());
                // Without points it still keeps the run.
                let bytes = size_of::<Item>() + size::run(run) + size::points(&metrics).1;
                item.figures = Figures::Last { metrics, bytes, until, seen: Arc::default() };
            }
        }
    }

    /// Expires the oldest last figures if all together take more than this many bytes.
    pub(super) fn make_room(&self, limit: usize, now: Instant) {
        let mut items = lock(&self.items);
        let held = |item: &Item| match item.figures {
            Figures::Last { bytes, until, .. } if until > now => bytes,
            _ => 0,
        };
        let mut all: usize = items.iter().map(held).sum();
        for item in items.iter_mut().filter(|item| held(item) > 0) {
            if all <= limit {
                break;
            }
            all -= held(item);
            if let Figures::Last { until, .. } = &mut item.figures {
                *until = now;
            }
        }
    }

    /// Removes expired last figures, or all of them without a time. Returns, by run, what was not scraped.
    pub(super) fn take_away(&self, now: Option<Instant>) -> Vec<Unseen> {
        let is_over = |item: &mut Item| match item.figures {
            Figures::Live { .. } => false,
            Figures::Last { until, .. } => now.is_none_or(|now| until <= now),
        };
        let mut unseen = BTreeMap::<String, Unseen>::new();
        for item in lock(&self.items).extract_if(.., is_over) {
            let (Some(run), Figures::Last { metrics, seen, .. }) = (&item.run, &item.figures) else { continue };
            let points = self.points(metrics);
            if lock(seen).anyone || points == 0 {
                continue;
            }
            let of_run = unseen.entry(run.run_id.clone()).or_insert_with_key(|run_id| Unseen {
                run_id: run_id.clone(),
                points: 0,
                never: true,
            });
            of_run.points += points;
            of_run.never &= !item.scraped.load(Ordering::Relaxed);
        }
        unseen.into_values().collect()
    }

    /// Whether all last figures were on a page, and every regular scraper has got them.
    pub(super) fn all_seen(&self, now: Instant) -> bool {
        let scrapers: BTreeSet<_> = lock(&self.scrapers).present(now).collect();
        lock(&self.items).iter().all(|item| match &item.figures {
            Figures::Live { .. } => true,
            Figures::Last { metrics, seen, .. } => {
                let complete = {
                    let seen = lock(seen);
                    seen.anyone && scrapers.is_subset(&seen.by)
                };
                complete || self.points(metrics) == 0
            }
        })
    }

    /// All current figures. A regular scraper sees new series of active runs at zero.
    pub(super) fn page(&self, format: Format, scraper: Option<Scraper>, now: Instant) -> Page {
        let items = lock(&self.items).clone();
        let sight = scraper.and_then(|scraper| lock(&self.scrapers).sight(scraper, now));
        let mut families = Families::new(&self.resource, self.scope_labels);
        let mut receipt = Receipt { scraper: sight.map(|sight| sight.scraper), ..Receipt::default() };
        // For each collection: the item, and how its new series are shown.
        let mut collections = Vec::new();
        // The newest first: if runs share a series, which only gauges do, its value wins.
        for item in items.iter().rev() {
            match &item.figures {
                Figures::Live { collector, shown } => {
                    if let Some(metrics) = collected(collector) {
                        families.collect(&metrics, false);
                        // ltel's own metrics exist from its start and never end.
                        let view = sight.filter(|_| item.run.is_some()).map(|sight| View {
                            sight,
                            zero_first: sight.zero_first(item.begun),
                            shown: Arc::clone(shown),
                            new: Vec::new(),
                        });
                        collections.push((item, view));
                    }
                }
                Figures::Last { metrics, until, seen, .. } if *until > now => {
                    families.collect(metrics, true);
                    receipt.last.push(Arc::clone(seen));
                    collections.push((item, None));
                }
                Figures::Last { .. } => {}
            }
        }
        let (mut families, clashes) = families.finish();
        self.tell(clashes);
        let mut filled = BTreeSet::new();
        for family in &mut families {
            for sample in &mut family.samples {
                filled.extend(sample.collection);
                receipt.points += 1;
                let Some((_, Some(view))) = sample.collection.and_then(|number| collections.get_mut(number)) else {
                    continue;
                };
                let series = self.hasher.hash_one((&family.name, &sample.labels));
                if !family.kind.counts() || view.shown.has(view.sight.scraper, series) {
                    continue;
                }
                view.new.push(series);
                if view.zero_first {
                    sample.value.reset();
                    receipt.points -= 1;
                }
            }
        }
        receipt.scraped = filled.iter().map(|number| Arc::clone(&collections[*number].0.scraped)).collect();
        receipt.shown =
            collections.into_iter().filter_map(|(_, view)| view.map(|view| (view.shown, view.new))).collect();
        Page { text: text::write(&families, format, self.created), receipt }
    }

    /// Called when the page has arrived.
    pub(super) fn arrived(&self, receipt: &Receipt, now: Instant) {
        for scraped in &receipt.scraped {
            scraped.store(true, Ordering::Relaxed);
        }
        for seen in &receipt.last {
            let mut seen = lock(seen);
            seen.anyone = true;
            seen.by.extend(receipt.scraper);
        }
        let Some(scraper) = receipt.scraper else { return };
        for (shown, series) in &receipt.shown {
            shown.add(scraper, series);
        }
        let present = {
            let mut scrapers = lock(&self.scrapers);
            scrapers.arrived(scraper, now);
            scrapers.present(now).collect()
        };
        for item in lock(&self.items).iter() {
            if let Figures::Live { shown, .. } = &item.figures {
                shown.keep(&present);
            }
        }
    }

    fn points(&self, metrics: &Collected) -> u64 {
        let mut families = Families::new(&Resource::builder_empty().build(), self.scope_labels);
        families.collect(metrics, true);
        count(&families.finish().0)
    }

    fn tell(&self, clashes: Vec<String>) {
        let mut told = lock(&self.told);
        for metric in clashes {
            if !told.contains(&metric) {
                tracing::warn!(
                    "metric `{metric}` cannot be scraped: a metric of another type has the same Prometheus name"
                );
                told.insert(metric);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(families: &[Family]) -> u64 {
    families.iter().map(|family| family.samples.len() as u64).sum()
}

fn collected(collector: &Collector) -> Option<Collected> {
    collector.collect().inspect_err(|error| tracing::error!("cannot collect metrics: {error}")).ok()
}
