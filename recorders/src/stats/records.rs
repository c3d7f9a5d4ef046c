//! Figures as structured events, with the field names that dashboards query.

use ltel_core::figures::{EndpointFigures, ErrorFigures};
use ltel_core::prelude::*;

/// Adds the figures of an endpoint, or the total, to a record.
pub(super) fn describe_endpoint(record: Record, figures: &EndpointFigures) -> Record {
    let record = record
        .field("method", &*figures.method)
        .field("name", &*figures.name)
        .field("num_requests", figures.requests)
        .field("num_failures", figures.failures)
        .field("min_response_time", figures.min_ms)
        .field("max_response_time", figures.max_ms)
        .field("current_rps", figures.current_rate)
        .field("current_fail_per_sec", figures.current_failure_rate)
        .field("avg_response_time", figures.mean_ms)
        .field("median_response_time", figures.median_ms)
        .field("total_rps", figures.rate)
        .field("total_fail_per_sec", figures.failure_rate)
        .field("avg_content_length", figures.mean_length);
    figures.percentiles.iter().fold(record, |record, percentile| {
        // 99.9 is percentile_999: a field's name holds no dot.
        let name = format!("percentile_{}", percentile.percent).replace('.', "");
        record.field(name, percentile.ms)
    })
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
