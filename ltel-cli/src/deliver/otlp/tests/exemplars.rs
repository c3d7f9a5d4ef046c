//! Exemplars, from tasks to messages.

use std::sync::Arc;

use ltel_core::Timestamp;
use ltel_core::backend::CollectedPoints;
use ltel_core::exemplar::KeepExemplars;
use ltel_core::meter::MeterSettings;
use ltel_core::runs::RunInfo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::Exemplar;
use opentelemetry_proto::tonic::metrics::v1::exemplar::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;

use super::super::points;
use crate::deliver::traced_tasks::traced_tasks;

/// By user, the exemplars of its histogram.
fn read(request: &ExportMetricsServiceRequest) -> Vec<(String, &[Exemplar])> {
    let user = |labels: &[KeyValue]| {
        let user = labels.iter().find(|label| label.key == "user").and_then(|label| label.value.as_ref());
        match user.and_then(|user| user.value.as_ref()) {
            Some(any_value::Value::StringValue(user)) => user.clone(),
            other => panic!("a user, not {other:?}"),
        }
    };
    let scopes = request.resource_metrics.iter().flat_map(|of| &of.scope_metrics);
    let mut all = Vec::new();
    for metric in scopes.flat_map(|of| &of.metrics) {
        match metric.data.as_ref().expect("points") {
            Data::Histogram(of) => {
                all.extend(of.data_points.iter().map(|point| (user(&point.attributes), &*point.exemplars)));
            }
            Data::ExponentialHistogram(of) => {
                all.extend(of.data_points.iter().map(|point| (user(&point.attributes), &*point.exemplars)));
            }
            Data::Sum(of) => assert!(of.data_points.iter().all(|point| point.exemplars.is_empty())),
            other => panic!("{other:?}"),
        }
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

/// Scenario: tasks of three users; of one nothing is sampled. Guarantees: each point has the exemplars of its own buckets, with ids, value
/// and time, and without labels of their own, as protobuf and as JSON.
#[test]
fn each_point_has_its_own() {
    for exponential in [false, true] {
        let settings = MeterSettings {
            exponential,
            exemplars: KeepExemplars::UntilCollected,
            ..MeterSettings::new(Resource::builder_empty().build(), Temporality::Cumulative)
        };
        let tasks = [("A", 3.0, true), ("B", 7.5, false), ("A", 4.0, true), ("C", 4.5, true), ("C", 250.0, true)];
        let points = traced_tasks(&settings, &Arc::new(RunInfo::default()), &tasks).collect().expect("points");
        let (begun, at) = (Timestamp::from_secs(1.0), Timestamp::from_secs(3.0));
        let collected = CollectedPoints { run: None, feed: 0, points, begun, since: begun, at, last: false };
        let request = points::request(&collected);
        let exemplar = |number: u8, ms: f64| Exemplar {
            filtered_attributes: Vec::new(),
            time_unix_nano: (1_700_000_000 + u64::from(number)) * 1_000_000_000,
            span_id: u64::from(number).to_be_bytes().to_vec(),
            trace_id: u128::from(number).to_be_bytes().to_vec(),
            value: Some(Value::AsDouble(ms)),
        };
        // Exponential buckets are fine enough to tell 3 from 4.
        let of_a = if exponential { vec![exemplar(1, 3.0), exemplar(3, 4.0)] } else { vec![exemplar(3, 4.0)] };
        let of_c = [exemplar(4, 4.5), exemplar(5, 250.0)];
        let of_a_to_c = [("A".to_owned(), &of_a[..]), ("B".to_owned(), &[]), ("C".to_owned(), &of_c[..])];
        // Seconds as floating point are right to less than a microsecond.
        let near = |found: &[Exemplar]| -> Vec<Exemplar> {
            let whole = |nanos: u64| (nanos + 500_000) / 1_000_000 * 1_000_000;
            found.iter().map(|of| Exemplar { time_unix_nano: whole(of.time_unix_nano), ..of.clone() }).collect()
        };
        for ((user, found), (expected_user, expected)) in read(&request).into_iter().zip(of_a_to_c) {
            assert_eq!((&user, &*near(found)), (&expected_user, expected), "exponential: {exponential}");
        }
        assert_eq!(read(&request).len(), 3);
        let json = serde_json::to_value(&request).expect("JSON").to_string();
        assert!(json.contains(r#""traceId":"00000000000000000000000000000005""#), "{json}");
        assert!(json.contains(r#""asDouble":250.0"#), "{json}");
    }
}
