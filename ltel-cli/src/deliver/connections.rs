//! The connections of ltel's HTTP servers: the page, Prometheus' and the one for probes. No other part of ltel waits for a client: each connection has its own task,
//! and their number is limited.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// How long a TLS handshake, or a request, may take to arrive: scrapers, browsers and probes send it at once.
pub(crate) const PATIENCE_FOR_REQUEST: Duration = Duration::from_secs(5);

/// Whether a request has arrived on a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(Arc<AtomicBool>);

impl Busy {
    /// One has.
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_busy(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// HTTP/1.1 with one request per connection: each is bounded by itself, and a clean end means that the answer was sent.
pub(crate) fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE_FOR_REQUEST).keep_alive(false);
    http
}

/// An answer of plain text.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The answer to a request that would not only read.
pub(crate) fn only_read(method: &Method) -> Option<Response<Full<Bytes>>> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    Some(response)
}

/// Binds the address.
pub(crate) fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((TcpListener::from_std(listener)?, bound))
}

/// Serves connections until dropped, at most so many at a time. More are an attack or a mistake: the one that has been idle the
/// longest is closed; if none is idle, the new one.
pub(crate) async fn serve<F>(
    listener: TcpListener,
    most: usize,
    mut connect: impl FnMut(TcpStream, SocketAddr, Busy) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut connections = VecDeque::<(AbortHandle, Busy)>::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => {
                connections.retain(|(task, _)| !task.is_finished());
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                if connections.len() >= most {
                    let idle = connections.iter().position(|(_, busy)| !busy.is_busy());
                    let Some((oldest, _)) = idle.and_then(|index| connections.remove(index)) else { continue };
                    oldest.abort();
                }
                let busy = Busy::default();
                let task = tasks.spawn(connect(stream, peer, busy.clone()));
                connections.push_back((task, busy));
            }
            Err(error) => {
                tracing::debug!("cannot accept an HTTP connection: {error}");
                // Most likely out of file descriptors: an immediate retry would only burn CPU.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
