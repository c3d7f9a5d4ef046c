//! The messages between a connection and the runs.

use std::sync::Arc;

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
        answers: watch::Sender<Answers>,
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

/// What a client is to hear. Each state replaces the one before it: a client that does not read costs no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    /// The number of the last frame that was processed; 0 for none.
    pub(crate) acknowledged: u64,
    /// The order to stop a test.
    pub(crate) stop: Option<Arc<Stop>>,
    /// Its connection is closed, so that it comes back and hears in `welcome` what is wanted of it now.
    pub(crate) leave: bool,
}

/// The order to stop a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// The run, as the client has named it.
    pub(crate) run_id: String,
    /// Why, for people.
    pub(crate) reason: String,
}

/// The answer to a hello.
#[derive(Debug)]
pub(crate) struct Welcome {
    pub(crate) last_seq: u64,
    pub(crate) features: Features,
}
