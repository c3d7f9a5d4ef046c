//! The end of a test, for people. It adds to what Locust has printed: the judgement, exact percentiles, what went wrong outside
//! requests, and what happened to the telemetry.

mod layout;
mod endpoints;
mod problems;
mod own_metrics;
mod account;

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use ltel_core::figures::RunFigures;

use crate::cli::terminal;
use crate::deliver::summary::OwnMetric;
use crate::pipeline::Ended;
use crate::runs::EndedRun;
pub(crate) use account::{delivery, no_run};
use layout::shown;

/// How it looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// In columns.
    width: u16,
    colors: bool,
    /// Whether Locust's own tables were printed to the same place.
    beside_locust: bool,
}

impl Look {
    /// As stderr is.
    pub(crate) fn of_stderr(beside_locust: bool) -> Self {
        Self { width: terminal::width(), colors: terminal::has_colors(), beside_locust }
    }

    fn verdict(self, passed: bool, text: &str) -> String {
        match (self.colors, passed) {
            (false, _) => text.to_owned(),
            (true, true) => format!("\u{1b}[32m{text}\u{1b}[0m"),
            (true, false) => format!("\u{1b}[1;31m{text}\u{1b}[0m"),
        }
    }
}

/// A table without borders.
pub(crate) fn plain(header: &[&str]) -> Table {
    const WIDTH: u16 = 140;
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH).set_header(header);
    table
}

/// The end of `run` and `demo`: each run's figures and its account, then the accounts of the backends.
pub(crate) fn render(ended: &Ended, look: Look) -> String {
    let mut parts = Vec::new();
    for run in &ended.outcome.runs {
        let own_metrics = ended.summary.own_metrics(&run.info);
        parts.extend(of_run(run, ended.summary.figures(&run.info).as_deref(), &own_metrics, look));
    }
    if !ended.outcome.runs.is_empty() {
        parts.extend(account::backends(&ended.backends, look));
    }
    parts.extend(account::remarks(ended));
    parts.into_iter().fold(String::new(), |mut out, part| {
        let _ = writeln!(out, "\n{part}");
        out
    })
}

/// The end of serving: warnings, if there are any.
pub(crate) fn log(ended: &Ended) {
    for (backend, delivered) in &ended.backends {
        if !delivered.is_whole() {
            tracing::warn!("backend `{}`: {}", backend.name, delivery(delivered));
        }
    }
    for remark in account::remarks(ended) {
        tracing::warn!("{remark}");
    }
}

/// What to say of a run, in parts.
fn of_run(run: &EndedRun, figures: Option<&RunFigures>, own_metrics: &[OwnMetric], look: Look) -> Vec<String> {
    let mut head = format!("Run {} of testplan {}", shown(&run.info.run_id), shown(&run.info.testplan));
    let Some(figures) = figures else { return vec![head, account::sources(run, None, look)] };
    head.push_str(&verdict(figures, look).map(|verdict| format!(": {verdict}")).unwrap_or_default());
    let _ = write!(head, "\n{}", endpoints::totals(figures));
    let mut parts = vec![head];
    parts.extend(problems::thresholds(figures, look).map(|table| colored(&table, look)));
    if figures.total.requests > 0 {
        parts.push(endpoints::endpoints(figures, look));
    }
    // Locust's command line prints its own, too. Python code that runs a test itself has none.
    parts.extend(problems::errors(figures, look));
    parts.extend(problems::exceptions(figures, look));
    parts.extend(own_metrics::table(own_metrics, look));
    let busy = problems::busy_generators(figures);
    if !busy.is_empty() {
        parts.push(busy.join("\n"));
    }
    parts.push(account::sources(run, Some(figures), look));
    parts
}

/// The judgement in a word or two, if there are thresholds.
fn verdict(figures: &RunFigures, look: Look) -> Option<String> {
    let all = figures.thresholds.len();
    let broken = figures.thresholds.iter().filter(|threshold| !threshold.passed).count();
    match (all, broken) {
        (0, _) => None,
        (1, 0) => Some(look.verdict(true, "PASSED")),
        (_, 0) => Some(look.verdict(true, &format!("PASSED, all {all} thresholds"))),
        (1, _) => Some(look.verdict(false, "FAILED, its threshold is broken")),
        _ => Some(look.verdict(false, &format!("FAILED, {broken} of {all} thresholds broken"))),
    }
}

/// The verdicts at the beginning of lines, in colors: the table itself counts columns.
fn colored(table: &str, look: Look) -> String {
    let line = |line: &str| {
        for (verdict, passed) in [(problems::PASSED, true), (problems::BROKEN, false)] {
            if let Some(rest) = line.strip_prefix(' ').and_then(|line| line.strip_prefix(verdict)) {
                return format!(" {}{rest}", look.verdict(passed, verdict));
            }
        }
        line.to_owned()
    };
    table.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
