//! A comparison as text, within 80 columns.

use std::fmt::Write as _;

use ltel_core::text::shortened;

use super::comparison::{Comparison, Name, Other, Row};
use super::difference::{Quantity, Verdict};
use super::run::Run;
use super::{shown, summary};
use crate::plural::counted;

const WIDTH: usize = 80;

// Endpoints and remarks that are listed one by one, of each kind.
const MOST_LISTED: usize = 20;

/// The comparison for a terminal, in colors if `color`. What matters is at the end, where a terminal shows it.
pub(crate) fn render(comparison: &Comparison, color: bool, all: bool) -> String {
    let pen = Pen { color };
    let mut out = String::new();
    line(&mut out, &head("Baseline", &comparison.baseline));
    for other in &comparison.others {
        line(&mut out, &head("Compared", &other.run));
    }
    for other in &comparison.others {
        notices(&mut out, comparison, other, pen);
    }
    // The first is the total, or the only one.
    let is_shown = |(index, row): &(usize, &Row)| all || *index == 0 || row.differs();
    let rows: Vec<&Row> = comparison.rows.iter().enumerate().filter(is_shown).map(|(_, row)| row).collect();
    // One run has room for intervals and words, several have it for a mark each.
    if comparison.others.len() == 1 {
        details(&mut out, &rows, pen);
    } else {
        let columns: Vec<usize> = (0..comparison.others.len()).collect();
        for columns in columns.chunks(2) {
            overview(&mut out, comparison, &rows, columns, pen);
        }
    }
    let hidden = (comparison.rows.len() - rows.len()) as u64;
    if hidden > 0 {
        let _ = writeln!(out);
        line(
            &mut out,
            &pen.soft(&format!("{} without a difference: `--all` shows them", counted(hidden, "endpoints"))),
        );
    }
    let _ = writeln!(out);
    for sentence in legend(comparison) {
        for text in wrapped(&sentence, WIDTH) {
            line(&mut out, &pen.soft(&text));
        }
    }
    for index in 0..comparison.others.len() {
        sentences(&mut out, comparison, index, pen);
    }
    out
}

// What must be known to read the table. `compare --help` says the rest.
fn legend(comparison: &Comparison) -> Vec<String> {
    let min = comparison.options.min_change;
    let points = Quantity::FailureRatio.measure(min) * 100.0;
    let mut sentences = vec![format!(
        "Changes matter from {min} % on (failures: {points} pt, percentage points). Surely: with a confidence of 99 %; \
         maybe: of 95 %. More: compare --help."
    )];
    if comparison.others.len() > 1 {
        sentences.push(
            "In the table: slower surely, slower? maybe, = no difference that matters, ? cannot be told.".to_owned(),
        );
    }
    sentences
}

fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "{}", text.trim_end());
}

fn head(what: &str, run: &Run) -> String {
    let requests = counted(run.figures.total.requests, "requests");
    let seconds = run.figures.duration.as_secs_f64();
    format!("{what}  {:<24}  {requests} in {seconds:.0} s", shortened(&run.name, 40).to_string())
}

fn notices(out: &mut String, comparison: &Comparison, other: &Other, pen: Pen) {
    let of = if comparison.others.len() == 1 { String::new() } else { format!("{}: ", shortened(&other.run.name, 40)) };
    let mut texts: Vec<String> = other.remarks.iter().map(|remark| format!("Warning: {of}{remark}")).collect();
    for (names, what) in [(&other.gone, "Only in the baseline"), (&other.new, "Not in the baseline")] {
        texts.extend(names.iter().take(MOST_LISTED).map(|name| format!("{what}: {of}{}", endpoint(name, 200))));
        if names.len() > MOST_LISTED {
            texts.push(format!("{what}: {of}{} more", counted((names.len() - MOST_LISTED) as u64, "endpoints")));
        }
    }
    if !texts.is_empty() {
        let _ = writeln!(out);
    }
    for text in texts {
        for text in wrapped(&text, WIDTH) {
            line(out, &pen.warn(&text));
        }
    }
}

fn endpoint(name: &Name, most: usize) -> String {
    shortened(&name.text(), most).to_string()
}

fn sentences(out: &mut String, comparison: &Comparison, index: usize, pen: Pen) {
    let _ = writeln!(out);
    let name = shortened(&comparison.others[index].run.name, 40);
    for text in wrapped(&format!("{name}: {}", summary(comparison, index)), WIDTH) {
        line(out, &pen.strong(&text));
    }
    let mut found: Vec<_> =
        comparison.differences(index).filter(|(.., difference)| difference.verdict.is_difference()).collect();
    // What is surest and worst comes first.
    let order = |verdict: Verdict| match verdict {
        Verdict::SurelyWorse => 0,
        Verdict::MaybeWorse => 1,
        Verdict::SurelyBetter => 2,
        _ => 3,
    };
    found.sort_by_key(|(.., difference)| order(difference.verdict));
    for (row, of, difference) in found.iter().take(MOST_LISTED) {
        let quantity = of.quantity;
        let rest = format!(
            "{} -> {}, {}, {}",
            shown::value(quantity, of.baseline),
            shown::value(quantity, difference.value),
            shown::change(quantity, difference),
            difference.verdict.words(quantity),
        );
        let place = WIDTH.saturating_sub(quantity.title().len() + rest.len() + 8).max(16);
        let text = format!("  {} of {}: {rest}", quantity.title(), endpoint(&row.endpoint, place));
        line(out, &pen.verdict(difference.verdict, &text));
    }
    if found.len() > MOST_LISTED {
        line(out, &format!("  and {} more, above", found.len() - MOST_LISTED));
    }
}

fn details(out: &mut String, rows: &[&Row], pen: Pen) {
    let _ = writeln!(out);
    line(out, &pen.soft(&format!("{:<10}{:>9}{:>9}{:>9}{:>15}", "", "baseline", "now", "change", "95 % sure")));
    for row in rows {
        line(out, &pen.strong(&endpoint(&row.endpoint, WIDTH)));
        for of in &row.lines {
            let (Some(Some(difference)), quantity) = (of.cells.first(), of.quantity) else { continue };
            let figures = format!(
                "  {:<8}{:>9}{:>9}{:>9}{:>15} ",
                quantity.title(),
                shown::value(quantity, of.baseline),
                shown::value(quantity, difference.value),
                shown::change(quantity, difference),
                shown::interval(quantity, difference.likely),
            );
            line(out, &format!("{figures}{}", pen.verdict(difference.verdict, difference.verdict.words(quantity))));
        }
    }
}

fn overview(out: &mut String, comparison: &Comparison, rows: &[&Row], columns: &[usize], pen: Pen) {
    const COLUMN: usize = 29;
    let _ = writeln!(out);
    let mut header = format!("{:<10}{:>10}", "", "baseline");
    for &column in columns {
        let name = shortened(&comparison.others[column].run.name, COLUMN - 3).to_string();
        let _ = write!(header, "  {name:>width$}", width = COLUMN - 2);
    }
    line(out, &pen.soft(&header));
    for row in rows {
        line(out, &pen.strong(&endpoint(&row.endpoint, WIDTH)));
        for of in &row.lines {
            let quantity: Quantity = of.quantity;
            let mut text = format!("  {:<8}{:>10}", quantity.title(), shown::value(quantity, of.baseline));
            for &column in columns {
                let cell = match &of.cells[column] {
                    Some(difference) => format!(
                        "{:>10}{:>10} {:<7}",
                        shown::value(quantity, difference.value),
                        shown::change(quantity, difference),
                        shown::mark(quantity, difference.verdict),
                    ),
                    None => format!("{:>10}{:>18}", "-", ""),
                };
                let verdict = of.cells[column].as_ref().map_or(Verdict::Same, |difference| difference.verdict);
                let _ = write!(text, " {}", pen.verdict(verdict, &cell));
            }
            line(out, &text);
        }
    }
}

/// Breaks text at its spaces. Lines after the first are indented.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let current = lines.last().map_or(0, |line| line.chars().count());
        if current > 2 && current + 1 + word.chars().count() > width {
            lines.push(format!("  {word}"));
        } else if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[derive(Clone, Copy)]
struct Pen {
    color: bool,
}

impl Pen {
    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn soft(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn verdict(self, verdict: Verdict, text: &str) -> String {
        match verdict {
            Verdict::SurelyWorse => self.paint("31", text),
            Verdict::MaybeWorse => self.paint("33", text),
            Verdict::SurelyBetter | Verdict::MaybeBetter => self.paint("32", text),
            Verdict::Same => text.to_owned(),
            Verdict::Unclear(_) => self.soft(text),
        }
    }
}
