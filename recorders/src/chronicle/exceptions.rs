//! Exceptions of user code, outside any request.

use std::collections::HashMap;
use std::sync::Arc;

use ltel_core::Timestamp;
use ltel_core::event::UserError;
use ltel_core::figures::ExceptionFigures;
use ltel_core::recorder::RunMemory;

// Bounded: a text may hold anything, such as a number that is always another.
const MOST: usize = 100;
const TEXT: usize = 1 << 10;
const TRACEBACK: usize = 4 << 10;

const OTHERS: &str = "other exceptions";

/// The distinct exceptions of a run.
#[derive(Debug)]
pub(super) struct Exceptions {
    memory: Arc<RunMemory>,
    taken: usize,
    seen: HashMap<(String, String), ExceptionFigures>,
    /// All beyond the limit.
    others: Option<ExceptionFigures>,
}

impl Exceptions {
    pub(super) fn new(memory: &Arc<RunMemory>) -> Self {
        Self { memory: Arc::clone(memory), taken: 0, seen: HashMap::new(), others: None }
    }

    pub(super) fn add(&mut self, event: &UserError, at: Timestamp) {
        let key = (start_of(&event.user, TEXT), start_of(&event.error, TEXT));
        if !self.seen.contains_key(&key) {
            let traceback = start_of(&event.traceback, TRACEBACK);
            // Its texts are in the key, too.
            let cost = 2 * (size_of::<ExceptionFigures>() + key.0.len() + key.1.len()) + traceback.len();
            if self.seen.len() < MOST && self.memory.take_spare(cost) {
                self.taken += cost;
                let figures = ExceptionFigures { traceback, ..new(key.0.clone(), key.1.clone(), at) };
                self.seen.insert(key.clone(), figures);
            }
        }
        let others = || new(String::new(), OTHERS.to_owned(), at);
        let have = self.seen.get_mut(&key).unwrap_or_else(|| self.others.get_or_insert_with(others));
        have.occurrences += 1;
        have.first = have.first.min(at);
        have.last = have.last.max(at);
    }

    /// The most frequent first; those beyond the limit are one, at the end.
    pub(super) fn figures(&self) -> Vec<ExceptionFigures> {
        let mut figures: Vec<_> = self.seen.values().cloned().collect();
        figures.sort_by(|a, b| {
            b.occurrences.cmp(&a.occurrences).then_with(|| (&a.user, &a.error).cmp(&(&b.user, &b.error)))
        });
        figures.extend(self.others.clone());
        figures
    }
}

impl Drop for Exceptions {
    fn drop(&mut self) {
        self.memory.give_back(self.taken);
    }
}

const fn new(user: String, error: String, at: Timestamp) -> ExceptionFigures {
    ExceptionFigures { user, error, traceback: String::new(), occurrences: 0, first: at, last: at }
}

fn start_of(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(bytes)])
}
