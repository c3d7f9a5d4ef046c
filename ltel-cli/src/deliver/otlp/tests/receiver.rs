//! A receiver on a free port of this machine, over gRPC and over HTTP, that answers as it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::deliver::otlp::client::{ExportResponse, PartialSuccess};

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Accept,
    /// All but so many items, and why.
    Partial(i64, &'static str),
    /// With this status over HTTP, and this code over gRPC.
    Refuse(StatusCode, tonic::Code, &'static str),
    /// Over HTTP, 503 with this `Retry-After`.
    Later(&'static str),
    /// Over HTTP, success with so many bytes.
    Long(usize),
    /// Bytes that are no message.
    Garbage,
    /// The connection is closed.
    Close,
    Never,
    /// Accepted, but after [`Receiver::go`].
    OnceTold,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) path: String,
    pub(super) kind: String,
    /// Without gRPC's frame.
    pub(super) body: Bytes,
    pub(super) accepted: bool,
}

impl Taken {
    pub(super) fn is_json(&self) -> bool {
        self.kind == "application/json"
    }

    /// Its message.
    pub(super) fn message<M: Message + Default + serde::de::DeserializeOwned>(&self) -> M {
        if self.is_json() {
            serde_json::from_slice(&self.body).expect("a message in JSON")
        } else {
            M::decode(self.body.clone()).expect("a message")
        }
    }

    pub(super) fn log_records(&self) -> Vec<LogRecord> {
        let request: ExportLogsServiceRequest = self.message();
        let scopes = request.resource_logs.into_iter().flat_map(|of| of.scope_logs);
        scopes.flat_map(|of| of.log_records).collect()
    }
}

#[derive(Debug)]
struct State {
    answers: VecDeque<Answer>,
    limit: usize,
    words: &'static str,
    taken: Vec<Taken>,
}

/// A receiver, until it is dropped.
#[derive(Debug)]
pub(super) struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    count: watch::Receiver<usize>,
    go: watch::Sender<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Receiver {
    /// One that gives these answers, and then accepts everything.
    pub(super) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_as(State {
            answers: answers.into_iter().collect(),
            limit: usize::MAX,
            words: "",
            taken: Vec::new(),
        })
        .await
    }

    /// One that refuses larger requests, over gRPC with these words.
    pub(super) async fn start_with_limit(limit: usize, words: &'static str) -> Self {
        Self::start_as(State { answers: VecDeque::new(), limit, words, taken: Vec::new() }).await
    }

    async fn start_as(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(state));
        let ((counted, count), (go, gone)) = (watch::channel(0), watch::channel(false));
        let (shared, counted) = (Arc::clone(&state), Arc::new(counted));
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (state, counted, gone) = (Arc::clone(&shared), Arc::clone(&counted), gone.clone());
                tokio::spawn(async move {
                    let (close, mut closed) = watch::channel(false);
                    let serve = service_fn(|request| {
                        let (state, counted) = (Arc::clone(&state), Arc::clone(&counted));
                        answer(request, state, counted, gone.clone(), close.clone())
                    });
                    let builder = Builder::new(TokioExecutor::new());
                    let connection = builder.serve_connection(TokioIo::new(stream), serve);
                    tokio::select! {
                        _ = connection => {}
                        _ = closed.wait_for(|close| *close) => {}
                    }
                });
            }
        });
        Self { address, state, count, go, _task: AbortOnDropHandle::new(task) }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far.
    pub(super) fn taken(&self) -> Vec<Taken> {
        self.state.lock().expect("the state").taken.clone()
    }

    /// Waits for so many requests.
    pub(super) async fn count(&self, count: usize) {
        self.count.clone().wait_for(|have| *have >= count).await.expect("the receiver");
    }

    /// Answers what waits for it.
    pub(super) fn go(&self) {
        self.go.send_replace(true);
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
    counted: Arc<watch::Sender<usize>>,
    mut gone: watch::Receiver<bool>,
    close: watch::Sender<bool>,
) -> Result<Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>, Infallible> {
    let path = request.uri().path().to_owned();
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let is_grpc = kind.starts_with("application/grpc");
    let whole = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    // A frame of gRPC begins with a flag and the length.
    let body = if is_grpc { whole.slice(5..) } else { whole };
    let (answer, count) = {
        let mut state = state.lock().expect("the state");
        let too_large = body.len() > state.limit;
        let next = state.answers.pop_front().unwrap_or(Answer::Accept);
        let words = state.words;
        let answer = if too_large {
            Answer::Refuse(StatusCode::PAYLOAD_TOO_LARGE, tonic::Code::ResourceExhausted, words)
        } else {
            next
        };
        let accepted = matches!(answer, Answer::Accept | Answer::Partial(..) | Answer::OnceTold);
        state.taken.push(Taken { path, kind: kind.clone(), body, accepted });
        (answer, state.taken.len())
    };
    counted.send_replace(count);
    let is_garbage = matches!(answer, Answer::Garbage);
    let partial = |rejected, message: &str| ExportResponse {
        partial_success: Some(PartialSuccess { rejected, message: message.to_owned() }),
    };
    let response = match answer {
        Answer::Accept | Answer::Garbage => ExportResponse::default(),
        Answer::Partial(rejected, message) => partial(rejected, message),
        Answer::OnceTold => {
            let _ = gone.wait_for(|go| *go).await;
            ExportResponse::default()
        }
        Answer::Never => std::future::pending().await,
        Answer::Close => {
            close.send_replace(true);
            std::future::pending().await
        }
        Answer::Refuse(status, code, words) => return Ok(refusal(is_grpc, status, code, words)),
        Answer::Later(after) => {
            let mut response = refusal(false, StatusCode::SERVICE_UNAVAILABLE, tonic::Code::Ok, "");
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(after));
            return Ok(response);
        }
        Answer::Long(bytes) => return Ok(of_kind("application/x-protobuf", Full::from(vec![b'x'; bytes]).boxed())),
    };
    // A text of 127 bytes that are not there.
    let message = if is_garbage { vec![0x0a, 0x7f] } else { response.encode_to_vec() };
    Ok(if is_grpc {
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(u32::try_from(message.len()).expect("a short answer"));
        frame.put(message.as_slice());
        let trailers =
            HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
        let body = Full::new(frame.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
        of_kind("application/grpc", body.boxed())
    } else if kind == "application/json" {
        let partial = response.partial_success.map(|partial| {
            serde_json::json!({"rejectedLogRecords": partial.rejected.to_string(), "errorMessage": partial.message})
        });
        let answer = match partial {
            _ if is_garbage => serde_json::json!([]),
            Some(partial) => serde_json::json!({"partialSuccess": partial}),
            None => serde_json::json!({}),
        };
        of_kind("application/json", Full::from(answer.to_string()).boxed())
    } else {
        of_kind("application/x-protobuf", Full::from(message).boxed())
    })
}

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

fn of_kind(kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn refusal(is_grpc: bool, status: StatusCode, code: tonic::Code, words: &'static str) -> Response<Body> {
    if is_grpc {
        let mut response = of_kind("application/grpc", Full::default().boxed());
        let headers = response.headers_mut();
        headers.insert("grpc-status", HeaderValue::from(i32::from(code)));
        headers.insert("grpc-message", HeaderValue::from_static(words));
        return response;
    }
    let mut response = of_kind("text/plain", Full::from(words).boxed());
    *response.status_mut() = status;
    response
}
