//! The terminal, if there is one: how a test goes on, in a line below Locust's output that changes in place; and what else is
//! written there.

mod screen;
mod line_terminal;
mod locust_output;
mod recent;
mod progress;

use std::io::{IsTerminal, stderr, stdout};

use anstream::{AutoStream, ColorChoice};
pub(crate) use locust_output::{LocustOutput, Passing};
pub(crate) use progress::{Progress, ProgressMode};
pub(crate) use screen::{Writer, write};

/// The width of texts where no terminal says one, and the greatest that texts use.
const USUAL_WIDTH: u16 = 80;
const USUAL_HEIGHT: u16 = 24;
const WIDEST: u16 = 140;
const NARROWEST: u16 = 40;

/// Whether stdout is a terminal.
pub(crate) fn is_at_stdout() -> bool {
    stdout().is_terminal()
}

/// Whether stderr is a terminal in which the cursor can be moved.
fn can_draw() -> bool {
    stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Whether text on stderr may have colors: at a terminal, unless `NO_COLOR` is set; elsewhere with `CLICOLOR_FORCE`.
pub(crate) fn has_colors() -> bool {
    AutoStream::choice(&stderr()) != ColorChoice::Never
}

/// How many columns a text on stderr may take.
pub(crate) fn width() -> u16 {
    size().map_or(USUAL_WIDTH, |(columns, _)| columns.clamp(NARROWEST, WIDEST))
}

/// The columns and rows of the terminal at stderr, if there is one and it says so.
fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(stderr()).ok()?;
    (stderr().is_terminal() && size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}
