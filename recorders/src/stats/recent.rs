//! What workers have counted since their last reports to their master. When the web UI resets the statistics, only the master's
//! go back to zero: what a worker has counted since its last report comes with the next one, and is in the figures after the
//! reset, though it was reported before.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use ltel_core::event::{RequestError, ResetStats, ResponseTime};
use ltel_core::prelude::*;
use ltel_core::run::SourceInfo;

use super::resets::{Place, Resets};
use super::table::Table;

// Bounded: a master has a report a moment after it was sent, so two of them may be on their way at most.
const REPORTS: usize = 3;

// Bounded: requests of one worker, 5 MB of them. More than a worker makes in the three seconds between two reports, three times
// over. One that makes more, or that never tells of its reports, has none kept.
const REQUESTS: usize = 100_000;

/// Requests that a master's statistics may not hold yet.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// By index.
    workers: HashMap<u32, Worker>,
    /// Method and name of each endpoint, by its number.
    endpoints: Vec<Option<(Box<str>, Box<str>)>>,
}

#[derive(Debug, Default)]
struct Worker {
    /// Locust's id of it.
    id: String,
    /// Its last report.
    number: u64,
    /// By the report before them, oldest first.
    since: VecDeque<(u64, Vec<Counted>)>,
    kept: usize,
    overflowed: bool,
    /// What comes before this report was in the master's statistics when they were reset.
    reset_after: u64,
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
        if worker.overflowed {
            return true;
        }
        if worker.number < worker.reset_after {
            return false;
        }
        if worker.kept >= REQUESTS {
            worker.since.clear();
            worker.kept = 0;
            worker.overflowed = true;
            return true;
        }
        worker.kept += 1;
        let counted = Counted {
            number,
            response_time: request.response_time,
            response_length: request.response_length,
            reported_at: request.reported_at,
            error: request.error.as_ref().map(|error| (*error.text).into()),
        };
        match worker.since.back_mut() {
            Some((_, requests)) => requests.push(counted),
            None => worker.since.push_back((worker.number, vec![counted])),
        }
        true
    }

    /// A worker has reported to its master: what comes now is for its next report.
    pub(super) fn reported(&mut self, source: &SourceInfo, number: u64) {
        let worker = self.worker(source);
        worker.number = number;
        worker.overflowed = false;
        worker.since.push_back((number, Vec::new()));
        while worker.since.len() > REPORTS {
            worker.kept -= worker.since.pop_front().map_or(0, |(_, requests)| requests.len());
        }
    }

    /// A worker has reset its own statistics: what it had counted is in no report.
    pub(super) fn forget(&mut self, worker: u32) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.since.clear();
            worker.kept = 0;
        }
    }

    /// The master has reset its statistics: gives each worker's requests that were in no report yet to a table.
    pub(super) fn carry_over(&mut self, reset: &ResetStats, resets: &mut Resets, error_limit: usize) {
        // From a plugin that does not tell of reports.
        let Some(reports) = &reset.reports else { return };
        #[allow(clippy::iter_over_hash_type)] // each has a table of its own
        for (index, worker) in &mut self.workers {
            worker.reset_after = reports.get(&worker.id).copied().unwrap_or(0);
            let since = worker.since.iter().filter(|(before, _)| *before >= worker.reset_after);
            for counted in since.flat_map(|(_, requests)| requests) {
                let Some((method, name)) = &self.endpoints[counted.number] else { continue };
                let request = Request {
                    method: Cow::Borrowed(method),
                    name: Cow::Borrowed(name),
                    response_time: counted.response_time,
                    response_length: counted.response_length,
                    reported_at: counted.reported_at,
                    error: counted.error.as_deref().map(|text| RequestError { class: "".into(), text: text.into() }),
                    ..Request::default()
                };
                // A worker that was ahead of the master has forgotten what it had counted.
                if let Place::Aside(table) = resets.place(*index, error_limit) {
                    table.record(counted.number, false, &request);
                }
            }
        }
    }

    fn worker(&mut self, source: &SourceInfo) -> &mut Worker {
        let new = || Worker { id: source.source.id.clone(), ..Worker::default() };
        self.workers.entry(source.index).or_insert_with(new)
    }
}
