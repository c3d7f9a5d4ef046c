//! What became of each request of a run: recorded, or dropped and why. Nothing is lost in silence.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::info::SourceInfo;

/// Why a request is missing from the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The plugin's buffer was full: ltel was gone or too slow.
    BufferFull,
    /// The source counted it, and it never came: sent before ltel was there, or lost with a connection.
    NotReceived,
    /// It came, and could not be understood.
    Invalid,
    /// It came after its run was over.
    Late,
    /// It came from a source that belongs to no run.
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
    /// It said that it has sent all it had.
    Done,
    /// It said so, and ltel has counted more requests of it than it says it has sent.
    Disagrees,
    /// It left without saying so, or never came.
    Missing,
    /// It was still at work when ltel had to stop.
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

/// What became of one source's requests. `sent == recorded + sum(dropped)`, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceAccount {
    /// The source; absent for one that another source named and that ltel never met.
    pub source: Option<Arc<SourceInfo>>,
    /// The label `source_id`, or Locust's id for a source that ltel never met.
    pub label: String,
    /// How its part ended.
    pub status: SourceStatus,
    /// Requests that it reported, or those that ltel has counted where these are more, or where it did not report.
    pub sent: u64,
    /// Requests that reached the recorders.
    pub recorded: u64,
    /// Those that did not, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
}

/// What became of a run's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunAccount {
    /// By source, sorted by label.
    pub sources: Vec<SourceAccount>,
    /// Sources beyond the limit of a run: of these, nothing else is known.
    pub unlisted_sources: u64,
    /// Task executions, user errors and custom events that came after the run was over. They are no requests: no source says
    /// how many it has sent.
    pub late_events: u64,
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

    /// Requests that did not, by reason.
    pub fn dropped(&self) -> BTreeMap<DropReason, u64> {
        let mut all = BTreeMap::new();
        for (&reason, &count) in self.sources.iter().flat_map(|s| &s.dropped) {
            let total: &mut u64 = all.entry(reason).or_default();
            *total = total.saturating_add(count);
        }
        all
    }

    /// Whether nothing is missing: every source said that it was done, and everything was recorded.
    pub fn is_whole(&self) -> bool {
        self.unlisted_sources == 0
            && self.late_events == 0
            && self.sources.iter().all(|s| s.status == SourceStatus::Done && s.dropped.is_empty())
    }
}

/// What came from clients that were in no run. It was acknowledged, and no recorder has seen it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoRunAccount {
    /// Requests, by the label `source_id` of those who sent them.
    pub requests: BTreeMap<String, u64>,
    /// Task executions, user errors and custom events.
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
