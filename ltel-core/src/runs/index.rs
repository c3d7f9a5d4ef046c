//! Indices of runs, clients and sources in their tables, which make look-ups cheap.

/// A run, until [`super::Runs`] has forgotten it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunIndex(pub(super) usize);

/// A client, until [`super::Runs`] has forgotten it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientIndex(pub(super) usize);

/// A source among those of its run: [`super::SourceInfo::index`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceIndex(pub(super) u32);

impl RunIndex {
    /// For a table of your own: small, and reused for another run once this one is forgotten.
    #[must_use]
    pub const fn slot(self) -> usize {
        self.0
    }
}

impl SourceIndex {
    /// [`super::SourceInfo::index`].
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}
