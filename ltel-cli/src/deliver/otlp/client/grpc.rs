//! OTLP over gRPC. Messages are encoded before they come here, so that their size is known.

use std::error::Error as _;
use std::sync::{Mutex, PoisonError};

use ::http::HeaderMap;
use ::http::uri::PathAndQuery;
use bytes::{BufMut, Bytes};
use ltel_core::backend::Signal;
use prost::Message as _;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Extensions, Request, Status};
use tonic_types::StatusExt;

use super::answer::{Accepted, ExportResponse, Refusal, Remedy};
use super::{SetupError, causes, hint, user_agent};
use crate::deliver::otlp::config::{SignalConfig, Tls};

/// As OTLP bounds answers, and one byte more: what tonic says of its own limit is not what a receiver says of one of 4 MiB.
const MAX_ANSWER: usize = (4 << 20) + 1;

/// A gRPC client for one signal of one backend.
#[derive(Debug)]
pub(super) struct GrpcClient {
    endpoint: Endpoint,
    channel: Mutex<Channel>,
    path: PathAndQuery,
    headers: HeaderMap,
    gzip: bool,
}

impl GrpcClient {
    pub(super) fn new(signal: Signal, config: &SignalConfig) -> Result<Self, SetupError> {
        let mut endpoint = Endpoint::from(config.endpoint.clone()).user_agent(user_agent())?;
        if config.endpoint.scheme_str() == Some("https") {
            endpoint = endpoint.tls_config(tls(&config.tls))?;
        }
        let path = PathAndQuery::from_static(match signal {
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        });
        let channel = Mutex::new(endpoint.connect_lazy());
        Ok(Self { endpoint, channel, path, headers: config.headers.clone(), gzip: config.gzip })
    }

    pub(super) async fn send(&self, body: Bytes) -> Result<Accepted, Refusal> {
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut client = Grpc::new(channel).max_decoding_message_size(MAX_ANSWER);
        if self.gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        // tonic's own error says only that the service was not ready.
        client.ready().await.map_err(|error| no_connection(&error))?;
        let metadata = MetadataMap::from_headers(self.headers.clone());
        let request = Request::from_parts(metadata, Extensions::default(), body);
        let answer = client.unary(request, self.path.clone(), Encoded).await;
        answer.map(tonic::Response::into_inner).map(Accepted::from).map_err(|status| refusal(&status))
    }

    pub(super) fn reconnect(&self) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = self.endpoint.connect_lazy();
    }
}

fn tls(tls: &Tls) -> ClientTlsConfig {
    let config = match &tls.ca {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_enabled_roots(),
    };
    match &tls.identity {
        Some(identity) => config.identity(Identity::from_pem(&identity.certificates, &identity.key)),
        None => config,
    }
}

/// What a status means. One that the receiver has sent has no cause; others are of the connection.
fn refusal(status: &Status) -> Refusal {
    if let Some(cause) = status.source() {
        return no_connection(cause);
    }
    let code = status.code();
    let words = status.message().to_ascii_lowercase();
    if code == Code::OutOfRange && words.contains(&MAX_ANSWER.to_string()) {
        return Refusal::new(Remedy::None, format!("the answer has more than {MAX_ANSWER} bytes"));
    }
    // grpc-go and grpc-core: "received message larger than max"; tonic: "decoded message length too large". The codes have other meanings
    // too.
    let too_large = || ["larger than", "too large", "message size"].iter().any(|text| words.contains(text));
    let retry = status.get_details_retry_info();
    let asked = retry.as_ref().and_then(|info| info.retry_delay);
    let remedy = match code {
        Code::ResourceExhausted | Code::OutOfRange if too_large() => Remedy::Parts,
        Code::ResourceExhausted if retry.is_none() => Remedy::MaybeParts,
        // The specification's list of codes to try again.
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss
        | Code::ResourceExhausted => Remedy::Later(asked),
        _ => Remedy::None,
    };
    let hint = if code == Code::Unimplemented { "check the port, or remove the signal from `signals`" } else { "" };
    Refusal::new(remedy, format!("gRPC code {code:?}")).words(status.message()).hint(hint)
}

/// A connection that was not made, or broke.
fn no_connection(error: &(dyn std::error::Error + 'static)) -> Refusal {
    // A server without HTTP/2 answers in text, which is no frame: it will not change its mind.
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>()
            && error.reason() == Some(h2::Reason::FRAME_SIZE_ERROR)
        {
            return Refusal::new(Remedy::None, causes(error))
                .hint("for an HTTP receiver set `protocol = \"http/protobuf\"`, or on the command line `--otlp-protocol http/protobuf`");
        }
        cause = error.source();
    }
    let why = causes(error);
    let hint = hint(&why);
    Refusal::new(Remedy::Later(None), why).hint(hint)
}

/// Messages that are encoded already, and answers that are alike.
struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = ExportResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, body: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(body.len());
        out.put(body);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = ExportResponse;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<ExportResponse>, Status> {
        let answer = ExportResponse::decode(from);
        answer.map(Some).map_err(|error| Status::internal(format!("the answer is not OTLP: {error}")))
    }
}
