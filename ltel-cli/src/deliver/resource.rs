//! The attributes of the telemetry's resource, for several types of backends.

use std::collections::BTreeMap;

use ltel_core::backend::Check;
use ltel_core::schemars::{self, JsonSchema};
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};
use serde::Deserialize;

use crate::config::environment::pairs;
/// An attribute: text, a number or a bool.
#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(untagged, expecting = "a resource attribute is text, a number or a bool")]
pub(super) enum RawAttribute {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// The resource: attributes of the file override those of the environment.
pub(super) fn resource(stated: Option<BTreeMap<String, RawAttribute>>, cx: &mut Check<'_>) -> Resource {
    let variable = "OTEL_RESOURCE_ATTRIBUTES";
    let from_env = cx.env.get(variable).map_or(Ok(Vec::new()), |text| pairs(&text)).unwrap_or_else(|why| {
        cx.variable_error(format!("{variable}: {why}"));
        Vec::new()
    });
    let mut attributes: BTreeMap<String, opentelemetry::Value> = BTreeMap::new();
    // The name that existing dashboards use.
    attributes.insert("service.name".to_owned(), "locust_telemetry".into());
    attributes.insert("service.instance.id".to_owned(), uuid::Uuid::new_v4().to_string().into());
    attributes.extend(from_env.into_iter().map(|(key, value)| (key, value.into())));
    if let Some(name) = cx.env.get("OTEL_SERVICE_NAME") {
        attributes.insert("service.name".to_owned(), name.into());
    }
    attributes.extend(stated.into_iter().flatten().map(|(key, value)| {
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
