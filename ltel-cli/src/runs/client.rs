//! A client: a Locust process, as the runs know it.

use std::time::Duration;

use bytes::Bytes;
use ltel_core::Now;
use ltel_core::event::TestStart;
use ltel_core::source::Source;
use ltel_core::wire::Encoding;
use tokio::sync::watch;

// Bounded: frames of a client that belongs to no run yet.
const HELD_BYTES: usize = 8 << 20;

// What a held frame takes beyond its bytes.
const OVERHEAD: usize = 64;

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
    // The run that its `hello` named, until its first frame: that may begin another, which comes first.
    pub(crate) said: Option<TestStart>,
    // The id of the run that a worker waits for, where it is known: what it sends is held.
    pub(crate) awaits: Option<String>,
    // A worker that has begun a test, and whose master has not: what it sends is held.
    pub(crate) began: Option<Began>,
    // It says something at least so often, even if there is nothing to say.
    pub(crate) beats: Option<Duration>,
    pub(crate) held: Held,
    pub(crate) left_at: Duration,
}

/// A client's place in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) run: u64,
    pub(crate) index: u32,
}

/// A test that a worker has begun, and when ltel heard of it.
#[derive(Clone, Debug)]
pub(crate) struct Began {
    pub(crate) start: TestStart,
    pub(crate) at: Duration,
}

/// What a client has sent that belongs to no run yet.
#[derive(Debug, Default)]
pub(crate) struct Held {
    // Each in the encoding of its connection.
    frames: Vec<(Encoding, Bytes)>,
    bytes: usize,
    since: Now,
}

impl Held {
    /// Keeps a frame. False if there is no room for it.
    pub(crate) fn push(&mut self, encoding: Encoding, frame: &[u8], now: Now) -> bool {
        if self.bytes + frame.len() + OVERHEAD > HELD_BYTES {
            return false;
        }
        if self.frames.is_empty() {
            self.since = now;
        }
        self.bytes += frame.len() + OVERHEAD;
        // A copy: a frame shares its connection's buffer, which may be far larger.
        self.frames.push((encoding, Bytes::copy_from_slice(frame)));
        true
    }

    /// What it takes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes all frames out, and when the first of them came.
    pub(crate) fn take(&mut self) -> (Vec<(Encoding, Bytes)>, Now) {
        let held = std::mem::take(self);
        (held.frames, held.since)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// When the first of them came.
    pub(crate) const fn since(&self) -> Now {
        self.since
    }
}
