//! What happened to each request of a run: recorded, or dropped and why. Nothing is lost silently.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::info::SourceInfo;

/// Why a request is missing from the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The plugin's buffer was full: ltel was unreachable or too slow.
    BufferFull,
    /// The source counted it, but it never arrived: sent before ltel was running, or lost with a connection.
    NotReceived,
    /// It arrived but could not be decoded.
    Invalid,
    /// It arrived after its run was over.
    Late,
    /// It arrived from a client that belongs to no run.
    NoRun,
}

impl DropReason {
    /// Its name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BufferFull => "buffer_full",
            Self::NotReceived => "not_received",
            Self::Invalid => "invalid",
            Self::Late => "late",
            Self::NoRun => "no_run",
        }
    }
}

/// How a source's part of a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceStatus {
    /// It reported that it has sent everything.
    Done,
    /// It reported `done`, but ltel has counted more requests than it says it has sent.
    Disagrees,
    /// It disconnected without `done`, or never joined.
    Missing,
    /// It was still active when ltel had to stop.
    Open,
}

impl SourceStatus {
    /// Its name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Disagrees => "disagrees",
            Self::Missing => "missing",
            Self::Open => "open",
        }
    }
}

/// What happened to one source's requests. `sent == recorded + filtered + sum(dropped)`, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceAccount {
    /// The source; absent for one that another source named but that never connected.
    pub source: Option<Arc<SourceInfo>>,
    /// The label `source_id`, or Locust's id for a source that never connected.
    pub label: String,
    /// How its part ended.
    pub status: SourceStatus,
    /// The requests that it reported, or those that ltel counted if these are more or it did not report.
    pub sent: u64,
    /// Requests that reached the recorders.
    pub recorded: u64,
    /// Requests that a rule of the configuration drops: they have arrived, and only recorders that keep Locust's own names
    /// have seen them. Nothing is lost.
    pub filtered: u64,
    /// Requests that did not reach the recorders, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
}

/// What happened to a run's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunAccount {
    /// By source, sorted by label.
    pub sources: Vec<SourceAccount>,
    /// Sources beyond the limit of a run: nothing else is known about them.
    pub unlisted_sources: u64,
    /// Task executions, measurements, user errors, custom events and log messages that arrived after the run was over. They are
    /// not requests: no source reports how many it has sent.
    pub late_events: u64,
    /// Measurements that arrived but are none, such as without a finite value. The run is whole without them.
    pub invalid_events: u64,
    /// Events that sources report as dropped, because a buffer was full.
    pub dropped_events: u64,
}

impl RunAccount {
    /// Requests that all sources sent.
    pub fn sent(&self) -> u64 {
        self.sources.iter().map(|s| s.sent).fold(0, u64::saturating_add)
    }

    /// Requests that reached the recorders.
    pub fn recorded(&self) -> u64 {
        self.sources.iter().map(|s| s.recorded).sum()
    }

    /// Requests that a rule of the configuration drops.
    pub fn filtered(&self) -> u64 {
        self.sources.iter().map(|s| s.filtered).sum()
    }

    /// Requests that did not reach the recorders, by reason.
    pub fn dropped(&self) -> BTreeMap<DropReason, u64> {
        let mut all = BTreeMap::new();
        for (&reason, &count) in self.sources.iter().flat_map(|s| &s.dropped) {
            let total: &mut u64 = all.entry(reason).or_default();
            *total = total.saturating_add(count);
        }
        all
    }

    /// Events that did not reach the recorders, but should have. What is invalid could not: such as a value that is not a number.
    pub const fn lost_events(&self) -> u64 {
        self.late_events.saturating_add(self.dropped_events)
    }

    /// Whether nothing is missing: every source is done, and everything was recorded.
    pub fn is_whole(&self) -> bool {
        self.unlisted_sources == 0
            && self.lost_events() == 0
            && self.sources.iter().all(|s| s.status == SourceStatus::Done && s.dropped.is_empty())
    }
}

/// What clients outside any run sent. It was acknowledged, but no recorder has seen it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoRunAccount {
    /// Requests, by the label `source_id` of the client that sent them.
    pub requests: BTreeMap<String, u64>,
    /// Task executions, measurements, user errors, custom events and log messages.
    pub events: u64,
}

impl NoRunAccount {
    // Bounded: clients may give themselves any names.
    const LABELS: usize = 1_000;
    const OTHERS: &str = "other sources";

    /// Requests of all sources.
    pub fn total_requests(&self) -> u64 {
        self.requests.values().sum()
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.events == 0
    }

    pub(super) fn add(&mut self, label: String, requests: u64, events: u64) {
        self.events += events;
        if requests > 0 {
            let full = self.requests.len() >= Self::LABELS && !self.requests.contains_key(&label);
            let label = if full { Self::OTHERS.to_owned() } else { label };
            *self.requests.entry(label).or_default() += requests;
        }
    }
}
