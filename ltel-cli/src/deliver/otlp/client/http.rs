//! OTLP over HTTP: protobuf or JSON, the configured TLS, and the configured headers.

use std::error::Error as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use ::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;
use serde::Deserialize;
use serde_json::Value;
use tonic_types::Status;

use super::answer::{Accepted, ExportResponse, Refusal, Remedy};
use super::{SetupError, causes, hint, user_agent};
use crate::clock;
use crate::deliver::otlp::config::{Identity, OtlpProtocol, SignalConfig};

/// An HTTP client for one signal of one backend.
#[derive(Debug)]
pub(super) struct HttpClient {
    config: SignalConfig,
    client: Mutex<reqwest::Client>,
    headers: HeaderMap,
}

impl HttpClient {
    pub(super) fn new(config: &SignalConfig) -> Result<Self, SetupError> {
        let mut headers = config.headers.clone();
        let is_json = config.protocol == OtlpProtocol::HttpJson;
        let kind = if is_json { "application/json" } else { "application/x-protobuf" };
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
        if let Ok(name) = HeaderValue::try_from(user_agent()) {
            headers.entry(USER_AGENT).or_insert(name);
        }
        if config.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(Self { client: Mutex::new(client(config)?), config: config.clone(), headers })
    }

    pub(super) async fn send(&self, body: Bytes) -> Result<Accepted, Refusal> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let request = client.post(self.config.endpoint.to_string()).headers(self.headers.clone()).body(body);
        let failed = |error: reqwest::Error| no_answer(&error);
        let mut answer = request.send().await.map_err(failed)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                let why = format!("status {}, with an answer of more than {MAX_ANSWER} bytes", status.as_u16());
                return Err(Refusal::new(Remedy::None, why));
            }
        }
        let body = body.freeze();
        if status.is_success() { accepted(status, &headers, &body) } else { Err(refusal(status, &headers, &body)) }
    }

    /// Compresses on a blocking thread: it takes as long as everything else together.
    pub(super) async fn compressed(&self, body: Bytes) -> Result<Bytes, Refusal> {
        if !self.config.gzip {
            return Ok(body);
        }
        let compressed = tokio::task::spawn_blocking(move || {
            let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
            encoder.write_all(&body).and_then(|()| encoder.finish())
        });
        match compressed.await {
            Ok(Ok(body)) => Ok(body.into()),
            Ok(Err(error)) => Err(Refusal::ours(error.to_string())),
            Err(error) => Err(Refusal::ours(error.to_string())),
        }
    }

    /// Leaves its connections, of which one may hang: over HTTP/2 an abandoned request does not end it.
    pub(super) fn reconnect(&self) {
        // It could be set up before, with the same settings.
        if let Ok(new) = client(&self.config) {
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }
}

/// As OTLP bounds answers.
const MAX_ANSWER: usize = 4 << 20;

fn client(config: &SignalConfig) -> Result<reqwest::Client, SetupError> {
    // reqwest needs a process-wide default. It is already set if this is not the first client.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Following a redirect would lose the body, or send the headers to another host. OTLP has no redirects.
    let redirects = reqwest::redirect::Policy::none();
    let mut builder = reqwest::Client::builder().redirect(redirects);
    if let Some(pem) = &config.tls.ca {
        let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(SetupError::Tls)?;
        builder = builder.tls_certs_only(certificates);
    }
    if let Some(Identity { certificates, key }) = &config.tls.identity {
        let pem = [certificates, b"\n".as_slice(), key].concat();
        builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(SetupError::Tls)?);
    }
    builder.build().map_err(SetupError::Http)
}

/// A request without an answer. Of reqwest's error only the causes: it adds nothing but the known URL.
fn no_answer(error: &reqwest::Error) -> Refusal {
    let why = causes(error.source().unwrap_or(error));
    let hint = hint(&why);
    let remedy = if error.is_builder() { Remedy::None } else { Remedy::Later(None) };
    Refusal::new(remedy, why).hint(hint)
}

/// What the receiver says of a request that it has not taken.
fn refusal(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Refusal {
    let remedy = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Remedy::Parts,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Remedy::Later(retry_after(headers)),
        _ => Remedy::None,
    };
    let hint = if status == StatusCode::NOT_FOUND { "check the path, or remove the signal from `signals`" } else { "" };
    // OTLP demands a `Status`; a proxy may answer anything.
    let words = match kind(headers).as_deref() {
        Some(PROTOBUF) => Status::decode(body.clone()).map(|status| status.message).unwrap_or_default(),
        Some(JSON) => serde_json::from_slice::<JsonStatus>(body)
            .map_or_else(|_| String::from_utf8_lossy(body).into_owned(), |status| status.message),
        _ => String::from_utf8_lossy(body).into_owned(),
    };
    Refusal::new(remedy, format!("status {}", status.as_u16())).words(words).hint(hint)
}

/// A `Status` in protobuf's JSON mapping.
#[derive(Deserialize)]
struct JsonStatus {
    message: String,
}

/// How long the receiver asks to wait: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(clock::now().into()).unwrap_or_default())
}

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// The content type without its parameters.
fn kind(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().unwrap_or_default().to_ascii_lowercase();
    Some(kind.split(';').next().unwrap_or_default().trim().to_owned())
}

/// An answer of success. A web page means that something else has answered: a proxy, a login page, another path. An answer without a
/// body may have no content type, as Prometheus' does.
fn accepted(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Result<Accepted, Refusal> {
    let kind = kind(headers);
    let protobuf = || ExportResponse::decode(body.clone()).ok();
    let answer = match kind.as_deref() {
        Some(PROTOBUF | "application/protobuf") => protobuf().map(Accepted::from),
        // Some receivers answer in JSON to every request.
        Some(JSON) => json(body),
        Some(_) => None,
        None if body.is_empty() => Some(Accepted::default()),
        None => protobuf().filter(|answer| answer.partial_success.is_some()).map(Accepted::from),
    };
    answer.ok_or_else(|| {
        let kind = kind.as_deref().filter(|kind| !kind.is_empty()).unwrap_or("no content type");
        let kind = ltel_core::text::shortened(kind, 60);
        let why = format!("the answer is not OTLP: status {}, {kind}, {} bytes", status.as_u16(), body.len());
        Refusal::new(Remedy::None, why)
            .hint("check the URL: a proxy or a login page may have answered instead of the receiver")
    })
}

/// OTLP's answer in protobuf's JSON mapping, by which a 64-bit number may be a text.
fn json(body: &[u8]) -> Option<Accepted> {
    let mut answer = serde_json::from_slice::<serde_json::Map<_, _>>(body).ok()?;
    let partial = answer.remove("partialSuccess").or_else(|| answer.remove("partial_success"));
    if !answer.is_empty() {
        return None;
    }
    let Some(Value::Object(fields)) = partial else { return Some(Accepted::default()) };
    let mut accepted = Accepted::default();
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("errorMessage" | "error_message", Value::String(text)) => accepted.message = text,
            (name, value) if name.starts_with("rejected") => {
                let number = value.as_str().map_or_else(|| value.as_u64(), |text| text.parse().ok());
                accepted.rejected = number.unwrap_or(0);
            }
            _ => {}
        }
    }
    Some(accepted)
}

#[cfg(test)]
mod tests {
    use super::super::answer::PartialSuccess;
    use super::*;

    fn headers(kind: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, kind.parse().expect("a header's value"));
        }
        headers
    }

    #[test]
    fn a_page_is_not_an_answer() {
        let partial =
            ExportResponse { partial_success: Some(PartialSuccess { rejected: 3, message: "old".to_owned() }) };
        let partial = Bytes::from(partial.encode_to_vec());
        let page = Bytes::from_static(b"<html><h1>Log in</h1></html>");
        let json = |text: &'static str| Bytes::from_static(text.as_bytes());
        let (all, three) = (Some((0, "")), Some((3, "old")));
        let protobuf = Some("application/x-protobuf");
        for (kind, body, expected) in [
            (protobuf, Bytes::new(), all),
            (protobuf, partial.clone(), three),
            (Some("Application/X-Protobuf; charset=utf-8"), partial.clone(), three),
            (protobuf, page.clone(), None),
            (None, Bytes::new(), all),
            (None, partial.clone(), three),
            (None, page.clone(), None),
            (None, json("OK"), None),
            (Some("text/html"), page, None),
            (Some("text/plain"), Bytes::new(), None),
            (Some("text/plain"), partial, None),
            (Some(JSON), json("{}"), all),
            (Some(JSON), json(r#"{"partialSuccess":{}}"#), all),
            (Some(JSON), json(r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"old"}}"#), three),
            (Some(JSON), json(r#"{"partial_success":{"rejected_data_points":3,"error_message":"old"}}"#), three),
            (Some(JSON), json(r#"{"error":"no tenant"}"#), None),
            (Some(JSON), Bytes::new(), None),
        ] {
            let answer = accepted(StatusCode::OK, &headers(kind), &body).ok();
            let answer = answer.as_ref().map(|answer| (answer.rejected, answer.message.as_str()));
            assert_eq!(answer, expected, "{kind:?} {body:?}");
        }
    }

    #[test]
    fn times_that_a_receiver_asks_for() {
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().expect("a header's value"));
            retry_after(&headers)
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
        assert!(asked("Thu, 31 Dec 2099 23:59:59 GMT").is_some_and(|time| time > Duration::from_hours(24)));
        assert_eq!(asked("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
