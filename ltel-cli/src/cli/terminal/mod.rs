//! The terminal, if there is one: how a test goes on, in a line below Locust's output that changes in place; and what else is
//! written there.

mod screen;
mod locust_output;
mod recent;
mod progress;

use std::io::{IsTerminal, stderr, stdout};

pub(crate) use locust_output::{LocustOutput, Passing};
pub(crate) use progress::{Progress, ProgressMode};
pub(crate) use screen::{Writer, write};

/// The width of texts where no terminal says one, and the greatest that texts use.
const USUAL_WIDTH: u16 = 80;
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

/// Whether text on stderr may have colors.
pub(crate) fn has_colors() -> bool {
    can_draw() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
}

/// How many columns a text on stderr may take.
pub(crate) fn width() -> u16 {
    match rustix::termios::tcgetwinsize(stderr()) {
        Ok(size) if stderr().is_terminal() && size.ws_col > 0 => size.ws_col.clamp(NARROWEST, WIDEST),
        _ => USUAL_WIDTH,
    }
}
