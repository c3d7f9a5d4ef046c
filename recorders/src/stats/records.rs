//! Figures as records, with the field names that dashboards query.

use std::time::Duration;

use ltel_core::figures::{EndpointFigures, ErrorFigures};
use ltel_core::prelude::*;

/// Adds the figures of an endpoint, or the total, to a record. Dashboards expect 0 where there is no value.
pub(super) fn describe_endpoint(record: Record, figures: &EndpointFigures, percentiles: &[f64]) -> Record {
    let record = record
        .field("method", &*figures.method)
        .field("name", &*figures.name)
        .field("num_requests", figures.requests)
        .field("num_failures", figures.failures)
        .field("min_response_time", figures.min_ms)
        .field("max_response_time", figures.max_ms)
        .field("current_rps", figures.current_rate)
        .field("current_fail_per_sec", figures.current_failure_rate)
        .field("avg_response_time", figures.mean_ms.unwrap_or(0.0))
        .field("median_response_time", figures.percentile(50.0).unwrap_or(0.0))
        .field("total_rps", figures.rate)
        .field("total_fail_per_sec", figures.failure_rate)
        .field("avg_content_length", figures.mean_length.unwrap_or(0.0));
    percentiles
        .iter()
        .fold(record, |record, &percent| record.field(percentile(percent), figures.percentile(percent).unwrap_or(0.0)))
}

/// Adds the figures of an interval to a record. What has no value is left out: 0 ms would be a lie in a chart.
pub(super) fn describe_interval(
    mut record: Record,
    figures: &EndpointFigures,
    duration: Duration,
    percentiles: &[f64],
) -> Record {
    record = record
        .field("interval", duration.as_secs_f64())
        .field("interval_requests", figures.requests)
        .field("interval_failures", figures.failures)
        .field("interval_rps", figures.rate)
        .field("interval_fail_per_sec", figures.failure_rate);
    let mut times =
        vec![("avg_response_time".to_owned(), figures.mean_ms), ("max_response_time".to_owned(), figures.max_ms)];
    times.extend(percentiles.iter().map(|&percent| (percentile(percent), figures.percentile(percent))));
    for (name, ms) in times {
        if let Some(ms) = ms {
            record = record.field(format!("interval_{name}"), ms);
        }
    }
    record
}

fn percentile(percent: f64) -> String {
    // 99.9 is percentile_999: a field's name holds no dot.
    format!("percentile_{percent}").replace('.', "")
}

/// Adds an error and how often it occurred to a record.
pub(super) fn describe_error(record: Record, figures: &ErrorFigures) -> Record {
    record
        .field("status", "error")
        .field("method", &*figures.method)
        .field("name", &*figures.name)
        .field("error", &*figures.error)
        .field("occurrences", figures.occurrences)
        .field("first_seen", figures.first.to_string())
        .field("last_seen", figures.last.to_string())
}
