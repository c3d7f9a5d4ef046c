//! How large requests may be: what the configuration says, or less if the receiver takes less.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The limit of one signal of one backend.
#[derive(Debug)]
pub(super) struct RequestLimit {
    backend: String,
    bytes: AtomicUsize,
    told: AtomicBool,
}

impl RequestLimit {
    pub(super) fn new(backend: &str, bytes: usize) -> Self {
        Self { backend: backend.to_owned(), bytes: AtomicUsize::new(bytes), told: AtomicBool::default() }
    }

    /// In bytes, before compression.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The receiver does not take a request of this size: those from now on have half of it at most.
    pub(super) fn refused(&self, size: usize) {
        self.bytes.fetch_min(size / 2, Ordering::Relaxed);
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::info!(
                "backend `{}`: the receiver does not take a request of {size} bytes, so requests become smaller; \
                 `max_request_bytes` sets their size",
                self.backend
            );
        }
    }
}
