//! Sends points to an OTLP receiver: a recorder's collection at a time.

use ltel_core::backend::{CollectedPoints, Sink};

use super::exports::{Exports, Load};
use super::payload::Payload;
use super::points;

/// Sends points by OTLP.
pub(super) struct MetricsSink {
    pub(super) exports: Exports,
}

impl Sink for MetricsSink {
    fn ending(&mut self) {
        self.exports.ending();
    }

    async fn points(&mut self, batch: Vec<CollectedPoints>) {
        let mut follows = false;
        for collected in batch {
            let payload = Payload::Points(Box::new(points::request(&collected)));
            if payload.len() > 0 {
                self.exports.start(Load { payload, last: collected.last, follows }).await;
                follows = true;
            }
        }
        // The next collection starts when this one has arrived, so no point overtakes an older one.
        self.exports.finish().await;
    }
}
