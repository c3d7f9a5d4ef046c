//! What one request carries: the points of a collection, or encoded spans or log records. It can be halved, for receivers that take
//! less at a time.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ltel_core::backend::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde::Serialize;

use super::items::Items;
use super::points;

/// The content of a request.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    /// Points.
    Points(Box<ExportMetricsServiceRequest>),
    /// Some of the spans or of the log records of a batch.
    Items(Arc<Items>, Range<usize>),
}

impl Payload {
    /// How many points, spans or log records.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Points(request) => points::count(request),
            Self::Items(_, range) => range.len(),
        }
    }

    /// The request in protobuf.
    pub(super) fn protobuf(&self) -> Bytes {
        match self {
            Self::Points(request) => request.encode_to_vec().into(),
            Self::Items(items, range) => items.request(range.clone()),
        }
    }

    /// The request in protobuf's JSON mapping, as OTLP amends it. It cannot fail with these messages.
    pub(super) fn json(&self, signal: Signal) -> Option<Bytes> {
        match (self, signal) {
            (Self::Points(request), _) => json(request),
            (Self::Items(..), Signal::Logs) => self.translated::<ExportLogsServiceRequest>(),
            (Self::Items(..), Signal::Traces | Signal::Metrics) => self.translated::<ExportTraceServiceRequest>(),
        }
    }

    fn translated<M: Message + Default + Serialize>(&self) -> Option<Bytes> {
        json(&M::decode(self.protobuf()).ok()?)
    }

    /// Its two halves, the second one first.
    pub(super) fn halves(self) -> [Self; 2] {
        let middle = self.len() / 2;
        match self {
            Self::Points(mut request) => {
                let rest = points::split_off(&mut request, middle);
                [Self::Points(Box::new(rest)), Self::Points(request)]
            }
            Self::Items(items, Range { start, end }) => {
                let middle = start + middle;
                [Self::Items(Arc::clone(&items), middle..end), Self::Items(items, start..middle)]
            }
        }
    }
}

fn json(request: &impl Serialize) -> Option<Bytes> {
    serde_json::to_vec(request).ok().map(Bytes::from)
}
