//! What there is to scrape: the metrics of the runs at work, read when somebody asks, and the last figures of those that are
//! over, for a while.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ltel_core::meter::Collector;
use ltel_core::run::RunInfo;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use tokio::time::Instant;

use super::family::{Families, Family};
use super::text::{self, Format};

/// All figures that can be scraped.
#[derive(Debug)]
pub(super) struct Shelf {
    resource: Resource,
    scope_labels: bool,
    // In the order in which they began. A page is made of a copy: what takes long does not hold the lock.
    items: Mutex<Vec<Item>>,
    // Names that clash have been told to people.
    told: Mutex<BTreeSet<String>>,
}

/// The metrics of one recorder in one run.
#[derive(Clone, Debug)]
struct Item {
    // Absent for metrics of ltel itself.
    run: Option<Arc<RunInfo>>,
    figures: Figures,
}

#[derive(Clone, Debug)]
enum Figures {
    Live(Collector),
    Last { metrics: Arc<ResourceMetrics>, until: Instant, scraped: Arc<AtomicBool> },
}

/// An answer to a scrape, and what has arrived when the answer has.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) text: String,
    pub(super) receipt: Receipt,
}

/// What a page holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Receipt {
    /// Series.
    pub(super) points: u64,
    last: Vec<Arc<AtomicBool>>,
}

impl Receipt {
    /// The page has arrived.
    pub(super) fn arrived(&self) {
        for scraped in &self.last {
            scraped.store(true, Ordering::Relaxed);
        }
    }
}

/// Last figures that nobody came for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unseen {
    pub(super) points: u64,
    pub(super) runs: BTreeSet<String>,
}

impl Shelf {
    pub(super) fn new(resource: Resource, scope_labels: bool) -> Self {
        Self { resource, scope_labels, items: Mutex::default(), told: Mutex::default() }
    }

    /// A run's recorder begins.
    pub(super) fn begin(&self, run: Option<Arc<RunInfo>>, collector: Collector) {
        self.lock().push(Item { run, figures: Figures::Live(collector) });
    }

    /// A run is over: what stands there now are its last figures.
    pub(super) fn end(&self, run: &Arc<RunInfo>, until: Instant) {
        // Nothing records to an ended run: collected twice, by a scrape meanwhile, it says the same.
        for item in self.lock().iter_mut().filter(|item| item.run.as_ref().is_some_and(|of| Arc::ptr_eq(of, run))) {
            if let Figures::Live(collector) = &item.figures {
                let metrics = Arc::new(collected(collector).unwrap_or_default());
                item.figures = Figures::Last { metrics, until, scraped: Arc::default() };
            }
        }
    }

    /// When the next last figures vanish.
    pub(super) fn next_end(&self) -> Option<Instant> {
        let end = |item: &Item| match item.figures {
            Figures::Live(_) => None,
            Figures::Last { until, .. } => Some(until),
        };
        self.lock().iter().filter_map(end).min()
    }

    /// Takes away the last figures whose time is over, all of them without a time. What of them nobody came for.
    pub(super) fn take_away(&self, now: Option<Instant>) -> Unseen {
        let mut unseen = Unseen::default();
        self.lock().retain(|item| match &item.figures {
            Figures::Last { metrics, until, scraped } if now.is_none_or(|now| *until <= now) => {
                let points = self.points(metrics);
                if !scraped.load(Ordering::Relaxed) && points > 0 {
                    unseen.points += points;
                    unseen.runs.extend(item.run.as_ref().map(|run| run.run_id.clone()));
                }
                false
            }
            _ => true,
        });
        unseen
    }

    /// Whether somebody came for all last figures.
    pub(super) fn all_seen(&self) -> bool {
        self.lock().iter().all(|item| match &item.figures {
            Figures::Live(_) => true,
            Figures::Last { metrics, scraped, .. } => scraped.load(Ordering::Relaxed) || self.points(metrics) == 0,
        })
    }

    /// All figures as they stand now.
    pub(super) fn page(&self, format: Format, now: Instant) -> Page {
        let items = self.lock().clone();
        let mut families = Families::new(&self.resource, self.scope_labels);
        let mut receipt = Receipt::default();
        // The newest first: where runs share a series, which only gauges do, its value counts.
        for item in items.iter().rev() {
            match &item.figures {
                Figures::Live(collector) => {
                    if let Some(metrics) = collected(collector) {
                        families.collect(&metrics, false);
                    }
                }
                Figures::Last { metrics, until, scraped } if *until > now => {
                    families.collect(metrics, true);
                    receipt.last.push(Arc::clone(scraped));
                }
                Figures::Last { .. } => {}
            }
        }
        let (families, clashes) = families.finish();
        self.tell(clashes);
        receipt.points = count(&families);
        Page { text: text::write(&families, format), receipt }
    }

    fn points(&self, metrics: &ResourceMetrics) -> u64 {
        let mut families = Families::new(&Resource::builder_empty().build(), self.scope_labels);
        families.collect(metrics, true);
        count(&families.finish().0)
    }

    fn tell(&self, clashes: Vec<String>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for metric in clashes {
            if !told.contains(&metric) {
                tracing::warn!(
                    "metric `{metric}` cannot be scraped: another one of another type has its Prometheus name"
                );
                told.insert(metric);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(families: &[Family]) -> u64 {
    families.iter().map(|family| family.samples.len() as u64).sum()
}

fn collected(collector: &Collector) -> Option<ResourceMetrics> {
    collector.collect().inspect_err(|error| tracing::error!("metrics cannot be collected: {error}")).ok()
}

/// Until when last figures stay. Far away where the time is longer than any clock.
pub(super) fn until(now: Instant, keep: Duration) -> Instant {
    now.checked_add(keep).unwrap_or(now + Duration::from_secs(u64::from(u32::MAX)))
}
