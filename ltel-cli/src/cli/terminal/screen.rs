//! What this process writes to stderr. While a live line is shown there, other text goes above it.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;

use super::line_terminal::LineTerminal;

static LINE: Mutex<Option<Line>> = Mutex::new(None);

/// Writes text of ltel's own. Errors are ignored: there is no other place to report them.
pub(crate) fn write(text: &[u8]) {
    match &mut *LINE.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(line) => line.write(text),
        None => raw(text),
    }
}

/// Passes on Locust's output, as it is. What follows the last line break is a line that Locust has not ended.
pub(super) fn pass_on(output: &[u8]) {
    match &mut *LINE.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(line) => line.pass_on(output),
        None => raw(output),
    }
}

/// Begins to show a live line.
pub(super) fn begin() {
    *LINE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Line::new());
}

/// Shows this text in the live line; with a bar, if it is known how much of the whole is over.
pub(super) fn show(text: &str, part: Option<f64>) {
    if let Some(line) = &mut *LINE.lock().unwrap_or_else(PoisonError::into_inner) {
        line.show(text, part);
    }
}

/// Removes the live line.
pub(super) fn end() {
    if let Some(line) = LINE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        line.bar.finish_and_clear();
    }
}

fn raw(text: &[u8]) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text).and_then(|()| stderr.flush());
}

/// A writer for the log: each call is a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer;

impl Write for Writer {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        write(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bar is as long as so many parts.
const PARTS: u64 = 1_000;

/// How often it may be drawn in a second, at most.
const RATE: u8 = 20;

/// The live line. It stands below all output, at the beginning of a line.
struct Line {
    bar: ProgressBar,
    // What it shows.
    text: String,
    part: Option<f64>,
    // Locust has not ended its line: the live line would be written into it.
    interrupted: bool,
    hidden: bool,
}

impl Line {
    fn new() -> Self {
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(LineTerminal::stderr()), RATE);
        let bar = ProgressBar::with_draw_target(Some(PARTS), target);
        Self { bar, text: String::new(), part: None, interrupted: false, hidden: false }
    }

    fn show(&mut self, text: &str, part: Option<f64>) {
        (self.text, self.part) = (text.to_owned(), part);
        self.place();
        if !self.hidden {
            self.draw();
        }
    }

    fn draw(&self) {
        let template = if self.part.is_some() { "{msg}  {wide_bar}" } else { "{wide_msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to PARTS
        self.bar.update(|state| state.set_pos((self.part.unwrap_or(0.0).clamp(0.0, 1.0) * PARTS as f64) as u64));
        self.bar.set_message(self.text.clone());
        self.bar.tick();
    }

    /// Hides it where it would be in the way, and shows it again.
    fn place(&mut self) {
        let hide = self.interrupted || !is_in_foreground();
        if hide && !self.hidden {
            self.bar.finish_and_clear();
        } else if self.hidden && !hide {
            self.bar.reset();
            self.draw();
        }
        self.hidden = hide;
    }

    fn write(&mut self, text: &[u8]) {
        let after_break = if self.interrupted { &b"\n"[..] } else { b"" };
        self.bar.suspend(|| raw(&[after_break, text].concat()));
        self.interrupted = false;
        self.place();
    }

    fn pass_on(&mut self, output: &[u8]) {
        let Some(last) = output.last() else { return };
        let was_interrupted = self.interrupted;
        self.interrupted = *last != b'\n';
        if self.interrupted && !was_interrupted {
            self.place();
        }
        self.bar.suspend(|| raw(output));
        self.place();
    }
}

// A shell's prompt is not ours to write into.
fn is_in_foreground() -> bool {
    tcgetpgrp(io::stderr()).map_or(true, |foreground| foreground == getpgrp())
}
