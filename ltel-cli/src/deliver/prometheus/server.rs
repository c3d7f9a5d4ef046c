//! Answers scrapes over HTTP.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ltel_core::backend::{DeliveryAccount, Signal};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::scraper::is_scrape;
use super::shelf::{Page, Receipt, Shelf};
use super::text::Format;
use crate::deliver::connections::{self, Busy, plain};

/// Connections at a time.
const CONNECTIONS: usize = 64;

/// How long a connection may last. Prometheus itself gives a scrape 10 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most bytes of pages that scrapers have not read yet. One page is always allowed, whatever its size.
const UNREAD: usize = 32 << 20;

/// Serves the figures on the shelf.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) shelf: Arc<Shelf>,
    account: Arc<DeliveryAccount>,
    /// Counts the scrapes that arrived.
    pub(super) scrapes: watch::Sender<u64>,
    /// Whether anybody has ever asked for the figures, even if they have not arrived yet.
    pub(super) was_asked: AtomicBool,
    // One page at a time: many scrapers at once cost no more than one.
    turn: Arc<tokio::sync::Mutex<()>>,
    unread: AtomicUsize,
}

impl Server {
    pub(super) fn new(shelf: Arc<Shelf>, account: Arc<DeliveryAccount>) -> Self {
        let (turn, unread) = (Arc::default(), AtomicUsize::default());
        let (scrapes, was_asked) = (watch::Sender::new(0), AtomicBool::new(false));
        Self { shelf, account, scrapes, was_asked, turn, unread }
    }

    /// Serves until dropped.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener) {
        connections::serve(listener, CONNECTIONS, |stream, peer, busy| {
            let server = Arc::clone(&self);
            async move {
                let _ = timeout(PATIENCE, server.connection(stream, peer.ip(), &busy)).await;
            }
        })
        .await;
    }

    async fn connection(&self, stream: TcpStream, peer: IpAddr, busy: &Busy) {
        let sent = Mutex::new(None);
        let service = service_fn(|request: Request<Incoming>| {
            let sent = &sent;
            async move {
                busy.begin();
                let (response, page) = self.answer(&request, peer).await;
                *sent.lock().unwrap_or_else(PoisonError::into_inner) = page;
                Ok::<_, Infallible>(response)
            }
        });
        // One request per connection: a clean end means that the page was sent.
        let connection = connections::http().serve_connection(TokioIo::new(stream), service);
        if connection.await.is_ok()
            && let Some(SentPage { receipt: Some(receipt), .. }) =
                sent.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            self.shelf.arrived(&receipt, Instant::now());
            self.account.given_and_delivered(Signal::Metrics, receipt.points);
            self.scrapes.send_modify(|scrapes| *scrapes += 1);
        }
    }

    async fn answer(&self, request: &Request<Incoming>, peer: IpAddr) -> (Response<Full<Bytes>>, Option<SentPage<'_>>) {
        if request.uri().path() != "/metrics" {
            return (plain(StatusCode::NOT_FOUND, "metrics are at /metrics\n"), None);
        }
        if let Some(refusal) = connections::only_read(request.method()) {
            return (refusal, None);
        }
        let format = wanted(request.headers());
        let scraper = is_scrape(request.headers()).then(|| {
            let user_agent = request.headers().get(USER_AGENT).map_or(&[][..], HeaderValue::as_bytes);
            self.shelf.scraper(peer, user_agent)
        });
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let figures = Arc::clone(&self.shelf);
        // Writing thousands of series takes a while: not on a thread that the runs need.
        // The turn goes with it: the page is rendered to its end, even if the client is gone.
        let page = tokio::task::spawn_blocking(move || (figures.page(format, scraper, Instant::now()), turn));
        let Ok((Page { text, receipt }, _turn)) = page.await else {
            return (plain(StatusCode::INTERNAL_SERVER_ERROR, "cannot render the metrics\n"), None);
        };
        let Some(unread) = Unread::new(&self.unread, text.len()) else {
            return (plain(StatusCode::SERVICE_UNAVAILABLE, "too many unread pages\n"), None);
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        let receipt = (request.method() == Method::GET).then_some(receipt);
        self.was_asked.fetch_or(receipt.is_some(), Ordering::Relaxed);
        (response, Some(SentPage { receipt, _unread: unread }))
    }
}

/// A page that is sent to a scraper.
struct SentPage<'a> {
    /// What counts as scraped when the page has arrived.
    receipt: Option<Receipt>,
    _unread: Unread<'a>,
}

/// Bytes that count as unread until this is dropped.
struct Unread<'a> {
    all: &'a AtomicUsize,
    bytes: usize,
}

impl<'a> Unread<'a> {
    /// `None` if there are too many.
    fn new(all: &'a AtomicUsize, bytes: usize) -> Option<Self> {
        // Pages are made one at a time, so nothing is added meanwhile.
        let before = all.load(Ordering::Relaxed);
        if before > 0 && before + bytes > UNREAD {
            return None;
        }
        all.fetch_add(bytes, Ordering::Relaxed);
        Some(Self { all, bytes })
    }
}

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The format that a scraper prefers. OpenMetrics only if it is requested by name; Prometheus' own format if no known
/// format is requested.
fn wanted(headers: &HeaderMap) -> Format {
    let (mut open, mut own) = (0.0_f32, None);
    let accepted = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    for range in accepted.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
        let kind = parts.next().unwrap_or_default();
        let parameters: Vec<(String, String)> = parts
            .filter_map(|part| {
                part.split_once('=')
                    .map(|(key, value)| (key.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
            })
            .collect();
        let parameter = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let quality = parameter("q").map_or(1.0, |q| q.parse().unwrap_or(0.0));
        match (kind.as_str(), parameter("version")) {
            ("application/openmetrics-text", None | Some("1.0.0")) => open = open.max(quality),
            ("text/plain", None | Some("0.0.4")) => own = Some(quality.max(own.unwrap_or(0.0))),
            _ => {}
        }
    }
    if open > 0.0 && own.is_none_or(|own| open >= own) { Format::OpenMetrics } else { Format::Prometheus }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        use Format::{OpenMetrics, Prometheus};
        let of_prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                               text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let of_prometheus_3 = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
                               application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                               text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for (accept, format) in [
            (None, Prometheus),
            (Some("*/*"), Prometheus),
            (Some("text/html,*/*;q=0.8"), Prometheus),
            (Some("text/plain;version=0.0.4"), Prometheus),
            (Some("application/openmetrics-text"), OpenMetrics),
            (Some("Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8"), OpenMetrics),
            (Some("application/openmetrics-text;version=0.0.1"), Prometheus),
            (Some("application/openmetrics-text;q=0.2,text/plain;q=0.9"), Prometheus),
            (Some("application/openmetrics-text;q=0,*/*"), Prometheus),
            (Some("application/openmetrics-text;q=often"), Prometheus),
            (Some(of_prometheus_2), OpenMetrics),
            (Some(of_prometheus_3), OpenMetrics),
        ] {
            let headers = accept.map(|text| (ACCEPT, HeaderValue::from_str(text).unwrap())).into_iter().collect();
            assert_eq!(wanted(&headers), format, "{accept:?}");
        }
    }
}
