//! Frames that a client has sent before their run is known.

use bytes::Bytes;

use crate::clock::Now;
use crate::event::SingleEvent;
use crate::wire::{Encoding, Message, Rows};

// The memory of a held frame besides its bytes.
const OVERHEAD: usize = 64;

/// The frames of a client whose run is not known yet.
#[derive(Debug, Default)]
pub(super) struct Held {
    // Each in the encoding of its connection: packed, rows take a fraction of the memory.
    frames: Vec<(Encoding, Bytes)>,
    bytes: usize,
    since: Now,
}

/// What a frame carries that must be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) requests: u64,
    /// Task executions, measurements, user errors, custom events and log messages. Other events report state, which has no meaning without a run.
    pub(super) events: u64,
}

impl Load {
    pub(super) fn of(message: &Message<'_>) -> Self {
        match message {
            Message::Requests(rows) => Self::of_requests(rows),
            Message::Tasks(tasks) => Self { requests: 0, events: tasks.len() as u64 },
            Message::Measurements(batch) => Self { requests: 0, events: batch.values.len() as u64 + batch.invalid },
            Message::Event(SingleEvent::UserError(_) | SingleEvent::Custom(_) | SingleEvent::Log(_)) => {
                Self { requests: 0, events: 1 }
            }
            _ => Self::default(),
        }
    }

    pub(super) const fn of_requests(rows: &Rows<'_>) -> Self {
        Self { requests: rows.rows.len() as u64 + rows.invalid, events: 0 }
    }

    const fn add(&mut self, more: Self) {
        self.requests += more.requests;
        self.events += more.events;
    }

    pub(super) const fn is_empty(self) -> bool {
        self.requests == 0 && self.events == 0
    }
}

impl Held {
    /// The memory that a held frame takes.
    pub(super) const fn cost(frame: &[u8]) -> usize {
        frame.len() + OVERHEAD
    }

    /// Keeps a frame.
    pub(super) fn push(&mut self, encoding: Encoding, frame: &[u8], now: Now) {
        if self.frames.is_empty() {
            self.since = now;
        }
        self.bytes += Self::cost(frame);
        // A copy: a frame shares its connection's buffer, which may be far larger.
        self.frames.push((encoding, Bytes::copy_from_slice(frame)));
    }

    /// The memory that it takes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// What it carries.
    pub(super) fn load(&self) -> Load {
        let mut load = Load::default();
        for (encoding, frame) in &self.frames {
            for part in encoding.parts(frame, self.since.wall).into_iter().flatten().flatten() {
                load.add(Load::of(&part.frame.message));
            }
        }
        load
    }

    /// When the first frame came.
    pub(super) const fn since(&self) -> Now {
        self.since
    }

    /// All frames, in their order.
    pub(super) fn into_frames(self) -> Vec<(Encoding, Bytes)> {
        self.frames
    }
}
