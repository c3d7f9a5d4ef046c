//! A comparison as a page in one file: static, without a script, without a request to any other place.

use askama::Template;
use ltel_core::text::printable;

use super::comparison::{Comparison, Name, Other};
use super::difference::{Difference, Quantity, Verdict};
use super::gate::Outcome;
use super::run::Run;
use super::{explanation, shown, summary};
use crate::plural::counted;
use crate::report::html::STYLE;

// The drawing of a change is 180 wide: its middle is no change, both ends are so many times the smallest change that matters.
const MIDDLE: f64 = 90.0;
const LONGEST: f64 = 86.0;
const ENDS: f64 = 8.0;

/// The page.
pub(crate) fn render(comparison: &Comparison) -> askama::Result<String> {
    let half = LONGEST / ENDS;
    let page = Page {
        style: STYLE,
        baseline: printable(&comparison.baseline.name).to_string(),
        lasted: lasted(&comparison.baseline),
        outcome: comparison.outcome(),
        zone: format!("M{:.1} 0H{:.1}V18H{:.1}Z", MIDDLE - half, MIDDLE + half, MIDDLE - half),
        columns: comparison.others.iter().enumerate().map(|(index, of)| Column::of(comparison, index, of)).collect(),
        explanation: explanation(comparison),
    };
    page.render()
}

// What stands between `{{` and `}}` is escaped, unless it says `safe`.
#[derive(Template)]
#[template(path = "compare/page.html")]
struct Page {
    style: &'static str,
    baseline: String,
    lasted: String,
    outcome: Option<Outcome>,
    // Where a change does not matter.
    zone: String,
    columns: Vec<Column>,
    explanation: Vec<String>,
}

// A run beside the baseline.
struct Column {
    name: String,
    lasted: String,
    summary: String,
    remarks: Vec<String>,
    // What they have in common, and the endpoints.
    lists: Vec<(&'static str, Vec<String>)>,
    groups: Vec<Group>,
}

// An endpoint.
struct Group {
    name: String,
    cells: Vec<Cell>,
}

struct Cell {
    title: &'static str,
    baseline: String,
    now: String,
    change: String,
    interval: String,
    class: &'static str,
    words: &'static str,
    // Absent if nothing is known.
    drawn: Option<Drawn>,
}

struct Drawn {
    bounds: String,
    change: String,
}

fn lasted(run: &Run) -> String {
    format!("{} in {:.0} s", counted(run.figures.total.requests, "requests"), run.figures.duration.as_secs_f64())
}

fn names(names: &[Name]) -> Vec<String> {
    names.iter().map(|name| printable(&name.text()).to_string()).collect()
}

impl Column {
    fn of(comparison: &Comparison, index: usize, other: &Other) -> Self {
        let min_change = comparison.options.min_change;
        let groups = comparison.rows.iter().map(|row| {
            let cells = row.lines.iter().filter_map(|line| {
                let difference = line.cells[index].as_ref()?;
                Some(Cell::of(line.quantity, line.baseline, difference, min_change))
            });
            Group { name: printable(&row.endpoint.text()).to_string(), cells: cells.collect() }
        });
        let lists = [("Only in the baseline", &other.gone), ("Not in the baseline", &other.new)];
        Self {
            name: printable(&other.run.name).to_string(),
            lasted: lasted(&other.run),
            summary: summary(comparison, index),
            remarks: other.remarks.clone(),
            lists: lists.map(|(what, of)| (what, names(of))).into_iter().filter(|(_, of)| !of.is_empty()).collect(),
            groups: groups.filter(|group| !group.cells.is_empty()).collect(),
        }
    }
}

impl Cell {
    fn of(quantity: Quantity, baseline: Option<f64>, difference: &Difference, min_change: f64) -> Self {
        Self {
            title: quantity.title(),
            baseline: shown::value(quantity, baseline),
            now: shown::value(quantity, difference.value),
            change: shown::change(quantity, difference),
            interval: shown::interval(quantity, difference.likely),
            class: match difference.verdict {
                Verdict::SurelyWorse => "bad",
                Verdict::MaybeWorse => "maybe",
                Verdict::SurelyBetter | Verdict::MaybeBetter => "good",
                Verdict::Same | Verdict::Unclear(_) => "same",
            },
            words: difference.verdict.words(quantity),
            drawn: Drawn::of(difference, ENDS * quantity.measure(min_change)),
        }
    }
}

impl Drawn {
    fn of(difference: &Difference, whole: f64) -> Option<Self> {
        let (low, high) = (difference.likely.low, difference.likely.high);
        if whole <= 0.0 || !(low.is_finite() || high.is_finite()) {
            return None;
        }
        let at = |change: f64| MIDDLE + (change / whole).clamp(-1.0, 1.0) * LONGEST;
        let mut bounds = format!("M{:.1} 9H{:.1}", at(low), at(high));
        // It goes on beyond the drawing.
        if low < -whole {
            bounds.push_str("M8 5L4 9L8 13");
        }
        if high > whole {
            bounds.push_str("M172 5L176 9L172 13");
        }
        Some(Self { bounds, change: format!("{:.1}", at(difference.change?)) })
    }
}
