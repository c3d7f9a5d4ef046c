//! Tables for people: the figures of a run, and what became of them.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use ltel_core::account::{DropReason, SourceAccount};
use ltel_core::record::Record;

use crate::config::{BackendConfig, BackendKind, Signal};
use crate::deliver::Delivered;
use crate::deliver::summary::RunFigures;
use crate::pipeline::Ended;
use crate::runs::FinishedRun;

// Wide enough for the figures; long texts go on in the next line.
const WIDTH: u16 = 140;

/// A table without lines, as tools of a terminal print it.
pub(crate) fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH).set_header(header);
    table
}

/// The end of `run` and `demo`: each run's figures, then what became of every request and of every export.
pub(crate) fn render(ended: &Ended) -> String {
    let mut out = String::new();
    let figures = ended.summary.runs();
    for run in &ended.outcome.runs {
        let _ = writeln!(out, "\nRun {} of testplan {}", run.info.run_id, run.info.testplan);
        if let Some(figures) = figures.iter().find(|figures| figures.run.run_id == run.info.run_id) {
            let _ = writeln!(out, "\n{}", endpoints(figures));
            if !figures.errors.is_empty() {
                let _ = writeln!(out, "\n{}", errors(figures));
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

/// The end of serving: what people must know, if there is anything.
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
    for record in figures.endpoints.iter().chain(&figures.total) {
        let count = |field| record.get(field).map_or_else(String::new, ToString::to_string);
        let number = |field| number(record, field);
        table.add_row([
            text(record, "method"),
            text(record, "name"),
            count("num_requests"),
            count("num_failures"),
            number("percentile_50"),
            number("percentile_95"),
            number("percentile_99"),
            number("max_response_time"),
            number("total_rps"),
        ]);
    }
    table
}

fn errors(figures: &RunFigures) -> Table {
    const SHOWN: usize = 10;
    let mut table = plain(&["Times", "Error", "At"]);
    right(&mut table, 0..1);
    let times = |record: &Record| record.get("occurrences").and_then(serde_json::Value::as_u64).unwrap_or(0);
    let mut errors = figures.errors.clone();
    errors.sort_by_key(|record| std::cmp::Reverse(times(record)));
    for record in errors.iter().take(SHOWN) {
        let at = format!("{} {}", text(record, "method"), text(record, "name"));
        table.add_row([times(record).to_string(), shortened(&text(record, "error"), 80), at]);
    }
    if errors.len() > SHOWN {
        let rest: u64 = errors[SHOWN..].iter().map(|record| times(record)).sum();
        table.add_row([rest.to_string(), format!("{} more kinds of errors", errors.len() - SHOWN), String::new()]);
    }
    table
}

fn account(run: &FinishedRun) -> Table {
    let mut table = plain(&["Source", "Sent", "Recorded", "Dropped", ""]);
    right(&mut table, 1..4);
    let row = |name: String, sent: u64, recorded: u64, dropped: u64, remark: String| {
        [name, sent.to_string(), recorded.to_string(), dropped.to_string(), remark]
    };
    for source in &run.account.sources {
        let dropped = source.dropped.values().sum();
        table.add_row(row(source.label.clone(), source.sent, source.recorded, dropped, reasons(source)));
    }
    // What came too late was sent as well.
    let dropped = run.account.dropped().values().sum::<u64>() + run.late;
    let late = if run.late > 0 { format!("{} {}", run.late, DropReason::Late.as_str()) } else { String::new() };
    table.add_row(row("total".to_owned(), run.account.sent() + run.late, run.account.recorded(), dropped, late));
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
        let kind = match backend.kind {
            BackendKind::Json(_) => "json",
            BackendKind::Otlp(_) => "otlp",
            BackendKind::Prometheus(_) => "prometheus",
            BackendKind::Summary => continue,
        };
        let taken = |signal| delivered.of(signal).delivered.to_string();
        let [points, records, spans] = [Signal::Metrics, Signal::Logs, Signal::Traces].map(taken);
        table.add_row([backend.name.as_str(), kind, &points, &records, &spans, &delivery(delivered)]);
    }
    table
}

/// What became of what a backend was given.
pub(crate) fn delivery(delivered: &Delivered) -> String {
    let mut parts = Vec::new();
    if delivered.given_up {
        parts.push("did not finish: what it held is NOT delivered".to_owned());
    }
    if delivered.lost_final_points > 0 {
        parts.push(format!("final figures NOT delivered ({} points)", delivered.lost_final_points));
    }
    for signal in Signal::ALL {
        let (figures, items) = (delivered.of(signal), signal.items());
        if figures.failed_exports > 0 {
            parts.push(format!("{} failed exports ({} {items})", figures.failed_exports, figures.failed));
        }
        if figures.rejected > 0 {
            parts.push(format!("{} {items} rejected by the receiver", figures.rejected));
        }
        if figures.dropped > 0 {
            parts.push(format!("{} {items} dropped, the queue was full", figures.dropped));
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
    if ended.outcome.no_run > 0 {
        remarks.push(format!("{} requests of sources that belong to no run: dropped", ended.outcome.no_run));
    }
    let faults: Vec<_> = ended.faults.counts().into_iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
    if !faults.is_empty() {
        remarks.push(format!("Faults of clients: {}", faults.join(", ")));
    }
    remarks
}

fn right(table: &mut Table, columns: std::ops::Range<usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A field as text that stays on its line, whatever it holds.
fn text(record: &Record, field: &str) -> String {
    let text = record.get(field).and_then(|value| value.as_str()).unwrap_or_default();
    shortened(text, 60)
}

fn shortened(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > most {
        short.push('…');
    }
    short
}

/// What an error is about stands at its beginning, and why it came at its end.
fn without_its_middle(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return shortened(text, most);
    }
    let (head, tail) = (most / 3, most - most / 3);
    let end: String = text.chars().skip(length - tail).collect();
    format!("{}{}", shortened(text, head), shortened(&end, tail))
}

fn number(record: &Record, field: &str) -> String {
    match record.get(field).and_then(serde_json::Value::as_f64) {
        Some(number) if number.abs() < 10.0 => format!("{number:.2}"),
        Some(number) => format!("{number:.1}"),
        None => "-".to_owned(),
    }
}
