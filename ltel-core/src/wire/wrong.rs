//! Which fields of a frame were not what they should be.

use std::borrow::Cow;

/// Fields whose value was of the wrong type, or beyond the range of its field: they were read as absent. A name is that of
/// the frame's kind and its field, such as `test_start.users`, `requests.extra.url` or `users.counts.Shopper`. Keys that a
/// client has chosen are cut to 64 characters, and control characters are left out of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrongFields(Vec<(Cow<'static, str>, u64)>);

impl WrongFields {
    /// Counts one more wrong value of this field.
    pub(super) fn count(&mut self, name: impl Into<Cow<'static, str>>) {
        let name = name.into();
        match self.0.iter_mut().find(|(have, _)| *have == name) {
            Some((_, count)) => *count += 1,
            None => self.0.push((name, 1)),
        }
    }

    /// Each wrong field, and how many of its values were wrong.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (&**name, *count))
    }

    /// Whether all fields were as they should be.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
