//! The way to a receiver: a request goes out, and its answer comes back as a type.

mod answer;
mod grpc;
mod http;

use bytes::Bytes;
use ltel_core::backend::Signal;

pub(super) use answer::{Accepted, Refusal, Remedy};
#[cfg(test)]
pub(super) use answer::{ExportResponse, PartialSuccess};

use super::config::{OtlpProtocol, SignalConfig};

/// Why a client cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SetupError {
    #[error("invalid certificates: {0}")]
    Tls(reqwest::Error),
    #[error("cannot create an HTTP client: {0}")]
    Http(reqwest::Error),
    #[error("cannot create a gRPC client: {0}")]
    Grpc(#[from] tonic::transport::Error),
}

/// The client of one signal of one backend.
#[derive(Debug)]
pub(super) struct Client(Transport);

#[derive(Debug)]
enum Transport {
    Grpc(Box<grpc::GrpcClient>),
    Http(Box<http::HttpClient>),
}

/// The name under which ltel is known to receivers.
fn user_agent() -> String {
    format!("ltel/{}", env!("CARGO_PKG_VERSION"))
}

impl Client {
    /// Prepares the connection, which opens when there is something to send. Call it within a tokio runtime.
    pub(super) fn new(signal: Signal, config: &SignalConfig) -> Result<Self, SetupError> {
        Ok(Self(match config.protocol {
            OtlpProtocol::Grpc => Transport::Grpc(Box::new(grpc::GrpcClient::new(signal, config)?)),
            OtlpProtocol::HttpProtobuf | OtlpProtocol::HttpJson => {
                Transport::Http(Box::new(http::HttpClient::new(config)?))
            }
        }))
    }

    /// The body of a request, as it is to be sent.
    pub(super) async fn compressed(&self, body: Bytes) -> Result<Bytes, Refusal> {
        match &self.0 {
            // tonic compresses each message as it is sent.
            Transport::Grpc(_) => Ok(body),
            Transport::Http(client) => client.compressed(body).await,
        }
    }

    /// Sends one request, once.
    pub(super) async fn send(&self, body: Bytes) -> Result<Accepted, Refusal> {
        match &self.0 {
            Transport::Grpc(client) => client.send(body).await,
            Transport::Http(client) => client.send(body).await,
        }
    }

    /// Called when an answer did not come: the next request goes over a new connection.
    pub(super) fn reconnect(&self) {
        match &self.0 {
            Transport::Grpc(client) => client.reconnect(),
            Transport::Http(client) => client.reconnect(),
        }
    }
}

/// An error and its causes.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some repeat their cause.
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// A hint at a mistake in the configuration, by the libraries' error texts: they have no types for it. If those texts change, only
/// the hint is lost.
fn hint(error: &str) -> &'static str {
    let says = |texts: &[&str]| texts.iter().any(|text| error.contains(text));
    if says(&["invalid HTTP version parsed", "received unexpected message from connection"]) {
        "for a gRPC receiver set `protocol = \"grpc\"`, or on the command line `--otlp-protocol grpc`"
    } else if says(&["InvalidContentType"]) {
        "for a receiver without TLS write http://, or set `OTEL_EXPORTER_OTLP_INSECURE=true` if the endpoint has no scheme"
    } else if says(&["UnknownIssuer", "CaUsedAsEndEntity"]) {
        "set `ca_file` to the authority that signed the receiver's certificate"
    } else {
        ""
    }
}
