//! The run report: the account of every request of a run, as a record for machines and a log line for people.

use ltel_core::Now;
use ltel_core::record::{Record, RecordKind, Severity};
use ltel_core::recorder::field_of;
use ltel_core::runs::{Run, RunAccount, RunInfo, SourceStatus};
use ltel_core::text::{Printable, shortened};
use serde_json::{Map, Value, json};

use super::active_recorder::Counts;
use crate::config::FIELDS_OF_RUN;
use crate::plural::counted;

/// The name of the report: the last record of its run.
pub(super) const NAME: &str = "ltel.run.report";

/// The name of the record that follows if a run's account changes after its end. It holds the whole new account.
pub(super) const CORRECTION: &str = "ltel.run.correction";

// The longest id in messages.
const SHOWN: usize = 100;

/// What the recorders of a run have left out of it.
#[derive(Debug, Default)]
pub(super) struct Shortfall {
    /// By recorder, what it could not record as it should.
    pub(super) counts: Vec<(String, Counts)>,
    /// The recorders that panicked, and their messages.
    pub(super) panicked: Vec<(String, String)>,
}

impl Shortfall {
    /// Whether there is nothing to tell.
    pub(super) fn is_nothing(&self) -> bool {
        self.panicked.is_empty()
            && self.counts.iter().all(|(_, counts)| counts.overflowed == 0 && counts.values_left_out == 0)
    }

    /// The report with this account.
    pub(super) fn report<'a>(&'a self, account: &'a RunAccount, complete: bool) -> Report<'a> {
        Report {
            account,
            complete,
            counts: self.counts.iter().map(|(name, counts)| (&**name, *counts)).collect(),
            panicked: self.panicked.iter().map(|(name, why)| (&**name, &**why)).collect(),
        }
    }
}

/// The report of a run that is over.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) account: &'a RunAccount,
    /// Whether nothing is missing: no request, and no recorder's output.
    pub(super) complete: bool,
    /// By recorder, what it could not record as it should.
    pub(super) counts: Vec<(&'a str, Counts)>,
    /// The recorders that panicked, and their messages.
    pub(super) panicked: Vec<(&'a str, &'a str)>,
}

impl Report<'_> {
    /// The report as a record with this name.
    pub(super) fn record(&self, name: &'static str, run: &Run, now: Now) -> Record {
        let account = self.account;
        let sources: Vec<Value> = account
            .sources
            .iter()
            .map(|source| {
                let mut entry = json!({
                    "source": source.source.as_ref().map(|s| s.source.runner()),
                    "source_id": source.label,
                    "status": source.status.as_str(),
                    "sent": source.sent,
                    "recorded": source.recorded,
                    "dropped": source.dropped.values().copied().fold(0, u64::saturating_add),
                });
                if source.filtered > 0 {
                    entry["filtered"] = source.filtered.into();
                }
                entry
            })
            .collect();
        let dropped = account.dropped();
        let by_reason: Map<_, _> =
            dropped.iter().map(|(why, count)| (why.as_str().to_owned(), (*count).into())).collect();
        let overflowed = self.by_recorder(|counts| counts.overflowed);
        let left_out = self.by_recorder(|counts| counts.values_left_out);
        let panicked: Map<_, _> = self.panicked.iter().map(|&(name, why)| (name.to_owned(), why.into())).collect();
        let severity = if self.complete { Severity::Info } else { Severity::Warning };
        let mut record = Record::new(RecordKind::Event, name, now.wall)
            .severity(severity)
            .field("complete", self.complete)
            .field("duration_seconds", now.since(run.info().begun).as_secs_f64())
            .field("sent", account.sent())
            .field("recorded", account.recorded())
            .field("dropped", dropped.values().copied().fold(0, u64::saturating_add))
            .field("dropped_by_reason", by_reason)
            .field("sources", sources)
            .field("missing", labels(account, SourceStatus::Missing));
        for (field, count) in [
            ("filtered", account.filtered()),
            ("unlisted_sources", account.unlisted_sources),
            ("late_events", account.late_events),
            ("invalid_events", account.invalid_events),
            ("dropped_events", account.dropped_events),
        ] {
            if count > 0 {
                record = record.field(field, count);
            }
        }
        if !overflowed.is_empty() {
            record = record.field("series_limit_reached", overflowed);
        }
        if !left_out.is_empty() {
            record = record.field("values_left_out", left_out);
        }
        if !panicked.is_empty() {
            record = record.field("recorders_panicked", panicked);
        }
        record.source = run.coordinator().cloned();
        labelled(record, run.info())
    }

    fn by_recorder(&self, count: impl Fn(&Counts) -> u64) -> Map<String, Value> {
        let counts = self.counts.iter().map(|(name, counts)| (*name, count(counts)));
        counts.filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count.into())).collect()
    }

    /// Logs that a run is over, and what is missing from it.
    pub(super) fn log(&self, run: &RunInfo) {
        let figures = self.figures();
        if self.complete {
            tracing::info!("{} complete: {figures}", name(run));
        } else {
            tracing::warn!("{} incomplete: {figures} ({})", name(run), self.reasons());
        }
    }

    /// Logs that the account of a run has changed after its end.
    pub(super) fn log_correction(&self, run: &RunInfo) {
        let figures = self.figures();
        if self.complete {
            tracing::info!("{} is complete after all: {figures}", name(run));
        } else {
            tracing::warn!("{}: more came after its end: {figures} ({})", name(run), self.reasons());
        }
    }

    fn figures(&self) -> String {
        let dropped = self.account.dropped().values().copied().fold(0, u64::saturating_add);
        let filtered = match self.account.filtered() {
            0 => String::new(),
            filtered => format!("{filtered} filtered, "),
        };
        format!("{} recorded, {filtered}{dropped} dropped", counted(self.account.recorded(), "requests"))
    }

    fn reasons(&self) -> String {
        let account = self.account;
        let mut why: Vec<String> =
            account.dropped().iter().map(|(why, count)| format!("{count} {}", why.as_str())).collect();
        for (status, what) in [
            (SourceStatus::Missing, "left before the end, or never connected"),
            (SourceStatus::Open, "not done yet"),
            (SourceStatus::Disagrees, "sent more than they reported"),
        ] {
            let labels = labels(account, status);
            if !labels.is_empty() {
                why.push(format!("{what}: {}", shortened(&labels.join(", "), 10 * SHOWN)));
            }
        }
        if account.unlisted_sources > 0 {
            why.push(format!("{} beyond `max_sources`", counted(account.unlisted_sources, "sources")));
        }
        for (count, what) in [
            (account.late_events, "after its end"),
            (account.invalid_events, "not understood"),
            (account.dropped_events, "dropped by the plugin"),
        ] {
            if count > 0 {
                why.push(format!("{} {what}", counted(count, "events")));
            }
        }
        why.extend(self.panicked.iter().map(|(name, _)| format!("recorder `{name}` panicked")));
        why.join("; ")
    }
}

/// Adds the labels of `[labels]` to a record about a run.
pub(super) fn labelled(mut record: Record, run: &RunInfo) -> Record {
    for (field, _) in &record.fields {
        debug_assert!(FIELDS_OF_RUN.contains(&&**field), "a label may be called `{field}`");
    }
    record.fields.extend(run.labels.iter().map(|label| (label.key.to_string().into(), field_of(&label.value))));
    record
}

/// A run, for messages.
pub(super) fn name(run: &RunInfo) -> String {
    format!("run {}", shortened(&run.run_id, SHOWN))
}

/// Its test plan, for messages.
pub(super) fn testplan(run: &RunInfo) -> Printable<'_> {
    shortened(&run.testplan, SHOWN)
}

fn labels(account: &RunAccount, status: SourceStatus) -> Vec<String> {
    account.sources.iter().filter(|source| source.status == status).map(|source| source.label.clone()).collect()
}
