//! The fields of a frame with wrong values.

use std::borrow::Cow;

/// Fields whose value was of the wrong type, or beyond the range of its field: they were read as absent. A name is that of
/// the frame's kind and its field, such as `test_start.users`, `requests.extra.url` or `users.counts.Shopper`. Keys that a
/// client has chosen are cut to 64 characters, and control characters are left out of them.
///
/// Also fields that were kept but changed: a text that is too long is cut, a text with a wrong escape is mended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrongFields {
    ignored: Counts,
    cut: Counts,
    mended: Counts,
}

type Counts = Vec<(Cow<'static, str>, u64)>;

// Bounded: each is searched in a list, and clients choose some of the names.
const NAMES: usize = 64;

impl WrongFields {
    /// Counts one more wrong value of this field.
    pub(super) fn count(&mut self, name: impl Into<Cow<'static, str>>) {
        add(&mut self.ignored, name.into(), 1);
    }

    /// Counts texts and lists of this field that were cut.
    pub(super) fn count_cut(&mut self, name: &str, times: u64) {
        add(&mut self.cut, name.to_owned().into(), times);
    }

    /// Counts texts in frames of this kind that were mended.
    pub(super) fn count_mended(&mut self, kind: &str, times: u64) {
        add(&mut self.mended, kind.to_owned().into(), times);
    }

    /// Each wrong field, and how many of its values were wrong.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        named(&self.ignored)
    }

    /// Each field of which a text or a list was too long, and how many were cut.
    pub fn cut(&self) -> impl Iterator<Item = (&str, u64)> {
        named(&self.cut)
    }

    /// Each kind of frame that held JSON texts with wrong escapes or bytes, and how many. They were read as far as possible.
    pub fn mended(&self) -> impl Iterator<Item = (&str, u64)> {
        named(&self.mended)
    }

    /// Whether all fields were valid.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ignored.is_empty() && self.cut.is_empty() && self.mended.is_empty()
    }

    /// Adds the wrong fields of another part of the same frame.
    pub(super) fn append(&mut self, other: Self) {
        for (to, from) in
            [(&mut self.ignored, other.ignored), (&mut self.cut, other.cut), (&mut self.mended, other.mended)]
        {
            for (name, times) in from {
                add(to, name, times);
            }
        }
    }
}

fn add(counts: &mut Counts, name: Cow<'static, str>, times: u64) {
    let is_known = counts.iter().any(|(have, _)| *have == name);
    let name = if is_known || counts.len() < NAMES { name } else { "other fields".into() };
    match counts.iter_mut().find(|(have, _)| *have == name) {
        Some((_, count)) => *count += times,
        None => counts.push((name, times)),
    }
}

fn named(counts: &Counts) -> impl Iterator<Item = (&str, u64)> {
    counts.iter().map(|(name, count)| (&**name, *count))
}
