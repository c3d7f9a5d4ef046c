//! How many bytes all connections together hold of frames that are not recorded yet.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What each connection has besides, for frames that are small.
pub(super) const SMALL: usize = 16 << 10;

// A permit is so many bytes: permits are counted in 32 bits.
const UNIT: usize = 1 << 10;

/// The bytes that connections share.
#[derive(Clone, Debug)]
pub(super) struct Buffers {
    shared: Arc<Semaphore>,
    // Room for one whole frame. If all the rest is taken by frames of which each lacks something, one of them can go on.
    last: Arc<Semaphore>,
}

impl Buffers {
    /// So many bytes, of which the largest frame has its part.
    pub(super) fn new(bytes: usize, largest: usize) -> Self {
        let shared = (bytes.saturating_sub(largest) / UNIT).min(Semaphore::MAX_PERMITS);
        Self { shared: Arc::new(Semaphore::new(shared)), last: Arc::new(Semaphore::new(1)) }
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.shared.available_permits() * UNIT
    }

    /// Waits for so many bytes more, for a frame that has `share`.
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

/// The bytes that a frame has of them, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Share {
    shared: Option<OwnedSemaphorePermit>,
    last: Option<OwnedSemaphorePermit>,
}

impl Share {
    pub(super) const fn is_empty(&self) -> bool {
        self.shared.is_none() && self.last.is_none()
    }

    /// Whether it has the room that is kept for one frame alone: others may wait for it.
    pub(super) const fn is_last(&self) -> bool {
        self.last.is_some()
    }
}
