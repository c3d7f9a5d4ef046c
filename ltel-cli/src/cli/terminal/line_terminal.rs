//! The terminal as the live line sees it: some columns narrower than it is.

use std::io;

use console::Term;
use indicatif::TermLike;

use super::{USUAL_HEIGHT, USUAL_WIDTH, size};

/// What is left free at the right. The terminal echoes each Ctrl-C as `^C` where the cursor stands, which is at the end of the
/// line. In the next row it would stay, and the line above it, too.
const FREE: u16 = 4;

/// How many columns the live line may take.
pub(super) fn width() -> u16 {
    left_of(size().map_or(USUAL_WIDTH, |(columns, _)| columns))
}

const fn left_of(columns: u16) -> u16 {
    // No line takes 0 columns.
    if columns > FREE { columns - FREE } else { 1 }
}

/// stderr.
#[derive(Debug)]
pub(super) struct LineTerminal(Term);

impl LineTerminal {
    pub(super) fn stderr() -> Self {
        Self(Term::buffered_stderr())
    }
}

impl TermLike for LineTerminal {
    fn width(&self) -> u16 {
        width()
    }

    fn height(&self) -> u16 {
        size().map_or(USUAL_HEIGHT, |(_, rows)| rows)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_leaves_room() {
        assert_eq!([0, 1, 4, 5, 30, 300].map(left_of), [1, 1, 1, 1, 26, 296]);
    }
}
