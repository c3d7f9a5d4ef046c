//! Which client is in which run: how it joins, leaves, and what becomes of what it sends before it is in any.

use bytes::Bytes;
use ltel_core::Timestamp;
use ltel_core::event::TestStart;
use ltel_core::run::RunInfo;
use ltel_core::wire::{Done, Message};

use super::Runs;
use crate::active_run::ActiveRun;
use crate::client::{Client, Member};

impl Runs {
    /// A source begins its part of a run: the one it names, or else one that is to be found.
    pub(super) fn test_start(&mut self, id: &str, start: &TestStart, now: Timestamp) {
        if let Some(run_id) = &start.run_id {
            return self.join(id, run_id.clone(), start, now);
        }
        let coordinates = self.clients.get(id).is_some_and(|client| client.source.coordinates());
        if coordinates {
            return self.join(id, random_id(), start, now);
        }
        self.leave_former_run(id, 0, now);
        if !self.join_only_run(id, now)
            && let Some(client) = self.clients.get_mut(id)
        {
            client.began = Some(start.clone());
        }
    }

    /// Takes a client into a run, which begins if it is new.
    pub(super) fn join(&mut self, id: &str, asked_id: String, start: &TestStart, now: Timestamp) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let coordinator = if client.source.coordinates() { Some(id) } else { start.coordinator.as_deref() };
        // Each local runner or master is a run, whatever it is called.
        let is_it = |run: &ActiveRun| {
            let have = run.coordinator.as_deref();
            run.asked_id == asked_id && (have.is_none() || coordinator.is_none() || have == coordinator)
        };
        let number = self.active.iter().find(|(_, run)| is_it(run)).map(|(number, _)| *number);
        // It was in this run to its end, and is back.
        let was_in =
            |member: Member| self.finished.iter().any(|run| run.number == member.run && run.asked_id == asked_id);
        if number.is_none() && client.member.is_some_and(was_in) {
            return;
        }
        let has_ended = self.finished.iter().any(|run| run.asked_id == asked_id);
        if number.is_none() && has_ended && !client.source.coordinates() {
            client.member = None;
            client.awaits = Some(asked_id);
            return;
        }
        client.awaits = None;
        let coordinator = coordinator.map(str::to_owned);
        let number = number.unwrap_or_else(|| self.begin(asked_id, start, has_ended, now));
        self.leave_former_run(id, number, now);
        if let Some(run) = self.active.get_mut(&number) {
            run.coordinator = run.coordinator.take().or(coordinator);
        }
        self.enter(id, number, now);
        self.release_held(now);
    }

    /// Begins a run.
    fn begin(&mut self, asked_id: String, start: &TestStart, has_ended: bool, now: Timestamp) -> u64 {
        let mut run_id = asked_id.clone();
        if self.active.values().any(|run| run.asked_id == asked_id) {
            let taken = |id: &String| self.active.values().any(|run| run.run.info().run_id == *id);
            run_id = (2..=u64::MAX).map(|n| format!("{asked_id}-{n}")).find(|id| !taken(id)).unwrap_or_default();
            tracing::warn!(
                "two tests at a time call themselves run {asked_id}: this one is told as {run_id}; give each its own \
                 LTEL_RUN_ID, or none"
            );
        } else if has_ended {
            tracing::warn!("a run with the id {asked_id} has ended before; this is another (LTEL_RUN_ID given twice?)");
        }
        self.begin_as(RunInfo { run_id, testplan: self.testplan(start), begun: now, ..RunInfo::default() }, asked_id)
    }

    fn begin_as(&mut self, info: RunInfo, asked_id: String) -> u64 {
        self.next_run += 1;
        let run = ActiveRun::begin(info, asked_id, &self.config.recorders, &self.backends);
        self.active.insert(self.next_run, run);
        self.next_run
    }

    fn testplan(&self, start: &TestStart) -> String {
        let testplan = [&start.testplan, &self.config.testplan, &start.locustfile].into_iter().flatten().next();
        testplan.cloned().unwrap_or_else(|| "locustfile".to_owned())
    }

    /// Makes a client a source of a run at work.
    fn enter(&mut self, id: &str, number: u64, now: Timestamp) {
        let (Some(client), Some(run)) = (self.clients.get_mut(id), self.active.get_mut(&number)) else { return };
        let index = run.run.join(id, &client.source, client.beats, now);
        client.member = Some(Member { run: number, index });
        client.began = None;
    }

    /// A client that begins a run has no more to say of another.
    fn leave_former_run(&mut self, id: &str, next: u64, now: Timestamp) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let Some(member) = client.member.take_if(|member| member.run != next) else { return };
        if let Some(run) = self.active.get_mut(&member.run)
            && !run.run.is_done(member.index)
        {
            run.run.done(member.index, Done::default(), now);
        }
    }

    /// A client without a run id belongs to the only run there is, unless it has been in that already.
    fn join_only_run(&mut self, id: &str, now: Timestamp) -> bool {
        let Some(client) = self.clients.get(id) else { return false };
        let may_be = |run: &ActiveRun| {
            client.awaits.as_ref().is_none_or(|awaits| run.asked_id == *awaits) && run.run.member(id).is_none()
        };
        let mut runs = self.active.iter().filter(|(_, run)| may_be(run));
        let (Some((&number, _)), None) = (runs.next(), runs.next()) else { return false };
        self.enter(id, number, now);
        true
    }

    /// Whether what a client says is kept until it is known which run it belongs to.
    pub(super) fn holds(&mut self, id: &str, message: &Message<'_>, payload: &Bytes, now: Timestamp) -> bool {
        let is_request = matches!(message, Message::Requests(_));
        let Some(client) = self.clients.get(id) else { return false };
        if client.member.is_some() || !(is_request || client.began.is_some()) || self.join_only_run(id, now) {
            return false;
        }
        let Some(client) = self.clients.get_mut(id) else { return false };
        if client.held.push(payload, now) {
            return true;
        }
        // There is no more room to wait for a master.
        if client.began.is_some() {
            self.begin_without_master(now);
            return false;
        }
        if let Message::Requests(rows) = message {
            self.outcome.no_run += rows.rows.len() as u64 + rows.invalid;
            self.faults.count("requests of no run", &client.source.label());
        }
        true
    }

    /// Gives what is held to the only run, if there is one now.
    fn release_held(&mut self, now: Timestamp) {
        let waiting = self.clients.iter().filter(|(_, c)| !c.held.is_empty() || c.began.is_some());
        let waiting: Vec<String> = waiting.map(|(id, _)| id.clone()).collect();
        for id in waiting {
            if self.clients.get(&id).is_some_and(|client| client.member.is_some()) || self.join_only_run(&id, now) {
                self.record_held(&id, now);
            }
        }
    }

    fn record_held(&mut self, id: &str, now: Timestamp) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let encoding = client.encoding;
        let (frames, since) = client.held.take();
        for payload in frames {
            if let Ok(decoded) = encoding.decode(&payload, since) {
                self.record(id, &decoded.frame.message, now);
            }
        }
    }

    /// Gives up waiting for a run that what is held belongs to. Workers that have begun a test are a run of their own: their
    /// master does not have the plugin.
    pub(super) fn settle_held(&mut self, now: Timestamp) {
        let grace = self.config.grace;
        let over = |client: &Client| !client.held.is_empty() && client.held.since() + grace <= now;
        if self.clients.values().any(|client| client.began.is_some() && over(client)) {
            self.begin_without_master(now);
        }
        #[allow(clippy::iter_over_hash_type)] // each is independent of the others
        for client in self.clients.values_mut().filter(|client| over(client)) {
            let (frames, since) = client.held.take();
            for payload in frames {
                if let Ok(decoded) = client.encoding.decode(&payload, since)
                    && let Message::Requests(rows) = decoded.frame.message
                {
                    self.outcome.no_run += rows.rows.len() as u64 + rows.invalid;
                }
            }
            self.faults.count("requests of no run", &client.source.label());
        }
    }

    /// Workers that have begun a test, and whose master has said nothing of it, are a run.
    pub(super) fn begin_without_master(&mut self, now: Timestamp) {
        let began = self.clients.iter().filter_map(|(id, client)| Some((id.clone(), client.began.clone()?)));
        let mut began: Vec<_> = began.collect();
        began.sort_by(|(a, _), (b, _)| a.cmp(b));
        let Some((_, start)) = began.first() else { return };
        let run_id = random_id();
        let testplan = self.testplan(start);
        tracing::warn!(
            "run {run_id}: its master never reached ltel, and what only a master knows is missing: does it load the plugin, \
             and know the address (LTEL_ADDRESS)?"
        );
        let info = RunInfo { run_id: run_id.clone(), testplan, begun: now, coordinated: false };
        let number = self.begin_as(info, run_id);
        for (id, _) in began {
            self.enter(&id, number, now);
            self.record_held(&id, now);
            // Gone before its run began.
            if self.clients.get(&id).is_some_and(|client| client.connection.is_none())
                && let Some((run, index)) = self.run_of(&id)
            {
                run.run.disconnected(index, now);
            }
        }
    }
}

fn random_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..8].to_owned()
}
