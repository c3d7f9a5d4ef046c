//! Exports to a receiver on this machine, over gRPC and over HTTP, and OpenTelemetry's own exporters to the same receiver: these are the
//! oracle.

mod exemplars;
mod receiver;
mod breaks;
mod oracle;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use ltel_core::backend::{DeliveryAccount, Signal};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use prost::Message;

use super::account::ExportAccount;
use super::client::Client;
use super::config::{OtlpProtocol, SignalConfig, Tls};
use super::exports::{Exports, Load};
use super::items::Items;
use super::payload::Payload;
use super::request_limit::RequestLimit;
use receiver::{Answer, Receiver, Taken};

const PROTOCOLS: [OtlpProtocol; 3] = [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf, OtlpProtocol::HttpJson];

fn config(receiver: &Receiver, signal: Signal, protocol: OtlpProtocol) -> SignalConfig {
    let path = if protocol == OtlpProtocol::Grpc { String::new() } else { format!("/v1/{}", signal.as_str()) };
    SignalConfig {
        protocol,
        endpoint: format!("http://{}{path}", receiver.address()).parse().expect("a URL"),
        headers: http::HeaderMap::new(),
        timeout: Duration::from_secs(10),
        gzip: false,
        max_request_bytes: 4_000_000,
        tls: Tls::default(),
    }
}

/// Exports of log records, two at a time.
fn exports(config: &SignalConfig, account: &Arc<DeliveryAccount>) -> Exports {
    let client = Client::new(Signal::Logs, config).expect("a client");
    let limit = RequestLimit::new("collector", config.max_request_bytes);
    let account = ExportAccount::new("collector", Signal::Logs, config, account, Temporality::Cumulative);
    Exports::new(client, account, limit, config, 2)
}

/// As many log records, with bodies of this size.
fn load(count: usize, bytes: usize) -> Load {
    let mut items = Items::new(&Items::resource(&Resource::builder_empty().build()));
    for number in 0..count {
        let record =
            LogRecord { severity_text: "x".repeat(bytes), event_name: number.to_string(), ..LogRecord::default() };
        items.push("test", record.encoded_len(), |out| record.encode_raw(out));
    }
    Load { payload: Payload::Items(Arc::new(items), 0..count), last: false, follows: false }
}

/// The names of the records that a receiver has accepted, in the order in which they came.
fn accepted(taken: &[Taken]) -> Vec<String> {
    let accepted = taken.iter().filter(|taken| taken.accepted);
    let records = accepted.flat_map(Taken::log_records);
    records.map(|record| record.event_name).collect()
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

/// Scenario: requests that are accepted, accepted in part, refused, and never answered. Guarantees: each item is counted once.
#[tokio::test]
async fn each_item_is_booked_once() {
    for protocol in PROTOCOLS {
        let answers = [
            Answer::Accept,
            Answer::Partial(4, "too old"),
            // More than it was sent.
            Answer::Partial(9, "all"),
            Answer::Refuse(StatusCode::BAD_REQUEST, tonic::Code::InvalidArgument, "no"),
            Answer::Never,
        ];
        let receiver = Receiver::start(answers).await;
        let account = Arc::<DeliveryAccount>::default();
        let config = SignalConfig { timeout: Duration::from_millis(500), ..config(&receiver, Signal::Logs, protocol) };
        let mut exports = exports(&config, &account);
        for count in [10, 10, 5, 3, 2] {
            exports.start(load(count, 1)).await;
            exports.finish().await;
        }
        let delivered = account.snapshot();
        let logs = delivered.of(Signal::Logs);
        let counts = (logs.delivered, logs.failed, logs.rejected, logs.failed_exports);
        assert_eq!(counts, (16, 5, 9, 2), "{protocol:?} {delivered:?}");
        assert_eq!(delivered.last_error.as_deref(), Some("no success within 500ms"), "{protocol:?}");
    }
}

/// Scenario: an export that is running when its backend is given up. Guarantees: its items have failed.
#[tokio::test]
async fn an_export_that_is_abandoned_has_failed() {
    let receiver = Receiver::start([Answer::Never]).await;
    let account = Arc::<DeliveryAccount>::default();
    let mut exports = exports(&config(&receiver, Signal::Logs, OtlpProtocol::Grpc), &account);
    exports.start(load(4, 1)).await;
    receiver.count(1).await;
    drop(exports);
    while account.snapshot().of(Signal::Logs).failed < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(account.snapshot().last_error.as_deref(), Some("the export was abandoned"));
}

/// Scenario: more exports than may run at a time. Guarantees: the next one waits until one ends.
#[tokio::test]
async fn no_more_run_than_may() {
    let receiver = Receiver::start([Answer::OnceTold, Answer::OnceTold]).await;
    let account = Arc::<DeliveryAccount>::default();
    let mut exports = exports(&config(&receiver, Signal::Logs, OtlpProtocol::HttpProtobuf), &account);
    exports.start(load(1, 1)).await;
    exports.start(load(1, 1)).await;
    receiver.count(2).await;
    let third = tokio::time::timeout(Duration::from_millis(20), exports.start(load(1, 1))).await;
    assert!(third.is_err(), "a third export ran beside two");
    receiver.go();
    exports.finish().await;
    assert_eq!(account.snapshot().of(Signal::Logs).delivered, 2);
}

/// Scenario: receivers whose limit is known from their status, or from their words, or not at all. Guarantees: everything arrives in
/// order, in parts, and the next request is as small from its beginning.
#[tokio::test]
async fn requests_become_as_small_as_a_receiver_takes() {
    let larger = "received message larger than max (100000 vs. 64000)";
    let receivers = [(64_000, larger), (64_000, "no"), (4_000, larger)];
    for (protocol, (limit, words)) in PROTOCOLS.into_iter().flat_map(|protocol| receivers.map(|of| (protocol, of))) {
        let receiver = Receiver::start_with_limit(limit, words).await;
        let account = Arc::<DeliveryAccount>::default();
        let mut exports = exports(&config(&receiver, Signal::Logs, protocol), &account);
        exports.start(load(1_000, 1_000)).await;
        exports.finish().await;
        let first = receiver.taken();
        assert_eq!(accepted(&first), numbers(1_000), "{protocol:?} {words}");
        assert_eq!(account.snapshot().of(Signal::Logs).delivered, 1_000);
        if words == "no" && protocol == OtlpProtocol::Grpc {
            // It may have been a quota.
            continue;
        }
        exports.start(load(1_000, 1_000)).await;
        exports.finish().await;
        let second = receiver.taken().split_off(first.len());
        assert!(second.iter().all(|taken| taken.accepted), "{protocol:?} {words}: larger than the receiver takes");
        assert_eq!(accepted(&second), numbers(1_000), "{protocol:?} {words}");
    }
}

/// Scenario: one item that is larger than what the receiver takes, among small ones. Guarantees: it alone has failed.
#[tokio::test]
async fn an_item_that_is_too_large_fails_alone() {
    for protocol in PROTOCOLS {
        let receiver = Receiver::start_with_limit(64_000, "message too large").await;
        let account = Arc::<DeliveryAccount>::default();
        let mut exports = exports(&config(&receiver, Signal::Logs, protocol), &account);
        let mut items = Items::new(&Items::resource(&Resource::builder_empty().build()));
        for number in 0..10_usize {
            let text = "x".repeat(if number == 3 { 100_000 } else { 1 });
            let record = LogRecord { event_name: number.to_string(), severity_text: text, ..LogRecord::default() };
            items.push("test", record.encoded_len(), |out| record.encode_raw(out));
        }
        exports.start(Load { payload: Payload::Items(Arc::new(items), 0..10), last: false, follows: false }).await;
        exports.finish().await;
        let expected: Vec<_> = numbers(10).into_iter().filter(|name| name != "3").collect();
        assert_eq!(accepted(&receiver.taken()), expected, "{protocol:?}");
        let logs = *account.snapshot().of(Signal::Logs);
        assert_eq!((logs.delivered, logs.failed), (9, 1), "{protocol:?}");
    }
}

/// Scenario: a receiver whose quota is used up, which gRPC says with the code of requests that are too large. Guarantees: it is asked a
/// few times, and not for each item.
#[tokio::test]
async fn a_quota_is_not_a_size() {
    let refusal = || Answer::Refuse(StatusCode::BAD_REQUEST, tonic::Code::ResourceExhausted, "quota");
    let receiver = Receiver::start(std::iter::repeat_with(refusal).take(5_000)).await;
    let account = Arc::<DeliveryAccount>::default();
    let mut exports = exports(&config(&receiver, Signal::Logs, OtlpProtocol::Grpc), &account);
    exports.start(load(2_000, 1_000)).await;
    exports.finish().await;
    let logs = *account.snapshot().of(Signal::Logs);
    assert_eq!((logs.failed, logs.failed_exports), (2_000, 1));
    assert!(receiver.taken().len() < 10, "asked {} times", receiver.taken().len());
}

/// Scenario: connections that break during an export, and a receiver that is not ready. Guarantees: the export is tried again.
#[tokio::test]
async fn what_is_temporary_is_tried_again() {
    for protocol in PROTOCOLS {
        let busy = Answer::Refuse(StatusCode::SERVICE_UNAVAILABLE, tonic::Code::Unavailable, "busy");
        let receiver = Receiver::start([Answer::Close, busy, Answer::Close, Answer::Accept]).await;
        let account = Arc::<DeliveryAccount>::default();
        let mut exports = exports(&config(&receiver, Signal::Logs, protocol), &account);
        exports.start(load(7, 1)).await;
        exports.finish().await;
        assert_eq!((receiver.taken().len(), account.snapshot().of(Signal::Logs).delivered), (4, 7), "{protocol:?}");
    }
}

/// Scenario: a quota that is used up for one request of many, which are small already. Guarantees: that one has failed, and no other; the
/// next requests are as large as before.
#[tokio::test]
async fn a_quota_that_is_passing() {
    let quota = Answer::Refuse(StatusCode::BAD_REQUEST, tonic::Code::ResourceExhausted, "memory usage");
    let answers = [Answer::Accept, Answer::Accept, Answer::Accept, quota];
    let receiver = Receiver::start(answers).await;
    let account = Arc::<DeliveryAccount>::default();
    let config = SignalConfig { max_request_bytes: 16_000, ..config(&receiver, Signal::Logs, OtlpProtocol::Grpc) };
    let mut exports = exports(&config, &account);
    exports.start(load(1_000, 1_000)).await;
    exports.finish().await;
    let logs = *account.snapshot().of(Signal::Logs);
    let refused = receiver.taken()[3].log_records().len() as u64;
    assert_eq!((logs.delivered, logs.failed), (1_000 - refused, refused));
    assert_eq!(exports.max_request_bytes(), 16_000);
}

/// Scenario: receivers that ask for a retry at once, or in a time that no clock can add. Guarantees: no hurry, and no panic.
#[tokio::test]
async fn odd_times_for_a_retry() {
    for (after, least, most) in [("0", 2, 6), ("18446744073709551615", 1, 1)] {
        let receiver = Receiver::start(std::iter::repeat_n(Answer::Later(after), 5_000)).await;
        let account = Arc::<DeliveryAccount>::default();
        let config = config(&receiver, Signal::Logs, OtlpProtocol::HttpProtobuf);
        let mut exports = exports(&SignalConfig { timeout: Duration::from_secs(1), ..config }, &account);
        exports.start(load(3, 1)).await;
        exports.finish().await;
        assert_eq!(account.snapshot().of(Signal::Logs).failed, 3);
        assert!((least..=most).contains(&receiver.taken().len()), "{after}: asked {} times", receiver.taken().len());
        let error = account.snapshot().last_error.unwrap_or_default();
        assert!(!error.contains("panicked"), "{error}");
    }
}

/// Scenario: a receiver asks for a pause that is longer than the timeout. Guarantees: it is not sent the next requests until then.
#[tokio::test]
async fn a_pause_is_for_all() {
    let receiver = Receiver::start([Answer::Later("1")]).await;
    let account = Arc::<DeliveryAccount>::default();
    let config = config(&receiver, Signal::Logs, OtlpProtocol::HttpProtobuf);
    let mut exports = exports(&SignalConfig { timeout: Duration::from_millis(300), ..config }, &account);
    for _ in 0..2 {
        exports.start(load(3, 1)).await;
        exports.finish().await;
    }
    assert_eq!(receiver.taken().len(), 1);
    let delivered = account.snapshot();
    assert_eq!(delivered.of(Signal::Logs).failed, 6);
    assert!(delivered.last_error.is_some_and(|error| error.contains("since the receiver asked for a pause")));
    while account.snapshot().of(Signal::Logs).delivered == 0 {
        exports.start(load(3, 1)).await;
        exports.finish().await;
    }
    assert_eq!(receiver.taken().len(), 2);
}

/// Scenario: an answer without an end. Guarantees: it is read as far as OTLP allows, and the items have failed.
#[tokio::test]
async fn an_answer_without_an_end() {
    let receiver = Receiver::start([Answer::Long(20 << 20)]).await;
    let account = Arc::<DeliveryAccount>::default();
    let mut exports = exports(&config(&receiver, Signal::Logs, OtlpProtocol::HttpProtobuf), &account);
    exports.start(load(3, 1)).await;
    exports.finish().await;
    let delivered = account.snapshot();
    assert_eq!((receiver.taken().len(), delivered.of(Signal::Logs).failed), (1, 3));
    assert!(delivered.last_error.is_some_and(|error| error.contains("with an answer of more than")));
}
