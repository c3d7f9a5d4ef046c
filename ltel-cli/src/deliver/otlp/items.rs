//! Encoded spans or log records, and the requests that are made of them. The messages of both signals are alike: a request (`1`:
//! resources), of a resource (`1`: itself, `2`: scopes), of a scope (`1`: itself, `2`: items).

use std::ops::Range;

use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

/// The number of the fields of which a request is made: what something is about, and what it holds.
const ABOUT: u32 = 1;
const CONTENT: u32 = 2;

/// The length and the key of a field. Keys of fields below 16 are one byte.
fn framed(len: usize) -> usize {
    1 + encoded_len_varint(len as u64) + len
}

fn frame(out: &mut Vec<u8>, field: u32, len: usize) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(len as u64, out);
}

/// Items of one signal, in order, each with its scope.
#[derive(Debug)]
pub(super) struct Items {
    // As the field of a request.
    resource: Bytes,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    // By the number of the first item: each as the field of its scope.
    scopes: Vec<(usize, &'static str, Bytes)>,
    // The bytes of these fields, and of the frames of their scopes at most.
    scope_bytes: usize,
}

impl Items {
    pub(super) fn new(resource: &Bytes) -> Self {
        Self { resource: resource.clone(), bytes: Vec::new(), ends: Vec::new(), scopes: Vec::new(), scope_bytes: 0 }
    }

    /// A resource, encoded for [`Items::new`].
    pub(super) fn resource(resource: &opentelemetry_sdk::Resource) -> Bytes {
        field(&Resource::from(resource))
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds an item of this many bytes, which `write` appends.
    pub(super) fn push(&mut self, scope: &'static str, len: usize, write: impl FnOnce(&mut Vec<u8>)) {
        if self.scopes.last().is_none_or(|(_, last, _)| *last != scope) {
            let about = InstrumentationScope {
                name: scope.to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..InstrumentationScope::default()
            };
            let about = field(&about);
            self.scope_bytes += 16 + about.len();
            self.scopes.push((self.ends.len(), scope, about));
        }
        frame(&mut self.bytes, CONTENT, len);
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// The size of the request if an item of this size is added, exact but for a few bytes that it is too large.
    pub(super) fn size_with(&self, scope: &'static str, len: usize) -> usize {
        let new = if self.scopes.last().is_none_or(|(_, last, _)| *last != scope) { 64 + scope.len() } else { 0 };
        16 + self.resource.len() + self.scope_bytes + new + self.bytes.len() + framed(len)
    }

    /// The request with some of them.
    pub(super) fn request(&self, range: Range<usize>) -> Bytes {
        let ends = self.scopes.iter().skip(1).map(|(first, ..)| *first).chain([self.ends.len()]);
        let parts = self.scopes.iter().zip(ends).filter_map(|((first, _, about), end)| {
            let part = range.start.max(*first)..range.end.min(end);
            (!part.is_empty()).then(|| (about, self.slice(part)))
        });
        let inner = |(about, items): &(&Bytes, &[u8])| about.len() + items.len();
        let whole = self.resource.len() + parts.clone().map(|part| framed(inner(&part))).sum::<usize>();
        let mut out = Vec::with_capacity(framed(whole));
        frame(&mut out, ABOUT, whole);
        out.extend_from_slice(&self.resource);
        for part in parts {
            frame(&mut out, CONTENT, inner(&part));
            out.extend_from_slice(part.0);
            out.extend_from_slice(part.1);
        }
        out.into()
    }

    fn slice(&self, range: Range<usize>) -> &[u8] {
        let begin = range.start.checked_sub(1).map_or(0, |before| self.ends[before]);
        range.end.checked_sub(1).map_or(&[], |last| &self.bytes[begin..self.ends[last]])
    }
}

/// A message as the field that says what something is about.
fn field(message: &impl Message) -> Bytes {
    let len = message.encoded_len();
    let mut out = Vec::with_capacity(framed(len));
    frame(&mut out, ABOUT, len);
    message.encode_raw(&mut out);
    out.into()
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::logs::v1::LogRecord;

    use super::*;

    fn record(name: &str) -> LogRecord {
        LogRecord { event_name: name.to_owned(), ..LogRecord::default() }
    }

    /// Guarantees: any part of the items is a request with just those, under their resource and scopes, and no larger than was said.
    #[test]
    fn parts_are_requests() {
        let attributes = [KeyValue::new("service.name", "shop")];
        let resource = opentelemetry_sdk::Resource::builder_empty().with_attributes(attributes).build();
        let mut items = Items::new(&Items::resource(&resource));
        let all = [("one", "a"), ("one", "b"), ("two", "c"), ("two", "long ".repeat(100).leak()), ("one", "d")];
        for (scope, name) in all {
            let record = record(name);
            let size = items.size_with(scope, record.encoded_len());
            items.push(scope, record.encoded_len(), |out| record.encode_raw(out));
            let exact = items.request(0..items.len()).len();
            assert!((exact..exact + 128).contains(&size), "{size} is said of {exact}");
        }
        for (from, to) in (0..=5).flat_map(|from| (from..=5).map(move |to| (from, to))) {
            let request = ExportLogsServiceRequest::decode(items.request(from..to)).expect("a request");
            let [of_resource] = &request.resource_logs[..] else { panic!("one resource") };
            let attributes = &of_resource.resource.as_ref().expect("a resource").attributes;
            assert_eq!((attributes.len(), attributes[0].key.as_str()), (1, "service.name"));
            let read = of_resource.scope_logs.iter().flat_map(|scope| {
                let name = scope.scope.as_ref().map_or("", |scope| scope.name.as_str());
                assert!(!scope.log_records.is_empty(), "a scope without items");
                scope.log_records.iter().map(move |record| (name, record.event_name.as_str()))
            });
            assert_eq!(read.collect::<Vec<_>>(), all[from..to]);
        }
    }
}
