//! Takes figures for the page, and ends it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ltel_core::backend::{Sink, Start, StartError};
use ltel_core::figures::RunFigures;
use ltel_core::runs::RunInfo;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::Page;
use super::guard::Guard;
use super::routes::routes;
use super::runs::PageRuns;
use super::server;
use crate::deliver::connections;

/// How long the end of ltel may wait for browsers that do not read the last state.
const LAST: Duration = Duration::from_secs(2);

/// The page. Serves until dropped.
pub(super) struct PageSink {
    runs: Arc<PageRuns>,
    serving: AbortHandle,
}

impl Drop for PageSink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl PageSink {
    /// Binds the address and starts to serve. Call it within a tokio runtime.
    pub(super) fn start(page: &Page, cx: &Start) -> Result<Self, StartError> {
        let (listener, address) = bind(page).map_err(|error| StartError::Listen { address: page.listen, error })?;
        let url = page.url_at(address);
        match &page.url {
            None => tracing::info!("backend `{}`: page at {url}", cx.name),
            Some(tell) => {
                let token = page.token.as_ref().map(|token| format!("?token={}", token.expose_secret()));
                let _ = tell.set(url + &token.unwrap_or_default());
            }
        }
        let runs = Arc::new(PageRuns::new(page.trace_url.as_ref()));
        let routes = routes(Arc::clone(&runs), Arc::new(Guard::new(page, address)));
        let serving = tokio::spawn(server::serve(listener, page.tls.clone(), routes, Arc::clone(&runs))).abort_handle();
        Ok(Self { runs, serving })
    }
}

/// Binds the page's address, or if it is taken and will not be missed, another port.
fn bind(page: &Page) -> io::Result<(TcpListener, SocketAddr)> {
    match connections::bind(page.listen) {
        Err(error) if page.any_port && error.kind() == io::ErrorKind::AddrInUse => {
            connections::bind(SocketAddr::new(page.listen.ip(), 0))
        }
        bound => bound,
    }
}

impl Sink for PageSink {
    async fn figures(&mut self, run: Arc<RunInfo>, figures: Arc<RunFigures>) {
        self.runs.show(&run, figures);
    }

    fn run_ended(&mut self, run: &Arc<RunInfo>) {
        self.runs.end(run);
    }

    async fn flush(&mut self) {
        self.runs.pack().await;
    }

    async fn finish(&mut self) {
        // Each browser has the last state then, and knows that no more will come.
        self.runs.ending.send_replace(true);
        let _ = timeout(LAST, self.runs.ending.closed()).await;
    }
}
