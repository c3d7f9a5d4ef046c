//! A run: its sources, and what each has sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::account::{DropReason, RunAccount, SourceAccount, SourceStatus};
use super::index::{ClientIndex, SourceIndex};
use super::info::{RunInfo, SourceInfo};
use crate::source::{Source, SourceKind};
use crate::wire::Done;

/// Locust's own id of every master.
pub const MASTER: &str = "master";

/// The sources of a run and what they have sent.
#[derive(Debug)]
pub struct Run {
    info: Arc<RunInfo>,
    // The id that its sources use. An earlier test may have used the same.
    asked_id: String,
    // The `client_id` of the master or local runner whose run it is, if known.
    pub(super) coordinator_id: Option<String>,
    // Whether one of its sources is in another test by now: then a source that begins a test without an id is not in this run.
    pub(super) left: bool,
    pub(super) members: Vec<Member>,
    // The limit of its sources; and of sources that others have named and that have not joined.
    limit: usize,
    // Locust's ids of all members.
    ids: BTreeSet<String>,
    // The sources that others have named and that have not joined, by Locust's ids.
    pub(super) strangers: BTreeMap<String, Named>,
    // Sources beyond the limit.
    unlisted: u64,
    // Since when no member is active.
    pub(super) settled_since: Option<Duration>,
    // When it must be checked next, if nothing else happens.
    pub(super) due: Option<Duration>,
    is_over: bool,
    // Whether the recorders lost nothing.
    pub(super) recorders_are_whole: bool,
    late_events: u64,
    invalid_events: u64,
    recorded: u64,
}

/// A source that another has named.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) since: Duration,
    pub(super) told: bool,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) info: Arc<SourceInfo>,
    // The client that it is, until that is forgotten.
    pub(super) client: Option<ClientIndex>,
    pub(super) connected: bool,
    // It sends a frame at least this often.
    pub(super) beats: Option<Duration>,
    // When it last sent something.
    pub(super) heard: Duration,
    // Connected, and silent for longer than a run waits.
    pub(super) silent: bool,
    // When it last disconnected, or reported that it was done.
    pub(super) since: Duration,
    pub(super) end: Option<End>,
    recorded: u64,
    // Of those that reached ltel.
    filtered: u64,
    dropped: BTreeMap<DropReason, u64>,
    // As it has reported.
    dropped_events: u64,
}

/// How a source's part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It reported what it has sent, and what it dropped of that.
    Done { sent: Option<u64>, dropped: u64 },
    /// It is in another test.
    Left,
}

impl Run {
    /// A run without sources, and the limit of its sources.
    pub(super) const fn new(info: Arc<RunInfo>, asked_id: String, limit: usize) -> Self {
        Self {
            info,
            asked_id,
            coordinator_id: None,
            left: false,
            members: Vec::new(),
            limit,
            ids: BTreeSet::new(),
            strangers: BTreeMap::new(),
            unlisted: 0,
            settled_since: None,
            due: None,
            is_over: false,
            recorders_are_whole: true,
            late_events: 0,
            invalid_events: 0,
            recorded: 0,
        }
    }

    /// Its identity.
    pub const fn info(&self) -> &Arc<RunInfo> {
        &self.info
    }

    /// The id that its sources use: not `info`'s, where two tests have used the same.
    pub fn asked_id(&self) -> &str {
        &self.asked_id
    }

    /// Whether it has ended.
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether nothing is missing: everything that its sources have sent was recorded, and recorders lost nothing.
    pub fn is_whole(&self) -> bool {
        self.recorders_are_whole && self.account().is_whole()
    }

    /// The master, or the only process.
    pub fn coordinator(&self) -> Option<&Arc<SourceInfo>> {
        self.members.iter().map(|m| &m.info).find(|s| s.source.coordinates())
    }

    /// What happened to the run's requests, as far as ltel knows.
    pub fn account(&self) -> RunAccount {
        let mut sources: Vec<_> = self.members.iter().map(Member::account).collect();
        sources.extend(self.strangers.keys().map(|id| SourceAccount {
            source: None,
            label: id.clone(),
            status: SourceStatus::Missing,
            sent: 0,
            recorded: 0,
            filtered: 0,
            dropped: BTreeMap::new(),
        }));
        sources.sort_by(|a, b| a.label.cmp(&b.label));
        RunAccount {
            sources,
            unlisted_sources: self.unlisted,
            late_events: self.late_events,
            invalid_events: self.invalid_events,
            dropped_events: self.members.iter().map(|member| member.dropped_events).fold(0, u64::saturating_add),
        }
    }

    /// The id that its sources use.
    pub(super) fn is_asked_for_by(&self, id: &str) -> bool {
        self.asked_id == id
    }

    /// Whether workers can join it: a local runner has none.
    pub(super) fn takes_workers(&self) -> bool {
        self.coordinator().is_none_or(|coordinator| coordinator.source.kind == SourceKind::Master)
    }

    /// Whether it has reached the limit of its sources.
    pub(super) fn is_full(&self) -> bool {
        self.members.len() >= self.limit
    }

    /// A source beyond the limit.
    pub(super) const fn turn_away(&mut self) {
        self.unlisted += 1;
    }

    /// A client joins. `beats`: it sends a frame at least this often, if it sends heartbeats.
    pub(super) fn join(
        &mut self,
        client: ClientIndex,
        source: &Source,
        beats: Option<Duration>,
        now: Duration,
    ) -> SourceIndex {
        self.settled_since = None;
        self.strangers.remove(if source.coordinates() { MASTER } else { &source.id });
        self.ids.insert(source.id.clone());
        let index = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        self.members.push(Member {
            info: Arc::new(SourceInfo::new(index, source.clone())),
            client: Some(client),
            connected: true,
            beats,
            heard: now,
            silent: false,
            since: now,
            end: None,
            recorded: 0,
            filtered: 0,
            dropped: BTreeMap::new(),
            dropped_events: 0,
        });
        SourceIndex(index)
    }

    /// A client of this run has reconnected.
    pub(super) fn reconnected(&mut self, source: SourceIndex, beats: Option<Duration>, now: Duration) {
        self.settled_since = None;
        let member = &mut self.members[source.0 as usize];
        (member.connected, member.beats) = (true, beats);
        self.heard(source, now);
    }

    /// The source with this index.
    pub(super) fn source(&self, source: SourceIndex) -> &Arc<SourceInfo> {
        &self.members[source.0 as usize].info
    }

    /// Whether the source has reported that it is done.
    pub(super) fn is_done(&self, source: SourceIndex) -> bool {
        self.members[source.0 as usize].end.is_some()
    }

    /// The source has sent something.
    pub(super) fn heard(&mut self, source: SourceIndex, now: Duration) {
        let member = &mut self.members[source.0 as usize];
        member.heard = now;
        member.silent = false;
    }

    /// Another source names these as members, by Locust's ids: a master its workers, or a worker its master ([`MASTER`]).
    /// Returns whether one of them is new.
    pub(super) fn named<'a>(&mut self, sources: impl IntoIterator<Item = &'a str>, now: Duration) -> bool {
        let mut any_new = false;
        for id in sources {
            let joined = self.ids.contains(id) || id == MASTER && self.coordinator().is_some();
            if joined || self.strangers.contains_key(id) {
                continue;
            }
            if self.strangers.len() >= self.limit {
                // They are only counted, and may be named again by each frame.
                self.unlisted = self.unlisted.max(1);
                continue;
            }
            any_new = true;
            self.strangers.insert(id.to_owned(), Named { since: now, told: false });
        }
        any_new
    }

    /// Requests of the source reached the recorders.
    pub(super) fn recorded(&mut self, source: SourceIndex, requests: u64) {
        self.members[source.0 as usize].recorded += requests;
        self.recorded += requests;
    }

    /// Requests of the source that a rule drops.
    pub(super) fn filtered(&mut self, source: SourceIndex, requests: u64) {
        self.members[source.0 as usize].filtered += requests;
    }

    /// Requests of the source did not reach the recorders.
    pub(super) fn dropped(&mut self, source: SourceIndex, reason: DropReason, requests: u64) {
        if requests > 0 {
            *self.members[source.0 as usize].dropped.entry(reason).or_default() += requests;
        }
    }

    /// Events came after the run was over.
    pub(super) const fn late_events(&mut self, count: u64) {
        self.late_events += count;
    }

    /// Events could not be decoded.
    pub(super) const fn invalid_events(&mut self, count: u64) {
        self.invalid_events += count;
    }

    /// Requests of all sources that reached the recorders so far.
    pub(super) const fn total_recorded(&self) -> u64 {
        self.recorded
    }

    /// The source has sent everything. Called again with new figures if more followed. Returns whether anything changed.
    pub(super) fn done(&mut self, source: SourceIndex, done: &Done, now: Duration) -> bool {
        if self.source(source).source.coordinates() {
            self.named(done.sources.iter().flatten().map(String::as_str), now);
        }
        let member = &mut self.members[source.0 as usize];
        member.since = now;
        let end = Some(End::Done { sent: done.sent, dropped: done.dropped });
        let lost = std::mem::replace(&mut member.dropped_events, done.dropped_events);
        std::mem::replace(&mut member.end, end) != end || lost != done.dropped_events
    }

    /// The source is in another test.
    pub(super) fn leave(&mut self, source: SourceIndex, now: Duration) {
        self.left = true;
        let member = &mut self.members[source.0 as usize];
        if member.end.is_none() {
            member.since = now;
            member.end = Some(End::Left);
        }
    }

    /// The source's connection is closed. True if that ends its part before it was done.
    pub(super) fn disconnected(&mut self, source: SourceIndex, now: Duration) -> bool {
        let member = &mut self.members[source.0 as usize];
        member.connected = false;
        if member.end.is_none() {
            member.since = now;
        }
        member.end.is_none()
    }

    /// The run has ended. What arrives from now on is late.
    pub(super) fn end(&mut self, recorders_are_whole: bool) {
        self.is_over = true;
        self.recorders_are_whole = recorders_are_whole;
        self.due = None;
    }
}

impl Member {
    fn account(&self) -> SourceAccount {
        let mut dropped = self.dropped.clone();
        let counted = self.recorded + self.filtered + dropped.values().sum::<u64>();
        let (status, sent) = match self.end {
            Some(End::Done { sent: Some(sent), .. }) if sent < counted => (SourceStatus::Disagrees, counted),
            Some(End::Done { sent: Some(sent), dropped: most }) => {
                // A request that the source dropped may have reached ltel before: then it is recorded.
                let mut missing = sent - counted;
                for (reason, most) in [(DropReason::BufferFull, most), (DropReason::NotReceived, u64::MAX)] {
                    let count = missing.min(most);
                    if count > 0 {
                        *dropped.entry(reason).or_default() += count;
                    }
                    missing -= count;
                }
                (SourceStatus::Done, sent)
            }
            Some(End::Left | End::Done { sent: None, .. }) => (SourceStatus::Done, counted),
            None if self.connected && !self.silent => (SourceStatus::Open, counted),
            None => (SourceStatus::Missing, counted),
        };
        SourceAccount {
            source: Some(Arc::clone(&self.info)),
            label: self.info.label.clone(),
            status,
            sent,
            recorded: self.recorded,
            filtered: self.filtered,
            dropped,
        }
    }
}
