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
    #[error("invalid certificates: {0}")]
    Tls(reqwest::Error),
    #[error("cannot create an HTTP client: {0}")]
    Client(reqwest::Error),
}

/// An error and its causes. Of reqwest's error only the causes: it adds nothing but the known URL.
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
        // reqwest needs a process-wide default. It is already set if this is not the first client.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Following a redirect would lose the body, or send the headers to another host. OTLP has no redirects.
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

/// A receiver's message when it refuses a request. OTLP requires a protobuf `Status`; a proxy may answer anything.
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

/// The beginning of the message about such an answer.
pub(super) const NOT_OTLP: &str = "the answer is not OTLP";

/// OTLP's response to a request of any signal.
#[derive(Clone, PartialEq, prost::Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    message: String,
}

/// What is wrong with an answer of status 200. A web page means that something else has answered: a proxy, a login page,
/// another path. An answer without a body may have no content type, as Prometheus' does.
fn not_otlp(response: &Response<Bytes>) -> Option<String> {
    let (status, body) = (response.status(), response.body());
    if !status.is_success() {
        return None;
    }
    let kind = response.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default().to_ascii_lowercase());
    let of_type = kind.as_deref().map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let is_one = match of_type {
        Some("application/x-protobuf" | "application/protobuf") => ExportResponse::decode(body.clone()).is_ok(),
        // Some receivers answer in JSON to every request.
        Some("application/json") => serde_json::from_slice::<serde_json::Map<_, _>>(body)
            .is_ok_and(|answer| answer.keys().all(|key| key == "partialSuccess" || key == "partial_success")),
        Some(_) => false,
        None if body.is_empty() => true,
        None => ExportResponse::decode(body.clone()).is_ok_and(|answer| answer.partial_success.is_some()),
    };
    let kind = kind.as_deref().filter(|kind| !kind.is_empty()).unwrap_or("no content type");
    let kind = ltel_core::text::shortened(kind, 60);
    (!is_one).then(|| format!("{NOT_OTLP}: status {}, {kind}, {} bytes", status.as_u16(), body.len()))
}

#[async_trait]
impl opentelemetry_http::HttpClient for HttpClient {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // Headers that the exporter needs stay; headers from the environment are removed.
        let mut headers = self.headers.clone();
        for name in [CONTENT_TYPE, CONTENT_ENCODING, USER_AGENT] {
            if let Some(value) = request.headers_mut().remove(&name) {
                headers.entry(name).or_insert(value);
            }
        }
        *request.headers_mut() = headers;
        let result = opentelemetry_http::HttpClient::send_bytes(&self.client, request).await;
        say(|outcome| {
            outcome.failure = result.as_ref().err().map(|error| causes(&**error));
            outcome.refusal = result.as_ref().ok().and_then(refusal);
            outcome.not_otlp = result.as_ref().ok().and_then(not_otlp);
        });
        result
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_page_is_not_an_answer() {
        let partial =
            ExportResponse { partial_success: Some(PartialSuccess { rejected: 3, message: "too old".to_owned() }) };
        let partial = Bytes::from(partial.encode_to_vec());
        let page = Bytes::from_static(b"<html><h1>Log in</h1></html>");
        let none = Bytes::new;
        let protobuf = Some("application/x-protobuf");
        for (kind, body, is_one) in [
            (protobuf, none(), true),
            (protobuf, partial.clone(), true),
            (Some("Application/X-Protobuf; charset=utf-8"), partial.clone(), true),
            (protobuf, page.clone(), false),
            (None, none(), true),
            (None, partial.clone(), true),
            (None, page.clone(), false),
            (None, Bytes::from_static(b"OK"), false),
            (Some("text/html"), page, false),
            (Some("text/plain"), none(), false),
            (Some("text/plain"), partial, false),
            (Some("application/json"), Bytes::from_static(b"{}"), true),
            (Some("application/json"), Bytes::from_static(br#"{"partialSuccess":{}}"#), true),
            (Some("application/json"), Bytes::from_static(br#"{"error":"no tenant"}"#), false),
            (Some("application/json"), none(), false),
        ] {
            let mut response = Response::new(body.clone());
            if let Some(kind) = kind {
                response.headers_mut().insert(CONTENT_TYPE, kind.parse().expect("a header's value"));
            }
            assert_eq!(not_otlp(&response).is_none(), is_one, "{kind:?} {body:?}");
            *response.status_mut() = StatusCode::BAD_REQUEST;
            assert_eq!(not_otlp(&response), None);
        }
    }
}
