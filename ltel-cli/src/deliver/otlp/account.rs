//! Counts and logs the outcomes of exports.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ltel_core::backend::{DeliveryAccount, Signal};
use opentelemetry_sdk::metrics::Temporality;

use super::client::{Accepted, Refusal};
use super::config::SignalConfig;
use super::receiver_text::ReceiverText;
use crate::plural::counted;

/// The outcomes of one signal of one backend.
#[derive(Debug)]
pub(super) struct ExportAccount {
    backend: String,
    signal: Signal,
    /// As it is shown.
    endpoint: String,
    words: ReceiverText,
    account: Arc<DeliveryAccount>,
    /// Whether points are cumulative.
    cumulative: bool,
    /// Whether a message about a request that was taken was already logged, and whether one about rejected items was.
    told: [AtomicBool; 2],
}

impl ExportAccount {
    pub(super) fn new(
        backend: &str,
        signal: Signal,
        config: &SignalConfig,
        account: &Arc<DeliveryAccount>,
        temporality: Temporality,
    ) -> Self {
        Self {
            backend: backend.to_owned(),
            signal,
            endpoint: config.shown_endpoint(),
            words: ReceiverText::new(&config.headers, &config.endpoint),
            account: Arc::clone(account),
            cumulative: temporality == Temporality::Cumulative,
            told: Default::default(),
        }
    }

    pub(super) const fn signal(&self) -> Signal {
        self.signal
    }

    /// Whether the next collection repeats what this one has.
    pub(super) fn comes_again(&self) -> bool {
        self.signal == Signal::Metrics && self.cumulative
    }

    /// Counts the items of a request; `last` if they are final figures.
    pub(super) fn book(&self, items: u64, last: bool, result: Result<Accepted, Refusal>) {
        match result {
            Ok(accepted) => {
                let rejected = self.rejected(items, &accepted);
                self.account.delivered(self.signal, items - rejected);
            }
            Err(refusal) => self.failed(items, last, &refusal),
        }
    }

    fn failed(&self, items: u64, last: bool, refusal: &Refusal) {
        let (backend, signal) = (&self.backend, self.signal);
        // What broke a connection may be the receiver's words too.
        let why = self.words.shown(&refusal.why).unwrap_or_default();
        let error = match self.words.shown(&refusal.words) {
            Some(words) => format!("{why}: {words}"),
            None => why,
        };
        let is_first = match signal {
            Signal::Metrics => self.account.failed_points(items, last, self.cumulative, &*error),
            _ => self.account.failed(signal, items, &*error),
        };
        if is_first {
            let (signal, endpoint) = (signal.as_str(), &self.endpoint);
            let hint = if refusal.hint.is_empty() { String::new() } else { format!("; {}", refusal.hint) };
            tracing::warn!(
                "backend `{backend}`: export of {signal} to {endpoint} failed: {error}{hint} (further failures are counted)"
            );
        }
    }

    /// Counts what a receiver has rejected of a request that it has taken, and logs the first time. Returns how many.
    fn rejected(&self, items: u64, accepted: &Accepted) -> u64 {
        if *accepted == Accepted::default() {
            return 0;
        }
        // A receiver cannot reject more items than it was sent.
        let rejected = accepted.rejected.min(items);
        let (backend, what) = (&self.backend, self.signal.items());
        let message = self.words.shown(&accepted.message).unwrap_or_else(|| "no reason given".to_owned());
        if rejected > 0 {
            self.account.rejected(self.signal, rejected, &*message);
        }
        if !self.told[usize::from(rejected > 0)].swap(true, Ordering::Relaxed) {
            if rejected > 0 {
                let all = counted(items, what);
                tracing::warn!(
                    "backend `{backend}`: the receiver rejected {rejected} of {all}: {message} (later rejections are counted, \
                     not logged)"
                );
            } else {
                tracing::warn!("backend `{backend}`: the receiver accepted all {what} with a message: {message}");
            }
        }
        rejected
    }
}
