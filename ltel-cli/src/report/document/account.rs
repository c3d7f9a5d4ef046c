//! The Locust processes in a document, and what happened to their requests.

use std::collections::BTreeMap;

use ltel_core::figures::{GeneratorFigures, RunFigures};
use ltel_core::runs::{self, DropReason, SourceInfo};
use ltel_core::source::{Source, SourceKind};
use serde::{Deserialize, Serialize};

/// A Locust process: what it used of its host, and what happened to its requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Generator {
    /// The label `source_id`.
    pub(crate) label: String,
    /// `local`, `master` or `worker`; `null` for one that never connected.
    pub(crate) kind: Option<String>,
    /// The host that it ran on.
    pub(crate) host: Option<String>,
    /// Its process id there.
    pub(crate) pid: Option<u32>,
    /// The greatest CPU usage within each point of the timeline, in percent of one core.
    pub(crate) cpu_percent: Vec<Option<f32>>,
    /// The greatest resident memory within each point.
    pub(crate) memory_bytes: Vec<Option<u64>>,
    /// The greatest CPU usage of all.
    pub(crate) max_cpu_percent: Option<f64>,
    /// The mean CPU usage.
    pub(crate) mean_cpu_percent: Option<f64>,
    /// The greatest resident memory of all.
    pub(crate) max_memory_bytes: Option<u64>,
    /// How often Locust has warned of its CPU usage.
    pub(crate) cpu_warnings: u64,
    /// Whether it may have been the bottleneck: Locust has warned, or it used more than 90 % of a core.
    pub(crate) busy: bool,
    /// What happened to its requests; `null` if that is not known.
    pub(crate) account: Option<SourceAccount>,
}

/// What happened to a run's requests: `sent` is the sum of `recorded`, `filtered` and `dropped`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Requests that all processes sent.
    pub(crate) sent: u64,
    /// Requests that reached all recorders.
    pub(crate) recorded: u64,
    /// Requests that a rule of `[[names]]` drops; absent if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) filtered: u64,
    /// Requests that are missing, by reason.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// Processes beyond the limit of a run.
    pub(crate) unlisted_sources: u64,
    /// Events that are not requests and arrived after the run was over: task executions, measurements, user errors, custom events
    /// and log messages.
    pub(crate) late_events: u64,
    /// Measurements that could not be decoded.
    #[serde(default)]
    pub(crate) invalid_events: u64,
    /// Events that are not requests and that processes dropped because their buffer was full.
    #[serde(default)]
    pub(crate) dropped_events: u64,
    /// Whether the figures have Locust's own names, and so the filtered requests too; absent if nothing is filtered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) own_names: bool,
    /// Values that recorders have left out, by recorder; absent if there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) values_left_out: BTreeMap<String, u64>,
    /// By process.
    pub(crate) sources: Vec<SourceAccount>,
}

/// What happened to the requests of one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceAccount {
    /// The label `source_id`.
    pub(crate) label: String,
    /// How its part ended: `done`, `disagrees`, `missing` or `open`.
    pub(crate) status: String,
    /// Requests that it sent.
    pub(crate) sent: u64,
    /// Requests that reached all recorders.
    pub(crate) recorded: u64,
    /// Requests that a rule of `[[names]]` drops; absent if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) filtered: u64,
    /// Requests that are missing, by reason: `buffer_full`, `not_received`, `invalid`, `late`, `no_run`.
    pub(crate) dropped: BTreeMap<String, u64>,
}

impl Generator {
    /// Those that have figures, and then those that are only in the account.
    pub(super) fn all(figures: &RunFigures) -> Vec<Self> {
        let mut accounts: Vec<_> = figures.account.sources.iter().map(Some).collect();
        let mut generators: Vec<_> = figures
            .generators
            .iter()
            .map(|generator| {
                let is_its = |account: &&mut Option<&runs::SourceAccount>| {
                    account.is_some_and(|account| match (&account.source, &generator.source) {
                        (Some(a), Some(b)) => a.index == b.index,
                        _ => account.label == generator.label,
                    })
                };
                Self::of(generator, accounts.iter_mut().find(is_its).and_then(Option::take))
            })
            .collect();
        generators.extend(accounts.into_iter().flatten().map(|account| {
            let (source, label) = (account.source.clone(), account.label.clone());
            Self::of(&GeneratorFigures { source, label, ..GeneratorFigures::default() }, Some(account))
        }));
        generators
    }

    fn of(generator: &GeneratorFigures, account: Option<&runs::SourceAccount>) -> Self {
        let source = generator.source.as_deref().map(|SourceInfo { source, .. }| source);
        Self {
            label: generator.label.clone(),
            kind: source.map(kind),
            host: source.map(|source| source.host.clone()),
            pid: source.map(|source| source.pid),
            cpu_percent: generator.cpu_percent.clone(),
            memory_bytes: generator.memory_bytes.clone(),
            max_cpu_percent: generator.max_cpu_percent,
            mean_cpu_percent: generator.mean_cpu_percent,
            max_memory_bytes: generator.max_memory_bytes,
            cpu_warnings: generator.cpu_warnings,
            busy: generator.was_busy(),
            account: account.map(SourceAccount::of),
        }
    }
}

fn kind(source: &Source) -> String {
    let kind = match source.kind {
        SourceKind::Local => "local",
        SourceKind::Master => "master",
        SourceKind::Worker => "worker",
    };
    kind.to_owned()
}

impl Account {
    pub(super) fn of(figures: &RunFigures) -> Self {
        let account = &figures.account;
        Self {
            sent: account.sent(),
            recorded: account.recorded(),
            filtered: account.filtered(),
            dropped: by_name(&account.dropped()),
            unlisted_sources: account.unlisted_sources,
            late_events: account.late_events,
            invalid_events: account.invalid_events,
            dropped_events: account.dropped_events,
            own_names: figures.own_names && account.filtered() > 0,
            values_left_out: figures.values_left_out.clone(),
            sources: account.sources.iter().map(SourceAccount::of).collect(),
        }
    }
}

impl SourceAccount {
    fn of(account: &runs::SourceAccount) -> Self {
        Self {
            label: account.label.clone(),
            status: account.status.as_str().to_owned(),
            sent: account.sent,
            recorded: account.recorded,
            filtered: account.filtered,
            dropped: by_name(&account.dropped),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for it
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn by_name(dropped: &BTreeMap<DropReason, u64>) -> BTreeMap<String, u64> {
    dropped.iter().map(|(reason, count)| (reason.as_str().to_owned(), *count)).collect()
}
