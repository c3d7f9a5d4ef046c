//! What workers have counted since their last reports to their master. When the web UI resets the statistics, only the master's
//! go back to zero: what a worker has counted since its last report comes with the next one, and is in the figures after the
//! reset, though it was reported before.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ltel_core::event::{RequestError, ResetStats, ResponseTime};
use ltel_core::prelude::*;
use ltel_core::recorder::RunMemory;
use ltel_core::runs::SourceInfo;

use super::endpoint::EndpointNames;
use super::resets::{Place, Resets};
use super::table::Table;

// Bounded: a master has a report a moment after it was sent, so two of them may be on their way at most.
const REPORTS: usize = 3;

// Bounded: what the requests of all workers take. Far more than they make between a few reports. Where it is not enough, the worker
// with the most has none kept until its next report.
const BYTES: usize = 8 << 20;

// Bounded: Locust's workers report every three seconds. One that has not for so many has a plugin that does not tell, and has
// none kept either.
const SECONDS: f64 = 15.0;

/// Requests that a master's statistics may not hold yet.
#[derive(Debug)]
pub(super) struct Recent {
    memory: Arc<RunMemory>,
    /// By index, which each request looks up.
    workers: Vec<Option<Worker>>,
    /// What the requests of all workers take.
    bytes: usize,
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
    /// When its first request was reported.
    begun: f64,
    requests: Vec<Counted>,
    bytes: usize,
}

/// What a table needs of a request to count it once more.
#[derive(Debug)]
struct Counted {
    endpoint: u32,
    /// When it was reported, in seconds since its window began.
    since: f32,
    /// In milliseconds; not a number if there is none.
    response_time: f64,
    response_length: u64,
    // A thin pointer: few requests fail.
    #[allow(clippy::box_collection)]
    error: Option<Box<String>>,
}

impl Counted {
    #[allow(clippy::cast_possible_truncation)] // series are limited, and a microsecond in a window of seconds is enough
    fn new(number: usize, request: &Request<'_>, since: f64) -> Self {
        Self {
            endpoint: number as u32,
            since: since as f32,
            response_time: request.response_time.ms().unwrap_or(f64::NAN),
            response_length: request.response_length,
            error: request.error.as_ref().map(|error| Box::new(error.text.clone().into_owned())),
        }
    }

    fn request(&self, reported_at: f64) -> Request<'_> {
        let error = self.error.as_deref();
        Request {
            response_time: ResponseTime::from_ms(self.response_time),
            response_length: self.response_length,
            reported_at,
            error: error.map(|text| RequestError { class: "".into(), text: Cow::Borrowed(text) }),
            ..Request::default()
        }
    }
}

impl Drop for Recent {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes);
    }
}

impl Recent {
    pub(super) const fn new(memory: Arc<RunMemory>) -> Self {
        Self { memory, workers: Vec::new(), bytes: 0, reset_after: None }
    }

    /// Keeps a request of a worker, of the endpoint with this number, that was reported at this time. False if it belongs to a
    /// report that was there before the last reset: it does not count.
    #[inline]
    pub(super) fn keep(&mut self, source: &SourceInfo, number: usize, request: &Request<'_>, at: f64) -> bool {
        let worker = self.worker(source);
        if worker.reset_after.is_some_and(|after| worker.number < after) {
            return false;
        }
        if worker.overflowed {
            return true;
        }
        let number_of_report = worker.number;
        if worker.since.is_empty() {
            worker.since.push_back(Window { after: number_of_report, ..Window::default() });
        }
        let Some(window) = worker.since.back_mut() else { unreachable!("it was made just now") };
        if window.requests.is_empty() {
            window.begun = at;
        }
        if at - window.begun > SECONDS {
            let freed = worker.give_way();
            self.free(freed);
            return true;
        }
        let mut cost = request.error.as_ref().map_or(0, |error| size_of::<String>() + error.text.len());
        let room = window.requests.capacity();
        if window.requests.len() == room {
            // Not twice as much, as a vector would: it is taken of what all may have.
            window.requests.reserve_exact(room / 4 + 8);
            cost += (window.requests.capacity() - room) * size_of::<Counted>();
        }
        window.bytes += cost;
        window.requests.push(Counted::new(number, request, at - window.begun));
        self.bytes += cost;
        if cost > 0 && (self.bytes > BYTES || !self.memory.take(cost)) {
            self.make_room(cost);
        }
        true
    }

    #[cold]
    fn make_room(&mut self, not_taken: usize) {
        let most = self.workers.iter_mut().flatten().max_by_key(|worker| worker.bytes());
        let freed = most.map_or(0, Worker::give_way);
        self.bytes -= freed;
        // That of the one that finds no room is among it, or takes its place: it is the least that there is.
        self.memory.give_back(freed.saturating_sub(not_taken));
    }

    fn free(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.memory.give_back(bytes);
    }

    /// A worker has reported to its master: what comes now is for its next report. Whether the master has reset its statistics
    /// before it had this one.
    pub(super) fn reported(&mut self, source: &SourceInfo, number: u64) -> bool {
        let worker = self.worker(source);
        worker.number = number;
        worker.overflowed = false;
        worker.since.push_back(Window { after: number, ..Window::default() });
        let mut freed = 0;
        while worker.since.len() > REPORTS {
            freed += worker.since.pop_front().map_or(0, |window| window.bytes);
        }
        let is_after_reset = worker.reset_after.is_some_and(|after| number > after);
        self.free(freed);
        is_after_reset
    }

    /// A worker has reset its own statistics: what it had not reported is in no report.
    pub(super) fn forget(&mut self, worker: u32) {
        let worker = self.workers.get_mut(worker as usize).and_then(Option::as_mut);
        if let Some(window) = worker.and_then(|worker| worker.since.back_mut()) {
            let freed = std::mem::replace(window, Window { after: window.after, ..Window::default() }).bytes;
            self.free(freed);
        }
    }

    /// The master has reset its statistics: gives each worker's requests that were in no report yet to a table. Those of a report
    /// that is on its way count for good, those of the next one unless the worker resets before it.
    pub(super) fn carry_over(
        &mut self,
        reset: &ResetStats,
        names: &EndpointNames,
        main: &mut Table,
        resets: &mut Resets,
        error_limit: usize,
    ) {
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
                    let number = counted.endpoint as usize;
                    let at = window.begun + f64::from(counted.since);
                    let table = match resets.place(index, error_limit, &self.memory) {
                        Place::Aside(table) if !is_reported => table,
                        _ => &mut *main,
                    };
                    table.record(number, names.get(number), &counted.request(at), at);
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

impl Worker {
    fn bytes(&self) -> usize {
        self.since.iter().map(|window| window.bytes).sum()
    }

    /// Keeps nothing until its next report. How much that frees.
    fn give_way(&mut self) -> usize {
        self.overflowed = true;
        let bytes = self.bytes();
        self.since = VecDeque::new();
        bytes
    }
}
