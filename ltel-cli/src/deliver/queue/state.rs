//! The state that both ends of a queue share.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ltel_core::Timestamp;
use ltel_core::backend::{CollectedPoints, Feed, RunRecord, Signal, SpanBatch};
use ltel_core::figures::RunFigures;
use ltel_core::runs::RunInfo;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock;
use crate::config::QueueLimits;

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) ready: Notify,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) jobs: VecDeque<Job>,
    /// By signal. Points wait only for runs that are over.
    pub(super) waiting: [Waiting; Signal::ALL.len()],
    /// Bytes of the waiting runs that are over.
    pub(super) ended: usize,
    pub(super) feeds: Vec<Scheduled>,
    pub(super) next_feed: u64,
    /// When the last collection was taken, by the wall clock and by the one that never jumps.
    pub(super) collected: Option<(Timestamp, Instant)>,
    /// Whether feeds were added since the worker last checked the next due time.
    pub(super) rescheduled: bool,
    /// The sending end is closed.
    pub(super) closed: bool,
    /// The receiving end is closed.
    pub(super) gone: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waiting {
    pub(super) items: usize,
    pub(super) bytes: usize,
}

/// A feed that is collected at an interval.
#[derive(Clone, Debug)]
pub(super) struct Scheduled {
    pub(super) id: u64,
    pub(super) feed: Feed,
    pub(super) every: Duration,
    pub(super) due: Instant,
    /// When its run began, or ltel for its own.
    pub(super) begun: Timestamp,
    /// When it was last collected, or `begun`.
    pub(super) since: Timestamp,
    /// Whether the sink was given points of it.
    pub(super) seen: bool,
}

/// A task for a pipe.
#[derive(Debug)]
pub(super) enum Job {
    Begin(Feed),
    Record(RunRecord, usize),
    Spans(SpanBatch, usize),
    Figures(Arc<RunInfo>, Arc<RunFigures>),
    End(EndedRun),
    FeedsLost(Vec<u64>),
    Reopen,
}

/// A run that is over.
#[derive(Debug)]
pub(in crate::deliver) struct EndedRun {
    pub(in crate::deliver) run: Arc<RunInfo>,
    /// Its final points.
    pub(in crate::deliver) points: Vec<CollectedPoints>,
    /// Its final records, for the pipe of records.
    pub(in crate::deliver) records: Vec<RunRecord>,
    /// Its feeds of which the sink was given points before.
    pub(super) seen: Vec<u64>,
    pub(super) bytes: usize,
}

impl Shared {
    pub(super) fn push(&self, job: Job) {
        let mut state = self.lock();
        if !state.gone {
            state.jobs.push_back(job);
        }
        drop(state);
        self.ready.notify_one();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn room(&self, signal: Signal, limits: QueueLimits) -> Waiting {
        let waiting = self.waiting[signal as usize];
        Waiting { items: limits.items.saturating_sub(waiting.items), bytes: limits.bytes.saturating_sub(waiting.bytes) }
    }

    /// Schedules a feed at its interval.
    pub(super) fn schedule(&mut self, feed: Feed, every: Duration) {
        if self.gone {
            return;
        }
        let (id, every) = (self.next_feed, feed.interval.unwrap_or(every));
        self.next_feed += 1;
        self.rescheduled = true;
        let begun = feed.run.as_ref().map_or_else(clock::now, |run| run.begun.wall);
        self.feeds.push(Scheduled { id, feed, every, due: Instant::now() + every, begun, since: begun, seen: false });
    }

    /// The time of a collection that leaves after all before it: receivers refuse points that are older than those they have.
    pub(super) fn time_of_collection(&mut self) -> Timestamp {
        let steady = Instant::now();
        let time = following(self.collected, clock::now(), steady);
        self.collected = Some((time, steady));
        time
    }

    pub(super) fn take_feeds(&mut self, run: &Arc<RunInfo>) -> Vec<Scheduled> {
        self.feeds.extract_if(.., |scheduled| scheduled.feed.is_of(run)).collect()
    }

    /// Where the largest of two or more ended runs is; of those that are as large, the oldest.
    pub(super) fn largest_end(&self) -> Option<usize> {
        let ends = self.jobs.iter().enumerate().filter_map(|(index, job)| match job {
            Job::End(ended) => Some((index, ended.bytes)),
            _ => None,
        });
        let several = ends.clone().nth(1).is_some();
        ends.rev().max_by_key(|(_, bytes)| *bytes).filter(|_| several).map(|(index, _)| index)
    }

    pub(super) fn remove_begins(&mut self, run: &Arc<RunInfo>) -> Vec<Feed> {
        let mut begins = Vec::new();
        self.jobs.retain_mut(|job| match job {
            Job::Begin(feed) if feed.is_of(run) => {
                begins.push(feed.clone());
                false
            }
            _ => true,
        });
        begins
    }
}

/// By how much a clock that is put back is not followed at once.
const LARGEST_STEP: Duration = Duration::from_mins(1);

/// What a wall clock says, but later than at the last time. If it was put back, time goes half as fast until the clock has caught up;
/// if it was put back by much, what was said before was so wrong that the order is not worth keeping.
fn following(last: Option<(Timestamp, Instant)>, now: Timestamp, steady: Instant) -> Timestamp {
    // The unit of time of Prometheus.
    const LEAST: Duration = Duration::from_millis(1);
    let Some((last, at)) = last else { return now };
    let next = last + (steady.saturating_duration_since(at) / 2).max(LEAST);
    if next.since(now) > LARGEST_STEP { now } else { next.max(now) }
}

impl Scheduled {
    /// Its points, until they are given their time.
    pub(super) fn collect(&self, last: bool) -> Option<CollectedPoints> {
        let Self { id, feed, begun, since, .. } = self;
        let points = feed.collector.collect().inspect_err(|error| tracing::error!("cannot collect metrics: {error}"));
        let (run, feed, begun, since) = (feed.run.clone(), *id, *begun, *since);
        Some(CollectedPoints { run, feed, points: points.ok()?, begun, since, at: since, last })
    }
}

/// Gives points their time. If the clock was put back since they began, they begin with it: no point ends before it begins.
pub(super) fn stamp(mut points: CollectedPoints, at: Timestamp) -> CollectedPoints {
    (points.begun, points.since, points.at) = (points.begun.min(at), points.since.min(at), at);
    points
}

#[cfg(test)]
mod tests {
    use ltel_core::meter::{MeterSettings, meters};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::metrics::Temporality;

    use super::*;

    #[test]
    fn a_clock_that_is_put_back() {
        let (begun, second) = (Instant::now(), Duration::from_secs(1));
        let of_clock = |seconds: f64| Timestamp::from_secs(1_700_000_000.0 + seconds);
        let mut last = None;
        // By the steady clock, by the wall clock, and what is said.
        for (steady, wall, said) in [
            (0, 0.0, 0.0),
            (10, 10.0, 10.0),
            // Asked again in the same moment.
            (10, 10.0, 10.001),
            (12, 2.0, 11.001),
            (20, 10.0, 15.001),
            (40, 30.0, 30.0),
            (50, 4_000.0, 4_000.0),
            (60, 50.0, 50.0),
        ] {
            let at = begun + second * steady;
            let time = following(last, of_clock(wall), at);
            assert_eq!(time.since(of_clock(said)) + of_clock(said).since(time), Duration::ZERO, "{steady} {time}");
            last = Some((time, at));
        }
    }

    #[test]
    fn no_point_ends_before_it_begins() {
        let backend = MeterSettings::new(Resource::builder_empty().build(), Temporality::Cumulative);
        let (_meters, mut collectors) = meters(&[backend], "test", 10);
        let (begun, since) = (Timestamp::from_secs(100.0), Timestamp::from_secs(110.0));
        let scheduled = Scheduled {
            id: 0,
            feed: Feed { run: None, collector: collectors.remove(0), interval: None },
            every: Duration::from_secs(1),
            due: Instant::now(),
            begun,
            since,
            seen: false,
        };
        for (at, expected) in [(120.0, (begun, since)), (105.0, (begun, Timestamp::from_secs(105.0)))] {
            let at = Timestamp::from_secs(at);
            let points = stamp(scheduled.collect(false).unwrap(), at);
            assert_eq!(((points.begun, points.since), points.at), (expected, at));
        }
    }
}
