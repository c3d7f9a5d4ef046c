//! Passes the frames of clients to their runs, and counts them.

use super::client::{Membership, Place};
use super::effects::{Effects, Seen};
use super::held::Load;
use super::index::{ClientIndex, RunIndex, SourceIndex};
use super::{DropReason, Runs};
use crate::clock::Now;
use crate::event::{Event, SingleEvent};
use crate::wire::{Decoded, Done, Encoding, Frame, Message, Parts, Rows};

impl Runs {
    pub(super) fn parts(
        &mut self,
        client: ClientIndex,
        packed: (Encoding, &[u8]),
        parts: Parts<'_>,
        now: Now,
        effects: &mut impl Effects,
    ) {
        // Rows that are kept are not decoded before their run is known.
        if self.clients[client.0].place == Place::Unknown
            && parts.has_rows()
            && !self.finds_place(client, now, effects)
            && self.hold(client, packed, now, effects)
        {
            return;
        }
        for part in parts {
            let Decoded { frame: Frame { message, .. }, wrong } = match part {
                Ok(part) => part,
                Err(error) => return effects.fault("frame not understood", 1, &error),
            };
            effects.wrong(&wrong, &self.clients[client.0].source);
            if let Message::Event(SingleEvent::TestStart(start)) = &message {
                self.test_start(client, start, now, effects);
            }
            let state = &self.clients[client.0];
            if state.place == Place::Unknown {
                // Without a run, frames that only report state can be discarded. `done` may correct an earlier run.
                if !state.waits() {
                    match &message {
                        Message::Done(done) => return self.done(client, done, now),
                        message if Load::of(message).is_empty() => return,
                        _ => {}
                    }
                }
                if !self.finds_place(client, now, effects) && self.hold(client, packed, now, effects) {
                    return;
                }
            }
            self.message(client, message, now, effects);
        }
    }

    /// A client's frame goes to the run that the client is in. If it has none, there is none to wait for.
    pub(super) fn message(&mut self, client: ClientIndex, message: Message<'_>, now: Now, effects: &mut impl Effects) {
        match self.clients[client.0].place {
            Place::In(membership) => self.record(client, membership, message, now, effects),
            Place::Unknown | Place::NoRun => self.count_no_run(client, Load::of(&message), effects),
        }
    }

    /// Passes a client's frame to the run that it is in.
    pub(super) fn record(
        &mut self,
        client: ClientIndex,
        Membership { run: index, source }: Membership,
        message: Message<'_>,
        now: Now,
        effects: &mut impl Effects,
    ) {
        let run = &mut self.all[index.0];
        if let Message::Requests(rows) = message {
            if run.is_over() {
                return self.late(index, source, Load::of_requests(&rows), now, effects);
            }
            return self.requests(index, source, rows, now, effects);
        }
        let event = match &message {
            Message::Done(done) => return self.done(client, done, now),
            _ if run.is_over() => return self.late(index, source, Load::of(&message), now, effects),
            Message::Measurements(batch) => {
                effects.see(index, run.source(source), Seen::Measurements(&batch.values), now);
                // What was wrong with them has been told by its field.
                run.invalid_events(batch.invalid);
                return;
            }
            Message::Tasks(tasks) => {
                effects.see(index, run.source(source), Seen::Tasks(tasks), now);
                return;
            }
            Message::Event(event) => event.as_event(),
            Message::Requests(_) | Message::Hello(_) | Message::Heartbeat => return,
        };
        if let Event::Users(users) = &event
            && run.source(source).source.coordinates()
            && run.named(users.sources.iter().map(String::as_str), now.steady)
        {
            self.changed.push(index);
        }
        effects.see(index, run.source(source), Seen::Event(event), now);
    }

    fn requests(&mut self, index: RunIndex, source: SourceIndex, rows: Rows<'_>, now: Now, effects: &mut impl Effects) {
        let run = &mut self.all[index.0];
        let count = rows.rows.len() as u64;
        let filtered = effects.see(index, run.source(source), Seen::Requests(rows.rows), now);
        run.recorded(source, count - filtered);
        run.filtered(source, filtered);
        self.recorded += count - filtered;
        if rows.invalid > 0 {
            run.dropped(source, DropReason::Invalid, rows.invalid);
            let details = "a row without method and name, or not a row at all";
            effects.fault("request not understood", rows.invalid, &details);
        }
    }

    /// A source has sent everything of its current run or of an earlier one: a correction may come when it is in the next.
    pub(super) fn done(&mut self, client: ClientIndex, done: &Done, now: Now) {
        let state = &self.clients[client.0];
        let is_it = |membership: &Membership| {
            done.run_id.as_ref().is_none_or(|run_id| self.all[membership.run.0].is_asked_for_by(run_id))
        };
        let former = || state.former.iter().rev().copied().filter(|_| done.run_id.is_some()).find(is_it);
        let Some(Membership { run: index, source }) = state.membership().filter(is_it).or_else(former) else { return };
        let run = &mut self.all[index.0];
        let changed = run.done(source, done, now.steady);
        if !run.is_over() {
            self.changed.push(index);
        } else if changed {
            self.correct(index, now);
        }
    }

    /// What arrives after the end of its run is dropped, and counted in that run.
    pub(super) fn late(
        &mut self,
        index: RunIndex,
        source: SourceIndex,
        load: Load,
        now: Now,
        effects: &mut impl Effects,
    ) {
        if load.is_empty() {
            return;
        }
        let run = &mut self.all[index.0];
        run.dropped(source, DropReason::Late, load.requests);
        run.late_events(load.events);
        for (kind, count) in
            [("requests after the end of their run", load.requests), ("events after the end of their run", load.events)]
        {
            if count > 0 {
                let details = format_args!("{count} of {} in run {}", run.source(source).label, run.info().run_id);
                effects.fault(kind, count, &details);
            }
        }
        self.correct(index, now);
    }

    /// The account of an ended run has changed: report it soon, but not for each frame.
    pub(super) fn correct(&mut self, run: RunIndex, now: Now) {
        if !self.corrections.iter().any(|(_, pending)| *pending == run) {
            self.corrections.insert((now.steady.saturating_add(self.settings.grace), run));
        }
    }

    pub(super) fn count_no_run(&mut self, client: ClientIndex, load: Load, effects: &mut impl Effects) {
        if load.is_empty() {
            return;
        }
        let label = self.clients[client.0].source.label();
        for (kind, count) in [("requests of no run", load.requests), ("events of no run", load.events)] {
            if count > 0 {
                effects.fault(kind, count, &format_args!("{count} of {label}"));
            }
        }
        self.no_run.add(label, load.requests, load.events);
    }
}
