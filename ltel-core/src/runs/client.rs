//! A client: a Locust process, as the runs know it.

use std::time::Duration;

use super::held::Held;
use super::index::{RunIndex, SourceIndex};
use crate::event::TestStart;
use crate::source::Source;

/// A client, connected or not. It outlives its connections: frames are numbered per client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) source: Source,
    pub(super) connection: Option<u64>,
    pub(super) last_seq: u64,
    pub(super) place: Place,
    // Earlier runs that are still remembered.
    pub(super) former: Vec<Membership>,
    // The run that its `hello` named, until its first frame: that may begin another, which comes first.
    pub(super) named: Option<TestStart>,
    // The id of the run that a worker waits for, if known: its frames are held.
    pub(super) awaits: Option<String>,
    // A worker that has begun a test before its master: its frames are held.
    pub(super) began: Option<Began>,
    // It sends a frame at least this often.
    pub(super) beats: Option<Duration>,
    pub(super) held: Held,
    pub(super) left_at: Duration,
}

/// Where a client's frames belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Not known yet: they are held.
    Unknown,
    /// To a run.
    In(Membership),
    /// To no known run: it was refused or forgotten.
    NoRun,
}

/// A client's place in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) run: RunIndex,
    pub(super) source: SourceIndex,
}

/// A test that a worker has begun, and when ltel heard of it.
#[derive(Clone, Debug)]
pub(super) struct Began {
    pub(super) start: TestStart,
    pub(super) at: Duration,
}

impl Client {
    /// The run that it is in.
    pub(super) const fn membership(&self) -> Option<Membership> {
        match self.place {
            Place::In(membership) => Some(membership),
            Place::Unknown | Place::NoRun => None,
        }
    }

    /// Whether it waits for its run already.
    pub(super) const fn waits(&self) -> bool {
        self.began.is_some() || !self.held.is_empty()
    }

    /// All runs that it is in or was in.
    pub(super) fn memberships(&self) -> impl Iterator<Item = Membership> {
        self.membership().into_iter().chain(self.former.iter().copied())
    }

    /// Whether it is in this run or was.
    pub(super) fn has_been_in(&self, run: RunIndex) -> bool {
        self.memberships().any(|membership| membership.run == run)
    }

    /// Forgets a run.
    pub(super) fn forget(&mut self, run: RunIndex) {
        self.former.retain(|membership| membership.run != run);
        if self.membership().is_some_and(|membership| membership.run == run) {
            self.place = Place::NoRun;
        }
    }
}
