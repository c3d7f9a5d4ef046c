//! The points of a collection as a request, and parts of it.

use ltel_core::backend::CollectedPoints;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, ResourceMetrics, ScopeMetrics};

use super::exemplars;

/// The request of a collection, with its times and exemplars.
pub(super) fn request(collected: &CollectedPoints) -> ExportMetricsServiceRequest {
    let mut request = ExportMetricsServiceRequest::from(&collected.points.metrics);
    exemplars::attach(&mut request, &collected.points);
    each_time(&mut request, |temporality, start, time| {
        *time = collected.at.as_nanos();
        *start = match temporality {
            AggregationTemporality::Unspecified => 0,
            AggregationTemporality::Cumulative => collected.begun.as_nanos(),
            AggregationTemporality::Delta => collected.since.as_nanos(),
        };
    });
    request
}

/// Calls `set` with the start and the time of each point; a gauge's temporality is unspecified.
pub(super) fn each_time(
    request: &mut ExportMetricsServiceRequest,
    mut set: impl FnMut(AggregationTemporality, &mut u64, &mut u64),
) {
    macro_rules! each {
        ($temporality:expr, $points:expr) => {{
            let temporality = $temporality;
            for point in $points {
                set(temporality, &mut point.start_time_unix_nano, &mut point.time_unix_nano);
            }
        }};
    }
    let scopes = request.resource_metrics.iter_mut().flat_map(|of| &mut of.scope_metrics);
    for metric in scopes.flat_map(|of| &mut of.metrics) {
        match &mut metric.data {
            Some(Data::Gauge(of)) => each!(AggregationTemporality::Unspecified, &mut of.data_points),
            Some(Data::Sum(of)) => each!(of.aggregation_temporality(), &mut of.data_points),
            Some(Data::Histogram(of)) => each!(of.aggregation_temporality(), &mut of.data_points),
            Some(Data::ExponentialHistogram(of)) => each!(of.aggregation_temporality(), &mut of.data_points),
            // The SDK has no such points.
            Some(Data::Summary(_)) | None => {}
        }
    }
}

/// How many points it has.
pub(super) fn count(request: &ExportMetricsServiceRequest) -> usize {
    let metrics = request.resource_metrics.iter().flat_map(|of| &of.scope_metrics).flat_map(|of| &of.metrics);
    metrics.map(points).sum()
}

fn points(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Gauge(of)) => of.data_points.len(),
        Some(Data::Sum(of)) => of.data_points.len(),
        Some(Data::Histogram(of)) => of.data_points.len(),
        Some(Data::ExponentialHistogram(of)) => of.data_points.len(),
        Some(Data::Summary(of)) => of.data_points.len(),
        None => 0,
    }
}

/// Leaves the first points in a request, and returns one with the others.
pub(super) fn split_off(request: &mut ExportMetricsServiceRequest, first: usize) -> ExportMetricsServiceRequest {
    let mut left = first;
    let mut rest = ExportMetricsServiceRequest::default();
    for of_resource in &mut request.resource_metrics {
        let (resource, schema_url) = (of_resource.resource.clone(), of_resource.schema_url.clone());
        let mut more = ResourceMetrics { resource, schema_url, scope_metrics: Vec::new() };
        for of_scope in &mut of_resource.scope_metrics {
            let (scope, schema_url) = (of_scope.scope.clone(), of_scope.schema_url.clone());
            let moved = of_scope.metrics.iter_mut().filter_map(|metric| {
                let stay = left.min(points(metric));
                left -= stay;
                (stay < points(metric)).then(|| split_metric(metric, stay))
            });
            let moved: Vec<_> = moved.collect();
            of_scope.metrics.retain(|metric| points(metric) > 0);
            if !moved.is_empty() {
                more.scope_metrics.push(ScopeMetrics { scope, schema_url, metrics: moved });
            }
        }
        of_resource.scope_metrics.retain(|scope| !scope.metrics.is_empty());
        if !more.scope_metrics.is_empty() {
            rest.resource_metrics.push(more);
        }
    }
    request.resource_metrics.retain(|of_resource| !of_resource.scope_metrics.is_empty());
    rest
}

fn split_metric(metric: &mut Metric, first: usize) -> Metric {
    // Cloned without its points, which may be many.
    macro_rules! split {
        ($of:expr) => {{
            let rest = $of.data_points.split_off(first);
            let first = std::mem::take(&mut $of.data_points);
            let mut more = $of.clone();
            ($of.data_points, more.data_points) = (first, rest);
            more
        }};
    }
    let data = match &mut metric.data {
        Some(Data::Gauge(of)) => Some(Data::Gauge(split!(of))),
        Some(Data::Sum(of)) => Some(Data::Sum(split!(of))),
        Some(Data::Histogram(of)) => Some(Data::Histogram(split!(of))),
        Some(Data::ExponentialHistogram(of)) => Some(Data::ExponentialHistogram(split!(of))),
        Some(Data::Summary(of)) => Some(Data::Summary(split!(of))),
        None => None,
    };
    let Metric { name, description, unit, metadata, .. } = &*metric;
    Metric {
        name: name.clone(),
        description: description.clone(),
        unit: unit.clone(),
        metadata: metadata.clone(),
        data,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::{Gauge, NumberDataPoint, Sum, number_data_point::Value};

    use super::*;

    fn points_of(numbers: std::ops::Range<i64>) -> Vec<NumberDataPoint> {
        numbers.map(|n| NumberDataPoint { value: Some(Value::AsInt(n)), ..NumberDataPoint::default() }).collect()
    }

    fn metric(name: &str, data: Data) -> Metric {
        Metric { name: name.to_owned(), unit: "s".to_owned(), data: Some(data), ..Metric::default() }
    }

    /// By metric, the values of its points.
    fn read(request: &ExportMetricsServiceRequest) -> Vec<(String, i64)> {
        let mut read = Vec::new();
        for of_resource in &request.resource_metrics {
            assert_eq!((of_resource.schema_url.as_str(), of_resource.scope_metrics.len()), ("resource", 1));
            assert_eq!(of_resource.scope_metrics[0].schema_url, "scope");
            for metric in &of_resource.scope_metrics[0].metrics {
                assert_eq!(metric.unit, "s");
                let points = match metric.data.as_ref().expect("points") {
                    Data::Gauge(of) => &of.data_points,
                    Data::Sum(of) => {
                        assert!(of.is_monotonic && of.aggregation_temporality == 2);
                        &of.data_points
                    }
                    other => panic!("{other:?}"),
                };
                assert!(!points.is_empty(), "a metric without points");
                read.extend(points.iter().map(|point| match point.value {
                    Some(Value::AsInt(n)) => (metric.name.clone(), n),
                    other => panic!("{other:?}"),
                }));
            }
        }
        read
    }

    /// Guarantees: wherever a request is split, each point is in one of the two, under its metric, in order.
    #[test]
    fn a_request_is_split_between_points() {
        let sum = Sum { data_points: points_of(2..5), aggregation_temporality: 2, is_monotonic: true };
        let metrics =
            vec![metric("one", Data::Gauge(Gauge { data_points: points_of(0..2) })), metric("two", Data::Sum(sum))];
        let scope = ScopeMetrics { metrics, schema_url: "scope".to_owned(), ..ScopeMetrics::default() };
        let resource = ResourceMetrics {
            scope_metrics: vec![scope],
            schema_url: "resource".to_owned(),
            ..ResourceMetrics::default()
        };
        let whole = ExportMetricsServiceRequest { resource_metrics: vec![resource] };
        let all = read(&whole);
        assert_eq!((all.len(), count(&whole)), (5, 5));
        for first in 0..=5 {
            let mut left = whole.clone();
            let rest = split_off(&mut left, first);
            assert_eq!((count(&left), count(&rest)), (first, 5 - first));
            assert_eq!([read(&left), read(&rest)].concat(), all);
        }
    }
}
