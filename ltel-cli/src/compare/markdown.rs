//! A comparison in Markdown, as a CI shows it with a job.

use std::fmt::Write as _;

use ltel_core::text::shortened;

use super::comparison::{Comparison, Name};
use super::gate::Outcome;
use super::{explanation, shown, summary};

// A CI takes no more than a megabyte of it.
const MOST_ROWS: usize = 200;
const MOST_NAMES: usize = 50;

// In characters.
const LONGEST: usize = 200;

/// The comparison: what differs first, then everything.
pub(crate) fn render(comparison: &Comparison) -> String {
    let mut out = format!("## Compared with {}\n\n", plain(&comparison.baseline.name));
    out.push_str(match comparison.outcome() {
        Some(Outcome::Passed) => "**Passed.**\n\n",
        Some(Outcome::Failed) => "**Failed.**\n\n",
        Some(Outcome::NotJudged) => "**Nothing could be judged.**\n\n",
        None => "",
    });
    for (index, other) in comparison.others.iter().enumerate() {
        let name = plain(&other.run.name);
        let _ = writeln!(out, "- **{name}**: {}", summary(comparison, index));
        for remark in &other.remarks {
            let _ = writeln!(out, "  - **Warning**: {}", plain(remark));
        }
        for (names, what) in [(&other.gone, "Only in the baseline"), (&other.new, "Not in the baseline")] {
            for name in names.iter().take(MOST_NAMES) {
                let _ = writeln!(out, "  - {what}: {}", plain(&name.text()));
            }
            if names.len() > MOST_NAMES {
                let _ = writeln!(out, "  - {what}: {} more", names.len() - MOST_NAMES);
            }
        }
    }
    let differs: Vec<_> = comparison.rows.iter().filter(|row| row.differs()).collect();
    if !differs.is_empty() {
        let _ = writeln!(out, "\n### Differences\n");
        table(comparison, &differs, true, &mut out);
    }
    let _ = writeln!(out, "\n<details><summary>All figures</summary>\n");
    table(comparison, &comparison.rows.iter().collect::<Vec<_>>(), false, &mut out);
    let _ = writeln!(out, "\n</details>\n");
    for sentence in explanation(comparison) {
        let _ = writeln!(out, "{sentence}\n");
    }
    out
}

fn table(comparison: &Comparison, rows: &[&super::comparison::Row], only_differences: bool, out: &mut String) {
    let _ = writeln!(out, "| Endpoint | Figure | Run | Baseline | Now | Change | 95 % sure | |");
    let _ = writeln!(out, "|---|---|---|---:|---:|---:|---:|---|");
    for row in rows.iter().take(MOST_ROWS) {
        for line in &row.lines {
            for (cell, other) in line.cells.iter().zip(&comparison.others) {
                let Some(cell) = cell.as_ref().filter(|cell| !only_differences || cell.verdict.is_difference()) else {
                    continue;
                };
                let quantity = line.quantity;
                let _ = writeln!(
                    out,
                    "| {} | {} | {} | {} | {} | {} | {} | {} |",
                    endpoint(&row.endpoint),
                    quantity.title(),
                    plain(&other.run.name),
                    shown::value(quantity, line.baseline),
                    shown::value(quantity, cell.value),
                    shown::change(quantity, cell),
                    shown::interval(quantity, cell.likely),
                    cell.verdict.words(quantity),
                );
            }
        }
    }
    if rows.len() > MOST_ROWS {
        let _ = writeln!(out, "\n{} more endpoints are left out.", rows.len() - MOST_ROWS);
    }
}

fn endpoint(name: &Name) -> String {
    plain(&name.text())
}

// Text that means nothing in Markdown: whatever could is written as a character reference.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in shortened(text, LONGEST).to_string().chars() {
        if c.is_ascii_punctuation() && !matches!(c, '/' | '.' | ',' | ':' | '-' | '?' | '=' | '%' | ';') {
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    // A browser makes links of what looks like one.
    out.replace("://", ":&#47;/").replace("www.", "www&#46;")
}
