//! Prints to stdout and stderr.

use std::io::{self, ErrorKind, Write};

use serde_json::Map;

use super::{log, terminal};
use crate::program;

/// Writes to stdout. A closed pipe is not an error.
pub(crate) fn stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes an error to stderr, after the program's name; in a log of JSON, as a line of it.
pub(crate) fn error(message: &str) {
    if log::is_json() {
        log::json_error(message.trim_end(), Map::new());
    } else {
        stderr(&format!("{}: {}\n", program::name(), message.trim_end()));
    }
}

/// Writes what people should know to stderr; with `-q` not at all, in a log of JSON as a line of it.
pub(crate) fn note(text: &str) {
    match text.trim() {
        "" => {}
        trimmed if log::is_json() => tracing::info!("{trimmed}"),
        _ if log::is_quiet() => {}
        _ => stderr(text),
    }
}

/// The same for what people must know, with `-q` too.
pub(crate) fn warning(text: &str) {
    match text.trim() {
        "" => {}
        trimmed if log::is_json() => tracing::warn!("{trimmed}"),
        _ => stderr(text),
    }
}

/// Writes to stderr, above the live line. Errors are ignored: there is no other place to report them.
pub(crate) fn stderr(text: &str) {
    terminal::write(text.as_bytes());
}
