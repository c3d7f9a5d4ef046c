//! How much of some lines was written.

use std::io;

/// How much of some lines was written.
#[derive(Debug)]
pub(super) struct Written {
    /// Whole bytes, from the first line on. A line of which a part was written has not been.
    pub(super) bytes: usize,
    /// Why not all.
    pub(super) error: Option<io::Error>,
}

impl Written {
    pub(super) fn new(bytes: usize, result: io::Result<()>) -> Self {
        Self { bytes, error: result.err() }
    }
}

/// How many of the first bytes are whole lines.
pub(super) fn whole_lines(lines: &[u8], bytes: usize) -> usize {
    lines[..bytes].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}
