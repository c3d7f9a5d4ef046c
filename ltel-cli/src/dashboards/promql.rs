//! PromQL of what several panels show.

/// A percentile of response times over buckets, of all series together; with `by`, such as `, method`, of those with the same labels.
pub(super) fn percentile(quantile: &str, by: &str, buckets: &str) -> String {
    format!("histogram_quantile({quantile}, sum by (le{by}) ({buckets}))")
}

/// How much a counter increases per second.
pub(super) fn rate(series: &str) -> String {
    format!("rate({series}[$__rate_interval])")
}

/// How much all counters with the same labels increase per second.
pub(super) fn rate_by(by: &str, series: &str) -> String {
    format!("sum by ({by}) ({})", rate(series))
}

/// The greatest value in the time shown: of a counter, what it has counted, also if its run is over.
pub(super) fn greatest(series: &str) -> String {
    format!("max_over_time({series}[$__range])")
}
