//! Applies rules to batches of requests. A rule sees each distinct method and name once, as long as there are not too many.

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::{Equivalent, HashMap};

use super::Rules;
use crate::event::Request;
use crate::recorder::RunMemory;

// Bounded: a test, or a hostile client, may have a name of its own for each request. Two generations of at most as many bytes are kept,
// and fewer where recorders need the memory: names that come again stay.
const GENERATION: usize = 2 << 20;

// What an entry takes beside its texts, about.
const ENTRY: usize = 128;

/// Rules, and what they have said of the requests so far.
#[derive(Debug)]
pub struct Renamer {
    rules: Arc<Rules>,
    memory: Arc<RunMemory>,
    young: Generation,
    old: Generation,
    // Of this batch, by row. Kept so that the rows can borrow from them.
    verdicts: Vec<Verdict>,
    // By rule, whether it has matched.
    used: Vec<bool>,
}

/// What the rules have said of some requests, and the bytes that it takes.
#[derive(Debug, Default)]
struct Generation {
    verdicts: HashMap<Key, Verdict>,
    bytes: usize,
}

#[derive(Clone, Debug)]
enum Verdict {
    Keep,
    Rename(Arc<str>),
    Drop,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    method: Box<str>,
    name: Box<str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Borrowed<'a> {
    method: &'a str,
    name: &'a str,
}

impl Equivalent<Key> for Borrowed<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self.name == *key.name && *self.method == *key.method
    }
}

impl Renamer {
    /// For the requests of one run, with the memory that its recorders have.
    #[must_use]
    pub fn new(rules: Arc<Rules>, memory: Arc<RunMemory>) -> Self {
        let used = vec![false; rules.len()];
        let (young, old) = (Generation::default(), Generation::default());
        Self { rules, memory, young, old, verdicts: Vec::new(), used }
    }

    /// The requests with their names by the rules, without those that a rule drops, and how many these are.
    pub fn apply<'a>(&'a mut self, mut rows: Vec<Request<'a>>) -> (Vec<Request<'a>>, u64) {
        self.verdicts.clear();
        for row in &rows {
            let verdict = self.verdict(&row.method, &row.name);
            self.verdicts.push(verdict);
        }
        let before = rows.len();
        let mut verdicts = self.verdicts.iter();
        rows.retain_mut(|row| match verdicts.next() {
            Some(Verdict::Rename(name)) => {
                row.name = Cow::Borrowed(name);
                true
            }
            Some(Verdict::Drop) => false,
            Some(Verdict::Keep) | None => true,
        });
        let dropped = before - rows.len();
        (rows, dropped as u64)
    }

    /// The lines of the rules that no request has matched so far.
    pub fn unused(&self) -> impl Iterator<Item = usize> {
        let unused = self.used.iter().enumerate().filter(|(_, used)| !**used);
        unused.filter_map(|(index, _)| self.rules.line(index))
    }

    fn verdict(&mut self, method: &str, name: &str) -> Verdict {
        let key = Borrowed { method, name };
        if let Some(verdict) = self.young.verdicts.get(&key) {
            return verdict.clone();
        }
        self.seldom(key)
    }

    /// For a request that was not seen lately.
    #[cold]
    fn seldom(&mut self, key: Borrowed<'_>) -> Verdict {
        let (key, verdict) = match self.old.verdicts.remove_entry(&key) {
            Some((key, verdict)) => {
                let bytes = bytes_of(&key, &verdict);
                self.old.bytes -= bytes;
                self.memory.give_back(bytes);
                (key, verdict)
            }
            None => {
                let Borrowed { method, name } = key;
                let verdict = match self.rules.apply(method, name, |index| self.used[index] = true) {
                    None => Verdict::Drop,
                    Some(renamed) if renamed == name => Verdict::Keep,
                    Some(renamed) => Verdict::Rename(renamed.into()),
                };
                (Key { method: method.into(), name: name.into() }, verdict)
            }
        };
        let bytes = bytes_of(&key, &verdict);
        if self.young.bytes + bytes > GENERATION || !self.memory.take_spare(bytes) {
            self.age();
            // If it is still not there, the rules are asked again at the next request of this name.
            if !self.memory.take_spare(bytes) {
                return verdict;
            }
        }
        self.young.bytes += bytes;
        self.young.verdicts.insert(key, verdict.clone());
        verdict
    }

    /// Forgets the names that have not come lately.
    fn age(&mut self) {
        self.memory.give_back(self.old.bytes);
        self.old = std::mem::take(&mut self.young);
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.young.verdicts.len() + self.old.verdicts.len()
    }
}

impl Drop for Renamer {
    fn drop(&mut self) {
        self.memory.give_back(self.young.bytes + self.old.bytes);
    }
}

/// About what an entry takes.
fn bytes_of(key: &Key, verdict: &Verdict) -> usize {
    let renamed = if let Verdict::Rename(renamed) = verdict { renamed.len() } else { 0 };
    ENTRY + key.method.len() + key.name.len() + renamed
}
