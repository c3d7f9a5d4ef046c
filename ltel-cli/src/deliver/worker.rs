//! The task of one pipe: it takes items from the queue, collects points when due, and passes everything to the sink.

use std::sync::Arc;
use std::time::Duration;

use ltel_core::backend::{AnySink, CollectedPoints, DeliveryAccount, Signal};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::queue::{Batch, EndedRun, Intake, Work};
use super::size;

/// Items that are passed on together.
const AT_ONCE: usize = 1_000;

/// The worker of one pipe.
pub(super) struct Worker {
    pub(super) intake: Intake,
    pub(super) sink: Box<dyn AnySink>,
    pub(super) account: Arc<DeliveryAccount>,
}

impl Worker {
    /// Works until its queue is closed. It ends after the `others` of its backend, so that ltel's own last metrics include
    /// what those have delivered.
    pub(super) async fn run(mut self, others: impl Future<Output = ()>) {
        let mut flush = interval(Duration::from_secs(1));
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.intake.next_due();
            let due = async move {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ready = self.intake.ready() => if ready { self.work().await } else { break },
                () = due => self.collect_due().await,
                _ = flush.tick() => self.sink.flush().await,
            }
        }
        self.sink.ending();
        others.await;
        // ltel's own feeds; all runs are over.
        let rest = self.intake.collect_rest();
        self.points(rest, false).await;
        self.sink.finish().await;
    }

    async fn work(&mut self) {
        if self.intake.is_closed() {
            self.sink.ending();
        }
        match self.intake.take(AT_ONCE) {
            Some(Work::Batch(batch)) => self.batch(batch).await,
            Some(Work::Begin(feed)) => self.sink.begin(feed),
            Some(Work::Figures(run, figures)) => self.sink.figures(run, figures).await,
            Some(Work::FeedsLost(feeds)) => feeds.into_iter().for_each(|feed| self.sink.feed_lost(feed)),
            Some(Work::Reopen) => self.sink.reopen().await,
            Some(Work::End(ended)) => self.end(ended).await,
            // A feed was added, and is due some time.
            None => {}
        }
    }

    async fn batch(&mut self, mut batch: Batch) {
        let (records, spans) = (std::mem::take(&mut batch.records), std::mem::take(&mut batch.spans));
        if !records.is_empty() {
            self.sink.records(records).await;
            self.intake.taken(&batch, Signal::Logs);
        }
        if !spans.is_empty() {
            self.sink.spans(spans).await;
            self.intake.taken(&batch, Signal::Traces);
        }
    }

    /// One recorder after the other, each collected when the one before it has arrived.
    async fn collect_due(&mut self) {
        let now = Instant::now();
        loop {
            // A receiver may be slow: a run that ends in between must not wait for all feeds.
            self.work().await;
            let Some(collected) = self.intake.collect_due(now) else { break };
            self.points(collected, false).await;
        }
    }

    async fn end(&mut self, ended: EndedRun) {
        let EndedRun { run, points, mut records, .. } = ended;
        self.points(points, true).await;
        while !records.is_empty() {
            let rest = records.split_off(records.len().min(AT_ONCE));
            self.sink.records(std::mem::replace(&mut records, rest)).await;
        }
        self.sink.run_ended(&run);
        self.sink.flush().await;
    }

    async fn points(&mut self, batch: Vec<CollectedPoints>, are_booked: bool) {
        if batch.is_empty() {
            return;
        }
        if !are_booked {
            let count = batch.iter().map(|points| size::points(&points.points).0).sum();
            self.account.admitted(Signal::Metrics, count);
        }
        self.sink.points(batch).await;
    }
}
