//! OTLP: metrics to a collector, over gRPC or HTTP.

mod client;
mod exporter;

use std::sync::Arc;

use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use tokio::task::JoinSet;

use super::{Account, Collected, Sink};
use crate::config::{OtlpConfig, Signal};
use client::Failure;

/// Sends metrics by OTLP.
pub(super) struct MetricsSink {
    name: String,
    exporter: Option<Arc<opentelemetry_otlp::MetricExporter>>,
    account: Arc<Account>,
    failure: Arc<Failure>,
}

impl MetricsSink {
    /// Prepares the connection; it is made when there is something to send.
    pub(super) fn connect(
        name: &str,
        config: &OtlpConfig,
        temporality: Temporality,
        account: &Arc<Account>,
    ) -> Result<Self, String> {
        let failure = Arc::default();
        let exporter = config.metrics.as_ref().map(|config| exporter::metrics(config, temporality, &failure));
        let exporter = exporter.transpose().map_err(|error| format!("backend `{name}`: {error}"))?;
        Ok(Self { name: name.to_owned(), exporter: exporter.map(Arc::new), account: Arc::clone(account), failure })
    }
}

impl Sink for MetricsSink {
    async fn metrics(&mut self, batch: Vec<Collected>) {
        let Some(exporter) = &self.exporter else { return };
        // One request per recorder, so that each stays small; at the same time, so that a slow receiver costs its delay once.
        let mut exports = JoinSet::new();
        for collected in batch {
            let points = count_points(&collected.metrics);
            if points > 0 {
                let exporter = Arc::clone(exporter);
                exports.spawn(async move { (points, collected.last, exporter.export(&collected.metrics).await) });
            }
        }
        while let Some(export) = exports.join_next().await {
            let Ok((points, last, result)) = export else { continue };
            self.account.update(|account| match result {
                Ok(()) => account.of_mut(Signal::Metrics).delivered += points,
                Err(error) => {
                    let error = self.failure.last().unwrap_or_else(|| error.to_string());
                    let figures = account.of_mut(Signal::Metrics);
                    if figures.failed_exports == 0 {
                        tracing::warn!(
                            "backend `{}`: export failed: {error} (further failures are counted)",
                            self.name
                        );
                    }
                    figures.failed_exports += 1;
                    figures.failed += points;
                    account.lost_final_points += if last { points } else { 0 };
                    account.last_error = Some(error);
                }
            });
        }
    }
}

fn count_points(metrics: &ResourceMetrics) -> u64 {
    fn of<T>(data: &MetricData<T>) -> usize {
        match data {
            MetricData::Gauge(gauge) => gauge.data_points().count(),
            MetricData::Sum(sum) => sum.data_points().count(),
            MetricData::Histogram(histogram) => histogram.data_points().count(),
            MetricData::ExponentialHistogram(histogram) => histogram.data_points().count(),
        }
    }
    let metrics = metrics.scope_metrics().flat_map(opentelemetry_sdk::metrics::data::ScopeMetrics::metrics);
    metrics
        .map(|metric| match metric.data() {
            AggregatedMetrics::F64(data) => of(data),
            AggregatedMetrics::U64(data) => of(data),
            AggregatedMetrics::I64(data) => of(data),
        })
        .sum::<usize>() as u64
}
