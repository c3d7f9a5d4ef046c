//! The exports of one signal of one backend: they run in the background, and each is counted when it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::account::ExportAccount;
use super::client::{Accepted, Client, Refusal, Remedy};
use super::config::{OtlpProtocol, SignalConfig};
use super::export::{Patience, export};
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
        let shared = Shared { client, account, limit, is_json, timeout, hanging: AtomicBool::default() };
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
    async fn export(mut self, payload: Payload, mut limit: Duration) {
        let shared = Arc::clone(&self.shared);
        // What comes again with the next collection need not be tried for long.
        let retries = (shared.account.comes_again() && !self.last).then_some(RETRIES);
        // The next part is the last of them, so that parts leave in their order.
        let mut parts = vec![payload];
        let mut too_large = None;
        while let Some(part) = parts.pop() {
            let body = if shared.is_json { part.json(shared.account.signal()) } else { part.protobuf() };
            let size = body.len();
            let items = part.len() as u64;
            if items > 1 && size > shared.limit.bytes() {
                parts.extend(part.halves());
                continue;
            }
            let begun = Instant::now();
            let result = export(&shared.client, body, Patience { limit, retries }).await;
            // A refusal that comes at once delays nothing.
            let hangs = result.is_err() && begun.elapsed() >= limit.min(LAST_TRY);
            shared.hanging.store(hangs, Ordering::Relaxed);
            if hangs {
                // The other parts wait for the end of this one.
                limit = limit.min(LAST_TRY);
            }
            match result {
                Err(Refusal { remedy, .. })
                    if items > 1 && (remedy == Remedy::Parts || (remedy == Remedy::MaybeParts && size > SMALL)) =>
                {
                    too_large = Some(size);
                    parts.extend(part.halves());
                }
                Err(refusal) if refusal.remedy == Remedy::MaybeParts && size <= SMALL => {
                    // It was not the size.
                    let all = items + parts.drain(..).map(|part| part.len() as u64).sum::<u64>();
                    self.book(all, Err(refusal));
                }
                result => {
                    // A part was taken where the whole was not.
                    if result.is_ok()
                        && let Some(size) = too_large.take()
                    {
                        shared.limit.refused(size);
                    }
                    self.book(items, result);
                }
            }
        }
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
            let refusal = Refusal { remedy: Remedy::None, why: why.to_owned(), words: String::new(), hint: "" };
            let left = self.left;
            self.book(left, Err(refusal));
        }
    }
}
