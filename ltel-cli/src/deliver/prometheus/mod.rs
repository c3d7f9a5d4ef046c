//! Prometheus: a page that it scrapes. A scrape reads the metrics as they stand at that moment; there is no interval. When a
//! run is over, its counters and histograms stay for a while, so that the scrape after its end finds the last figures. Its
//! gauges do not: a test that is over has no users.

mod name;
mod family;
mod text;
mod scraper;
mod shelf;
mod server;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::{DRAIN, DeliveryAccount, Feed, Job};
use crate::config::PrometheusConfig;
use server::Server;
use shelf::{Shelf, Unseen};

/// The scrape endpoint. Bound, and serving until it is dropped.
pub(super) struct Prometheus {
    name: String,
    keep: Duration,
    address: SocketAddr,
    server: Arc<Server>,
    serving: AbortHandle,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Prometheus {
    /// Binds the address and begins to serve. To be called within a tokio runtime.
    pub(super) fn start(name: &str, config: &PrometheusConfig, account: Arc<DeliveryAccount>) -> Result<Self, String> {
        let (listener, address) = server::bind(config.listen)
            .map_err(|error| format!("backend `{name}`: cannot listen on `{}`: {error}", config.listen))?;
        tracing::info!("backend `{name}`: metrics are at http://{address}/metrics");
        let shelf = Arc::new(Shelf::new(config.resource.clone(), config.scope_labels, config.created));
        let server = Arc::new(Server::new(shelf, account));
        let serving = tokio::spawn(Arc::clone(&server).serve(listener)).abort_handle();
        Ok(Self { name: name.to_owned(), keep: config.keep, address, server, serving })
    }

    /// Takes runs in and out until there is nobody left to tell of any.
    pub(super) async fn run(self, mut commands: UnboundedReceiver<Job>) {
        loop {
            let end = self.server.shelf.next_end();
            let end = async move {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Job::Begin(Feed { run, collector, .. })) => {
                        self.server.shelf.begin(run, collector, Instant::now());
                    }
                    // It has a queue for metrics alone.
                    Some(Job::Record(_) | Job::Spans(_) | Job::Figures { .. }) => {}
                    Some(Job::End { run, .. }) => {
                        self.server.shelf.end(&run, shelf::until(Instant::now(), self.keep));
                    }
                    None => break,
                },
                () = end => self.take_away(Some(Instant::now())),
            }
        }
        self.last_scrape().await;
        self.take_away(None);
    }

    /// ltel ends. Whoever has scraped will do so again, and finds the last figures if we are still there: the value of all that
    /// was only shown at zero so far.
    async fn last_scrape(&self) {
        let mut scrapes = self.server.scrapes.subscribe();
        if *scrapes.borrow() == 0 || self.server.shelf.all_seen(Instant::now()) {
            return;
        }
        let most = DRAIN.saturating_sub(Duration::from_secs(1)).min(self.keep);
        tracing::info!("backend `{}`: waiting for a last scrape, {} s at most", self.name, most.as_secs_f64());
        let _ = timeout(most, scrapes.wait_for(|_| self.server.shelf.all_seen(Instant::now()))).await;
    }

    fn take_away(&self, now: Option<Instant>) {
        for Unseen { run_id, points, never } in self.server.shelf.take_away(now) {
            let what = if never {
                format!("run {run_id} was never scraped by Prometheus")
            } else {
                format!("the last figures of run {run_id} were not scraped by Prometheus")
            };
            let keep = humantime::format_duration(self.keep);
            let remedy = if now.is_some() {
                format!("raise `keep`, which is {keep}, and have http://{}/metrics scraped", self.address)
            } else {
                format!(
                    "keep ltel running after a run (`ltel-cli --config FILE`): it shows them for {keep}, as `keep` says"
                )
            };
            tracing::warn!(
                "backend `{}`: {what}: {points} series are lost; lower `scrape_interval`, or {remedy}",
                self.name
            );
            self.server.account.update(|account| {
                account.lost_final_points += points;
                account.last_error = Some(what);
            });
        }
    }
}
