//! Counts distinct failures, each identified by a few texts.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use ltel_core::Timestamp;
use ltel_core::field::AsField;
use ltel_core::prelude::*;
use serde_json::Value;

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
    // The texts of that one.
    of_other: [&'static str; N],
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
    /// Why it is reported.
    pub(super) report: Report,
    /// The texts that identify it.
    pub(super) texts: [&'a str; N],
    /// The status of its first occurrence, if there was a response.
    pub(super) status_code: Option<u16>,
    /// How often it has occurred.
    pub(super) occurrences: u64,
    /// How often since its last record.
    pub(super) new: u64,
    /// When it first occurred.
    pub(super) first_seen: Timestamp,
    /// When it last occurred.
    pub(super) last_seen: Timestamp,
}

/// Why a failure is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// It is new.
    First,
    /// It has occurred again.
    Interval,
    /// The run is over.
    Final,
}

impl AsField for Report {
    fn as_field(&self) -> Option<Value> {
        let text = match self {
            Self::First => "first",
            Self::Interval => "interval",
            Self::Final => "final",
        };
        Some(text.into())
    }
}

impl<const N: usize> Tally<N> {
    /// An empty tally for at most this many distinct failures.
    /// `of_other` are the texts of the one that stands for all beyond it.
    pub(super) fn new(limit: usize, of_other: [&'static str; N]) -> Self {
        let (hasher, index) = (DefaultHashBuilder::default(), HashTable::new());
        Self { limit, hasher, index, entries: Vec::new(), other: None, of_other }
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
        entry.map(|entry| entry.tell(Report::First, self.of_other))
    }

    /// Failures that have occurred since the last record.
    pub(super) fn changed(&mut self) -> impl Iterator<Item = Counted<'_, N>> {
        let entries = self.entries.iter_mut().chain(&mut self.other);
        entries.filter(|entry| entry.occurrences > entry.told).map(|entry| entry.tell(Report::Interval, self.of_other))
    }

    /// All failures.
    pub(super) fn all(&mut self) -> impl Iterator<Item = Counted<'_, N>> {
        let entries = self.entries.iter_mut().chain(&mut self.other);
        entries.map(|entry| entry.tell(Report::Final, self.of_other))
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

    fn tell(&mut self, report: Report, of_other: [&'static str; N]) -> Counted<'_, N> {
        let new = self.occurrences - self.told;
        self.told = self.occurrences;
        Counted {
            report,
            texts: self.texts().unwrap_or(of_other),
            status_code: self.status_code,
            occurrences: self.occurrences,
            new,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
        }
    }
}

impl<const N: usize> Counted<'_, N> {
    /// That of its record.
    pub(super) fn severity(&self) -> Severity {
        if self.report == Report::First { Severity::Error } else { Severity::Info }
    }
}
