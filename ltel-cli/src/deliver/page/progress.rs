//! How well a browser reads. One that has not read a part of an answer in time is disconnected: it must not keep memory.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use std::sync::Arc;
use tokio::time::{Instant, sleep};

/// How long a browser may take to read a piece of a state, or of a file.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it may take to read the whole while there is too much that browsers have not read, or no place for another browser.
const PATIENCE_IN_NEED: Duration = Duration::from_secs(2);

// Copied, so that the connection's own buffer keeps no more than this of a large text.
const PIECE: usize = 64 << 10;

/// What a connection is doing.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Option<Given>>);

/// What a browser has to read.
#[derive(Clone, Copy, Debug)]
struct Given {
    /// Since when it has the first of it.
    whole: Instant,
    /// Since when it has the last piece of it.
    piece: Instant,
}

impl Progress {
    /// The browser was given something to read.
    pub(super) fn given(&self) {
        let now = Instant::now();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Given { whole: now, piece: now });
    }

    /// The browser has read a piece, and was given the next.
    pub(super) fn given_more(&self) {
        if let Some(given) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            given.piece = Instant::now();
        }
    }

    /// The browser has read what it was given.
    pub(super) fn read(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits until the browser has taken too long: sooner if others need what it keeps.
    pub(super) async fn stalled(&self, is_needed: impl Fn() -> bool) {
        loop {
            sleep(Duration::from_secs(1)).await;
            let Some(given) = *self.0.lock().unwrap_or_else(PoisonError::into_inner) else { continue };
            if given.piece.elapsed() > PATIENCE || (given.whole.elapsed() > PATIENCE_IN_NEED && is_needed()) {
                return;
            }
        }
    }
}

/// A text in pieces, each given out when the one before it is read.
pub(super) fn in_pieces(text: Bytes, progress: Arc<Progress>) -> impl Stream<Item = Bytes> {
    progress.given();
    unfold((text, progress), |(mut text, progress)| async move {
        if text.is_empty() {
            return None;
        }
        let piece = next_piece(&mut text, &progress);
        Some((piece, (text, progress)))
    })
}

/// Cuts off the next piece.
pub(super) fn next_piece(text: &mut Bytes, progress: &Progress) -> Bytes {
    progress.given_more();
    let piece = text.split_to(text.len().min(PIECE));
    Bytes::copy_from_slice(&piece)
}
