//! The run report: what became of every request of a run. A record for machines, a log line for people.

use ltel_core::Now;
use ltel_core::record::{Record, RecordKind, Severity};
use ltel_core::runs::{Run, RunInfo};
use ltel_core::runs::{RunAccount, SourceStatus};
use serde_json::{Map, Value, json};

/// The name of the report's record.
pub(crate) const NAME: &str = "ltel.run.report";

/// What there is to say of a run that is over.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) account: RunAccount,
    /// By recorder, how many events found its series limit reached.
    pub(crate) overflowed: Vec<(&'a str, u64)>,
    /// The recorders that panicked, and with what.
    pub(crate) panicked: Vec<(&'a str, &'a str)>,
}

impl Report<'_> {
    /// Whether nothing is missing: of the requests, and of what recorders made of them.
    pub(crate) fn is_whole(&self) -> bool {
        self.account.is_whole() && self.panicked.is_empty()
    }

    /// The report as a record.
    pub(crate) fn record(&self, run: &Run, now: Now) -> Record {
        let account = &self.account;
        let sources: Vec<Value> = account
            .sources
            .iter()
            .map(|source| {
                json!({
                    "source": source.source.as_ref().map(|s| s.source.runner()),
                    "source_id": source.label,
                    "status": source.status.as_str(),
                    "sent": source.sent,
                    "recorded": source.recorded,
                    "dropped": source.dropped.values().sum::<u64>(),
                })
            })
            .collect();
        let dropped = account.dropped();
        let by_reason: Map<_, _> =
            dropped.iter().map(|(why, count)| (why.as_str().to_owned(), (*count).into())).collect();
        let overflowed = self.overflowed.iter().filter(|(_, count)| *count > 0);
        let overflowed: Map<_, _> = overflowed.map(|&(name, count)| (name.to_owned(), count.into())).collect();
        let panicked: Map<_, _> = self.panicked.iter().map(|&(name, why)| (name.to_owned(), why.into())).collect();
        let severity = if self.is_whole() { Severity::Info } else { Severity::Warning };
        let mut record = Record::new(RecordKind::Event, NAME, now.wall)
            .severity(severity)
            .field("complete", self.is_whole())
            .field("duration_seconds", now.since(run.info().begun).as_secs_f64())
            .field("sent", account.sent())
            .field("recorded", account.recorded())
            .field("dropped", dropped.values().sum::<u64>())
            .field("dropped_by_reason", by_reason)
            .field("sources", sources)
            .field("missing", labels(account, SourceStatus::Missing));
        if !overflowed.is_empty() {
            record = record.field("series_limit_reached", overflowed);
        }
        if !panicked.is_empty() {
            record = record.field("recorders_panicked", panicked);
        }
        record.source = run.coordinator().cloned();
        record
    }

    /// Tells people that a run is complete, and what is missing from it.
    pub(crate) fn log(&self, run: &RunInfo) {
        let account = &self.account;
        let dropped: u64 = account.dropped().values().sum();
        let figures =
            format!("run {} complete: {} requests recorded, {dropped} dropped", run.run_id, account.recorded());
        if self.is_whole() {
            tracing::info!("{figures}");
            return;
        }
        let mut why: Vec<String> =
            account.dropped().iter().map(|(why, count)| format!("{count} {}", why.as_str())).collect();
        for (status, what) in [(SourceStatus::Missing, "gone without a word"), (SourceStatus::Open, "still at work")] {
            let labels = labels(account, status);
            if !labels.is_empty() {
                why.push(format!("{what}: {}", labels.join(", ")));
            }
        }
        why.extend(self.panicked.iter().map(|(name, _)| format!("recorder `{name}` panicked")));
        tracing::warn!("{figures} ({})", why.join("; "));
    }
}

fn labels(account: &RunAccount, status: SourceStatus) -> Vec<String> {
    account.sources.iter().filter(|source| source.status == status).map(|source| source.label.clone()).collect()
}
