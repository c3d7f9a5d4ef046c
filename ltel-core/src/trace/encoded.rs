//! Spans as they leave: encoded once, whoever takes them.

use opentelemetry_sdk::trace::SpanData;

use super::encode;
use super::view::SpanView;

/// Spans in OTLP's encoding: each is the bytes of a message `Span`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedSpans {
    bytes: Vec<u8>,
    // Where each ends.
    ends: Vec<usize>,
}

impl EncodedSpans {
    /// Adds a span. Its scope is not part of the message.
    pub fn push(&mut self, span: &SpanData) {
        encode::span(&mut self.bytes, span);
        self.ends.push(self.bytes.len());
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of all messages together.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The messages, in the order in which they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut begin = 0;
        self.ends.iter().map(move |&end| &self.bytes[std::mem::replace(&mut begin, end)..end])
    }

    /// The spans, to be read.
    pub fn views(&self) -> impl ExactSizeIterator<Item = SpanView<'_>> {
        self.iter().map(SpanView::new)
    }

    /// A copy of the first of them.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        let ends = &self.ends[..count.min(self.ends.len())];
        let end = ends.last().map_or(0, |end| *end);
        Self { bytes: self.bytes[..end].to_vec(), ends: ends.to_vec() }
    }

    /// Takes them out, without the room for more that was kept.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let taken = self.first(self.len());
        self.bytes.clear();
        self.ends.clear();
        taken
    }
}

impl<'a> FromIterator<&'a SpanData> for EncodedSpans {
    fn from_iter<I: IntoIterator<Item = &'a SpanData>>(spans: I) -> Self {
        let mut encoded = Self::default();
        spans.into_iter().for_each(|span| encoded.push(span));
        encoded
    }
}
