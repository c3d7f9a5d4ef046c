//! What workers have counted since their last reports to their master. When the web UI resets the statistics, only the master's
//! go back to zero: what a worker has counted since its last report comes with the next one, and is in the figures after the
//! reset, though it was reported before.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use ltel_core::event::{RequestError, ResetStats, ResponseTime};
use ltel_core::prelude::*;
use ltel_core::runs::SourceInfo;

use super::resets::{Place, Resets};
use super::table::Table;

// Bounded: a master has a report a moment after it was sent, so two of them may be on their way at most.
const REPORTS: usize = 3;

// Bounded: what the requests of one worker take. Far more than a worker makes between a few reports. One that makes more has none
// kept.
const BYTES: usize = 8 << 20;

// Bounded: Locust's workers report every three seconds. One that has not for so many has a plugin that does not tell, and has
// none kept either.
const SECONDS: f64 = 15.0;

/// Requests that a master's statistics may not hold yet.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// By index, which each request looks up.
    workers: Vec<Option<Worker>>,
    /// Method and name of each endpoint, by its number.
    endpoints: Vec<Option<(Box<str>, Box<str>)>>,
    /// The reports of each worker that the master had at its last reset, where it has said so.
    reset_after: Option<BTreeMap<String, u64>>,
}

#[derive(Debug, Default)]
struct Worker {
    /// Locust's id of it.
    id: String,
    /// Its last report.
    number: u64,
    /// Oldest first; the last one is of what it has not reported yet.
    since: VecDeque<Window>,
    /// Whether it has made more requests since its last report than are kept.
    overflowed: bool,
    /// What comes before this report was in the master's statistics when they were reset.
    reset_after: Option<u64>,
}

/// What a worker has counted between two reports.
#[derive(Debug, Default)]
struct Window {
    /// The report before it.
    after: u64,
    requests: Vec<Counted>,
    bytes: usize,
}

/// What a table needs of a request to count it once more.
#[derive(Debug)]
struct Counted {
    number: usize,
    response_time: ResponseTime,
    response_length: u64,
    reported_at: f64,
    error: Option<Box<str>>,
}

impl Recent {
    /// Keeps a request of a worker. False if it belongs to a report that was there before the last reset: it does not count.
    #[inline]
    pub(super) fn keep(&mut self, source: &SourceInfo, number: usize, overflow: bool, request: &Request<'_>) -> bool {
        if self.endpoints.len() <= number {
            self.endpoints.resize_with(number + 1, || None);
        }
        self.endpoints[number].get_or_insert_with(|| {
            if overflow {
                Table::OTHERS.map(Into::into).into()
            } else {
                ((*request.method).into(), (*request.name).into())
            }
        });
        let worker = self.worker(source);
        if worker.reset_after.is_some_and(|after| worker.number < after) {
            return false;
        }
        if worker.overflowed {
            return true;
        }
        if worker.since.is_empty() {
            worker.since.push_back(Window { after: worker.number, ..Window::default() });
        }
        let cost = size_of::<Counted>() + request.error.as_ref().map_or(0, |error| error.text.len());
        let kept: usize = worker.since.iter().map(|window| window.bytes).sum();
        let Some(window) = worker.since.back_mut() else { return true };
        let begun = window.requests.first().map_or(request.reported_at, |first| first.reported_at);
        if kept + cost > BYTES || request.reported_at - begun > SECONDS {
            worker.since.clear();
            worker.overflowed = true;
            return true;
        }
        window.bytes += cost;
        window.requests.push(Counted {
            number,
            response_time: request.response_time,
            response_length: request.response_length,
            reported_at: request.reported_at,
            error: request.error.as_ref().map(|error| (*error.text).into()),
        });
        true
    }

    /// A worker has reported to its master: what comes now is for its next report. Whether the master has reset its statistics
    /// before it had this one.
    pub(super) fn reported(&mut self, source: &SourceInfo, number: u64) -> bool {
        let worker = self.worker(source);
        worker.number = number;
        worker.overflowed = false;
        worker.since.push_back(Window { after: number, ..Window::default() });
        while worker.since.len() > REPORTS {
            worker.since.pop_front();
        }
        worker.reset_after.is_some_and(|after| number > after)
    }

    /// A worker has reset its own statistics: what it had not reported is in no report.
    pub(super) fn forget(&mut self, worker: u32) {
        let worker = self.workers.get_mut(worker as usize).and_then(Option::as_mut);
        if let Some(window) = worker.and_then(|worker| worker.since.back_mut()) {
            window.requests.clear();
            window.bytes = 0;
        }
    }

    /// The master has reset its statistics: gives each worker's requests that were in no report yet to a table. Those of a report
    /// that is on its way count for good, those of the next one unless the worker resets before it.
    pub(super) fn carry_over(&mut self, reset: &ResetStats, main: &mut Table, resets: &mut Resets, error_limit: usize) {
        // From a plugin that does not tell of reports.
        let Some(reports) = &reset.reports else { return };
        self.reset_after = Some(reports.iter().map(|(id, number)| (id.clone(), *number)).collect());
        for (index, worker) in (0..).zip(&mut self.workers) {
            let Some(worker) = worker else { continue };
            let reset_after = reports.get(&worker.id).copied().unwrap_or(0);
            worker.reset_after = Some(reset_after);
            for window in worker.since.iter().filter(|window| window.after >= reset_after) {
                let is_reported = window.after < worker.number;
                for counted in &window.requests {
                    let Some((method, name)) = &self.endpoints[counted.number] else { continue };
                    let request = Request {
                        method: Cow::Borrowed(method),
                        name: Cow::Borrowed(name),
                        response_time: counted.response_time,
                        response_length: counted.response_length,
                        reported_at: counted.reported_at,
                        error: counted
                            .error
                            .as_deref()
                            .map(|text| RequestError { class: "".into(), text: text.into() }),
                        ..Request::default()
                    };
                    let table = match resets.place(index, error_limit) {
                        Place::Aside(table) if !is_reported => table,
                        _ => &mut *main,
                    };
                    table.record(counted.number, false, &request);
                }
            }
        }
    }

    /// Whether this reset has carried over all that counts of a worker.
    pub(super) fn has_carried_over(&self, reset: &ResetStats, worker: u32) -> bool {
        let worker = self.workers.get(worker as usize).and_then(Option::as_ref);
        reset.reports.is_some() && worker.is_some_and(|worker| !worker.overflowed)
    }

    fn worker(&mut self, source: &SourceInfo) -> &mut Worker {
        let index = source.index as usize;
        if self.workers.len() <= index {
            self.workers.resize_with(index + 1, || None);
        }
        self.workers[index].get_or_insert_with(|| {
            let id = source.source.id.clone();
            let reset_after = self.reset_after.as_ref().map(|reports| reports.get(&id).copied().unwrap_or(0));
            Worker { id, reset_after, ..Worker::default() }
        })
    }
}
