//! Answers probes over HTTP: whether every part of ltel works (`/healthz`), and whether Locust can connect (`/readyz`).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::StageFailures;
use super::fleet::Fleet;
use crate::deliver::connections::{self, Busy, plain};

/// Connections at a time.
const CONNECTIONS: usize = 16;

/// How long a connection may last.
const PATIENCE: Duration = Duration::from_secs(10);

const STARTING: u8 = 0;
const READY: u8 = 1;
const ENDING: u8 = 2;

/// Whether Locust can connect. Shared by the pipeline, which knows, and the server, which tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// It can, from now on.
    pub(super) fn begin(&self) {
        // What ends stays ended.
        let _ = self.0.compare_exchange(STARTING, READY, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// It cannot any more.
    pub(super) fn end(&self) {
        self.0.store(ENDING, Ordering::Relaxed);
    }
}

/// What the answers are made of.
#[derive(Debug)]
pub(super) struct Health {
    pub(super) readiness: Readiness,
    pub(super) failures: StageFailures,
    pub(super) backends: Fleet,
}

impl Health {
    /// Answers probes until dropped.
    pub(super) async fn serve(self, listener: TcpListener) {
        let health = Arc::new(self);
        connections::serve(listener, CONNECTIONS, |stream, _, busy| {
            let health = Arc::clone(&health);
            async move {
                let _ = timeout(PATIENCE, health.connection(stream, &busy)).await;
            }
        })
        .await;
    }

    async fn connection(&self, stream: TcpStream, busy: &Busy) {
        let service = service_fn(|request: Request<Incoming>| {
            busy.begin();
            let answer = self.answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        });
        // A client that goes away is no error.
        let _ = connections::http().serve_connection(TokioIo::new(stream), service).await;
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let (status, text) = match request.uri().path() {
            // What failed is in the log: it may name files and addresses, which are for no stranger.
            "/healthz" if self.has_failed() => {
                (StatusCode::SERVICE_UNAVAILABLE, "failed: a part of ltel panicked, see its log\n")
            }
            "/healthz" => (StatusCode::OK, "ok\n"),
            "/readyz" => match self.readiness.0.load(Ordering::Relaxed) {
                STARTING => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
                READY => (StatusCode::OK, "ready\n"),
                _ => (StatusCode::SERVICE_UNAVAILABLE, "ending: no new connections\n"),
            },
            _ => return plain(StatusCode::NOT_FOUND, "probes are at /healthz and /readyz\n"),
        };
        connections::only_read(request.method()).unwrap_or_else(|| plain(status, text))
    }

    fn has_failed(&self) -> bool {
        self.failures.any() || self.backends.has_panicked()
    }
}

/// Binds the address of probes.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let bound = connections::bind(address);
    let (listener, address) = bound.map_err(|error| format!("[health]: cannot listen on `{address}`: {error}"))?;
    tracing::info!("probes are answered at http://{address}/healthz and http://{address}/readyz");
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use http::Method;
    use tokio::sync::watch;

    use super::*;

    /// Scenario: ltel starts, works, fails and ends. Guarantees: what probes are told at each step, and that a part that failed does not keep
    /// Locust from connecting.
    #[test]
    fn from_start_to_end() {
        let failures = StageFailures(Arc::new(watch::channel(Vec::new()).0));
        let health = Health { readiness: Readiness::default(), failures: failures.clone(), backends: Fleet::default() };
        let asked = |method: Method, path: &str| {
            let request = Request::builder().method(method).uri(path).body(()).expect("a request");
            health.answer(&request).status().as_u16()
        };
        let both = || (asked(Method::GET, "/healthz"), asked(Method::GET, "/readyz"));
        assert_eq!(both(), (200, 503));
        health.readiness.begin();
        assert_eq!(both(), (200, 200));
        for (method, path, status) in [
            (Method::HEAD, "/readyz", 200),
            (Method::GET, "/readyz?verbose", 200),
            (Method::POST, "/readyz", 405),
            (Method::DELETE, "/healthz", 405),
            (Method::GET, "/", 404),
            (Method::POST, "/livez", 404),
        ] {
            assert_eq!(asked(method.clone(), path), status, "{method} {path}");
        }
        failures.add("a stage panicked".to_owned());
        assert_eq!(both(), (503, 200));
        health.readiness.end();
        health.readiness.begin();
        assert_eq!(both(), (503, 503));
    }
}
