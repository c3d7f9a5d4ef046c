//! The exemplars of a collection, as its request has them.

use ltel_core::exemplar::Exemplar;
use ltel_core::meter::Collected;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::Exemplar as Message;
use opentelemetry_proto::tonic::metrics::v1::exemplar::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;

/// Adds the exemplars to the points that they belong to. The request has metrics and points in the order of the collection.
pub(super) fn attach(request: &mut ExportMetricsServiceRequest, collected: &Collected) {
    let scopes = request.resource_metrics.iter_mut().flat_map(|of| &mut of.scope_metrics);
    let mut metrics = scopes.flat_map(|of| &mut of.metrics).enumerate();
    let mut exemplars = collected.exemplars().peekable();
    while let Some(((number, _), _)) = exemplars.peek().copied() {
        let Some((_, metric)) = metrics.find(|(metric, _)| *metric == number) else { return };
        while let Some(((_, point), of_point)) = exemplars.next_if(|((metric, _), _)| *metric == number) {
            let place = match &mut metric.data {
                Some(Data::Histogram(of)) => of.data_points.get_mut(point).map(|point| &mut point.exemplars),
                Some(Data::ExponentialHistogram(of)) => of.data_points.get_mut(point).map(|point| &mut point.exemplars),
                _ => None,
            };
            if let Some(place) = place {
                *place = of_point.iter().map(message).collect();
            }
        }
    }
}

fn message(exemplar: &Exemplar) -> Message {
    Message {
        // Its labels are all those of its point.
        filtered_attributes: Vec::new(),
        time_unix_nano: exemplar.time.as_nanos(),
        span_id: exemplar.span_id.to_bytes().to_vec(),
        trace_id: exemplar.trace_id.to_bytes().to_vec(),
        value: Some(Value::AsDouble(exemplar.value)),
    }
}
