//! Delivery: the backends. Each has its own queue and task per pipe, so a slow or dead backend slows neither another one
//! nor Locust.
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
pub(crate) mod connections;
pub(crate) mod setting;
pub(crate) mod run_file;
mod exemplars;
pub(crate) mod json;
pub(crate) mod otlp;
pub(crate) mod prometheus;
pub(crate) mod page;
pub(crate) mod report;
pub(crate) mod summary;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod traced_tasks;

use std::time::Duration;

pub(crate) use backend::{BackendHandle, RunningBackend, start};
use ltel_core::backend::Defaults;
pub(crate) use ltel_core::backend::{Delivered, Feed, RunRecord, SpanBatch};
use ltel_core::registry::Registry;
pub(crate) use queue::Watch;

use crate::config::values::MAX_DURATION;

/// Defaults of a backend that takes figures only. They have a pace of their own: it sets no recorder's interval.
fn defaults_for_figures() -> Defaults {
    Defaults { interval: MAX_DURATION, own_metrics: false, ..Defaults::default() }
}

/// How long backends may take at the end to deliver what they still hold.
pub(crate) const DRAIN: Duration = Duration::from_secs(30);

/// The built-in types of backends.
pub(crate) fn built_in() -> Registry {
    Registry::new()
        .backend::<json::Json>()
        .backend::<otlp::Otlp>()
        .backend::<prometheus::Prometheus>()
        .backend::<page::Page>()
        .backend::<report::Report>()
}

/// The message of a record or a span.
fn message(kind: &str, name: &str) -> String {
    format!("Recording telemetry {kind}: {name}")
}
