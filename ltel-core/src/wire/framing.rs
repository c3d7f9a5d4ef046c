//! Where one frame ends and the next begins.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use super::Encoding;

/// Why a connection's bytes cannot be cut into frames. There is no way to find the next frame: the connection ends.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A frame is larger than the limit.
    #[error("frame of {size} bytes or more; the limit is {limit}")]
    TooLarge {
        /// The announced length, or the bytes of the line so far.
        size: usize,
        /// The limit.
        limit: usize,
    },
}

/// Cuts a connection's bytes into frames.
#[derive(Debug)]
pub struct Splitter {
    encoding: Encoding,
    limit: usize,
    // How much of an unfinished line was searched for a newline: a slow sender must not make us search it twice.
    scanned: usize,
}

impl Splitter {
    /// For a connection of this encoding, with frames of at most `limit` bytes.
    #[must_use]
    pub const fn new(encoding: Encoding, limit: usize) -> Self {
        Self { encoding, limit, scanned: 0 }
    }

    /// Takes the next complete frame out of `buffer`, without its length or its newline; `None` if it is not complete.
    pub fn next_frame(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        match self.encoding {
            Encoding::MessagePack => self.next_prefixed(buffer),
            Encoding::JsonLines => self.next_line(buffer),
        }
    }

    /// Changes the limit of bytes per frame.
    pub const fn limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// How many bytes are missing from the frame that begins in `buffer`; `None` if that is not known before its end.
    #[must_use]
    pub fn missing(&self, buffer: &[u8]) -> Option<usize> {
        match self.encoding {
            Encoding::MessagePack => Some(match buffer.first_chunk::<4>() {
                Some(prefix) => (4 + u32::from_be_bytes(*prefix) as usize).saturating_sub(buffer.len()),
                None => 4 - buffer.len(),
            }),
            Encoding::JsonLines => None,
        }
    }

    fn next_prefixed(&self, buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        let Some(prefix) = buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let size = u32::from_be_bytes(*prefix) as usize;
        self.check(size)?;
        if buffer.len() < 4 + size {
            return Ok(None);
        }
        buffer.advance(4);
        Ok(Some(buffer.split_to(size).freeze()))
    }

    fn next_line(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        loop {
            let Some(end) = buffer[self.scanned..].iter().position(|b| *b == b'\n') else {
                self.scanned = buffer.len();
                self.check(self.scanned)?;
                return Ok(None);
            };
            let mut line = buffer.split_to(self.scanned + end + 1).freeze();
            self.scanned = 0;
            line.truncate(line.trim_ascii_end().len());
            self.check(line.len())?;
            // People press Enter twice.
            if !line.is_empty() {
                return Ok(Some(line));
            }
        }
    }

    const fn check(&self, size: usize) -> Result<(), FrameError> {
        if size > self.limit { Err(FrameError::TooLarge { size, limit: self.limit }) } else { Ok(()) }
    }
}
