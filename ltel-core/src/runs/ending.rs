//! What is due at a given time: the ends of runs, and what is forgotten.

use std::sync::Arc;
use std::time::Duration;

use super::client::{Client, Membership};
use super::completion::Progress;
use super::effects::{Effects, Notice};
use super::index::{ClientIndex, RunIndex};
use super::run::MASTER;
use super::{EndedRun, Outcome, Runs};
use crate::clock::Now;

impl Runs {
    /// When [`Runs::tick`] must be called next, if nothing else happens.
    pub fn due(&self) -> Option<Duration> {
        let waits = [&self.waiting, &self.holding].into_iter().filter_map(|set| set.first());
        let waits = waits.map(|(since, _)| since.saturating_add(self.settings.grace)).min();
        let runs = [&self.schedule, &self.corrections].into_iter().filter_map(|set| set.first()).map(|(due, _)| *due);
        runs.chain(waits).min()
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Now, effects: &mut impl Effects) {
        let grace = self.settings.grace;
        if self.waiting.first().is_some_and(|(since, _)| since.saturating_add(grace) <= now.steady) {
            self.begin_without_master(|_, began| began.saturating_add(grace) <= now.steady, now, effects);
        }
        while let Some(&(since, client)) = self.holding.first()
            && since.saturating_add(grace) <= now.steady
        {
            self.give_up_held(client, effects);
        }
        while let Some(&(due, run)) = self.schedule.first()
            && due <= now.steady
        {
            self.schedule.pop_first();
            self.all[run.0].due = None;
            self.changed.push(run);
        }
        while let Some(&(due, run)) = self.corrections.first()
            && due <= now.steady
        {
            self.corrections.pop_first();
            effects.corrected(&self.all[run.0], now);
        }
        self.settle(now, effects);
    }

    /// Ends all runs, as ltel ends.
    pub fn finish(mut self, now: Now, effects: &mut impl Effects) -> Outcome {
        self.begin_without_master(|_, _| true, now, effects);
        self.settle(now, effects);
        while let Some(&(_, client)) = self.holding.first() {
            self.give_up_held(client, effects);
        }
        while let Some(&run) = self.active.first() {
            self.end(run, now, effects);
        }
        for (_, run) in std::mem::take(&mut self.corrections) {
            effects.corrected(&self.all[run.0], now);
        }
        let ended = self.ended.iter().map(|run| &self.all[run.0]);
        let runs = ended.map(|run| EndedRun {
            info: Arc::clone(run.info()),
            account: run.account(),
            complete: run.is_whole(),
        });
        Outcome { ended: self.ended_count, runs: runs.collect(), incomplete: self.incomplete, no_run: self.no_run }
    }

    /// Processes all changes until none is left.
    pub(super) fn settle(&mut self, now: Now, effects: &mut impl Effects) {
        loop {
            if let Some(run) = self.changed.pop() {
                self.settle_run(run, now, effects);
            } else if std::mem::take(&mut self.places_changed) {
                self.release_held(now, effects);
            } else {
                return;
            }
        }
    }

    pub(super) fn settle_run(&mut self, index: RunIndex, now: Now, effects: &mut impl Effects) {
        let grace = self.settings.grace;
        let Some(run) = self.all.get_mut(index.0).filter(|run| !run.is_over()) else { return };
        for source in run.overdue(now.steady, grace) {
            let run_id = &run.info().run_id;
            effects.warn(match &*source {
                MASTER => Notice::NoMaster { run_id },
                worker => Notice::NoWorker { run_id, worker },
            });
        }
        let until = match run.progress(now.steady, grace) {
            Progress::Complete => return self.end(index, now, effects),
            Progress::WaitUntil(until) => Some(until),
            Progress::Running => None,
        };
        let due = until.into_iter().chain(run.next_overdue(grace)).min();
        if let Some(due) = std::mem::replace(&mut run.due, due) {
            self.schedule.remove(&(due, index));
        }
        self.schedule.extend(due.map(|due| (due, index)));
    }

    pub(super) fn end(&mut self, index: RunIndex, now: Now, effects: &mut impl Effects) {
        let run = &mut self.all[index.0];
        self.recorded -= run.total_recorded();
        if let Some(due) = run.due {
            self.schedule.remove(&(due, index));
        }
        let recorders_are_whole = effects.end(index, run, now);
        run.end(recorders_are_whole);
        self.active.retain(|active| *active != index);
        self.ended.push_back(index);
        self.ended_count += 1;
        self.places_changed = true;
        if self.ended.len() > self.settings.limits.ended_runs
            && let Some(oldest) = self.ended.pop_front()
        {
            self.forget_run(oldest, now, effects);
        }
    }

    pub(super) fn forget_run(&mut self, index: RunIndex, now: Now, effects: &mut impl Effects) {
        let run = self.all.remove(index.0);
        for client in run.members.iter().filter_map(|member| member.client) {
            self.clients[client.0].forget(index);
        }
        let pending = self.corrections.len();
        self.corrections.retain(|(_, pending)| *pending != index);
        if self.corrections.len() < pending {
            effects.corrected(&run, now);
        }
        self.incomplete += u64::from(!run.is_whole());
    }

    /// Forgets the client that has been disconnected for longest. Clients that may come back are kept if possible: what they send
    /// again must not count twice.
    pub(super) fn forget_a_client(&mut self, effects: &mut impl Effects) {
        let is_expected = |client: &Client| {
            !client.held.is_empty()
                || client.began.is_some()
                || client.membership().is_some_and(|membership| !self.all[membership.run.0].is_over())
        };
        let gone = self.clients.iter().filter(|(_, client)| client.connection.is_none());
        let oldest = gone.min_by_key(|(_, client)| (is_expected(client), client.left_at)).map(|(index, _)| index);
        let Some(index) = oldest.map(ClientIndex) else { return };
        self.set_began(index, None);
        self.give_up_held(index, effects);
        let client = self.clients.remove(index.0);
        self.ids.remove(&client.id);
        for Membership { run, source } in client.memberships() {
            self.all[run.0].members[source.0 as usize].client = None;
        }
    }
}
