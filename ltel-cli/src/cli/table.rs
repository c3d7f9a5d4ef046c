//! Tables for people: the figures of a run, and the accounts of its sources and backends.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use ltel_core::backend::BackendEnd;
use ltel_core::figures::{EndpointFigures, RunFigures};
use ltel_core::runs::{NoRunAccount, SourceAccount};
use ltel_core::text;

use crate::config::{BackendConfig, Signal};
use crate::deliver::Delivered;
use crate::pipeline::Ended;
use crate::plural::counted;
use crate::runs::EndedRun;

// Wide enough for the figures; long texts wrap.
const WIDTH: u16 = 140;

// In characters.
const LONGEST_NAME: usize = 60;
const LONGEST_ERROR: usize = 80;

/// A table without borders.
pub(crate) fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH).set_header(header);
    table
}

/// The end of `run` and `demo`: each run's figures, then the accounts of its sources and backends.
pub(crate) fn render(ended: &Ended) -> String {
    let mut out = String::new();
    for run in &ended.outcome.runs {
        let (run_id, testplan) = (text::printable(&run.info.run_id), text::printable(&run.info.testplan));
        let _ = writeln!(out, "\nRun {run_id} of testplan {testplan}");
        if let Some(figures) = ended.summary.figures(&run.info) {
            let _ = writeln!(out, "\n{}", endpoints(&figures));
            if !figures.errors.is_empty() {
                let _ = writeln!(out, "\n{}", errors(&figures));
            }
        }
        let _ = writeln!(out, "\n{}", account(run));
    }
    if !ended.outcome.runs.is_empty() {
        let _ = writeln!(out, "\n{}", backends(&ended.backends));
    }
    for remark in remarks(ended) {
        let _ = writeln!(out, "\n{remark}");
    }
    out
}

/// The end of serving: warnings, if there are any.
pub(crate) fn log(ended: &Ended) {
    for (backend, delivered) in &ended.backends {
        if !delivered.is_whole() {
            tracing::warn!("backend `{}`: {}", backend.name, delivery(delivered));
        }
    }
    for remark in remarks(ended) {
        tracing::warn!("{remark}");
    }
}

fn endpoints(figures: &RunFigures) -> Table {
    let mut table = plain(&["Method", "Name", "Requests", "Failures", "p50 ms", "p95 ms", "p99 ms", "Max ms", "Req/s"]);
    right(&mut table, 2..9);
    for endpoint in figures.endpoints.iter().chain([&figures.total]) {
        table.add_row(row(endpoint));
    }
    table
}

fn row(endpoint: &EndpointFigures) -> [String; 9] {
    let percentile = |percent| number(endpoint.percentile(percent));
    [
        one_line(&endpoint.method, LONGEST_NAME),
        one_line(&endpoint.name, LONGEST_NAME),
        endpoint.requests.to_string(),
        endpoint.failures.to_string(),
        percentile(50.0),
        percentile(95.0),
        percentile(99.0),
        number(endpoint.max_ms),
        number(Some(endpoint.rate)),
    ]
}

fn errors(figures: &RunFigures) -> Table {
    const SHOWN: usize = 10;
    let mut table = plain(&["Times", "Error", "At"]);
    right(&mut table, 0..1);
    let mut errors: Vec<_> = figures.errors.iter().collect();
    errors.sort_by_key(|error| std::cmp::Reverse(error.occurrences));
    for error in errors.iter().take(SHOWN) {
        let at = format!("{} {}", one_line(&error.method, LONGEST_NAME), one_line(&error.name, LONGEST_NAME));
        table.add_row([error.occurrences.to_string(), one_line(&error.error, LONGEST_ERROR), at]);
    }
    if errors.len() > SHOWN {
        let rest: u64 = errors[SHOWN..].iter().map(|error| error.occurrences).sum();
        table.add_row([rest.to_string(), format!("{} more kinds of errors", errors.len() - SHOWN), String::new()]);
    }
    table
}

fn account(run: &EndedRun) -> Table {
    let mut table = plain(&["Source", "Sent", "Recorded", "Dropped", ""]);
    right(&mut table, 1..4);
    let row = |name: String, sent: u64, recorded: u64, dropped: u64, remark: String| {
        [name, sent.to_string(), recorded.to_string(), dropped.to_string(), remark]
    };
    for source in &run.account.sources {
        let dropped = source.dropped.values().copied().fold(0, u64::saturating_add);
        table.add_row(row(
            one_line(&source.label, LONGEST_NAME),
            source.sent,
            source.recorded,
            dropped,
            reasons(source),
        ));
    }
    let dropped = run.account.dropped().values().copied().fold(0, u64::saturating_add);
    let remark = if run.complete { "complete" } else { "incomplete" };
    let (sent, recorded) = (run.account.sent(), run.account.recorded());
    table.add_row(row("total".to_owned(), sent, recorded, dropped, remark.to_owned()));
    table
}

fn reasons(source: &SourceAccount) -> String {
    let dropped = source.dropped.iter().map(|(reason, count)| format!("{count} {}", reason.as_str()));
    std::iter::once(source.status.as_str().to_owned()).chain(dropped).collect::<Vec<_>>().join(", ")
}

fn backends(accounts: &[(BackendConfig, Delivered)]) -> Table {
    let mut table = plain(&["Backend", "Type", "Points", "Records", "Spans", ""]);
    right(&mut table, 2..5);
    for (backend, delivered) in accounts {
        if !backend.delivers() {
            continue;
        }
        let kind = backend.backend.spec().name;
        let taken = |signal| delivered.of(signal).delivered.to_string();
        let [points, records, spans] = [Signal::Metrics, Signal::Logs, Signal::Traces].map(taken);
        table.add_row([backend.name.as_str(), kind, &points, &records, &spans, &delivery(delivered)]);
    }
    table
}

/// A backend's account, in words.
pub(crate) fn delivery(delivered: &Delivered) -> String {
    let mut parts = Vec::new();
    match &delivered.ended {
        BackendEnd::Well => {}
        BackendEnd::GivenUp => parts.push("did not finish: what it held is NOT delivered".to_owned()),
        BackendEnd::Panicked(_) => {
            parts.push("panicked: items that it held or was given later are NOT delivered".to_owned());
        }
    }
    if delivered.lost_final_points > 0 {
        parts.push(format!("final figures NOT delivered ({})", counted(delivered.lost_final_points, "points")));
    }
    if delivered.lost_reports > 0 {
        parts.push(format!("{} NOT written", counted(delivered.lost_reports, "files")));
    }
    for signal in Signal::ALL {
        let (figures, items) = (delivered.of(signal), signal.items());
        if figures.failed_exports > 0 {
            parts.push(format!(
                "{} ({})",
                counted(figures.failed_exports, "failed exports"),
                counted(figures.failed, items)
            ));
        }
        if figures.rejected > 0 {
            parts.push(format!("{} rejected by the receiver", counted(figures.rejected, items)));
        }
        if figures.dropped > 0 {
            parts.push(format!("{} dropped (queue full)", counted(figures.dropped, items)));
        }
    }
    match &delivered.last_error {
        _ if parts.is_empty() => "delivered".to_owned(),
        Some(error) => format!("{}; last error: {}", parts.join(", "), without_its_middle(error, 160)),
        None => parts.join(", "),
    }
}

fn remarks(ended: &Ended) -> Vec<String> {
    let mut remarks = Vec::new();
    remarks.extend(no_run(&ended.outcome.no_run));
    let faults: Vec<_> =
        ended.faults.counts().into_iter().map(|(kind, count)| format!("{}: {count}", text::printable(&kind))).collect();
    if !faults.is_empty() {
        remarks.push(format!("Faults of clients: {}", faults.join(", ")));
    }
    remarks
}

/// Requests and events of sources that belong to no run.
pub(crate) fn no_run(account: &NoRunAccount) -> Vec<String> {
    let mut lost = Vec::new();
    if !account.requests.is_empty() {
        let by_source = account.requests.iter().map(|(label, count)| format!("{label}: {count}"));
        let by_source = by_source.collect::<Vec<_>>().join(", ");
        lost.push(format!(
            "{} dropped of sources that belong to no run ({})",
            counted(account.total_requests(), "requests"),
            text::shortened(&by_source, 200)
        ));
    }
    if account.events > 0 {
        lost.push(format!("{} dropped of sources that belong to no run", counted(account.events, "other events")));
    }
    lost
}

fn right(table: &mut Table, columns: std::ops::Range<usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn one_line(text: &str, most: usize) -> String {
    text::shortened(text, most).to_string()
}

/// Cuts out the middle: an error's subject is at its beginning, its cause at its end.
fn without_its_middle(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text::printable(text).to_string();
    }
    let (head, tail) = (most / 3, most - most / 3);
    let end: String = text.chars().skip(length - tail).collect();
    format!("{}{}", text::shortened(text, head), text::printable(&end))
}

fn number(number: Option<f64>) -> String {
    match number {
        Some(number) if number.abs() < 10.0 => format!("{number:.2}"),
        Some(number) => format!("{number:.1}"),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use ltel_core::figures::{ErrorFigures, Histogram, Stage};

    use super::*;

    fn figures() -> RunFigures {
        let endpoint = |method: &str, name: &str, times: &[u64]| {
            let mut us = times.to_vec();
            us.sort_unstable();
            let max_ms = us.last().map(|us| *us as f64 / 1e3);
            EndpointFigures {
                method: method.to_owned(),
                name: name.to_owned(),
                requests: 12,
                failures: 3,
                min_ms: us.first().map(|us| *us as f64 / 1e3),
                max_ms,
                histogram: Histogram::from_counts(us.iter().map(|us| (Histogram::bucket_of(*us), 1))),
                rate: 0.5,
                ..EndpointFigures::default()
            }
        };
        let error = |n: u64, text: &str| ErrorFigures {
            method: "GET".to_owned(),
            name: "/".to_owned(),
            error: text.to_owned(),
            occurrences: n,
            first: ltel_core::Timestamp::default(),
            last: ltel_core::Timestamp::default(),
        };
        RunFigures {
            stage: Stage::Final { complete: true },
            users: 1,
            total: endpoint("", "Aggregated", &[1_000, 20_000, 30_000, 1_234_500]),
            endpoints: vec![endpoint("GET", "/a\u{1b}[31m", &[1_000, 20_000, 1_234_500]), endpoint("", "untimed", &[])],
            errors: (1..=12).map(|n| error(n, if n == 12 { "two\nlines" } else { "one" })).collect(),
            ..RunFigures::default()
        }
    }

    /// Scenario: the figures of a run whose names hold escape sequences, and an endpoint without response
    /// times. Guarantees: each figure is in its column, `-` marks a missing one, the most frequent errors
    /// come first, and nothing that a client sent reaches the terminal raw.
    #[test]
    fn figures_are_shown() {
        insta::assert_snapshot!(format!("{}\n\n{}", endpoints(&figures()), errors(&figures())));
    }
}
