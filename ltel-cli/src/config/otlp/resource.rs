//! What the telemetry is about: the attributes of its resource.

use std::collections::BTreeMap;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};
use serde::Deserialize;

use crate::config::Environment;

#[derive(Deserialize)]
#[serde(untagged, expecting = "a resource attribute is text, a number or a bool")]
pub(in crate::config) enum RawAttribute {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// The resource: the file's word before the environment's.
pub(in crate::config) fn resource(
    from_env: Vec<(String, String)>,
    stated: BTreeMap<String, RawAttribute>,
    env: &Environment,
) -> Resource {
    let mut attributes: BTreeMap<String, opentelemetry::Value> = BTreeMap::new();
    // The name that existing dashboards know.
    attributes.insert("service.name".to_owned(), "locust_telemetry".into());
    attributes.insert("service.instance.id".to_owned(), uuid::Uuid::new_v4().to_string().into());
    attributes.extend(from_env.into_iter().map(|(key, value)| (key, value.into())));
    if let Some(name) = env.get("OTEL_SERVICE_NAME") {
        attributes.insert("service.name".to_owned(), name.into());
    }
    attributes.extend(stated.into_iter().map(|(key, value)| {
        let value = match value {
            RawAttribute::Bool(b) => b.into(),
            RawAttribute::Int(n) => n.into(),
            RawAttribute::Float(n) => n.into(),
            RawAttribute::Text(text) => text.into(),
        };
        (key, value)
    }));
    let attributes: Vec<_> = attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
    Resource::builder_empty()
        .with_detectors(&[Box::new(TelemetryResourceDetector) as Box<dyn ResourceDetector>])
        .with_attributes(attributes)
        .build()
}
