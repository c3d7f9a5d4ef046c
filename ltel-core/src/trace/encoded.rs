//! Spans as they leave: encoded once, whoever takes them.

use std::ops::Range;

use opentelemetry_sdk::trace::SpanData;

use super::encode;
use super::view::SpanView;
use super::writer::{Shape, SpanHead, SpanWriter};
use crate::label::Label;

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
        encode::span(self.next(), span);
        self.ends.push(self.bytes.len());
    }

    /// Adds a span that is written by parts.
    pub fn write(&mut self, head: &SpanHead<'_>, write: impl FnOnce(&mut SpanWriter<'_>)) {
        self.write_shape(head, write);
    }

    /// Likewise, and tells which attributes it has, and where its name is.
    #[inline]
    pub(crate) fn write_shape(
        &mut self,
        head: &SpanHead<'_>,
        write: impl FnOnce(&mut SpanWriter<'_>),
    ) -> (Shape, Range<usize>) {
        let mut writer = SpanWriter::begin(self.next(), head);
        write(&mut writer);
        let written = writer.finish();
        self.ends.push(self.bytes.len());
        written
    }

    /// A part of the bytes.
    pub(crate) fn part(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// Adds attributes to the last span: some that are encoded, and others.
    pub(crate) fn add<'l>(&mut self, encoded: &[u8], others: impl Iterator<Item = (&'l str, Label<'l>)>) {
        let Some(end) = self.ends.last_mut() else { return };
        self.bytes.extend_from_slice(encoded);
        others.for_each(|(name, value)| encode::label(&mut self.bytes, encode::field::ATTRIBUTES, name, value));
        *end = self.bytes.len();
    }

    /// Where the next one is written. What a panic has left of one is removed.
    fn next(&mut self) -> &mut Vec<u8> {
        self.bytes.truncate(self.size());
        &mut self.bytes
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
    pub fn size(&self) -> usize {
        self.ends.last().map_or(0, |end| *end)
    }

    /// The messages, in the order in which they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut begin = 0;
        self.ends.iter().map(move |&end| &self.bytes[std::mem::replace(&mut begin, end)..end])
    }

    /// The last one.
    pub(crate) fn last(&self) -> Option<SpanView<'_>> {
        let (end, before) = self.ends.split_last()?;
        Some(SpanView::new(&self.bytes[before.last().map_or(0, |end| *end)..*end]))
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
