//! Servers that break what they have begun, and servers that are no receivers.

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::deliver::otlp::client::Remedy;

/// A listener, and the URL at which it is an OTLP receiver.
async fn listener(protocol: OtlpProtocol) -> (TcpListener, SignalConfig) {
    let receiver = Receiver::start([]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let endpoint = format!("http://127.0.0.1:{port}/").parse().expect("a URL");
    let config = SignalConfig { endpoint, ..config(&receiver, Signal::Logs, protocol) };
    (listener, config)
}

/// How a server breaks off.
#[derive(Clone, Copy, Debug)]
enum Break {
    GoAway(Reason),
    Reset(Reason),
    /// The connection stays open, and no request of it is answered.
    Hang,
}

/// Serves HTTP/2: breaks the first request of a first connection, and accepts all others.
async fn serve(listener: TcpListener, how: Break) {
    let mut is_first = true;
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let breaks = std::mem::take(&mut is_first);
        tokio::spawn(connection(stream, breaks.then_some(how)));
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, mut how: Option<Break>) {
    let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
    let mut waiting = Vec::new();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        if let Some(Break::Hang) = how {
            waiting.push((request, respond));
            continue;
        }
        match how.take() {
            Some(Break::GoAway(reason)) => connection.abrupt_shutdown(reason),
            Some(Break::Reset(reason)) => respond.send_reset(reason),
            _ => drop(tokio::spawn(accept(request, respond))),
        }
    }
}

async fn accept(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let kind = request.headers()["content-type"].clone();
    let answer: &'static [u8] = match kind.as_bytes() {
        b"application/grpc" => &[0; 5],
        b"application/json" => b"{}",
        _ => b"",
    };
    let mut body = request.into_body();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
    }
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", kind);
    let mut stream = respond.send_response(response, false).expect("an open stream");
    stream.send_data(Bytes::from_static(answer), false).expect("an open stream");
    let trailers = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    stream.send_trailers(trailers).expect("an open stream");
}

/// Scenario: a gRPC server ends its connection, or one request, in the middle of it. Guarantees: the export is tried again.
#[tokio::test]
async fn what_a_server_takes_back_is_sent_again() {
    let reasons = [Reason::NO_ERROR, Reason::ENHANCE_YOUR_CALM, Reason::INTERNAL_ERROR];
    let resets = [Reason::REFUSED_STREAM, Reason::CANCEL, Reason::INTERNAL_ERROR];
    for how in reasons.map(Break::GoAway).into_iter().chain(resets.map(Break::Reset)) {
        let (listener, config) = listener(OtlpProtocol::Grpc).await;
        let _server = AbortOnDropHandle::new(tokio::spawn(serve(listener, how)));
        let account = Arc::<DeliveryAccount>::default();
        let mut exports = exports(&config, &account);
        exports.start(load(7, 1)).await;
        exports.finish().await;
        let delivered = account.snapshot();
        assert_eq!(delivered.of(Signal::Logs).delivered, 7, "{how:?}: {:?}", delivered.last_error);
    }
}

/// Scenario: a connection of HTTP/2 over TLS stays open, and no request of it is answered any more, as behind a proxy whose target is
/// gone. Guarantees: the export fails in its time, and the next one goes over another connection, with every protocol.
#[tokio::test]
async fn a_connection_that_hangs_is_left() {
    for protocol in PROTOCOLS {
        let (listener, config) = listener(protocol).await;
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tls = rustls::ServerConfig::builder().with_no_client_auth();
        let mut tls = tls.with_single_cert(vec![made.cert.der().clone()], key).expect("a key of the certificate");
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let _server = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut breaks = Some(Break::Hang);
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let stream = acceptor.accept(stream).await.expect("TLS");
                tokio::spawn(connection(stream, breaks.take()));
            }
        }));
        let endpoint = config.endpoint.to_string().replace("http:", "https:").parse().expect("a URL");
        let tls = Tls { ca: Some(made.cert.pem().into_bytes()), identity: None };
        let config = SignalConfig { endpoint, tls, timeout: Duration::from_secs(2), ..config };
        let account = Arc::<DeliveryAccount>::default();
        let mut exports = exports(&config, &account);
        for count in [3, 7] {
            exports.start(load(count, 1)).await;
            exports.finish().await;
        }
        let delivered = account.snapshot();
        let logs = delivered.of(Signal::Logs);
        assert_eq!((logs.failed, logs.delivered), (3, 7), "{protocol:?}: {:?}", delivered.last_error);
        assert_eq!(delivered.last_error.as_deref(), Some("no success within 2s"), "{protocol:?}");
    }
}

/// Scenario: a server of another protocol. Guarantees: it is said at once, and what would be right.
#[tokio::test]
async fn a_server_of_another_protocol() {
    for (protocol, answer, hint, remedy) in [
        (OtlpProtocol::Grpc, "HTTP/1.1 400 Bad Request\r\n\r\n", "http/protobuf", Remedy::None),
        (OtlpProtocol::HttpProtobuf, "\0\0\u{6}\u{4}\0\0\0\0\0\0\u{5}\0\0@\0", "grpc", Remedy::Later(None)),
        (OtlpProtocol::HttpJson, "SSH-2.0-OpenSSH_9.2\r\n", "grpc", Remedy::Later(None)),
    ] {
        let (listener, config) = listener(protocol).await;
        let _server = AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(async move {
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                });
            }
        }));
        let client = Client::new(Signal::Logs, &config).expect("a client");
        let refusal = client.send(load(1, 1).payload.protobuf()).await.expect_err("no receiver");
        assert!(refusal.hint.contains(hint), "{protocol:?}: {refusal:?}");
        assert_eq!(refusal.remedy, remedy, "{refusal:?}");
    }
}

/// Scenario: a receiver whose answer of success is no message. Guarantees: the items have failed, at once, and it is said.
#[tokio::test]
async fn an_answer_that_is_no_message() {
    for protocol in PROTOCOLS {
        let receiver = Receiver::start([Answer::Garbage]).await;
        let account = Arc::<DeliveryAccount>::default();
        let mut exports = exports(&config(&receiver, Signal::Logs, protocol), &account);
        exports.start(load(3, 1)).await;
        exports.finish().await;
        let delivered = account.snapshot();
        assert_eq!((receiver.taken().len(), delivered.of(Signal::Logs).failed), (1, 3), "{protocol:?}");
        let error = delivered.last_error.unwrap_or_default();
        assert!(error.contains("the answer is not OTLP"), "{protocol:?}: {error}");
    }
}
