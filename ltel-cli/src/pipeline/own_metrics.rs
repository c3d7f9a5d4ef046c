//! Metrics of ltel itself (`ltel.*`): whether its backends keep up, which clients are connected, what clients did wrong.
//! They belong to the process, not to a run.

use std::sync::{Arc, Mutex, PoisonError};

use ltel_core::meter::{self, Collector, Meter, MeterSettings};
use opentelemetry::KeyValue;
use opentelemetry::metrics::AsyncInstrument;
use tokio::sync::watch;

use crate::config::{BackendConfig, Signal};
use crate::deliver::{BackendHandle, Feed, Watch};
use crate::ingest::Faults;
use crate::runs::{Equipment, Status};

// Plenty for all backends by signal and reason.
const SERIES: usize = 500;

/// What is observed.
#[derive(Debug)]
pub(crate) struct OwnMetrics {
    /// Those of the configuration as it is now.
    pub(crate) backends: Mutex<Vec<Watch>>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) status: watch::Receiver<Status>,
}

/// The metrics of this process, for one backend.
fn metrics(settings: &MeterSettings, observed: &Arc<OwnMetrics>) -> Collector {
    let (meter, collector) = meter::meter(settings, "ltel", SERIES);
    let new = Observer { meter: &meter, observed };
    new.gauge("ltel.backend.queue.size", "{item}", "Items that wait for a backend.", |observed, gauge| {
        observed.each(|watch, signal| {
            if let Some((waiting, _)) = watch.queue(signal) {
                gauge.observe(waiting, &labels(watch, signal));
            }
        });
    });
    new.gauge("ltel.backend.queue.capacity", "{item}", "How many items may wait for a backend.", |observed, gauge| {
        observed.each(|watch, signal| {
            if let Some((_, limit)) = watch.queue(signal) {
                gauge.observe(limit, &labels(watch, signal));
            }
        });
    });
    new.counter(
        "ltel.backend.sent",
        "{item}",
        "Points, records and spans that a backend delivered.",
        |observed, counter| {
            observed.each(|watch, signal| {
                counter.observe(watch.account.snapshot().of(signal).delivered, &labels(watch, signal));
            });
        },
    );
    new.counter(
        "ltel.backend.lost",
        "{item}",
        "Points, records and spans that were lost: the queue was full, an export failed, or the receiver rejected them.",
        |observed, counter| {
            observed.each(|watch, signal| {
                let delivered = watch.account.snapshot();
                let figures = delivered.of(signal);
                for (reason, count) in
                    [("queue_full", figures.dropped), ("export_failed", figures.failed), ("rejected", figures.rejected)]
                {
                    let mut labels = labels(watch, signal).to_vec();
                    labels.push(KeyValue::new("reason", reason));
                    counter.observe(count, &labels);
                }
            });
        },
    );
    new.counter("ltel.backend.exports.failed", "{export}", "Exports that failed.", |observed, counter| {
        observed.each(|watch, signal| {
            counter.observe(watch.account.snapshot().of(signal).failed_exports, &labels(watch, signal));
        });
    });
    new.gauge("ltel.clients", "{client}", "Locust processes that are connected.", |observed, gauge| {
        gauge.observe(observed.status.borrow().connected as u64, &[]);
    });
    new.gauge("ltel.runs", "{run}", "Active runs.", |observed, gauge| {
        gauge.observe(observed.status.borrow().active as u64, &[]);
    });
    new.counter("ltel.faults", "{fault}", "What clients did wrong, by kind.", |observed, counter| {
        for (kind, count) in observed.faults.counts() {
            counter.observe(count, &[KeyValue::new("kind", kind)]);
        }
    });
    collector
}

impl OwnMetrics {
    fn each(&self, mut act: impl FnMut(&Watch, Signal)) {
        let backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        for watch in &*backends {
            watch.signals().for_each(|signal| act(watch, signal));
        }
    }

    /// These are the backends from now on.
    pub(crate) fn observe(&self, equipment: &Equipment) {
        let all = equipment.backends.iter().zip(&equipment.config.backends);
        let watches = all.filter(|(_, config)| config.delivers()).map(|(backend, _)| backend.watch()).collect();
        *self.backends.lock().unwrap_or_else(PoisonError::into_inner) = watches;
    }

    /// Gives a backend that has started these metrics, if it takes them.
    pub(crate) fn feed(self: &Arc<Self>, backend: &BackendHandle, config: &BackendConfig) {
        if let Some(settings) = backend.meter.as_ref().filter(|_| config.internal_metrics) {
            let collector = metrics(settings, self);
            backend.begin(Feed { run: None, collector, interval: None });
        }
    }
}

fn labels(watch: &Watch, signal: Signal) -> [KeyValue; 2] {
    [KeyValue::new("backend", watch.name.clone()), KeyValue::new("signal", signal.as_str())]
}

/// Builds observable instruments over one [`OwnMetrics`].
struct Observer<'a> {
    meter: &'a Meter,
    observed: &'a Arc<OwnMetrics>,
}

impl Observer<'_> {
    fn gauge(
        &self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        observe: impl Fn(&OwnMetrics, &dyn AsyncInstrument<u64>) + Send + Sync + 'static,
    ) {
        let observed = Arc::clone(self.observed);
        let builder = self.meter.u64_observable_gauge(name).with_unit(unit).with_description(description);
        builder.with_callback(move |gauge| observe(&observed, gauge)).build();
    }

    fn counter(
        &self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        observe: impl Fn(&OwnMetrics, &dyn AsyncInstrument<u64>) + Send + Sync + 'static,
    ) {
        let observed = Arc::clone(self.observed);
        let builder = self.meter.u64_observable_counter(name).with_unit(unit).with_description(description);
        builder.with_callback(move |counter| observe(&observed, counter)).build();
    }
}
