//! A client: a Locust process, as the runs know it.

use bytes::Bytes;
use ltel_core::Timestamp;
use ltel_core::event::TestStart;
use ltel_core::source::Source;
use ltel_core::wire::Encoding;
use tokio::sync::watch;

// Bounded: frames of a client that belongs to no run yet.
const HELD_BYTES: usize = 8 << 20;

/// A client, connected or not. It outlives its connections: frames are numbered per client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) source: Source,
    pub(crate) connection: Option<u64>,
    pub(crate) encoding: Encoding,
    pub(crate) last_seq: u64,
    pub(crate) acks: watch::Sender<u64>,
    // Its pid, if it is a process of this host.
    pub(crate) local_pid: Option<u32>,
    // The run it is in, and its place among the run's sources.
    pub(crate) member: Option<Member>,
    // A worker whose run has ended without it, unless another of that id is about to begin: what it sends is held.
    pub(crate) awaits: Option<String>,
    // A worker that has begun a test, and whose master has not said of which run: what it sends is held.
    pub(crate) began: Option<TestStart>,
    // Whether it says something even if there is nothing to say.
    pub(crate) beats: bool,
    pub(crate) held: Held,
    pub(crate) left_at: Timestamp,
}

/// A client's place in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) run: u64,
    pub(crate) index: u32,
}

/// What a client has sent that belongs to no run yet.
#[derive(Debug, Default)]
pub(crate) struct Held {
    frames: Vec<Bytes>,
    bytes: usize,
    since: Timestamp,
}

impl Held {
    /// Keeps a frame. False if there is no room for it.
    pub(crate) fn push(&mut self, frame: &Bytes, now: Timestamp) -> bool {
        if self.bytes + frame.len() > HELD_BYTES {
            return false;
        }
        if self.frames.is_empty() {
            self.since = now;
        }
        self.bytes += frame.len();
        self.frames.push(frame.clone());
        true
    }

    /// Takes all frames out, and when the first of them came.
    pub(crate) fn take(&mut self) -> (Vec<Bytes>, Timestamp) {
        let held = std::mem::take(self);
        (held.frames, held.since)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// When the first of them came.
    pub(crate) const fn since(&self) -> Timestamp {
        self.since
    }
}
