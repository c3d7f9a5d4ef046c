//! A run: which sources take part in it, what each has sent, and when it is complete. A state machine without I/O.
//!
//! The master's `test_stop` is not the end: its workers still report requests after it. A run is
//! complete when each of its sources has said that it is done, or has been gone for longer than
//! the grace period. Once its test is over, a source that is connected and silent for that long is gone too: it was stopped,
//! or its host hangs. A test is over when its master is done or gone, or when all its workers are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::account::{DropReason, RunAccount, SourceAccount, SourceStatus};
use super::info::{RunInfo, SourceInfo};
use crate::source::Source;
use crate::wire::Done;

/// Locust's own id of every master.
pub const MASTER: &str = "master";

// Heartbeats that may be late before a source counts as silent, if the grace period is shorter than that.
const BEATS: u32 = 3;

/// Whether a run is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is.
    Complete,
    /// Not before this time, whatever happens; earlier only if a source speaks.
    WaitUntil(Duration),
    /// Some source is still connected and at work.
    Running,
}

/// The sources of a run and what they have sent.
#[derive(Debug)]
pub struct Run {
    info: Arc<RunInfo>,
    members: Vec<Member>,
    // Locust's ids of all members.
    ids: BTreeSet<String>,
    // The sources that others have named and that have not joined, by Locust's ids.
    strangers: BTreeMap<String, Named>,
    // Since when no member is at work any more.
    settled_since: Option<Duration>,
}

#[derive(Debug)]
struct Named {
    since: Duration,
    told: bool,
}

#[derive(Debug)]
struct Member {
    info: Arc<SourceInfo>,
    client_id: String,
    connected: bool,
    // It says something at least so often, even if there is nothing to say.
    beats: Option<Duration>,
    // When it last said something.
    heard: Duration,
    // Connected, and silent for longer than a run waits.
    silent: bool,
    // When it last disconnected, or said that it was done.
    since: Duration,
    done: Option<Done>,
    recorded: u64,
    dropped: BTreeMap<DropReason, u64>,
}

impl Run {
    /// A run without sources.
    #[must_use]
    pub const fn new(info: Arc<RunInfo>) -> Self {
        Self { info, members: Vec::new(), ids: BTreeSet::new(), strangers: BTreeMap::new(), settled_since: None }
    }

    /// What tells it from others.
    pub const fn info(&self) -> &Arc<RunInfo> {
        &self.info
    }

    /// The client takes part from now on, or is back. Its place among the run's sources. `beats`: how often it says
    /// something at least, if it sends heartbeats.
    pub fn join(&mut self, client_id: &str, source: &Source, beats: Option<Duration>, now: Duration) -> u32 {
        self.settled_since = None;
        if let Some(index) = self.member(client_id) {
            self.members[index as usize].connected = true;
            self.heard(index, now);
            return index;
        }
        self.strangers.remove(if source.coordinates() { MASTER } else { &source.id });
        self.ids.insert(source.id.clone());
        let index = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        self.members.push(Member {
            info: Arc::new(SourceInfo::new(index, source.clone())),
            client_id: client_id.to_owned(),
            connected: true,
            beats,
            heard: now,
            silent: false,
            since: now,
            done: None,
            recorded: 0,
            dropped: BTreeMap::new(),
        });
        index
    }

    /// The source with this index.
    pub fn source(&self, index: u32) -> &Arc<SourceInfo> {
        &self.members[index as usize].info
    }

    /// All sources, in the order in which they joined.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<SourceInfo>> {
        self.members.iter().map(|m| &m.info)
    }

    /// The master, or the only process.
    pub fn coordinator(&self) -> Option<&Arc<SourceInfo>> {
        self.sources().find(|s| s.source.coordinates())
    }

    /// The place of a client among the run's sources.
    pub fn member(&self, client_id: &str) -> Option<u32> {
        self.members.iter().find(|m| m.client_id == client_id).map(|m| m.info.index)
    }

    /// Whether the source has said that it is done.
    pub fn is_done(&self, index: u32) -> bool {
        self.members[index as usize].done.is_some()
    }

    /// The source has said something.
    pub fn heard(&mut self, index: u32, now: Duration) {
        let member = &mut self.members[index as usize];
        member.heard = now;
        member.silent = false;
    }

    /// Another source says that these take part, by Locust's ids: a master its workers, or a worker its master ([`MASTER`]).
    pub fn named(&mut self, sources: &[String], now: Duration) {
        for id in sources {
            let joined = self.ids.contains(id) || id == MASTER && self.coordinator().is_some();
            if !joined && !self.strangers.contains_key(id) {
                self.strangers.insert(id.clone(), Named { since: now, told: false });
            }
        }
    }

    /// The sources that were named a grace period ago and that have not joined; each is told once.
    pub fn overdue(&mut self, now: Duration, grace: Duration) -> Vec<String> {
        let overdue =
            self.strangers.iter_mut().filter(|(_, named)| !named.told && named.since.saturating_add(grace) <= now);
        overdue
            .map(|(id, named)| {
                named.told = true;
                id.clone()
            })
            .collect()
    }

    /// When the next of them is overdue, if any can be.
    pub fn next_overdue(&self, grace: Duration) -> Option<Duration> {
        let waiting = self.strangers.values().filter(|named| !named.told);
        waiting.map(|named| named.since.saturating_add(grace)).min()
    }

    /// Requests of the source reached the recorders.
    pub fn recorded(&mut self, index: u32, requests: u64) {
        self.members[index as usize].recorded += requests;
    }

    /// Requests of the source did not.
    pub fn dropped(&mut self, index: u32, reason: DropReason, requests: u64) {
        if requests > 0 {
            *self.members[index as usize].dropped.entry(reason).or_default() += requests;
        }
    }

    /// Requests of all sources that reached the recorders so far.
    pub fn total_recorded(&self) -> u64 {
        self.members.iter().map(|m| m.recorded).sum()
    }

    /// The source has sent all it has. Said again with higher figures if more came after all.
    pub fn done(&mut self, index: u32, done: Done, now: Duration) {
        if self.source(index).source.coordinates() {
            self.named(done.sources.as_deref().unwrap_or_default(), now);
        }
        let member = &mut self.members[index as usize];
        member.since = now;
        member.done = Some(done);
    }

    /// The source's connection is closed. True if that ends its part before it was done.
    pub fn disconnected(&mut self, index: u32, now: Duration) -> bool {
        let member = &mut self.members[index as usize];
        member.connected = false;
        if member.done.is_none() {
            member.since = now;
        }
        member.done.is_none()
    }

    /// Whether the run is complete.
    pub fn progress(&mut self, now: Duration, grace: Duration) -> Progress {
        let mut wait_until = None;
        let over = self.over(grace);
        for member in &mut self.members {
            if member.done.is_some() {
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
        // Without its master a run has no end of its own: more workers may be on their way. And a worker that the master
        // names may have its first connection before it.
        if self.coordinator().is_none() {
            wait_until = wait_until.max(Some(settled_since.saturating_add(grace)));
        }
        wait_until = wait_until.max(self.strangers.values().map(|named| named.since.saturating_add(grace)).max());
        match wait_until {
            Some(until) if until > now => Progress::WaitUntil(until),
            _ => Progress::Complete,
        }
    }

    // Since when the test is over, as far as that can be told: while it runs, a source may be silent for any time.
    fn over(&self, grace: Duration) -> Option<Duration> {
        let ended = |member: &Member| match member.done {
            None if member.connected => None,
            None => Some(member.since.saturating_add(grace)),
            Some(_) => Some(member.since),
        };
        let workers = || self.members.iter().filter(|m| !m.info.source.coordinates()).map(ended);
        match self.members.iter().find(|m| m.info.source.coordinates()) {
            Some(coordinator) => {
                ended(coordinator).or_else(|| workers().collect::<Option<Vec<_>>>()?.into_iter().max())
            }
            None => workers().flatten().max(),
        }
    }

    /// What became of the run's requests, as far as ltel knows.
    pub fn account(&self) -> RunAccount {
        let mut sources: Vec<_> = self.members.iter().map(Member::account).collect();
        sources.extend(self.strangers.keys().map(|id| SourceAccount {
            source: None,
            label: id.clone(),
            status: SourceStatus::Missing,
            sent: 0,
            recorded: 0,
            dropped: BTreeMap::new(),
        }));
        sources.sort_by(|a, b| a.label.cmp(&b.label));
        RunAccount { sources }
    }
}

impl Member {
    fn account(&self) -> SourceAccount {
        let mut dropped = self.dropped.clone();
        let heard = self.recorded + dropped.values().sum::<u64>();
        let (status, sent) = match &self.done {
            Some(done) => {
                // What the source threw away may have reached ltel before that: then it is recorded.
                let sent = done.sent.max(heard);
                let mut missing = sent - heard;
                for (reason, most) in [(DropReason::BufferFull, done.dropped), (DropReason::NotReceived, u64::MAX)] {
                    let count = missing.min(most);
                    if count > 0 {
                        *dropped.entry(reason).or_default() += count;
                    }
                    missing -= count;
                }
                (SourceStatus::Done, sent)
            }
            None if self.connected && !self.silent => (SourceStatus::Open, heard),
            None => (SourceStatus::Missing, heard),
        };
        SourceAccount {
            source: Some(Arc::clone(&self.info)),
            label: self.info.label.clone(),
            status,
            sent,
            recorded: self.recorded,
            dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceKind;

    const GRACE: Duration = Duration::from_secs(10);
    const BEATS: Option<Duration> = Some(Duration::from_secs(2));

    fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn source(kind: SourceKind, id: &str) -> Source {
        Source { kind, id: id.to_owned(), ..Source::default() }
    }

    fn run() -> Run {
        Run::new(Arc::new(RunInfo::default()))
    }

    fn done(sent: u64, dropped: u64, sources: &[&str]) -> Done {
        let sources = (!sources.is_empty()).then(|| sources.iter().map(|&s| s.to_owned()).collect());
        Done { sent, dropped, sources, ..Done::default() }
    }

    #[test]
    fn the_masters_end_is_not_the_runs_end() {
        let mut run = run();
        let master = run.join("m", &source(SourceKind::Master, "master"), None, at(0));
        let worker = run.join("w", &source(SourceKind::Worker, "w1"), None, at(0));
        run.done(master, done(0, 0, &["w1"]), at(5));
        assert_eq!(run.progress(at(100), GRACE), Progress::Running);
        run.done(worker, done(0, 0, &[]), at(101));
        assert_eq!(run.progress(at(101), GRACE), Progress::Complete);
    }

    #[test]
    fn a_worker_that_says_nothing_is_gone_once_its_master_is_done() {
        for beats in [BEATS, None] {
            let mut run = run();
            let master = run.join("m", &source(SourceKind::Master, "master"), BEATS, at(0));
            let worker = run.join("w", &source(SourceKind::Worker, "w1"), beats, at(0));
            // While the test runs it may say nothing for as long as it likes.
            assert_eq!(run.progress(at(50), GRACE), Progress::Running);
            run.done(master, done(0, 0, &["w1"]), at(60));
            if beats.is_none() {
                assert_eq!(run.progress(at(1_000), GRACE), Progress::Running, "an older plugin has no heartbeats");
                continue;
            }
            assert_eq!(run.progress(at(60), GRACE), Progress::WaitUntil(at(70)));
            run.heard(worker, at(69));
            assert_eq!(run.progress(at(70), GRACE), Progress::WaitUntil(at(79)));
            assert_eq!(run.progress(at(79), GRACE), Progress::Complete);
            assert_eq!(run.account().sources[1].status, SourceStatus::Missing);
        }
    }

    #[test]
    fn a_source_is_not_silent_between_two_heartbeats() {
        let mut run = run();
        let master = run.join("m", &source(SourceKind::Master, "master"), BEATS, at(0));
        let worker = run.join("w", &source(SourceKind::Worker, "w1"), BEATS, at(0));
        let grace = Duration::from_secs(1);
        run.done(master, done(0, 0, &["w1"]), at(60));
        assert_eq!(run.progress(at(61), grace), Progress::WaitUntil(at(66)));
        assert_eq!(run.progress(at(66), grace), Progress::Complete);
        // It goes on (SIGCONT) while something else keeps the run.
        run.heard(worker, at(67));
        assert_eq!(run.account().sources[1].status, SourceStatus::Open);
        // Whatever a client says of its heartbeats, time does not overflow.
        run.join("x", &source(SourceKind::Worker, "w2"), Some(Duration::MAX), at(67));
        assert!(matches!(run.progress(at(68), grace), Progress::WaitUntil(until) if until > at(1_000_000)));
    }

    /// Who says nothing any more, while which others are done or gone (without a master as well).
    #[test]
    fn silence_counts_once_the_test_is_over() {
        use SourceKind::{Master, Worker};
        // What the first source does at 60, what kind it and the silent one are; when the run is complete.
        for (first, says_done, silent, complete) in [
            (Some(Master), true, Worker, Some(70)),
            // Killed: it may be back for a grace period, and the worker silent for another.
            (Some(Master), false, Worker, Some(80)),
            // The master is stopped, its workers end without it.
            (Some(Worker), true, Master, Some(70)),
            (Some(Worker), false, Master, Some(80)),
            // Without a master, some worker ends.
            (Some(Worker), true, Worker, Some(70)),
            // Nothing tells that the test is over.
            (None, false, Master, None),
            (None, false, Worker, None),
        ] {
            let mut run = run();
            run.join("silent", &source(silent, "silent"), BEATS, at(0));
            if let Some(kind) = first {
                let first = run.join("first", &source(kind, "first"), BEATS, at(0));
                assert_eq!(run.progress(at(50), GRACE), Progress::Running);
                if says_done {
                    run.done(first, done(0, 0, &[]), at(60));
                }
                run.disconnected(first, at(60));
            }
            let mut now = at(60);
            while let Progress::WaitUntil(until) = run.progress(now, GRACE) {
                now = until;
            }
            let case = format!("{first:?} {says_done} {silent:?}");
            match complete {
                Some(secs) => assert_eq!((run.progress(now, GRACE), now), (Progress::Complete, at(secs)), "{case}"),
                None => assert_eq!(run.progress(at(10_000), GRACE), Progress::Running, "{case}"),
            }
        }
    }

    #[test]
    fn a_master_that_its_workers_name_is_waited_for_and_missed() {
        let mut run = run();
        let worker = run.join("w", &source(SourceKind::Worker, "w1"), BEATS, at(0));
        run.named(&[MASTER.to_owned()], at(0));
        run.done(worker, done(3, 0, &[]), at(1));
        assert_eq!(run.overdue(at(10), GRACE), [MASTER]);
        assert_eq!(run.account().sources[0].label, MASTER);
        assert!(!run.account().is_whole());
        run.join("m", &source(SourceKind::Master, "any id"), BEATS, at(11));
        run.named(&[MASTER.to_owned()], at(12));
        assert!(run.account().sources.iter().all(|source| source.source.is_some()));
    }

    #[test]
    fn only_a_master_names_workers_at_its_end() {
        let mut run = run();
        let worker = run.join("w", &source(SourceKind::Worker, "w1"), BEATS, at(0));
        run.done(worker, done(0, 0, &["w2"]), at(1));
        assert!(run.account().is_whole());
    }

    #[test]
    fn a_worker_that_is_named_and_does_not_come_is_told_once() {
        let mut run = run();
        run.join("m", &source(SourceKind::Master, "master"), BEATS, at(0));
        run.join("w", &source(SourceKind::Worker, "w1"), BEATS, at(0));
        run.named(&["w1".to_owned(), "w2".to_owned()], at(1));
        run.named(&["w2".to_owned()], at(5));
        assert_eq!(run.next_overdue(GRACE), Some(at(11)));
        assert!(run.overdue(at(10), GRACE).is_empty());
        assert_eq!(run.overdue(at(11), GRACE), ["w2"]);
        assert!(run.overdue(at(12), GRACE).is_empty() && run.next_overdue(GRACE).is_none());
    }

    #[test]
    fn a_worker_that_the_master_names_is_waited_for() {
        let mut run = run();
        let master = run.join("m", &source(SourceKind::Master, "master"), None, at(0));
        run.done(master, done(0, 0, &["w1"]), at(5));
        assert_eq!(run.progress(at(5), GRACE), Progress::WaitUntil(at(15)));
        let worker = run.join("w", &source(SourceKind::Worker, "w1"), None, at(6));
        assert_eq!(run.progress(at(6), GRACE), Progress::Running);
        run.done(worker, done(0, 0, &[]), at(7));
        assert_eq!(run.progress(at(7), GRACE), Progress::Complete);
    }

    #[test]
    fn one_that_never_comes_is_named() {
        let mut run = run();
        let master = run.join("m", &source(SourceKind::Master, "master"), BEATS, at(0));
        run.done(master, done(0, 0, &["w1"]), at(5));
        assert_eq!(run.progress(at(15), GRACE), Progress::Complete);
        let account = run.account();
        assert!(!account.is_whole());
        assert_eq!((account.sources[1].label.as_str(), account.sources[1].status), ("w1", SourceStatus::Missing));
    }

    #[test]
    fn a_killed_worker_costs_the_grace_period_and_no_more() {
        let mut run = run();
        let master = run.join("m", &source(SourceKind::Master, "master"), BEATS, at(0));
        let worker = run.join("w", &source(SourceKind::Worker, "w1"), BEATS, at(0));
        run.recorded(worker, 7);
        assert!(run.disconnected(worker, at(3)));
        run.done(master, done(0, 0, &["w1"]), at(5));
        assert_eq!(run.progress(at(5), GRACE), Progress::WaitUntil(at(13)));
        assert_eq!(run.progress(at(13), GRACE), Progress::Complete);
        let account = run.account();
        assert_eq!((account.sent(), account.recorded()), (7, 7));
        assert!(!account.is_whole());
    }

    #[test]
    fn workers_without_a_master_end_a_grace_period_after_the_last() {
        let mut run = run();
        let worker = run.join("w", &source(SourceKind::Worker, "w1"), BEATS, at(0));
        run.done(worker, done(0, 0, &[]), at(5));
        assert_eq!(run.progress(at(5), GRACE), Progress::WaitUntil(at(15)));
        assert_eq!(run.progress(at(15), GRACE), Progress::Complete);
    }

    #[test]
    fn who_speaks_for_a_run() {
        use SourceKind::{Local, Master, Worker};
        for (coordinated, kind, speaks) in [
            (true, Some(Master), true),
            (true, Some(Local), true),
            (true, Some(Worker), false),
            (true, None, true),
            (false, Some(Worker), true),
            (false, None, true),
        ] {
            let info = RunInfo { coordinated, ..RunInfo::default() };
            let source = kind.map(|kind| SourceInfo::new(0, source(kind, "id")));
            assert_eq!(info.is_told_by(source.as_ref()), speaks, "{coordinated} {kind:?}");
        }
        assert!(RunInfo::default().coordinated);
    }

    #[test]
    fn a_source_that_is_back_is_at_work_again() {
        let mut run = run();
        let local = run.join("l", &source(SourceKind::Local, "local"), BEATS, at(0));
        run.disconnected(local, at(1));
        assert_eq!(run.progress(at(2), GRACE), Progress::WaitUntil(at(11)));
        assert_eq!(run.join("l", &source(SourceKind::Local, "local"), BEATS, at(3)), local);
        assert_eq!(run.progress(at(60), GRACE), Progress::Running);
    }

    #[test]
    fn the_account_always_adds_up() {
        // (recorded, invalid, sent, dropped by the plugin) -> (buffer full, not received)
        for (recorded, invalid, sent, plugin, buffer_full, not_received) in [
            (10, 0, 10, 0, 0, 0),
            (8, 0, 10, 2, 2, 0),
            (8, 1, 10, 0, 0, 1),
            (5, 0, 10, 2, 2, 3),
            // Thrown away after it had come through: recorded all the same.
            (10, 0, 10, 4, 0, 0),
            // More than the source says it sent.
            (12, 0, 10, 0, 0, 0),
        ] {
            let mut run = run();
            let local = run.join("l", &source(SourceKind::Local, "local"), BEATS, at(0));
            run.recorded(local, recorded);
            run.dropped(local, DropReason::Invalid, invalid);
            run.done(local, done(sent, plugin, &[]), at(1));
            let account = run.account();
            let dropped = account.dropped();
            assert_eq!(account.sent(), account.recorded() + dropped.values().sum::<u64>());
            assert_eq!(dropped.get(&DropReason::BufferFull).copied().unwrap_or(0), buffer_full);
            assert_eq!(dropped.get(&DropReason::NotReceived).copied().unwrap_or(0), not_received);
        }
    }
}
