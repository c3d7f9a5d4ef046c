//! Which client is in which run: how it joins and leaves, and what happens to the frames that it sends before it joins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Runs;
use super::client::{Began, Client, Membership, Place};
use super::effects::{Effects, Notice};
use super::held::Held;
use super::index::{ClientIndex, RunIndex};
use super::info::RunInfo;
use super::run::{MASTER, Run};
use crate::clock::Now;
use crate::event::TestStart;
use crate::wire::{Decoded, Encoding};

impl Runs {
    /// A source begins its part of a run: the run that it names, or else one that ltel finds.
    pub(super) fn test_start(&mut self, index: ClientIndex, start: &TestStart, now: Now, effects: &mut impl Effects) {
        // Its earlier test is over: frames held from that test must not be mixed with this one.
        if self.clients[index.0].began.is_some() {
            self.begin_without_master(|waiting, _| waiting == index, now, effects);
        }
        let client = &mut self.clients[index.0];
        if client.place == Place::NoRun {
            client.place = Place::Unknown;
        }
        if let Some(run_id) = &start.run_id {
            if self.is_through(index, run_id) {
                self.leave(index, None, now);
            }
            return self.join(index, run_id.clone(), start, now, effects);
        }
        if client.source.coordinates() {
            let run_id = effects.new_run_id();
            return self.join(index, run_id, start, now, effects);
        }
        client.awaits = None;
        self.leave(index, None, now);
        if !self.join_only_run(index, now, effects) {
            self.await_master(index, None, start, now);
        }
    }

    /// Takes a client into a run, which begins if it is new.
    pub(super) fn join(
        &mut self,
        index: ClientIndex,
        asked_id: String,
        start: &TestStart,
        now: Now,
        effects: &mut impl Effects,
    ) {
        let client = &self.clients[index.0];
        let coordinates = client.source.coordinates();
        let coordinator = if coordinates { Some(client.id.clone()) } else { start.coordinator.clone() };
        let current = client.membership();
        // Each local runner or master is a run of its own, even if ids are equal.
        let is_it = |number: RunIndex, run: &Run| {
            let have = run.coordinator_id.as_ref();
            run.is_asked_for_by(&asked_id)
                && (have.is_none() || coordinator.is_none() || have == coordinator.as_ref())
                && if coordinates { run.info().coordinated } else { run.takes_workers() }
                && (coordinator.is_some() || !run.left)
                // A client that has left a run does not join it again.
                && (!client.has_been_in(number) || current.is_some_and(|membership| membership.run == number))
        };
        let found = self.active.iter().copied().find(|number| is_it(*number, &self.all[number.0]));
        if found.is_none() {
            // It was in this run to its end, and is back.
            if current.is_some_and(|Membership { run, .. }| {
                self.all[run.0].is_over() && self.all[run.0].is_asked_for_by(&asked_id)
            }) {
                return;
            }
            if !coordinates {
                // A user can give workers a run id (LTEL_RUN_ID) whose master does not have the plugin.
                if coordinator.is_none() {
                    self.leave(index, None, now);
                    return self.await_master(index, Some(asked_id), start, now);
                }
                if self.ended.iter().any(|run| self.all[run.0].is_asked_for_by(&asked_id)) {
                    self.leave(index, None, now);
                    self.clients[index.0].awaits = Some(asked_id);
                    return;
                }
            }
        }
        let Some(run) = found.or_else(|| self.begin(asked_id, start, true, now, effects)) else {
            self.leave(index, None, now);
            return self.refuse(index, effects);
        };
        self.leave(index, Some(run), now);
        if coordinator.is_some() {
            let state = &mut self.all[run.0];
            state.named([MASTER], now.steady);
            state.coordinator_id = state.coordinator_id.take().or(coordinator);
        }
        self.places_changed = true;
        self.enter(index, run, now, effects);
    }

    /// Whether a client is in the run with this id and has reported that it is done.
    fn is_through(&self, client: ClientIndex, asked_id: &str) -> bool {
        self.clients[client.0].membership().is_some_and(|Membership { run, source }| {
            self.all[run.0].is_asked_for_by(asked_id) && self.all[run.0].is_done(source)
        })
    }

    /// A worker has begun a test, and its master may soon name the run.
    fn await_master(&mut self, index: ClientIndex, asked_id: Option<String>, start: &TestStart, now: Now) {
        self.clients[index.0].awaits = asked_id;
        self.set_began(index, Some(Began { start: start.clone(), at: now.steady }));
    }

    /// Begins a run, unless the limit is reached.
    fn begin(
        &mut self,
        asked_id: String,
        start: &TestStart,
        coordinated: bool,
        now: Now,
        effects: &mut impl Effects,
    ) -> Option<RunIndex> {
        let limits = self.settings.limits;
        if self.active.len() >= limits.runs {
            effects.fault("run refused", 1, &Notice::TooManyRuns { limit: limits.runs });
            return None;
        }
        let mut run_id = asked_id.clone();
        let active = || self.active.iter().map(|run| &self.all[run.0]);
        if active().any(|run| run.is_asked_for_by(&asked_id)) {
            let taken = |id: &String| active().any(|run| run.info().run_id == *id);
            run_id = (2..=u64::MAX).map(|n| format!("{asked_id}-{n}")).find(|id| !taken(id)).unwrap_or_default();
            effects.warn(Notice::SameIdAtOnce { asked_id: &asked_id, run_id: &run_id });
        } else if self.ended.iter().any(|run| self.all[run.0].is_asked_for_by(&asked_id)) {
            effects.warn(Notice::SameIdAgain { asked_id: &asked_id });
        }
        let testplan = [&start.testplan, &self.settings.testplan, &start.locustfile].into_iter().flatten().next();
        let testplan = testplan.cloned().unwrap_or_else(|| "locustfile".to_owned());
        let started = (start.time > 0.0).then_some(start.time);
        let info = Arc::new(RunInfo {
            run_id,
            testplan,
            begun: now,
            started,
            coordinated,
            labels: Arc::clone(&self.settings.labels),
        });
        let run = RunIndex(self.all.insert(Run::new(Arc::clone(&info), asked_id, limits.sources)));
        self.active.push(run);
        self.places_changed = true;
        effects.begin(run, &info);
        Some(run)
    }

    /// Makes a client a source of an active run, and passes on its held frames.
    fn enter(&mut self, index: ClientIndex, number: RunIndex, now: Now, effects: &mut impl Effects) {
        self.set_began(index, None);
        let client = &mut self.clients[index.0];
        client.awaits = None;
        let run = &mut self.all[number.0];
        let source = match client.membership() {
            Some(membership) if membership.run == number => membership.source,
            _ if run.is_full() => {
                run.turn_away();
                let notice = Notice::TooManySources { run_id: &run.info().run_id, limit: self.settings.limits.sources };
                effects.fault("source refused", 1, &notice);
                return self.refuse(index, effects);
            }
            _ => run.join(index, &client.source, client.beats, now.steady),
        };
        let is_gone = client.connection.is_none();
        let membership = Membership { run: number, source };
        client.place = Place::In(membership);
        let held = self.take_held(index);
        let since = held.since();
        for (encoding, payload) in held.into_frames() {
            // It was understood as a frame when it arrived; rows are decoded only now.
            for part in encoding.parts(&payload, since.wall).into_iter().flatten() {
                let Decoded { frame, wrong } = match part {
                    Ok(part) => part,
                    Err(error) => {
                        effects.fault("frame not understood", 1, &error);
                        break;
                    }
                };
                if frame.message.has_rows() {
                    effects.wrong(&wrong, &self.clients[index.0].source);
                }
                self.record(index, membership, frame.message, now, effects);
            }
        }
        if is_gone && self.all[number.0].disconnected(source, now.steady) {
            effects.source_gone(number, source, now);
        }
        self.changed.push(number);
    }

    /// A client's frames belong to no run.
    fn refuse(&mut self, index: ClientIndex, effects: &mut impl Effects) {
        self.set_began(index, None);
        self.clients[index.0].awaits = None;
        self.clients[index.0].place = Place::NoRun;
        self.give_up_held(index, effects);
    }

    /// A client that begins a run has finished with its earlier one.
    fn leave(&mut self, index: ClientIndex, next: Option<RunIndex>, now: Now) {
        let client = &mut self.clients[index.0];
        let Some(membership) = client.membership().filter(|membership| Some(membership.run) != next) else { return };
        client.place = Place::Unknown;
        client.former.push(membership);
        let run = &mut self.all[membership.run.0];
        if !run.is_over() {
            run.leave(membership.source, now.steady);
            self.changed.push(membership.run);
            self.places_changed = true;
        }
    }

    /// A client without a run id joins the only run, unless it has been in that already.
    fn join_only_run(&mut self, index: ClientIndex, now: Now, effects: &mut impl Effects) -> bool {
        let client = &self.clients[index.0];
        let may_be = |number: &RunIndex| {
            let run = &self.all[number.0];
            client.awaits.as_ref().is_none_or(|awaits| run.is_asked_for_by(awaits))
                && run.takes_workers()
                && !run.left
                && !client.has_been_in(*number)
        };
        let mut runs = self.active.iter().copied().filter(may_be);
        let (Some(run), None) = (runs.next(), runs.next()) else { return false };
        self.enter(index, run, now, effects);
        true
    }

    /// Whether a client without a run, which does not wait already, has one now.
    pub(super) fn finds_place(&mut self, index: ClientIndex, now: Now, effects: &mut impl Effects) -> bool {
        !self.clients[index.0].waits() && self.join_only_run(index, now, effects)
    }

    /// Keeps a frame until its run is known. False if there is no room: then its client has joined a run, or the
    /// frame is lost.
    pub(super) fn hold(
        &mut self,
        index: ClientIndex,
        (encoding, payload): (Encoding, &[u8]),
        now: Now,
        effects: &mut impl Effects,
    ) -> bool {
        let client = &mut self.clients[index.0];
        let (cost, limit) = (Held::cost(payload), self.settings.limits.held_bytes);
        if self.held_bytes + cost <= limit && client.held.bytes() + cost <= limit / 8 {
            if !client.waits() {
                self.holding.insert((now.steady, index));
            }
            self.held_bytes += cost;
            client.held.push(encoding, payload, now);
            return true;
        }
        // There is no room left to wait for a master.
        if client.began.is_some() {
            self.begin_without_master(|waiting, _| waiting == index, now, effects);
        }
        false
    }

    /// Passes held frames to the only run, if there is one now.
    pub(super) fn release_held(&mut self, now: Now, effects: &mut impl Effects) {
        let waiting: Vec<_> = self.waiting.iter().chain(&self.holding).map(|(_, client)| *client).collect();
        for client in waiting {
            if self.clients[client.0].place == Place::Unknown {
                self.join_only_run(client, now, effects);
            }
        }
    }

    /// Counts a client's held frames as outside any run.
    pub(super) fn give_up_held(&mut self, index: ClientIndex, effects: &mut impl Effects) {
        let load = self.take_held(index).load();
        self.count_no_run(index, load, effects);
    }

    fn take_held(&mut self, index: ClientIndex) -> Held {
        let held = std::mem::take(&mut self.clients[index.0].held);
        self.holding.remove(&(held.since().steady, index));
        self.held_bytes -= held.bytes();
        held
    }

    /// Whether a client has begun a test and waits for its master.
    pub(super) fn set_began(&mut self, index: ClientIndex, began: Option<Began>) {
        let client = &mut self.clients[index.0];
        if !client.held.is_empty() {
            let held = (client.held.since().steady, index);
            match began {
                Some(_) => self.holding.remove(&held),
                None => self.holding.insert(held),
            };
        }
        self.waiting.extend(began.as_ref().map(|began| (began.at, index)));
        if let Some(before) = std::mem::replace(&mut client.began, began)
            && client.began.as_ref().is_none_or(|began| began.at != before.at)
        {
            self.waiting.remove(&(before.at, index));
        }
    }

    /// Workers that have begun a test, and whose master has not, form a run; with ids, one for each id. Only the tests of which
    /// one worker `must` not wait any longer: it is told when that worker began. Others still expect their master.
    pub(super) fn begin_without_master(
        &mut self,
        must: impl Fn(ClientIndex, Duration) -> bool,
        now: Now,
        effects: &mut impl Effects,
    ) {
        let due = self.waiting.iter().filter(|(began, index)| must(*index, *began));
        let due: BTreeSet<_> = due.map(|(_, index)| self.clients[index.0].awaits.clone()).collect();
        let mut tests: BTreeMap<Option<String>, BTreeMap<String, ClientIndex>> = BTreeMap::new();
        for &(_, index) in &self.waiting {
            let Client { awaits, id, .. } = &self.clients[index.0];
            if !due.contains(awaits) {
                continue;
            }
            tests.entry(awaits.clone()).or_default().insert(id.clone(), index);
        }
        for (asked_id, workers) in tests {
            let start = workers.values().find_map(|worker| self.clients[worker.0].began.as_ref()).cloned();
            let start = start.map(|began| began.start).unwrap_or_default();
            let asked_id = asked_id.unwrap_or_else(|| effects.new_run_id());
            let run = self.begin(asked_id, &start, false, now, effects);
            if let Some(run) = run {
                effects.warn(Notice::NoMaster { run_id: &self.all[run.0].info().run_id });
            }
            for worker in workers.into_values() {
                match run {
                    Some(run) => self.enter(worker, run, now, effects),
                    None => self.refuse(worker, effects),
                }
            }
        }
    }
}
