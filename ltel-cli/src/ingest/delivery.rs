//! The messages between a connection and the runs.

use bytes::Bytes;
use ltel_core::wire::{Encoding, Features, Hello};
use tokio::sync::{oneshot, watch};

use super::buffers::Share;

/// A message from a connection to the runs. The order of arrival is kept.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// A client has connected.
    Hello {
        connection: u64,
        encoding: Encoding,
        hello: Box<Hello>,
        /// Its pid, if the kernel vouches for it.
        pid: Option<u32>,
        /// Receives the number of the last frame that was processed.
        acks: watch::Sender<u64>,
        welcome: oneshot::Sender<Welcome>,
    },
    /// A message of the client.
    Frame {
        connection: u64,
        payload: Bytes,
        /// Its share of the buffers, until it is recorded.
        share: Share,
    },
    /// The client has disconnected.
    Closed { connection: u64 },
}

/// The answer to a hello.
#[derive(Debug)]
pub(crate) struct Welcome {
    pub(crate) last_seq: u64,
    pub(crate) features: Features,
}
