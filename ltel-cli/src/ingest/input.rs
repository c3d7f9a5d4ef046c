//! Splits a connection's bytes into frames. Memory is reserved only for bytes that have arrived, plus a small step.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ltel_core::wire::{Encoding, FrameError, Splitter};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

use super::buffers::{Buffers, SMALL, Share};
use super::end::End;

/// How long a frame may take to arrive, from its first byte to its last.
pub(super) const FRAME_WITHIN: Duration = Duration::from_secs(30);

/// How long, once it holds the room for one whole frame.
const LAST_WITHIN: Duration = Duration::from_secs(5);

// The smallest step that a frame's buffer grows by.
const STEP: usize = 64 << 10;

/// A frame, and its share of the buffers.
pub(super) type Received = (Bytes, Share);

/// Reads a connection.
pub(super) struct Input<R> {
    read: R,
    buffer: BytesMut,
    splitter: Option<(Encoding, Splitter)>,
    limit: usize,
    buffers: Buffers,
    // Of the frame that is arriving.
    share: Share,
}

impl<R> Input<R> {
    /// Accepts frames of at most `limit` bytes.
    pub(super) fn new(read: R, limit: usize, buffers: Buffers) -> Self {
        Self { read, buffer: BytesMut::new(), splitter: None, limit, buffers, share: Share::default() }
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.splitter.as_ref().map_or(Encoding::JsonLines, |(encoding, _)| *encoding)
    }

    /// From now on, accepts frames of at most this many bytes.
    pub(super) fn limit(&mut self, limit: usize) {
        self.limit = limit;
        if let Some((_, splitter)) = &mut self.splitter {
            splitter.limit(limit);
        }
    }

    /// Whether the received bytes begin like TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.buffer.starts_with(&[0x16, 0x03])
    }
}

impl<R: AsyncRead + Unpin> Input<R> {
    /// Reads the next frame; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Received>, End> {
        // Counted from when we wait for the frame: busy runs are not the client's fault.
        let mut deadline = None;
        loop {
            if let Some(frame) = self.split()? {
                return Ok(Some(frame));
            }
            let room = if self.buffer.is_empty() {
                deadline = None;
                self.buffer.reserve(SMALL);
                SMALL
            } else {
                let end = *deadline.get_or_insert_with(|| Instant::now() + FRAME_WITHIN);
                let was_last = self.share.is_last();
                let room = timeout_at(end, self.grow()).await.map_err(|_| no_room())?;
                if self.share.is_last() && !was_last {
                    deadline = Some(end.min(Instant::now() + LAST_WITHIN));
                }
                room
            };
            let mut read = (&mut self.read).take(room as u64);
            let read = read.read_buf(&mut self.buffer);
            let read = match deadline {
                Some(end) => timeout_at(end, read).await.map_err(|_| slow(self.share.is_last()))?,
                None => read.await,
            };
            match read {
                Ok(0) if self.buffer.is_empty() => return Ok(None),
                Ok(0) => {
                    return Err(End::Fault(
                        "truncated frame",
                        "the connection ended in the middle of a frame".to_owned(),
                    ));
                }
                Ok(_) => {}
                // A broken connection is an end: the client may reconnect.
                Err(_) => return Ok(None),
            }
        }
    }

    /// Takes a whole frame out of the buffer, if there is one.
    fn split(&mut self) -> Result<Option<Received>, End> {
        let Some(first) = self.buffer.first() else { return Ok(None) };
        let (_, splitter) = self.splitter.get_or_insert_with(|| {
            let encoding = Encoding::detect(*first);
            (encoding, Splitter::new(encoding, self.limit))
        });
        let frame = splitter.next_frame(&mut self.buffer);
        let Some(frame) = frame.map_err(|error| too_large(&error))? else { return Ok(None) };
        let share = std::mem::take(&mut self.share);
        if !share.is_empty() {
            // The frame keeps its memory. The bytes after it are few.
            self.buffer = BytesMut::from(&self.buffer[..]);
        }
        Ok(Some((frame, share)))
    }

    /// Makes room for more of the arriving frame, and returns for how much.
    async fn grow(&mut self) -> usize {
        let have = self.buffer.len();
        let missing = self.splitter.as_ref().and_then(|(_, splitter)| splitter.missing(&self.buffer));
        if have + missing.unwrap_or(1) <= SMALL {
            self.buffer.reserve(SMALL - have);
            return SMALL - have;
        }
        // The end of a line is not known in advance, and bytes after it belong to another frame.
        let room = missing.map_or(SMALL, |missing| missing.min(STEP.max(have)));
        self.buffers.add(&mut self.share, room).await;
        self.buffer.reserve(room);
        room
    }
}

fn too_large(error: &FrameError) -> End {
    End::Fault("frame refused", error.to_string())
}

fn slow(others_wait: bool) -> End {
    let details = if others_wait {
        format!("the rest did not arrive within {} s, and others wait for its room", LAST_WITHIN.as_secs())
    } else {
        format!("the frame did not arrive within {} s", FRAME_WITHIN.as_secs())
    };
    End::Fault("slow frame", details)
}

fn no_room() -> End {
    End::Fault(
        "no room for a frame",
        format!("frames of other connections filled `max_buffered_bytes` for {} s", FRAME_WITHIN.as_secs()),
    )
}
