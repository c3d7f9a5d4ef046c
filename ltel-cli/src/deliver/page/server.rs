//! Serves the page over HTTP/1.1, one request per connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::progress::Progress;
use super::runs::PageRuns;
use crate::config::ServerTls;
use crate::deliver::connections::{self, Busy, PATIENCE_FOR_REQUEST};

/// Connections at a time. Each open page has one.
const CONNECTIONS: usize = 64;

/// Of a request's headers; also what waits in a connection's own buffer.
const BUFFER: usize = 64 << 10;

/// What the kernel keeps for a browser: with more, a slow one would see old states for longer.
const SEND_BUFFER: usize = 256 << 10;

/// How long a browser's machine may be gone.
const GONE: Duration = Duration::from_mins(1);

/// Serves until dropped.
pub(super) async fn serve(listener: TcpListener, tls: Option<ServerTls>, routes: Router, runs: Arc<PageRuns>) {
    let tls = tls.map(|tls| TlsAcceptor::from(tls.0));
    connections::serve(listener, CONNECTIONS, |stream, _, busy| {
        let (tls, routes, runs) = (tls.clone(), routes.clone(), Arc::clone(&runs));
        async move {
            set_up(&stream);
            match tls {
                None => connection(stream, routes, &runs, &busy).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(PATIENCE_FOR_REQUEST, tls.accept(stream)).await {
                        connection(stream, routes, &runs, &busy).await;
                    }
                }
            }
        }
    })
    .await;
}

fn set_up(stream: &TcpStream) {
    let probes = TcpKeepalive::new().with_time(GONE / 2).with_interval(GONE / 6).with_retries(3);
    let socket = SockRef::from(stream);
    let set = stream
        .set_nodelay(true)
        .and_then(|()| socket.set_send_buffer_size(SEND_BUFFER))
        .and_then(|()| socket.set_tcp_keepalive(&probes));
    #[cfg(target_os = "linux")]
    let set = set.and_then(|()| socket.set_tcp_user_timeout(Some(GONE)));
    if let Err(error) = set {
        tracing::debug!("cannot set the options of a browser's connection: {error}");
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, routes: Router, runs: &PageRuns, busy: &Busy) {
    let progress = Arc::<Progress>::default();
    let _place = Arc::clone(&runs.places);
    let is_needed = || runs.printer.has_too_much_unread() || Arc::strong_count(&runs.places) > CONNECTIONS;
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(|mut request: Request<Incoming>| {
        busy.begin();
        progress.given();
        request.extensions_mut().insert(Arc::clone(&progress));
        let answer = hyper::service::Service::call(&routes, request);
        async move { Ok::<Response, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    // Other requests come on connections of their own: browsers open few, and each is bounded.
    let connection = connections::http().max_buf_size(BUFFER).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A client that goes away is no error.
        _ = connection => {}
        () = progress.stalled(is_needed) => tracing::debug!("a browser reads too slowly, and is disconnected"),
    }
}
