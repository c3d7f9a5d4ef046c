//! What happened to the telemetry: of each Locust process, and in each backend.

use std::fmt::Write as _;

use ltel_core::backend::BackendEnd;
use ltel_core::figures::RunFigures;
use ltel_core::runs::{NoRunAccount, SourceAccount, SourceStatus};
use ltel_core::text;

use super::Look;
use super::layout::{self, number, shown, table, words};
use crate::config::{BackendConfig, Signal};
use crate::deliver::Delivered;
use crate::pipeline::Ended;
use crate::plural::counted;
use crate::runs::EndedRun;

/// How many Locust processes are listed whose requests did not all arrive.
const SHOWN: usize = 10;

/// One line if everything arrived; else the Locust processes of which something is missing, too.
pub(super) fn sources(run: &EndedRun, figures: Option<&RunFigures>, look: Look) -> String {
    let account = &run.account;
    let dropped = account.dropped().values().copied().fold(0, u64::saturating_add);
    let processes = match account.sources.len() {
        1 => "1 Locust process".to_owned(),
        count => format!("{count} Locust processes"),
    };
    let complete = if run.complete { "complete" } else { "INCOMPLETE" };
    let (sent, recorded) = (counted(account.sent(), "requests"), account.recorded());
    // Only where a rule of `[[names]]` drops requests.
    let filtered = match account.filtered() {
        0 => String::new(),
        filtered => format!("{filtered} filtered, "),
    };
    let line = format!("{sent} sent by {processes}, {recorded} recorded, {filtered}{dropped} dropped: {complete}");
    let line = [line].into_iter().chain(figures.into_iter().flat_map(notes)).collect::<Vec<_>>().join("\n");
    let lacking: Vec<_> = account.sources.iter().filter(|source| !is_whole(source)).collect();
    if lacking.is_empty() {
        return line;
    }
    let row = |name: String, source: &SourceAccount| {
        let dropped = source.dropped.values().copied().fold(0, u64::saturating_add);
        let [sent, recorded, dropped] = [source.sent, source.recorded, dropped].map(|count| count.to_string());
        vec![name, sent, recorded, dropped, reasons(source)]
    };
    let rows: Vec<_> = lacking.iter().take(SHOWN).map(|source| row(shown(&source.label), source)).collect();
    let columns = [layout::text("Source"), number("Sent"), number("Recorded"), number("Dropped"), layout::text("")];
    let more = match lacking.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\n… and {more} more; the run's report, `ltel.run.report`, has all of them"),
    };
    format!("{line}\n\n{}{more}", table(look.width, &columns, &rows))
}

/// What the numbers do not say by themselves.
fn notes(figures: &RunFigures) -> Vec<String> {
    let mut notes = Vec::new();
    if figures.own_names && figures.account.filtered() > 0 {
        notes.push(
            "The table has Locust's own names, and the filtered requests: `names = true` in [recorders.stats] follows the rules"
                .to_owned(),
        );
    }
    if figures.account.invalid_events > 0 {
        let values = counted(figures.account.invalid_events, "values");
        notes.push(format!("{values} of the locustfile's metrics left out, as they are no numbers"));
    }
    let mut first = true;
    let left_out = figures.values_left_out.iter().map(|(recorder, &count)| {
        let what = if std::mem::take(&mut first) { counted(count, "values") + " left out" } else { count.to_string() };
        format!("{what} by {}", shown(recorder))
    });
    let left_out = left_out.collect::<Vec<_>>();
    if !left_out.is_empty() {
        notes.push(left_out.join(", "));
    }
    notes
}

fn is_whole(source: &SourceAccount) -> bool {
    source.status == SourceStatus::Done && source.dropped.is_empty()
}

fn reasons(source: &SourceAccount) -> String {
    let filtered = (source.filtered > 0).then(|| format!("{} filtered", source.filtered));
    let dropped = source.dropped.iter().map(|(reason, count)| format!("{count} {}", reason.as_str()));
    std::iter::once(source.status.as_str().to_owned()).chain(filtered).chain(dropped).collect::<Vec<_>>().join(", ")
}

/// What each backend delivered; then, in words, what one did not.
pub(super) fn backends(accounts: &[(BackendConfig, Delivered)], look: Look) -> Option<String> {
    let mut rows = Vec::new();
    let mut lost = String::new();
    for (backend, delivered) in accounts.iter().filter(|(backend, _)| backend.delivers()) {
        let taken = |signal| delivered.of(signal).delivered.to_string();
        let [points, records, spans] = [Signal::Metrics, Signal::Logs, Signal::Traces].map(taken);
        let end = if delivered.is_whole() { "delivered" } else { "NOT all delivered" };
        let kind = backend.backend.spec().name.to_owned();
        rows.push(vec![shown(&backend.name), kind, points, records, spans, end.to_owned()]);
        if !delivered.is_whole() {
            let _ = write!(lost, "\n\nBackend `{}`: {}", shown(&backend.name), delivery(delivered));
        }
    }
    let columns =
        [layout::text("Backend"), words("Type"), number("Points"), number("Records"), number("Spans"), words("")];
    (!rows.is_empty()).then(|| table(look.width, &columns, &rows) + &lost)
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
        // Where the final figures are all that failed, that has been said.
        let is_said = signal == Signal::Metrics && figures.failed > 0 && figures.failed == delivered.lost_final_points;
        if figures.failed_exports > 0 && !is_said {
            parts.push(format!(
                "{} ({})",
                counted(figures.failed_exports, "failed exports"),
                counted(figures.failed, items)
            ));
        } else if figures.failed > 0 && !is_said && delivered.ended == BackendEnd::Well {
            parts.push(format!("{} NOT delivered: they came after its end", counted(figures.failed, items)));
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
        // Nothing else went wrong, so this is why.
        Some(error) if parts.len() == 1 => format!("{}: {}", parts[0], without_its_middle(error, 160)),
        Some(error) => format!("{}; last error: {}", parts.join(", "), without_its_middle(error, 160)),
        None => parts.join(", "),
    }
}

pub(super) fn remarks(ended: &Ended) -> Vec<String> {
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
