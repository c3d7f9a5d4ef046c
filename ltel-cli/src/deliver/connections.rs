//! The connections of a backend's own HTTP server. No other part of ltel waits for a client: each connection has its own task,
//! and their number is limited.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

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
