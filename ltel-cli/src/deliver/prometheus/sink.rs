//! Adds runs to the shelf, and removes them when they expire.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ltel_core::backend::{DeliveryAccount, Feed, Signal, Sink, Start, StartError};
use ltel_core::runs::RunInfo;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::Prometheus;
use super::server::Server;
use super::shelf::{Shelf, Unseen};
use crate::deliver::connections;

/// The scrape endpoint. Serves until dropped.
pub(super) struct PrometheusSink {
    name: String,
    keep: Duration,
    drain: Duration,
    queue_bytes: usize,
    address: SocketAddr,
    account: Arc<DeliveryAccount>,
    server: Arc<Server>,
    serving: AbortHandle,
}

impl Drop for PrometheusSink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl PrometheusSink {
    /// Binds the address and starts to serve. Call it within a tokio runtime.
    pub(super) fn start(config: &Prometheus, cx: &Start) -> Result<Self, StartError> {
        let (listener, address) =
            connections::bind(config.listen).map_err(|error| StartError::Listen { address: config.listen, error })?;
        tracing::info!("backend `{}`: metrics are at http://{address}/metrics", cx.name);
        let shelf = Arc::new(Shelf::new(config.resource.clone(), config.scope_labels, config.created));
        let server = Arc::new(Server::new(shelf, Arc::clone(&cx.account)));
        let serving = tokio::spawn(Arc::clone(&server).serve(listener)).abort_handle();
        let (name, account) = (cx.name.clone(), Arc::clone(&cx.account));
        Ok(Self {
            name,
            keep: config.keep,
            drain: cx.drain,
            queue_bytes: cx.queue_bytes,
            address,
            account,
            server,
            serving,
        })
    }

    /// ltel is ending. Scrapers will come again, and find the last figures if we wait: also the values of series that were
    /// only shown at zero so far.
    async fn last_scrape(&self) {
        let mut scrapes = self.server.scrapes.subscribe();
        if !self.server.was_asked.load(Ordering::Relaxed) || self.server.shelf.all_seen(Instant::now()) {
            return;
        }
        let most = self.drain.saturating_sub(Duration::from_secs(1)).min(self.keep);
        tracing::info!("backend `{}`: waiting for a last scrape, at most {} s", self.name, most.as_secs_f64());
        let _ = timeout(most, scrapes.wait_for(|_| self.server.shelf.all_seen(Instant::now()))).await;
    }

    fn take_away(&self, now: Option<Instant>) {
        for Unseen { run_id, points, never } in self.server.shelf.take_away(now) {
            let run_id = ltel_core::text::shortened(&run_id, 64);
            let what = if never {
                format!("Prometheus never scraped run {run_id}")
            } else {
                format!("Prometheus did not scrape the last figures of run {run_id}")
            };
            let keep = humantime::format_duration(self.keep);
            let remedy = if now.is_some() {
                format!("raise `keep`, which is {keep}, and have http://{}/metrics scraped", self.address)
            } else {
                let program = crate::program::name();
                format!("keep ltel running after a run (`{program} --config FILE`): it serves them for {keep} (`keep`)")
            };
            tracing::warn!(
                "backend `{}`: {what}: {points} series are lost; make `scrape_interval` shorter than a run, {remedy}, or send them with a \
                 backend of type `otlp`",
                self.name
            );
            self.account.admitted(Signal::Metrics, points);
            self.account.failed_points(points, true, false, what);
        }
    }
}

impl Sink for PrometheusSink {
    fn begin(&mut self, feed: Feed) {
        self.server.shelf.begin(feed.run, feed.collector, Instant::now());
    }

    fn run_ended(&mut self, run: &Arc<RunInfo>) {
        let now = Instant::now();
        self.server.shelf.end(run, now + self.keep);
        // Bounded: runs may end faster than their figures expire.
        self.server.shelf.make_room(self.queue_bytes, now);
    }

    async fn flush(&mut self) {
        self.take_away(Some(Instant::now()));
    }

    async fn finish(&mut self) {
        self.last_scrape().await;
        self.take_away(None);
    }
}
