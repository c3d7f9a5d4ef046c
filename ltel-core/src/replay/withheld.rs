//! Withholds what a real Locust would not send, because the recorder does not ask for it. Without this, a recorder that
//! forgets to declare its needs would pass its tests but get no data in a real load test.

use std::collections::BTreeSet;

use crate::event::{Extra, Request, SingleEvent};
use crate::recorder::Needs;

use super::event::OwnedEvent;

/// Removes from events what these needs do not ask for.
#[derive(Debug)]
pub(super) struct Withheld {
    asked: Needs,
    names: BTreeSet<&'static str>,
}

impl Withheld {
    pub(super) fn new(needs: [Needs; 2]) -> Self {
        Self { asked: needs.into_iter().fold(Needs::NONE, Needs::and), names: BTreeSet::new() }
    }

    /// The needs that the recorder lacks, by the names of `needs(...)`.
    pub(super) fn names(self) -> Vec<&'static str> {
        self.names.into_iter().collect()
    }

    /// The event as Locust would send it; `None` if it would not.
    pub(super) fn apply(&mut self, mut event: OwnedEvent) -> Option<OwnedEvent> {
        let traces_tasks = self.asked.trace.is_some_and(|trace| trace.tasks);
        match &mut event {
            OwnedEvent::Request(request) => self.request(request),
            OwnedEvent::Task(_) if !traces_tasks && !self.asked.tasks => return self.withhold("tasks"),
            OwnedEvent::Measurement(_) if !self.asked.measurements => return self.withhold("measurements"),
            OwnedEvent::Single(SingleEvent::Log(log))
                if self.asked.logs.is_none_or(|least| log.level_number < u64::from(least)) =>
            {
                return self.withhold("logs");
            }
            OwnedEvent::Single(SingleEvent::Usage(_)) if !self.asked.usage => return self.withhold("usage"),
            OwnedEvent::Single(SingleEvent::UserError(error)) if !traces_tasks => {
                if error.trace_id.take().is_some() | error.span_id.take().is_some() {
                    self.names.insert("tasks");
                }
            }
            OwnedEvent::Task(task) if !traces_tasks => task.trace = None,
            OwnedEvent::Task(_) | OwnedEvent::Measurement(_) | OwnedEvent::Single(_) => {}
        }
        Some(event)
    }

    fn withhold(&mut self, name: &'static str) -> Option<OwnedEvent> {
        self.names.insert(name);
        None
    }

    fn request(&mut self, request: &mut Request<'_>) {
        let Some(extra) = &mut request.extra else { return };
        let needs = &self.asked;
        // A recorder that traces requests also gets the URL and the user class of those with trace ids.
        let traced = needs.trace.is_some() && extra.trace.is_some();
        let mut remove = |needed: bool, name: &'static str, present: bool| {
            let remove = present && !needed;
            if remove {
                self.names.insert(name);
            }
            remove
        };
        if remove(needs.trace.is_some(), "trace", extra.trace.is_some()) {
            extra.trace = None;
        }
        if remove(needs.url || traced, "url", extra.url.is_some()) {
            extra.url = None;
        }
        if remove(needs.user_class || traced, "user_class", extra.user_class.is_some()) {
            extra.user_class = None;
        }
        if remove(needs.context, "context", !extra.context.is_empty()) {
            extra.context.clear();
        }
        if remove(needs.request_length, "request_length", extra.request_length.is_some()) {
            extra.request_length = None;
        }
        if **extra == Extra::default() {
            request.extra = None;
        }
    }
}
