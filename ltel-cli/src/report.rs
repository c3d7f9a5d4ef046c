//! The run report: what became of every request of a run. A record for machines, a log line for people.

use ltel_core::Timestamp;
use ltel_core::account::{Account, SourceStatus};
use ltel_core::record::{Record, RecordKind, Severity};
use ltel_core::run::{Run, RunInfo};
use serde_json::{Map, Value, json};

/// The name of the report's record.
pub(crate) const NAME: &str = "ltel.run.report";

/// The report of a run as a record.
pub(crate) fn record<'a>(
    run: &Run,
    account: &Account,
    overflowed: impl Iterator<Item = (&'a str, u64)>,
    now: Timestamp,
) -> Record {
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
    let by_reason: Map<_, _> = dropped.iter().map(|(why, count)| (why.as_str().to_owned(), (*count).into())).collect();
    let overflowed: Map<_, _> =
        overflowed.filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count.into())).collect();
    let severity = if account.is_whole() { Severity::Info } else { Severity::Warning };
    let mut record = Record::new(RecordKind::Event, NAME, now)
        .severity(severity)
        .field("complete", account.is_whole())
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
    record.source = run.coordinator().cloned();
    record
}

/// Tells people that a run is complete, and what is missing from it.
pub(crate) fn log(run: &RunInfo, account: &Account) {
    let dropped: u64 = account.dropped().values().sum();
    let figures = format!("run {} complete: {} requests recorded, {dropped} dropped", run.run_id, account.recorded());
    if account.is_whole() {
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
    tracing::warn!("{figures} ({})", why.join("; "));
}

fn labels(account: &Account, status: SourceStatus) -> Vec<String> {
    account.sources.iter().filter(|source| source.status == status).map(|source| source.label.clone()).collect()
}
