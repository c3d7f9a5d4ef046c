//! The demo's target: a shop that is sometimes slow and sometimes fails.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

/// Stops the server when dropped.
pub(super) struct Target(AbortHandle);

impl Drop for Target {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts the server on a free port. Returns its URL.
pub(super) async fn start() -> io::Result<(String, Target)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(async move {
        let count = Arc::new(AtomicU64::new(0));
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            let service = service_fn(move |request| answer(request, count.fetch_add(1, Ordering::Relaxed)));
            connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            while connections.try_join_next().is_some() {}
        }
    });
    Ok((url, Target(serving.abort_handle())))
}

/// Time and status of an answer depend only on how many came before it, so that all demos look alike.
async fn answer(request: Request<Incoming>, nth: u64) -> Result<Response<Full<Bytes>>, Infallible> {
    let varied = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let (base, spread, status) = match request.uri().path() {
        "/" => (2, 6, StatusCode::OK),
        "/search" if varied.is_multiple_of(25) => (150, 200, StatusCode::OK),
        "/search" => (15, 30, StatusCode::OK),
        "/checkout" if varied.is_multiple_of(12) => (30, 20, StatusCode::SERVICE_UNAVAILABLE),
        "/checkout" => (25, 40, StatusCode::CREATED),
        path if path.starts_with("/products/") => (5, 12, StatusCode::OK),
        _ => (1, 1, StatusCode::NOT_FOUND),
    };
    tokio::time::sleep(Duration::from_millis(base + varied % spread)).await;
    let mut response = Response::new(Full::new(Bytes::from_static(b"the shop of the ltel demo\n")));
    *response.status_mut() = status;
    Ok(response)
}
