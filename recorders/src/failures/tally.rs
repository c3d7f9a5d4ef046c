//! Counts distinct failures, each identified by a few texts.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use ltel_core::Timestamp;
use ltel_core::prelude::*;

/// Distinct failures, each identified by `N` texts.
#[derive(Debug)]
pub(super) struct Tally<const N: usize> {
    // Bounded: beyond it, all are one.
    limit: usize,
    hasher: DefaultHashBuilder,
    // Hash and place of each entry.
    index: HashTable<(u64, usize)>,
    // In the order in which they were first seen.
    entries: Vec<Entry<N>>,
    other: Option<Entry<N>>,
}

#[derive(Debug)]
struct Entry<const N: usize> {
    // Absent in the entry that stands for all beyond the limit.
    texts: Option<[Box<str>; N]>,
    status_code: Option<u16>,
    occurrences: u64,
    // How many of them records have reported.
    told: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

/// A failure as a record reports it.
#[derive(Debug)]
pub(super) struct Counted<'a, const N: usize> {
    /// The texts that identify it; absent for all beyond the limit.
    pub(super) texts: Option<[&'a str; N]>,
    /// The status of its first occurrence, if there was a response.
    pub(super) status_code: Option<u16>,
    occurrences: u64,
    new: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

impl<const N: usize> Tally<N> {
    /// An empty tally for at most this many distinct failures.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, hasher: DefaultHashBuilder::default(), index: HashTable::new(), entries: Vec::new(), other: None }
    }

    /// Counts an occurrence. Returns the failure if this is its first occurrence. One look-up, and no allocation for a
    /// known failure.
    pub(super) fn add(&mut self, texts: [&str; N], at: Timestamp, status_code: Option<u16>) -> Option<Counted<'_, N>> {
        let hash = self.hasher.hash_one(texts);
        let known = self.index.find(hash, |&(have, place)| have == hash && self.entries[place].texts() == Some(texts));
        if let Some(&(_, known)) = known {
            self.entries[known].again(at);
            return None;
        }
        let entry = if self.entries.len() < self.limit {
            self.index.insert_unique(hash, (hash, self.entries.len()), |&(hash, _)| hash);
            let texts = Some(texts.map(Box::from));
            self.entries.push(Entry::first(texts, at, status_code));
            self.entries.last_mut()
        } else if let Some(other) = &mut self.other {
            other.again(at);
            None
        } else {
            Some(self.other.insert(Entry::first(None, at, None)))
        };
        entry.map(Entry::tell)
    }

    /// Failures that have occurred since the last record.
    pub(super) fn changed(&mut self) -> impl Iterator<Item = Counted<'_, N>> {
        self.entries.iter_mut().chain(&mut self.other).filter(|entry| entry.occurrences > entry.told).map(Entry::tell)
    }

    /// All failures.
    pub(super) fn all(&mut self) -> impl Iterator<Item = Counted<'_, N>> {
        self.entries.iter_mut().chain(&mut self.other).map(Entry::tell)
    }
}

impl<const N: usize> Entry<N> {
    const fn first(texts: Option<[Box<str>; N]>, at: Timestamp, status_code: Option<u16>) -> Self {
        Self { texts, status_code, occurrences: 1, told: 0, first_seen: at, last_seen: at }
    }

    // Processes report in batches: a later arrival may have happened earlier.
    fn again(&mut self, at: Timestamp) {
        self.occurrences += 1;
        self.first_seen = self.first_seen.min(at);
        self.last_seen = self.last_seen.max(at);
    }

    fn texts(&self) -> Option<[&str; N]> {
        self.texts.as_ref().map(|texts| texts.each_ref().map(|text| &**text))
    }

    fn tell(&mut self) -> Counted<'_, N> {
        let new = self.occurrences - self.told;
        self.told = self.occurrences;
        Counted {
            texts: self.texts(),
            status_code: self.status_code,
            occurrences: self.occurrences,
            new,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
        }
    }
}

impl<const N: usize> Counted<'_, N> {
    /// Adds its figures to a record.
    pub(super) fn describe(&self, record: Record) -> Record {
        record
            .field("occurrences", self.occurrences)
            .field("new", self.new)
            .field("first_seen", self.first_seen.to_string())
            .field("last_seen", self.last_seen.to_string())
    }
}
