//! The distinct errors of one endpoint.

use std::collections::HashMap;
use std::sync::Arc;

use ltel_core::Timestamp;
use ltel_core::figures::ErrorFigures;
use ltel_core::recorder::RunMemory;

/// Distinct errors, by the text that Locust's own statistics show.
#[derive(Debug, Default)]
pub(super) struct Errors(HashMap<Box<str>, Seen>);

/// How many more distinct errors there may be, and how long their texts may be in all. Bounded: a text may hold anything.
#[derive(Debug)]
pub(super) struct Room {
    errors: usize,
    bytes: usize,
    memory: Arc<RunMemory>,
    taken: usize,
}

// Far more than the texts of a thousand readable errors.
const BYTES: usize = 1 << 20;

impl Room {
    /// For so many errors.
    pub(super) const fn new(errors: usize, memory: Arc<RunMemory>) -> Self {
        Self { errors, bytes: BYTES, memory, taken: 0 }
    }

    /// Where it takes memory from.
    pub(super) fn memory(&self) -> &RunMemory {
        &self.memory
    }

    /// Reserves room for one more error, if there is any.
    fn take(&mut self, text: &str) -> bool {
        let cost = 2 * size_of::<(Box<str>, Seen)>() + text.len();
        let (Some(errors), Some(bytes)) = (self.errors.checked_sub(1), self.bytes.checked_sub(text.len())) else {
            return false;
        };
        let found = self.memory.take(cost);
        if found {
            (self.errors, self.bytes) = (errors, bytes);
            self.taken += cost;
        }
        found
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.memory.give_back(self.taken);
    }
}

/// How often an error occurred.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) occurrences: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

impl Seen {
    pub(super) const fn once(at: Timestamp) -> Self {
        Self { occurrences: 1, first: at, last: at }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.occurrences += more.occurrences;
        self.first = self.first.min(more.first);
        self.last = self.last.max(more.last);
    }

    pub(super) fn figures(&self, method: &str, name: &str, error: &str) -> ErrorFigures {
        ErrorFigures {
            method: method.to_owned(),
            name: name.to_owned(),
            error: error.to_owned(),
            occurrences: self.occurrences,
            first: self.first,
            last: self.last,
        }
    }
}

impl Errors {
    /// Adds occurrences of an error. A new error takes room; if there is none left, it is returned.
    pub(super) fn add(&mut self, text: &str, seen: Seen, room: &mut Room) -> Result<(), Seen> {
        if let Some(have) = self.0.get_mut(text) {
            have.add(seen);
        } else if room.take(text) {
            self.0.insert(text.into(), seen);
        } else {
            return Err(seen);
        }
        Ok(())
    }

    /// All errors, by text.
    pub(super) fn sorted(&self) -> Vec<(&str, &Seen)> {
        let mut errors: Vec<_> = self.0.iter().map(|(text, seen)| (&**text, seen)).collect();
        errors.sort_by_key(|(text, _)| *text);
        errors
    }
}
