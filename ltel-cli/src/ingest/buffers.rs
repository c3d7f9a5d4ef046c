//! Limits the bytes that all connections together hold in frames that are not recorded yet.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Each connection's own buffer, for small frames.
pub(super) const SMALL: usize = 16 << 10;

// Bytes per permit: a semaphore counts permits in 32 bits.
const UNIT: usize = 1 << 10;

/// The bytes that connections share.
#[derive(Clone, Debug)]
pub(super) struct Buffers {
    shared: Arc<Semaphore>,
    // Room for one whole frame: if incomplete frames take all the rest, one of them can still go on.
    last: Arc<Semaphore>,
}

impl Buffers {
    /// Creates buffers of so many bytes, including room for one largest frame.
    pub(super) fn new(bytes: usize, largest: usize) -> Self {
        let shared = (bytes.saturating_sub(largest) / UNIT).min(Semaphore::MAX_PERMITS);
        Self { shared: Arc::new(Semaphore::new(shared)), last: Arc::new(Semaphore::new(1)) }
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.shared.available_permits() * UNIT
    }

    /// Waits for this many more bytes for a frame that has `share`.
    pub(super) async fn add(&self, share: &mut Share, bytes: usize) {
        if share.last.is_some() {
            return;
        }
        let permits = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            more = Arc::clone(&self.shared).acquire_many_owned(permits) => match (&mut share.shared, more) {
                (Some(have), Ok(more)) => have.merge(more),
                (have, more) => *have = more.ok(),
            },
            last = Arc::clone(&self.last).acquire_owned() => share.last = last.ok(),
        }
    }
}

/// The bytes that a frame takes, until dropped.
#[derive(Debug, Default)]
pub(crate) struct Share {
    shared: Option<OwnedSemaphorePermit>,
    last: Option<OwnedSemaphorePermit>,
}

impl Share {
    pub(super) const fn is_empty(&self) -> bool {
        self.shared.is_none() && self.last.is_none()
    }

    /// Whether it holds the room for one whole frame, which others may wait for.
    pub(super) const fn is_last(&self) -> bool {
        self.last.is_some()
    }
}
