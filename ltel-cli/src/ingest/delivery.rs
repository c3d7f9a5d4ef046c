//! What a connection hands on to the runs, and what it hears of them.

use bytes::Bytes;
use ltel_core::wire::{Encoding, Features, Hello};
use tokio::sync::{oneshot, watch};

use super::buffers::Share;

/// What a connection delivers, in the order in which it came.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// A client is there.
    Hello {
        connection: u64,
        encoding: Encoding,
        hello: Box<Hello>,
        /// Its pid, if the kernel vouches for it.
        pid: Option<u32>,
        /// Takes the number of the last frame that was processed.
        acks: watch::Sender<u64>,
        welcome: oneshot::Sender<Welcome>,
    },
    /// It said something.
    Frame {
        connection: u64,
        payload: Bytes,
        /// What it has of the bytes that connections share, until it is recorded.
        share: Share,
    },
    /// It is gone.
    Closed { connection: u64 },
}

/// The answer to a hello.
#[derive(Debug)]
pub(crate) struct Welcome {
    pub(crate) last_seq: u64,
    pub(crate) features: Features,
}
