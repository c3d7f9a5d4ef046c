//! When a run is complete.
//!
//! The master's `test_stop` is not the end: its workers still report requests after it. A run is
//! complete when each of its sources has said that it is done, or has been gone for longer than
//! the grace period. Once its test is over, a source that is connected and silent for that long is gone too: it was stopped,
//! or its host hangs. A test is over when its master is done or gone, or when all its
//! workers are; without a master, when one of its workers is done.

use std::time::Duration;

use super::run::{Member, Run};

// Heartbeats that may be late before a source counts as silent, if the grace period is shorter than that.
const BEATS: u32 = 3;

/// Whether a run is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is.
    Complete,
    /// Not before this time, unless a source sends something.
    WaitUntil(Duration),
    /// A source is still connected and active.
    Running,
}

impl Run {
    /// Whether the run is complete.
    pub(super) fn progress(&mut self, now: Duration, grace: Duration) -> Progress {
        let mut wait_until = None;
        let over = self.test_over(grace);
        for member in &mut self.members {
            if member.end.is_some() {
                continue;
            }
            let gone = match (over, member.beats) {
                _ if !member.connected => member.since.saturating_add(grace),
                (Some(over), Some(beats)) => {
                    member.heard.max(over).saturating_add(grace.max(beats.saturating_mul(BEATS)))
                }
                _ => {
                    self.settled_since = None;
                    return Progress::Running;
                }
            };
            member.silent = member.connected && gone <= now;
            wait_until = wait_until.max(Some(gone));
        }
        let settled_since = *self.settled_since.get_or_insert(now);
        // A run without its master cannot end by itself: more workers may join. And a worker that the master
        // names may connect later.
        if self.coordinator().is_none() {
            wait_until = wait_until.max(Some(settled_since.saturating_add(grace)));
        }
        wait_until = wait_until.max(self.strangers.values().map(|named| named.since.saturating_add(grace)).max());
        match wait_until {
            Some(until) if until > now => Progress::WaitUntil(until),
            _ => Progress::Complete,
        }
    }

    /// The sources that were named a grace period ago and that have not joined; each is reported once.
    pub(super) fn overdue(&mut self, now: Duration, grace: Duration) -> Vec<String> {
        let is_due = |since: Duration| since.saturating_add(grace) <= now;
        let overdue = self.strangers.iter_mut().filter(|(_, named)| !named.told && is_due(named.since));
        overdue
            .map(|(id, named)| {
                named.told = true;
                id.clone()
            })
            .collect()
    }

    /// When the next of them is overdue, if any can be.
    pub(super) fn next_overdue(&self, grace: Duration) -> Option<Duration> {
        let waiting = self.strangers.values().filter(|named| !named.told);
        waiting.map(|named| named.since.saturating_add(grace)).min()
    }

    // Since when the test is over, if known: while it runs, a source may be silent for any time.
    fn test_over(&self, grace: Duration) -> Option<Duration> {
        let ended = |member: &Member| match member.end {
            None if member.connected => None,
            None => Some(member.since.saturating_add(grace)),
            Some(_) => Some(member.since),
        };
        let workers = || self.members.iter().filter(|m| !m.info.source.coordinates()).map(ended);
        match self.members.iter().find(|m| m.info.source.coordinates()) {
            Some(coordinator) => {
                ended(coordinator).or_else(|| workers().collect::<Option<Vec<_>>>()?.into_iter().max())
            }
            // One that has only left may have been killed, and says nothing of the test.
            None => self.members.iter().filter(|m| m.end.is_some()).map(|m| m.since).max(),
        }
    }
}
