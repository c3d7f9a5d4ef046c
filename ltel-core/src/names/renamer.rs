//! Applies rules to batches of requests. A rule sees each distinct method and name once, as long as there are not too many.

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::{Equivalent, HashMap};

use super::Rules;
use crate::event::Request;

// Bounded: a test, or a hostile client, may have a name of its own for each request. Two generations of as many bytes are kept:
// names that come again stay.
const GENERATION: usize = 2 << 20;

// What an entry takes beside its texts, about.
const ENTRY: usize = 128;

/// Rules, and what they have said of the requests so far.
#[derive(Debug)]
pub struct Renamer {
    rules: Arc<Rules>,
    young: HashMap<Key, Verdict>,
    old: HashMap<Key, Verdict>,
    young_bytes: usize,
    // Of this batch, by row. Kept so that the rows can borrow from them.
    verdicts: Vec<Verdict>,
    // By rule, whether it has matched.
    used: Vec<bool>,
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
    /// For the requests of one run.
    #[must_use]
    pub fn new(rules: Arc<Rules>) -> Self {
        let used = vec![false; rules.len()];
        Self { rules, young: HashMap::new(), old: HashMap::new(), young_bytes: 0, verdicts: Vec::new(), used }
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
        if let Some(verdict) = self.young.get(&key) {
            return verdict.clone();
        }
        self.seldom(key)
    }

    /// For a request that was not seen lately.
    #[cold]
    fn seldom(&mut self, key: Borrowed<'_>) -> Verdict {
        let (key, verdict) = match self.old.remove_entry(&key) {
            Some(found) => found,
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
        let renamed = if let Verdict::Rename(renamed) = &verdict { renamed.len() } else { 0 };
        let bytes = ENTRY + key.method.len() + key.name.len() + renamed;
        if self.young_bytes + bytes > GENERATION {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(key, verdict.clone());
        verdict
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
