//! The result of writing lines.

use std::io;

/// How much of some lines was written.
#[derive(Debug)]
pub(super) struct Written {
    /// Bytes of whole lines, from the first on. A partly written line does not count.
    pub(super) bytes: usize,
    /// Why not all lines were written.
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
