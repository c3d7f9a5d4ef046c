//! Distinct errors by endpoint.

use std::collections::HashMap;

use ltel_core::Timestamp;
use ltel_core::prelude::*;

/// Distinct errors and how often each occurred. Bounded: error texts may hold anything.
#[derive(Debug)]
pub(super) struct Errors {
    limit: usize,
    by_text: HashMap<Key, Seen>,
    others: Option<Seen>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    method: Box<str>,
    name: Box<str>,
    text: Box<str>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    occurrences: u64,
    first: Timestamp,
    last: Timestamp,
}

impl Seen {
    fn add(&mut self, more: Self) {
        self.occurrences += more.occurrences;
        self.first = self.first.min(more.first);
        self.last = self.last.max(more.last);
    }
}

impl Errors {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, by_text: HashMap::new(), others: None }
    }

    pub(super) fn record(&mut self, method: &str, name: &str, text: &str, at: Timestamp) {
        let first = Seen { occurrences: 0, first: at, last: at };
        let key = Key { method: method.into(), name: name.into(), text: text.into() };
        let full = self.by_text.len() >= self.limit;
        let seen = match self.by_text.get_mut(&key) {
            Some(seen) => seen,
            None if full => self.others.get_or_insert(first),
            None => self.by_text.entry(key).or_insert(first),
        };
        seen.add(Seen { occurrences: 1, first: at, last: at });
    }

    /// Adds the errors of another table.
    pub(super) fn add(&mut self, other: &Self) {
        for (key, seen) in other.sorted() {
            let full = self.by_text.len() >= self.limit;
            let none = Seen { occurrences: 0, ..*seen };
            let have = match self.by_text.get_mut(key) {
                Some(have) => have,
                None if full => self.others.get_or_insert(none),
                None => self.by_text.entry(key.clone()).or_insert(none),
            };
            have.add(*seen);
        }
        if let Some(seen) = other.others {
            self.others.get_or_insert(Seen { occurrences: 0, ..seen }).add(seen);
        }
    }

    fn sorted(&self) -> Vec<(&Key, &Seen)> {
        let mut errors: Vec<_> = self.by_text.iter().collect();
        errors.sort_by_key(|(key, _)| *key);
        errors
    }

    /// A record for each, sorted.
    pub(super) fn describe(&self, template: &Record) -> Vec<Record> {
        let others = Key { method: "".into(), name: "".into(), text: "other errors".into() };
        self.sorted()
            .into_iter()
            .chain(self.others.iter().map(|seen| (&others, seen)))
            .map(|(key, seen)| {
                template
                    .clone()
                    .field("status", "error")
                    .field("method", &*key.method)
                    .field("name", &*key.name)
                    .field("error", &*key.text)
                    .field("occurrences", seen.occurrences)
                    .field("first_seen", seen.first.to_string())
                    .field("last_seen", seen.last.to_string())
            })
            .collect()
    }
}
