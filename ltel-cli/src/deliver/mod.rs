//! Delivery: the backends, each with a queue and a task of its own for each of its pipes, so that a slow or dead one never
//! slows another, nor Locust.
//!
//! ```text
//! runs -> BackendHandle -> queue (bounded, drops and counts) -> worker (collects points at the interval) -> sink
//! ```
//!
//! A backend is a folder here and an implementation of [`Backend`](ltel_core::backend::Backend); to add one, add its folder and
//! a line to [`built_in`].

mod backend;
mod queue;
mod worker;
mod size;
mod resource;
pub(crate) mod json;
pub(crate) mod otlp;
pub(crate) mod prometheus;
pub(crate) mod summary;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use backend::{BackendHandle, RunningBackend, StartError, start};
pub(crate) use ltel_core::backend::{Delivered, Feed, RunRecord, SpanBatch};
use ltel_core::registry::Registry;
pub(crate) use queue::Watch;

/// How long backends may take to deliver what is left when everything else is over.
pub(crate) const DRAIN: Duration = Duration::from_secs(30);

/// The types of backends that ltel has.
pub(crate) fn built_in() -> Registry {
    Registry::new().backend::<json::Json>().backend::<otlp::Otlp>().backend::<prometheus::Prometheus>()
}

/// What a structured event or a span says to people.
fn message(kind: &str, name: &str) -> String {
    format!("Recording telemetry {kind}: {name}")
}
