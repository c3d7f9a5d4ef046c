//! The exports of one signal of one backend: they run in the background, and each is counted when it ends.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ltel_core::backend::{DeliveryAccount, Signal};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::client::NOT_OTLP;
use super::config::SignalConfig;
use super::outcome::{ExportOutcome, PartialSuccess, observe, say};
use super::receiver_text::ReceiverText;
use crate::plural::counted;

/// HTTP/2's error for the answer of a server without HTTP/2.
const NO_HTTP2: &str = "frame with invalid size";

/// The timeout of an export to a failing receiver while others wait for its end: exports of the same collection, or ltel's
/// own end.
const LAST_TRY: Duration = Duration::from_secs(1);

/// The exports of one signal of one backend.
#[derive(Debug)]
pub(super) struct Exports {
    account: Arc<ExportAccount>,
    running: JoinSet<()>,
    /// How many may run at a time. More would wait at the receiver, and cost memory here.
    at_once: usize,
    /// Whether ltel is ending.
    ending: bool,
}

/// The content of an export.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// How many points, spans or records.
    pub(super) items: u64,
    /// Whether they are final figures.
    pub(super) last: bool,
    /// Whether it belongs to the same collection as the export before it, and waited for that.
    pub(super) follows: bool,
}

impl Exports {
    pub(super) fn new(account: ExportAccount, at_once: usize) -> Self {
        Self { account: Arc::new(account), running: JoinSet::new(), at_once, ending: false }
    }

    /// Called when ltel is ending.
    pub(super) fn ending(&mut self) {
        self.ending = true;
    }

    /// Starts an export; waits for an earlier one first if too many run already. `attempt` may be called again.
    pub(super) async fn start<F>(&mut self, load: Load, attempt: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = OTelSdkResult> + Send,
    {
        while self.running.len() >= self.at_once {
            ended(self.running.join_next().await);
        }
        // Removes exports that have ended.
        while let Some(result) = self.running.try_join_next() {
            ended(Some(result));
        }
        let account = Arc::clone(&self.account);
        let hopeless = (self.ending || load.follows) && account.hanging.load(Ordering::Relaxed);
        let limit = if hopeless { account.timeout.min(LAST_TRY) } else { account.timeout };
        let booking = Booking { account: Some(Arc::clone(&account)), load };
        self.running.spawn(async move {
            let begun = Instant::now();
            let (result, outcome) = observe(timeout(limit, until_connected(attempt))).await;
            let result = match result {
                // Something other than a receiver has answered.
                Ok(Ok(())) if outcome.not_otlp.is_some() => Err(outcome.not_otlp.clone().unwrap_or_default()),
                Ok(result) => result.map_err(|error| match &outcome.failure {
                    Some(failure) => failure.clone(),
                    None => account.refused(why(error), outcome.refusal.as_deref()),
                }),
                // The exporter starts no attempt after the timeout, but does not stop a running one.
                Err(_) => Err(hung(limit, outcome.failure.as_ref().or(outcome.broken.as_ref()))),
            };
            // A refusal that comes at once delays nothing.
            let hangs = result.is_err() && begun.elapsed() >= limit.min(LAST_TRY);
            account.hanging.store(hangs, Ordering::Relaxed);
            booking.book(result, &outcome);
        });
    }

    /// Waits until all have ended.
    pub(super) async fn finish(&mut self) {
        while let Some(result) = self.running.join_next().await {
            ended(Some(result));
        }
    }
}

/// An export that must be counted. If it is dropped before that, by a panic, it has failed.
struct Booking {
    account: Option<Arc<ExportAccount>>,
    load: Load,
}

impl Booking {
    fn book(mut self, result: Result<(), String>, outcome: &ExportOutcome) {
        if let Some(account) = self.account.take() {
            account.book(self.load, result, outcome);
        }
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        if let Some(account) = self.account.take() {
            let why = if std::thread::panicking() { "the export panicked" } else { "the export was abandoned" };
            account.book(self.load, Err(why.to_owned()), &ExportOutcome::default());
        }
    }
}

/// Retries exports whose connection broke. The exporter retries temporary refusals, but over gRPC it treats a broken
/// connection as a final answer: `Unknown`.
async fn until_connected<F: Future<Output = OTelSdkResult>>(attempt: impl Fn() -> F) -> OTelSdkResult {
    // The same delay as between the exporters' own attempts.
    let mut delay = Duration::from_millis(100);
    loop {
        match attempt().await {
            Err(OTelSdkError::InternalFailure(message))
                if message.contains("Unknown: transport error") && !message.contains(NO_HTTP2) =>
            {
                say(|outcome| outcome.broken = Some(message));
                sleep(delay).await;
                delay = (delay * 2).min(Duration::from_millis(1_600));
            }
            result => return result,
        }
    }
}

/// A hint at the cause, from the libraries' error texts. If those change, only the hint is lost.
fn hint(error: &str) -> &'static str {
    let says = |texts: &[&str]| texts.iter().any(|text| error.contains(text));
    if says(&["gRPC code: Unimplemented", "status code: 404"]) {
        "; check the path, or remove the signal from `signals`"
    } else if says(&[NOT_OTLP]) {
        "; check the URL: a proxy or a login page may have answered instead of the receiver"
    } else if says(&["invalid HTTP version parsed"]) {
        "; for a gRPC receiver set `protocol = \"grpc\"`"
    } else if says(&[NO_HTTP2]) {
        "; for an HTTP receiver set `protocol = \"http/protobuf\"`"
    } else if says(&["InvalidContentType"]) {
        "; for a receiver without TLS write http://, or set `OTEL_EXPORTER_OTLP_INSECURE=true` if the endpoint has no \
         scheme"
    } else if says(&["UnknownIssuer", "CaUsedAsEndEntity"]) {
        "; set `ca_file` to the authority that signed the receiver's certificate"
    } else {
        ""
    }
}

fn hung(limit: Duration, last: Option<&String>) -> String {
    let last = last.map_or(String::new(), |last| format!("; the last attempt: {last}"));
    format!("no success within {}{last}", humantime::format_duration(limit))
}

fn why(error: OTelSdkError) -> String {
    match error {
        OTelSdkError::InternalFailure(message) => message,
        other => other.to_string(),
    }
}

fn ended(result: Option<Result<(), JoinError>>) {
    if let Some(Err(error)) = result {
        tracing::error!("an export failed: {error}");
    }
}

/// Counts and logs the outcomes of exports.
#[derive(Debug)]
pub(super) struct ExportAccount {
    backend: String,
    signal: Signal,
    endpoint: http::Uri,
    words: ReceiverText,
    account: Arc<DeliveryAccount>,
    /// Whether points are cumulative.
    cumulative: bool,
    /// The timeout of one export, over all attempts.
    timeout: Duration,
    /// Whether a partial success was already logged.
    told: AtomicBool,
    /// Whether the last export failed, and not at once.
    hanging: AtomicBool,
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
            endpoint: config.endpoint.clone(),
            words: ReceiverText::new(&config.headers),
            account: Arc::clone(account),
            cumulative: temporality == Temporality::Cumulative,
            timeout: config.timeout,
            told: AtomicBool::default(),
            hanging: AtomicBool::default(),
        }
    }

    /// Adds the receiver's message to a status.
    fn refused(&self, error: String, refusal: Option<&str>) -> String {
        match refusal.and_then(|words| self.words.shown(words)) {
            // If it did not come from the receiver, the error already has the message.
            Some(words) if !error.contains(&words) => format!("{error}: {words}"),
            _ => error,
        }
    }

    fn book(&self, load: Load, result: Result<(), String>, outcome: &ExportOutcome) {
        let Load { items, last, .. } = load;
        let (backend, signal) = (&self.backend, self.signal);
        match result {
            Ok(()) => {
                let rejected = match &outcome.partial_success {
                    Some(partial) => self.partial_success(items, partial),
                    None => 0,
                };
                self.account.delivered(signal, items - rejected);
            }
            Err(error) => {
                let is_first = match signal {
                    Signal::Metrics => self.account.failed_points(items, last, self.cumulative, &*error),
                    _ => self.account.failed(signal, items, &*error),
                };
                if is_first {
                    let (signal, endpoint, hint) = (signal.as_str(), &self.endpoint, hint(&error));
                    tracing::warn!(
                        "backend `{backend}`: export of {signal} to {endpoint} failed: {error}{hint} (further failures \
                         are counted)"
                    );
                }
            }
        }
    }

    /// Logs the first partial success. Returns how many items were rejected.
    fn partial_success(&self, items: u64, partial: &PartialSuccess) -> u64 {
        // A receiver cannot reject more items than it was sent.
        let rejected = partial.rejected.min(items);
        let (backend, what) = (&self.backend, self.signal.items());
        let message = self.words.shown(&partial.message).unwrap_or_else(|| "no reason given".to_owned());
        if rejected > 0 {
            self.account.rejected(self.signal, rejected, &*message);
        }
        if !self.told.swap(true, Ordering::Relaxed) {
            if rejected > 0 {
                let all = counted(items, what);
                tracing::warn!(
                    "backend `{backend}`: the receiver rejected {rejected} of {all}: {message} (later \
                     rejections are counted, not logged)"
                );
            } else {
                tracing::warn!("backend `{backend}`: the receiver accepted all {what} with a message: {message}");
            }
        }
        rejected
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::deliver::otlp::config::{OtlpProtocol, Tls};

    fn exports(account: &Arc<DeliveryAccount>, timeout: Duration) -> Exports {
        let config = SignalConfig {
            protocol: OtlpProtocol::Grpc,
            endpoint: http::Uri::from_static("http://collector"),
            headers: http::HeaderMap::new(),
            timeout,
            gzip: false,
            tls: Tls::default(),
        };
        let account = ExportAccount::new("collector", Signal::Traces, &config, account, Temporality::Cumulative);
        Exports::new(account, 2)
    }

    /// Scenario: exports that succeed, that succeed in part, that fail and that hang. Guarantees: each item is counted
    /// once.
    #[tokio::test]
    async fn each_item_is_booked_once() {
        let account = Arc::<DeliveryAccount>::default();
        let mut exports = exports(&account, Duration::from_millis(50));
        let load = |items| Load { items, last: false, follows: false };
        exports.start(load(10), || async { Ok(()) }).await;
        let partly = || async {
            say(|said| said.partial_success = Some(PartialSuccess { rejected: 4, message: "too old".to_owned() }));
            Ok(())
        };
        exports.start(load(10), partly).await;
        let more_than_all = || async {
            say(|said| said.partial_success = Some(PartialSuccess { rejected: 9, message: "all".to_owned() }));
            Ok(())
        };
        exports.start(load(5), more_than_all).await;
        exports.start(load(3), || async { Err(OTelSdkError::InternalFailure("no".to_owned())) }).await;
        exports.start(Load { items: 2, last: true, follows: false }, std::future::pending).await;
        exports.finish().await;
        let delivered = account.snapshot();
        let spans = delivered.of(Signal::Traces);
        assert_eq!((spans.delivered, spans.failed, spans.rejected, spans.failed_exports), (16, 5, 9, 2));
        assert_eq!(delivered.last_error.as_deref(), Some("no success within 50ms"));
    }

    /// Scenario: exports that panic, and one that is running when its backend is given up. Guarantees: they have failed.
    #[tokio::test]
    async fn an_export_that_panics_has_failed() {
        let account = Arc::<DeliveryAccount>::default();
        let mut exports = exports(&account, Duration::from_secs(10));
        let load = |items| Load { items, last: false, follows: false };
        exports.start(load(3), || async { panic!("out of paper") }).await;
        exports.finish().await;
        exports.start(load(4), std::future::pending).await;
        tokio::task::yield_now().await;
        drop(exports);
        tokio::task::yield_now().await;
        let delivered = account.snapshot();
        assert_eq!((delivered.of(Signal::Traces).failed, delivered.of(Signal::Traces).failed_exports), (7, 2));
    }

    /// Scenario: more exports than may run at a time. Guarantees: the next one waits until one ends.
    #[tokio::test]
    async fn no_more_run_than_may() {
        let account = Arc::<DeliveryAccount>::default();
        let mut exports = exports(&account, Duration::from_secs(10));
        let (go, gone) = tokio::sync::watch::channel(false);
        let load = Load { items: 1, last: false, follows: false };
        for _ in 0..2 {
            let gone = gone.clone();
            let attempt = move || {
                let mut gone = gone.clone();
                async move { gone.wait_for(|go| *go).await.map(|_| ()).map_err(|_| OTelSdkError::AlreadyShutdown) }
            };
            exports.start(load, attempt).await;
        }
        let third = timeout(Duration::from_millis(20), exports.start(load, || async { Ok(()) })).await;
        assert!(third.is_err(), "a third export ran beside two");
        go.send_replace(true);
        exports.start(load, || async { Ok(()) }).await;
        exports.finish().await;
        assert_eq!(account.snapshot().of(Signal::Traces).delivered, 3);
    }

    /// Scenario: a gRPC connection that breaks during an export. Guarantees: the export is retried.
    #[tokio::test]
    async fn what_a_connection_took_down_is_sent_again() {
        let account = Arc::<DeliveryAccount>::default();
        let mut exports = exports(&account, Duration::from_secs(10));
        let attempts = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&attempts);
        let attempt = move || {
            let broken = counted.fetch_add(1, Ordering::Relaxed) < 3;
            let message = "TonicTracesClient export failed with gRPC code: Unknown: transport error: broken pipe";
            async move { if broken { Err(OTelSdkError::InternalFailure(message.to_owned())) } else { Ok(()) } }
        };
        exports.start(Load { items: 7, last: false, follows: false }, attempt).await;
        exports.finish().await;
        assert_eq!((attempts.load(Ordering::Relaxed), account.snapshot().of(Signal::Traces).delivered), (4, 7));
    }
}
