//! How much memory recorders may take, over all runs, for what grows with what clients send: series, and what a recorder keeps
//! itself. Each limit of one recorder in one run may hold, and their product still be more than a machine has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the recorders of all runs may take.
#[derive(Debug)]
pub struct RecorderMemory {
    // Beyond what is reserved for each run.
    left: AtomicUsize,
    // What is left of it to what can be done without.
    spare_until: usize,
    reserved: usize,
}

/// What the recorders of one run take. It is free again when the last of them is gone.
#[derive(Debug)]
pub struct RunMemory {
    all: Arc<RecorderMemory>,
    taken: AtomicUsize,
}

/// How many series a recorder may have.
#[derive(Clone, Debug)]
pub struct SeriesLimits {
    /// Their number.
    pub count: usize,
    /// What they take memory from, with all that the recorders of the run keep.
    pub memory: Arc<RunMemory>,
}

impl RecorderMemory {
    /// So many bytes for the recorders of all runs. A quarter is reserved in equal parts for as many runs as there may be at a
    /// time: one that begins late finds something, whatever the others take.
    #[must_use]
    pub const fn new(bytes: usize, runs: usize) -> Self {
        let reserved = match runs {
            0 => 0,
            runs => bytes / 4 / runs,
        };
        let left = bytes - reserved * runs;
        Self { left: AtomicUsize::new(left), spare_until: left / 2, reserved }
    }

    /// For the recorders of a run that begins.
    #[must_use]
    pub fn begin_run(self: &Arc<Self>) -> Arc<RunMemory> {
        Arc::new(RunMemory { all: Arc::clone(self), taken: AtomicUsize::new(0) })
    }
}

impl RunMemory {
    /// Takes so many bytes; `false` if they are not there.
    #[must_use]
    pub fn take(&self, bytes: usize) -> bool {
        self.take_leaving(0, bytes)
    }

    /// Takes so many bytes if all runs leave half of what there is; `false` if they do not. For what can be kept in less detail: it
    /// does not take the place of series.
    #[must_use]
    pub fn take_spare(&self, bytes: usize) -> bool {
        self.take_leaving(self.all.spare_until, bytes)
    }

    fn take_leaving(&self, least: usize, bytes: usize) -> bool {
        // One task records a run, so nothing is taken meanwhile.
        let taken = self.taken.load(Ordering::Relaxed);
        let Some(more) = taken.checked_add(bytes) else { return false };
        let shared = self.beyond(more) - self.beyond(taken);
        let left = |left: usize| left.checked_sub(shared).filter(|left| shared == 0 || *left >= least);
        let found = self.all.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok();
        if found {
            self.taken.store(more, Ordering::Relaxed);
        }
        found
    }

    /// Gives back what was taken.
    pub fn give_back(&self, bytes: usize) {
        let taken = self.taken.load(Ordering::Relaxed);
        let less = taken.saturating_sub(bytes);
        self.taken.store(less, Ordering::Relaxed);
        self.all.left.fetch_add(self.beyond(taken) - self.beyond(less), Ordering::Relaxed);
    }

    // What a run takes of that which is not reserved.
    fn beyond(&self, taken: usize) -> usize {
        taken.saturating_sub(self.all.reserved)
    }
}

impl Drop for RunMemory {
    fn drop(&mut self) {
        self.give_back(usize::MAX);
    }
}

impl SeriesLimits {
    /// So many series, however much memory they take.
    #[must_use]
    pub fn of_count(count: usize) -> Self {
        Self { count, memory: Arc::new(RecorderMemory::new(usize::MAX, 0)).begin_run() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_runs_together_take_no_more_and_each_finds_its_part() {
        let all = Arc::new(RecorderMemory::new(4_000, 10));
        let greedy = all.begin_run();
        let mut taken = 0;
        while greedy.take(50) {
            taken += 50;
        }
        assert_eq!(taken, 3_100, "three quarters, and its own part of the last");
        let mut later: Vec<_> = (0..9).map(|_| all.begin_run()).collect();
        for run in &later {
            assert!(run.take(100) && !run.take(1));
        }
        greedy.give_back(500);
        assert!(!later[0].take(501) && later[0].take(500));
        assert!(!greedy.take(1));
        drop(later.pop());
        assert!(!greedy.take(1), "what is reserved stays so");
        drop(later);
        drop(greedy);
        let again = all.begin_run();
        assert!(again.take(3_100) && !again.take(1));
        assert!(!again.take(usize::MAX));
    }

    #[test]
    fn what_is_spare_leaves_half() {
        let all = Arc::new(RecorderMemory::new(4_000, 10));
        let (one, other) = (all.begin_run(), all.begin_run());
        assert!(!one.take_spare(1_601) && one.take_spare(1_600), "half of what is shared, and its own part");
        assert!(other.take_spare(100) && !other.take_spare(1), "its own part is its own");
        assert!(other.take(1_500) && !other.take(1));
        one.give_back(1_600);
        assert!(!one.take_spare(101) && one.take_spare(100));
    }
}
