//! Which client is in which run: how it joins, leaves, and what becomes of what it sends before it is in any.

use bytes::Bytes;
use ltel_core::Timestamp;
use ltel_core::event::TestStart;
use ltel_core::run::RunInfo;
use ltel_core::wire::{Done, Message, Rows};

use super::Runs;
use crate::active_run::ActiveRun;
use crate::client::Member;

impl Runs {
    /// A source begins its part of a run: the one it names, or else one that is to be found.
    pub(super) fn test_start(&mut self, id: &str, start: &TestStart, now: Timestamp) {
        if let Some(run_id) = &start.run_id {
            return self.join(id, run_id.clone(), start, now);
        }
        let coordinates = self.clients.get(id).is_some_and(|client| client.source.coordinates());
        if coordinates {
            let run_id = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
            self.join(id, run_id, start, now);
        } else {
            self.leave_former_run(id, 0, now);
            self.join_only_run(id, now);
        }
    }

    /// Takes a client into a run, which begins if it is new.
    pub(super) fn join(&mut self, id: &str, run_id: String, start: &TestStart, now: Timestamp) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let number = self.active.iter().find(|(_, run)| run.run.info().run_id == run_id).map(|(number, _)| *number);
        // It was in this run to its end, and is back.
        let was_in =
            |member: Member| self.finished.iter().any(|run| run.number == member.run && run.info.run_id == run_id);
        if number.is_none() && client.member.is_some_and(was_in) {
            return;
        }
        let has_ended = self.finished.iter().any(|run| run.info.run_id == run_id);
        if number.is_none() && has_ended && !client.source.coordinates() {
            client.member = None;
            client.awaits = Some(run_id);
            return;
        }
        client.awaits = None;
        let number = number.unwrap_or_else(|| {
            self.next_run += 1;
            self.next_run
        });
        self.leave_former_run(id, number, now);
        let Some(client) = self.clients.get_mut(id) else { return };
        let run = self.active.entry(number).or_insert_with(|| {
            if has_ended {
                tracing::warn!(
                    "a run with the id {run_id} has ended before; this is another (LTEL_RUN_ID given twice?)"
                );
            }
            let config = &self.config;
            let testplan = [&start.testplan, &config.testplan, &start.locustfile].into_iter().flatten().next();
            let testplan = testplan.cloned().unwrap_or_else(|| "locustfile".to_owned());
            ActiveRun::begin(
                RunInfo { run_id, testplan, begun: now, ..RunInfo::default() },
                &config.recorders,
                &self.backends,
            )
        });
        let index = run.run.join(id, &client.source, now);
        client.member = Some(Member { run: number, index });
        self.release_held(now);
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

    /// A client without a run id belongs to the only run there is.
    pub(super) fn join_only_run(&mut self, id: &str, now: Timestamp) -> bool {
        let Some(client) = self.clients.get_mut(id) else { return false };
        let awaited = |run: &ActiveRun| client.awaits.as_ref().is_none_or(|awaits| run.run.info().run_id == *awaits);
        let mut runs = self.active.iter_mut().filter(|(_, run)| awaited(run));
        let (Some((number, run)), None) = (runs.next(), runs.next()) else { return false };
        let index = run.run.join(id, &client.source, now);
        client.member = Some(Member { run: *number, index });
        true
    }

    /// Keeps requests of a client that is in no run yet.
    pub(super) fn hold(&mut self, id: &str, rows: &Rows<'_>, payload: &Bytes, now: Timestamp) {
        let Some(client) = self.clients.get_mut(id) else { return };
        if !client.held.push(payload, now) {
            self.outcome.no_run += rows.rows.len() as u64 + rows.invalid;
            self.faults.count("requests of no run", &client.source.label());
        }
    }

    /// Gives held requests to the only run, if there is one now.
    fn release_held(&mut self, now: Timestamp) {
        let waiting: Vec<String> =
            self.clients.iter().filter(|(_, c)| !c.held.is_empty()).map(|(id, _)| id.clone()).collect();
        for id in waiting {
            if self.clients.get(&id).is_some_and(|client| client.member.is_none()) && !self.join_only_run(&id, now) {
                continue;
            }
            let Some(client) = self.clients.get_mut(&id) else { continue };
            let (encoding, since) = (client.encoding, client.held.since());
            for payload in client.held.take() {
                if let Ok(decoded) = encoding.decode(&payload, since)
                    && let Message::Requests(rows) = decoded.frame.message
                {
                    self.requests(&id, &rows, &payload, now);
                }
            }
        }
    }

    /// Gives up on held requests for which no run came.
    pub(super) fn drop_held(&mut self, now: Timestamp) {
        let grace = self.config.grace;
        #[allow(clippy::iter_over_hash_type)] // each is independent of the others
        for client in self.clients.values_mut() {
            if client.held.is_empty() || client.held.since() + grace > now {
                continue;
            }
            for payload in client.held.take() {
                if let Ok(decoded) = client.encoding.decode(&payload, now)
                    && let Message::Requests(rows) = decoded.frame.message
                {
                    self.outcome.no_run += rows.rows.len() as u64 + rows.invalid;
                }
            }
            self.faults.count("requests of no run", &client.source.label());
        }
    }
}
