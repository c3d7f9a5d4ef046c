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
    /// It came after its run was complete.
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
    /// It is gone without a word, or never came.
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
            Self::Missing => "missing",
            Self::Open => "open",
        }
    }
}

/// What became of one source's requests. `sent == recorded + sum(dropped)`, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceAccount {
    /// The source; absent for a worker that the master named and ltel never met.
    pub source: Option<Arc<SourceInfo>>,
    /// The label `source_id`, or Locust's id for a worker never met.
    pub label: String,
    /// How its part ended.
    pub status: SourceStatus,
    /// Requests it reported; for one that never said so, those that ltel heard of.
    pub sent: u64,
    /// Requests that reached the recorders.
    pub recorded: u64,
    /// Those that did not, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
}

/// What became of a run's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunAccount {
    /// By source.
    pub sources: Vec<SourceAccount>,
}

impl RunAccount {
    /// Requests that all sources reported.
    pub fn sent(&self) -> u64 {
        self.sources.iter().map(|s| s.sent).sum()
    }

    /// Requests that reached the recorders.
    pub fn recorded(&self) -> u64 {
        self.sources.iter().map(|s| s.recorded).sum()
    }

    /// Requests that did not, by reason.
    pub fn dropped(&self) -> BTreeMap<DropReason, u64> {
        let mut all = BTreeMap::new();
        for (&reason, &count) in self.sources.iter().flat_map(|s| &s.dropped) {
            *all.entry(reason).or_default() += count;
        }
        all
    }

    /// Whether every source said that it was done and every request was recorded.
    pub fn is_whole(&self) -> bool {
        self.sources.iter().all(|s| s.status == SourceStatus::Done && s.dropped.is_empty())
    }
}
