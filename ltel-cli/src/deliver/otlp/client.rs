//! The HTTP client of the exporters: the configured TLS, and the configured headers only.

use std::error::Error;

use async_trait::async_trait;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, Request, Response};
use opentelemetry_http::{Bytes, HttpError};
use prost::Message as _;
use tonic_types::Status;

use super::config::{Identity, SignalConfig};
use super::outcome::say;

/// Why the client cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SetupError {
    #[error("these certificates cannot be used: {0}")]
    Tls(reqwest::Error),
    #[error("no HTTP client: {0}")]
    Client(reqwest::Error),
}

/// An error and its causes. Of reqwest's the causes only: it says no more than the URL, which is known.
fn causes(error: &(dyn Error + 'static)) -> String {
    let error = error.source().filter(|_| error.is::<reqwest::Error>()).unwrap_or(error);
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// An HTTP client for one signal of one backend.
#[derive(Debug)]
pub(super) struct HttpClient {
    client: reqwest::Client,
    headers: HeaderMap,
}

impl HttpClient {
    pub(super) fn new(config: &SignalConfig) -> Result<Self, SetupError> {
        // The process-wide choice that reqwest asks for. Made already if this is not the first client.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A redirect followed would lose the body, or take the headers to another host. OTLP knows none.
        let redirects = reqwest::redirect::Policy::none();
        let mut builder = reqwest::Client::builder().timeout(config.timeout).redirect(redirects);
        if let Some(pem) = &config.tls.ca {
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(SetupError::Tls)?;
            builder = builder.tls_certs_only(certificates);
        }
        if let Some(Identity { certificates, key }) = &config.tls.identity {
            let pem = [certificates, b"\n".as_slice(), key].concat();
            builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(SetupError::Tls)?);
        }
        Ok(Self { client: builder.build().map_err(SetupError::Client)?, headers: config.headers.clone() })
    }
}

/// The words in which a receiver refuses a request. OTLP wants a protobuf `Status` of it; what stands before a receiver answers
/// in whatever it likes.
fn refusal(response: &Response<Bytes>) -> Option<String> {
    if response.status().is_success() {
        return None;
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/x-protobuf") {
        return Status::decode(response.body().clone()).ok().map(|status| status.message);
    }
    Some(String::from_utf8_lossy(response.body()).into_owned())
}

#[async_trait]
impl opentelemetry_http::HttpClient for HttpClient {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // What the exporter needs stays; what it took from the environment goes.
        let mut headers = self.headers.clone();
        for name in [CONTENT_TYPE, CONTENT_ENCODING, USER_AGENT] {
            if let Some(value) = request.headers_mut().remove(&name) {
                headers.entry(name).or_insert(value);
            }
        }
        *request.headers_mut() = headers;
        let result = opentelemetry_http::HttpClient::send_bytes(&self.client, request).await;
        say(|observed| {
            observed.failure = result.as_ref().err().map(|error| causes(&**error));
            observed.refusal = result.as_ref().ok().and_then(refusal);
        });
        result
    }
}
