//! Connections that have not sent a valid hello yet. They have few places, each for a short time, so they cannot keep
//! clients out.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::Either;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, sleep_until};

/// Places of each address.
const PLACES: usize = 128;

/// How long a connection may keep its place while others wait. Clients send `hello` at once.
const CROWDED: Duration = Duration::from_secs(1);

/// The places of one address.
#[derive(Debug)]
pub(super) struct Newcomers {
    places: Arc<Semaphore>,
    // In order of arrival. Those that have left stay in it for a while.
    waiting: Mutex<VecDeque<(Instant, oneshot::Sender<()>)>>,
}

/// A place. Dropping it frees the place.
#[derive(Debug)]
pub(super) struct Newcomer {
    _place: Option<OwnedSemaphorePermit>,
    /// Closed when the listener is gone: then no connection needs the place.
    leave: Option<oneshot::Receiver<()>>,
}

impl Default for Newcomers {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)), waiting: Mutex::default() }
    }
}

impl Newcomers {
    /// Waits until a place is free, or until one has been kept for too long.
    pub(super) async fn admit(&self) -> Newcomer {
        let mut place = pin!(Arc::clone(&self.places).acquire_owned());
        let place = loop {
            let crowded = match self.oldest() {
                Some(since) => Either::Left(sleep_until(since + CROWDED)),
                None => Either::Right(std::future::pending()),
            };
            tokio::select! {
                biased;
                place = &mut place => break place,
                () = crowded => {
                    let oldest = self.lock().pop_front();
                    // Its connection ends at once.
                    if oldest.is_some_and(|(_, oldest)| oldest.send(()).is_ok()) {
                        break place.await;
                    }
                }
            }
        };
        let (sender, leave) = oneshot::channel();
        self.lock().push_back((Instant::now(), sender));
        // Only a closed semaphore gives an error, and nothing closes this one.
        Newcomer { _place: place.ok(), leave: Some(leave) }
    }

    fn oldest(&self) -> Option<Instant> {
        let mut waiting = self.lock();
        waiting.retain(|(_, sender)| !sender.is_closed());
        waiting.front().map(|(since, _)| *since)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(Instant, oneshot::Sender<()>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Newcomer {
    /// Waits until another connection needs the place.
    pub(super) async fn must_leave(&mut self) {
        if let Some(leave) = &mut self.leave {
            if leave.await.is_ok() {
                return;
            }
            self.leave = None;
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_makes_room_for_others() {
        let newcomers = Newcomers::default();
        let mut idle = Vec::new();
        for _ in 0..PLACES {
            idle.push(newcomers.admit().await);
        }
        let begun = Instant::now();
        let (next, ()) = tokio::join!(newcomers.admit(), async {
            idle[0].must_leave().await;
            idle.remove(0);
        });
        assert_eq!(begun.elapsed().as_secs(), CROWDED.as_secs());
        // A connection that leaves by itself frees its place at once.
        drop(idle.pop());
        let begun = Instant::now();
        let another = newcomers.admit().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        drop((next, another));
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_listener_is_gone_nobody_must_leave() {
        let newcomers = Newcomers::default();
        let mut newcomer = newcomers.admit().await;
        drop(newcomers);
        for _ in 0..2 {
            assert!(tokio::time::timeout(CROWDED * 10, newcomer.must_leave()).await.is_err());
        }
    }
}
