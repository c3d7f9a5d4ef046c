//! Prints to stdout and stderr.

use std::io::{self, ErrorKind, Write};

use super::terminal;

/// Writes to stdout. A closed pipe is not an error.
pub(crate) fn stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes to stderr, above the live line. Errors are ignored: there is no other place to report them.
pub(crate) fn stderr(text: &str) {
    terminal::write(text.as_bytes());
}
