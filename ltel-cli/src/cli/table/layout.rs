//! Tables that fit a width. What is too long loses its middle: a name differs from its neighbors at its end as often as at its
//! beginning.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use ltel_core::text::printable;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    title: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Words, never cut.
    Words,
    /// A number, on the right, never cut.
    Number,
    /// Text, cut where there is no room.
    Text,
}

/// Words of ltel's own.
pub(super) const fn words(title: &'static str) -> Column {
    Column { title, kind: Kind::Words }
}

/// Numbers.
pub(super) const fn number(title: &'static str) -> Column {
    Column { title, kind: Kind::Number }
}

/// Text that may have any length.
pub(super) const fn text(title: &'static str) -> Column {
    Column { title, kind: Kind::Text }
}

// A space on each side of a cell.
const PADDING: usize = 2;

/// What a text is left with at least.
pub(super) const LEAST_TEXT: usize = 24;

/// A table of these columns and rows, no wider than this.
pub(super) fn table(width: u16, columns: &[Column], rows: &[Vec<String>]) -> String {
    let widths = widths(width.into(), columns, rows);
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().zip(&widths).map(|(column, width)| cut(column.title, *width)));
    for row in rows {
        table.add_row(row.iter().zip(&widths).map(|(cell, width)| cut(cell, *width)));
    }
    for (index, column) in columns.iter().enumerate().filter(|(_, column)| column.kind == Kind::Number) {
        if let Some(cells) = table.column_mut(index) {
            cells.set_cell_alignment(CellAlignment::Right);
        }
        debug_assert!(column.title.is_ascii(), "a title");
    }
    // Not only for the eye: a copied table has no blanks at the ends of its lines.
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Columns to leave out, in this order, until each text has room for [`LEAST_TEXT`] columns or all of itself.
pub(super) fn leave_out(width: u16, columns: &mut Vec<Column>, rows: &mut [Vec<String>], order: &[&str]) {
    for title in order {
        let needs = needs(columns, rows);
        let texts = needs.iter().zip(&*columns).filter(|(_, column)| column.kind == Kind::Text);
        let least: usize = texts.map(|(need, _)| (*need).min(LEAST_TEXT)).sum();
        if fixed(columns, &needs) + least <= width.into() {
            return;
        }
        if let Some(index) = columns.iter().position(|column| column.title == *title) {
            columns.remove(index);
            for row in &mut *rows {
                row.remove(index);
            }
        }
    }
}

fn needs(columns: &[Column], rows: &[Vec<String>]) -> Vec<usize> {
    let need = |(index, column): (usize, &Column)| {
        rows.iter().map(|row| row[index].width()).chain([column.title.width()]).max().unwrap_or_default()
    };
    columns.iter().enumerate().map(need).collect()
}

/// What all columns take that are not texts, and the padding of all.
fn fixed(columns: &[Column], needs: &[usize]) -> usize {
    let fixed = needs.iter().zip(columns).filter(|(_, column)| column.kind != Kind::Text);
    fixed.map(|(need, _)| *need).sum::<usize>() + PADDING * columns.len()
}

/// The width of each column. Texts that need less than their share leave the rest to the others.
fn widths(width: usize, columns: &[Column], rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths = needs(columns, rows);
    let mut left = width.saturating_sub(fixed(columns, &widths));
    let mut texts: Vec<usize> = (0..columns.len()).filter(|&index| columns[index].kind == Kind::Text).collect();
    texts.sort_by_key(|&index| widths[index]);
    for (before, &index) in texts.iter().enumerate() {
        // Of a terminal that is too narrow for anything, a letter is left.
        widths[index] = widths[index].min((left / (texts.len() - before)).max(1));
        left = left.saturating_sub(widths[index]);
    }
    widths
}

/// A text from outside, in one line.
pub(super) fn shown(text: &str) -> String {
    // No text that is this long is shown whole.
    const MOST: usize = 400;
    let length = text.chars().count();
    if length <= MOST {
        return printable(text).to_string();
    }
    let tail: String = text.chars().skip(length - MOST / 2).collect();
    let head: String = text.chars().take(MOST / 2).collect();
    format!("{}…{}", printable(&head), printable(&tail))
}

/// A text with `…` in place of its middle, if it takes more columns than this.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let head = taken(text.chars(), room.div_ceil(2));
    let tail = taken(text.chars().rev(), room - room.div_ceil(2));
    format!("{head}…{}", tail.chars().rev().collect::<String>())
}

fn taken(chars: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or_default();
        used <= width
    };
    chars.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_loses_its_middle() {
        for (text, width, expected) in [
            ("/products/{id}", 14, "/products/{id}"),
            ("/products/{id}/reviews", 14, "/produc…eviews"),
            ("/日本語のページ", 9, "/日…ージ"),
            ("🦀🦀🦀🦀", 5, "🦀…🦀"),
            ("ab", 1, "…"),
        ] {
            let shown = cut(text, width);
            assert_eq!(shown, expected);
            assert!(shown.width() <= width, "{shown}");
        }
    }

    #[test]
    fn texts_share_what_is_left() {
        let columns = [text("a"), number("n"), text("b"), text("c")];
        let row = |lengths: [usize; 4]| vec![lengths.map(|length| "x".repeat(length)).to_vec()];
        assert_eq!(widths(60, &columns, &row([10, 2, 10, 10])), [10, 2, 10, 10]);
        assert_eq!(widths(60, &columns, &row([4, 2, 100, 30])), [4, 2, 23, 23]);
        assert_eq!(widths(5, &columns, &row([4, 2, 100, 30])), [1, 2, 1, 1]);
    }
}
