//! Which client is in which run: how it joins, leaves, and what becomes of what it sends before it is in any.

use std::collections::BTreeMap;

use bytes::Bytes;
use ltel_core::Now;
use ltel_core::event::TestStart;
use ltel_core::runs::SourceStatus;
use ltel_core::runs::{MASTER, RunInfo, SourceInfo};
use ltel_core::wire::{Done, Message};

use super::{FinishedRun, Outcome, Runs};
use crate::runs::at_work::ActiveRun;
use crate::runs::client::{Began, Client, Member};
use crate::runs::faults::Faults;

/// What is said of a run whose master does not come.
pub(super) const NO_MASTER: &str = "its master never reached ltel, and what only a master knows is missing: does it load the \
    plugin, and know the address (LTEL_ADDRESS)?";

// Bounded: frames of all clients that belong to no run yet.
const HELD_BYTES: usize = 64 << 20;

/// What becomes of what a client says before it is in a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holding {
    /// It can be recorded.
    No,
    /// Its frame is kept.
    Kept,
    /// There is no room for it: it is counted.
    Dropped,
}

impl Runs {
    /// A source begins its part of a run: the one it names, or else one that is to be found.
    pub(super) fn test_start(&mut self, id: &str, start: &TestStart, now: Now) {
        // It has begun another test before, which is over: what is held of that is not to be mixed with this.
        if self.clients.get(id).is_some_and(|client| client.began.is_some()) {
            self.begin_without_master(now);
        }
        if let Some(run_id) = &start.run_id {
            if self.is_through(id, run_id) {
                self.leave_former_run(id, 0, now);
            }
            return self.join(id, run_id.clone(), start, now);
        }
        let coordinates = self.clients.get(id).is_some_and(|client| client.source.coordinates());
        if coordinates {
            return self.join(id, random_id(), start, now);
        }
        self.leave_former_run(id, 0, now);
        if let Some(client) = self.clients.get_mut(id) {
            client.awaits = None;
        }
        if !self.join_only_run(id, now) {
            self.await_master(id, None, start, now);
        }
    }

    /// Takes a client into a run, which begins if it is new.
    pub(super) fn join(&mut self, id: &str, asked_id: String, start: &TestStart, now: Now) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let coordinates = client.source.coordinates();
        let coordinator = if coordinates { Some(id) } else { start.coordinator.as_deref() };
        // Each local runner or master is a run, whatever it is called.
        let is_it = |number: u64, run: &ActiveRun| {
            let have = run.coordinator.as_deref();
            run.asked_id == asked_id
                && (have.is_none() || coordinator.is_none() || have == coordinator)
                && if coordinates { run.run.info().coordinated } else { run.takes_workers() }
                && (coordinator.is_some() || !run.left)
                // A client that has left a run is not in it again.
                && (run.run.member(id).is_none() || client.member.is_some_and(|member| member.run == number))
        };
        let number = self.active.iter().find(|(number, run)| is_it(**number, run)).map(|(number, _)| *number);
        // It was in this run to its end, and is back.
        let was_in =
            |member: Member| self.finished.iter().any(|run| run.number == member.run && run.asked_id == asked_id);
        if number.is_none() && client.member.is_some_and(was_in) {
            return;
        }
        if number.is_none() && !coordinates {
            // A user can give workers a run id (LTEL_RUN_ID) whose master does not have the plugin.
            if coordinator.is_none() {
                self.leave_former_run(id, 0, now);
                return self.await_master(id, Some(asked_id), start, now);
            }
            if self.finished.iter().any(|run| run.asked_id == asked_id) {
                client.member = None;
                client.awaits = Some(asked_id);
                return;
            }
        }
        let coordinator = coordinator.map(str::to_owned);
        let number = number.unwrap_or_else(|| self.begin(asked_id, start, true, now));
        self.leave_former_run(id, number, now);
        if let Some(run) = self.active.get_mut(&number) {
            if coordinator.is_some() {
                run.run.named(&[MASTER.to_owned()], now.steady);
            }
            run.coordinator = run.coordinator.take().or(coordinator);
        }
        self.enter(id, number, now);
        self.release_held(now);
    }

    /// Whether a client is in the run that it knows by this id, and has said that it is done.
    fn is_through(&self, id: &str, asked_id: &str) -> bool {
        let Some(member) = self.clients.get(id).and_then(|client| client.member) else { return false };
        if let Some(run) = self.active.get(&member.run) {
            return run.asked_id == asked_id && run.run.is_done(member.index);
        }
        let is_it = |run: &&FinishedRun| run.number == member.run && run.asked_id == asked_id;
        self.finished.iter().find(is_it).is_some_and(|run| {
            let is_client = |info: &SourceInfo| info.index == member.index;
            let mut sources = run.account.sources.iter();
            sources.any(|s| s.status == SourceStatus::Done && s.source.as_deref().is_some_and(is_client))
        })
    }

    /// A worker has begun a test, and its master may be about to say of which run.
    fn await_master(&mut self, id: &str, asked_id: Option<String>, start: &TestStart, now: Now) {
        if let Some(client) = self.clients.get_mut(id) {
            client.awaits = asked_id;
            client.began = Some(Began { start: start.clone(), at: now.steady });
        }
    }

    /// Begins a run.
    fn begin(&mut self, asked_id: String, start: &TestStart, coordinated: bool, now: Now) -> u64 {
        let mut run_id = asked_id.clone();
        if self.active.values().any(|run| run.asked_id == asked_id) {
            let taken = |id: &String| self.active.values().any(|run| run.run.info().run_id == *id);
            run_id = (2..=u64::MAX).map(|n| format!("{asked_id}-{n}")).find(|id| !taken(id)).unwrap_or_default();
            tracing::warn!(
                "two tests at a time call themselves run {asked_id}: this one is told as {run_id}; give each its own \
                 LTEL_RUN_ID, or none"
            );
        } else if self.finished.iter().any(|run| run.asked_id == asked_id) {
            tracing::warn!("a run with the id {asked_id} has ended before; this is another (LTEL_RUN_ID given twice?)");
        }
        let testplan = [&start.testplan, &self.config.testplan, &start.locustfile].into_iter().flatten().next();
        let testplan = testplan.cloned().unwrap_or_else(|| "locustfile".to_owned());
        let info = RunInfo { run_id, testplan, begun: now, started: None, coordinated };
        self.next_run += 1;
        let run = ActiveRun::begin(info, asked_id, &self.config.recorders, &self.backends);
        self.active.insert(self.next_run, run);
        self.next_run
    }

    /// Makes a client a source of a run at work, with what is held of it.
    fn enter(&mut self, id: &str, number: u64, now: Now) {
        let (Some(client), Some(run)) = (self.clients.get_mut(id), self.active.get_mut(&number)) else { return };
        let index = run.run.join(id, &client.source, client.beats, now.steady);
        client.member = Some(Member { run: number, index });
        client.began = None;
        client.awaits = None;
        let is_gone = client.connection.is_none();
        self.record_held(id, now);
        if is_gone
            && let Some(run) = self.active.get_mut(&number)
            && run.run.disconnected(index, now.steady)
        {
            run.source_gone(index);
        }
    }

    /// A client that begins a run has no more to say of another.
    fn leave_former_run(&mut self, id: &str, next: u64, now: Now) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let Some(member) = client.member.take_if(|member| member.run != next) else { return };
        let Some(run) = self.active.get_mut(&member.run) else { return };
        run.left = true;
        if !run.run.is_done(member.index) {
            run.run.done(member.index, Done::default(), now.steady);
        }
    }

    /// A client without a run id belongs to the only run there is, unless it has been in that already.
    fn join_only_run(&mut self, id: &str, now: Now) -> bool {
        let Some(client) = self.clients.get(id) else { return false };
        let may_be = |run: &ActiveRun| {
            client.awaits.as_ref().is_none_or(|awaits| run.asked_id == *awaits)
                && run.takes_workers()
                && !run.left
                && run.run.member(id).is_none()
        };
        let mut runs = self.active.iter().filter(|(_, run)| may_be(run));
        let (Some((&number, _)), None) = (runs.next(), runs.next()) else { return false };
        self.enter(id, number, now);
        true
    }

    /// Whether what a client says is kept until it is known which run it belongs to: the frame with all its parts.
    pub(super) fn holds(&mut self, id: &str, message: &Message<'_>, payload: &Bytes, now: Now) -> Holding {
        let is_request = matches!(message, Message::Requests(_));
        let Some(client) = self.clients.get(id) else { return Holding::No };
        if client.member.is_some() || !(is_request || client.began.is_some()) || self.join_only_run(id, now) {
            return Holding::No;
        }
        let room = self.clients.values().map(|client| client.held.bytes()).sum::<usize>() < HELD_BYTES;
        let Some(client) = self.clients.get_mut(id) else { return Holding::No };
        if room && client.held.push(client.encoding, payload, now) {
            return Holding::Kept;
        }
        // There is no more room to wait for a master.
        if client.began.is_some() {
            self.begin_without_master(now);
            return Holding::No;
        }
        if let Message::Requests(rows) = message {
            self.outcome.no_run += rows.rows.len() as u64 + rows.invalid;
            self.faults.count("requests of no run", &client.source.label());
        }
        Holding::Dropped
    }

    /// Gives what is held to the only run, if there is one now.
    fn release_held(&mut self, now: Now) {
        let waiting = self.clients.iter().filter(|(_, c)| !c.held.is_empty() || c.began.is_some());
        let waiting: Vec<String> = waiting.filter(|(_, c)| c.member.is_none()).map(|(id, _)| id.clone()).collect();
        for id in waiting {
            self.join_only_run(&id, now);
        }
    }

    fn record_held(&mut self, id: &str, now: Now) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let (frames, since) = client.held.take();
        for (encoding, payload) in frames {
            for part in encoding.parts(&payload, since.wall).into_iter().flatten().flatten() {
                self.record(id, &part.frame.message, now);
            }
        }
    }

    /// Gives up waiting for a run that what is held belongs to. Workers that have begun a test are a run of their own: their
    /// master does not have the plugin.
    pub(super) fn settle_held(&mut self, now: Now) {
        let grace = self.config.grace;
        if self
            .clients
            .values()
            .filter_map(|client| client.began.as_ref())
            .any(|began| began.at.saturating_add(grace) <= now.steady)
        {
            self.begin_without_master(now);
        }
        self.give_up_held(|client| {
            client.began.is_none() && client.held.since().steady.saturating_add(grace) <= now.steady
        });
    }

    /// Counts what is held of these clients as requests of no run.
    pub(super) fn give_up_held(&mut self, over: impl Fn(&Client) -> bool) {
        #[allow(clippy::iter_over_hash_type)] // each is independent of the others
        for client in self.clients.values_mut().filter(|client| over(client)) {
            give_up(client, &mut self.outcome, &self.faults);
        }
    }

    /// Workers that have begun a test, and whose master has said nothing of it, are a run; those with an id are one for each.
    pub(super) fn begin_without_master(&mut self, now: Now) {
        let mut tests: BTreeMap<Option<String>, BTreeMap<String, TestStart>> = BTreeMap::new();
        #[allow(clippy::iter_over_hash_type)] // they are sorted
        for (id, client) in &self.clients {
            if let Some(began) = &client.began {
                tests.entry(client.awaits.clone()).or_default().insert(id.clone(), began.start.clone());
            }
        }
        for (asked_id, workers) in tests {
            let Some(start) = workers.values().next() else { continue };
            let number = self.begin(asked_id.unwrap_or_else(random_id), start, false, now);
            if let Some(run) = self.active.get(&number) {
                tracing::warn!("run {}: {NO_MASTER}", run.run.info().run_id);
            }
            for id in workers.keys() {
                self.enter(id, number, now);
            }
        }
    }
}

/// Counts what is held of a client as requests of no run.
pub(super) fn give_up(client: &mut Client, outcome: &mut Outcome, faults: &Faults) {
    if client.held.is_empty() {
        return;
    }
    let (frames, since) = client.held.take();
    for (encoding, payload) in frames {
        for part in encoding.parts(&payload, since.wall).into_iter().flatten().flatten() {
            if let Message::Requests(rows) = part.frame.message {
                outcome.no_run += rows.rows.len() as u64 + rows.invalid;
            }
        }
    }
    faults.count("requests of no run", &client.source.label());
}

fn random_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..8].to_owned()
}
