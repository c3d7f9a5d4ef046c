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
    fn again(&mut self, at: Timestamp) {
        self.occurrences += 1;
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }
}

impl Errors {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, by_text: HashMap::new(), others: None }
    }

    pub(super) fn reset(&mut self) {
        *self = Self::new(self.limit);
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
        seen.again(at);
    }

    /// A record for each, sorted.
    pub(super) fn describe(&self, template: &Record) -> Vec<Record> {
        let mut errors: Vec<_> = self.by_text.iter().collect();
        errors.sort_by_key(|(key, _)| *key);
        let others = Key { method: "".into(), name: "".into(), text: "other errors".into() };
        errors
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
