//! The exports of one signal of one backend: they run in the background, and each is counted when it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::account::ExportAccount;
use super::client::{Accepted, Client, Refusal, Remedy};
use super::config::{OtlpProtocol, SignalConfig};
use super::export::{Patience, Pause, export};
use super::payload::Payload;
use super::request_limit::RequestLimit;

/// The timeout of an export to a failing receiver while others wait for its end: exports of the same collection, or ltel's
/// own end.
const LAST_TRY: Duration = Duration::from_secs(1);

/// How often to try again what comes again with the next collection.
const RETRIES: usize = 3;

/// A request of this size that is refused for a reason that may be its size is not cut further. Receivers with lower limits are not
/// known, and one whose quota is used up is not to be asked for each item.
const SMALL: usize = 16 << 10;

/// The exports of one signal of one backend.
#[derive(Debug)]
pub(super) struct Exports {
    shared: Arc<Shared>,
    running: JoinSet<()>,
    /// How many may run at a time. More would wait at the receiver, and cost memory here.
    at_once: usize,
    /// Whether ltel is ending.
    ending: bool,
}

/// What is to be exported.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) payload: Payload,
    /// Whether they are final figures.
    pub(super) last: bool,
    /// Whether it belongs to the same collection as the export before it, and waited for that.
    pub(super) follows: bool,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    account: ExportAccount,
    limit: RequestLimit,
    is_json: bool,
    /// The timeout of one export, over all attempts.
    timeout: Duration,
    /// Whether the last export failed, and not at once.
    hanging: AtomicBool,
    pause: Pause,
}

impl Exports {
    pub(super) fn new(
        client: Client,
        account: ExportAccount,
        limit: RequestLimit,
        config: &SignalConfig,
        at_once: usize,
    ) -> Self {
        let (is_json, timeout) = (config.protocol == OtlpProtocol::HttpJson, config.timeout);
        let shared = Shared {
            client,
            account,
            limit,
            is_json,
            timeout,
            hanging: AtomicBool::default(),
            pause: Pause::default(),
        };
        Self { shared: Arc::new(shared), running: JoinSet::new(), at_once, ending: false }
    }

    /// Called when ltel is ending.
    pub(super) fn ending(&mut self) {
        self.ending = true;
    }

    /// How large a request may be.
    pub(super) fn max_request_bytes(&self) -> usize {
        self.shared.limit.bytes()
    }

    /// Starts an export; waits for an earlier one first if too many run already.
    pub(super) async fn start(&mut self, load: Load) {
        while self.running.len() >= self.at_once {
            ended(self.running.join_next().await);
        }
        // Removes exports that have ended.
        while let Some(result) = self.running.try_join_next() {
            ended(Some(result));
        }
        let shared = Arc::clone(&self.shared);
        let hopeless = (self.ending || load.follows) && shared.hanging.load(Ordering::Relaxed);
        let limit = if hopeless { shared.timeout.min(LAST_TRY) } else { shared.timeout };
        let booking = Booking { left: load.payload.len() as u64, last: load.last, shared };
        self.running.spawn(booking.export(load.payload, limit));
    }

    /// Waits until all have ended.
    pub(super) async fn finish(&mut self) {
        while let Some(result) = self.running.join_next().await {
            ended(Some(result));
        }
    }
}

fn ended(result: Option<Result<(), JoinError>>) {
    if let Some(Err(error)) = result {
        tracing::error!("an export failed: {error}");
    }
}

/// An export whose items must all be counted. Those that are left when it is dropped, by a panic, have failed.
struct Booking {
    left: u64,
    last: bool,
    shared: Arc<Shared>,
}

impl Booking {
    /// Sends everything, in one request if the receiver takes it, else in parts.
    async fn export(mut self, payload: Payload, limit: Duration) {
        let shared = Arc::clone(&self.shared);
        // What comes again with the next collection need not be tried for long.
        let retries = (shared.account.comes_again() && !self.last).then_some(RETRIES);
        // The next part is the last of them, so that parts leave in their order. Of each: whether it was cut for a reason that may have
        // been its size.
        let mut parts = vec![(payload, false)];
        let mut too_large = None;
        let mut deadline = Instant::now() + limit;
        while let Some((part, is_probe)) = parts.pop() {
            let items = part.len() as u64;
            let Some(body) = self.body(&part) else {
                self.book(items, Err(Refusal::ours("the request cannot be encoded")));
                continue;
            };
            let size = body.len();
            if items > 1 && size > shared.limit.bytes() {
                parts.extend(part.halves().map(|half| (half, is_probe)));
                continue;
            }
            let begun = Instant::now();
            let result = match shared.client.compressed(body).await {
                Ok(body) => export(&shared.client, body, &shared.pause, Patience { limit, deadline, retries }).await,
                Err(refusal) => Err(refusal),
            };
            // A refusal that comes at once delays nothing.
            let hangs = result.is_err() && begun.elapsed() >= limit.min(LAST_TRY);
            shared.hanging.store(hangs, Ordering::Relaxed);
            let refusal = match result {
                Ok(accepted) => {
                    self.book(items, Ok(accepted));
                    // A part was taken where the whole was not.
                    if let Some(size) = too_large.take() {
                        shared.limit.refused(size);
                    }
                    // Something is taken: the others are no longer probes, and have all the time again.
                    for (_, is_probe) in &mut parts {
                        *is_probe = false;
                    }
                    deadline = Instant::now() + limit;
                    continue;
                }
                Err(refusal) => refusal,
            };
            match refusal.remedy {
                Remedy::Parts if items > 1 => {
                    too_large = Some(size);
                    parts.extend(part.halves().map(|half| (half, is_probe)));
                }
                Remedy::MaybeParts if items > 1 && size > SMALL => {
                    parts.extend(part.halves().map(|half| (half, true)));
                }
                Remedy::MaybeParts if is_probe => {
                    // It was not the size: nothing of the whole was taken.
                    let probes = parts.extract_if(.., |(_, is_probe)| *is_probe);
                    let all = items + probes.map(|(part, _)| part.len() as u64).sum::<u64>();
                    self.book(all, Err(refusal));
                }
                _ if Instant::now() >= deadline => {
                    let all = items + parts.drain(..).map(|(part, _)| part.len() as u64).sum::<u64>();
                    self.book(all, Err(refusal));
                }
                _ => self.book(items, Err(refusal)),
            }
        }
    }

    fn body(&self, part: &Payload) -> Option<Bytes> {
        if self.shared.is_json { part.json(self.shared.account.signal()) } else { Some(part.protobuf()) }
    }

    fn book(&mut self, items: u64, result: Result<Accepted, Refusal>) {
        self.left -= items.min(self.left);
        self.shared.account.book(items, self.last, result);
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        if self.left > 0 {
            let why = if std::thread::panicking() { "the export panicked" } else { "the export was abandoned" };
            let left = self.left;
            self.book(left, Err(Refusal::ours(why)));
        }
    }
}
