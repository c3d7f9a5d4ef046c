//! Listens for clients on a Unix socket, a TCP address, or both, and accepts connections.

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::buffers::Buffers;
use super::connection;
use super::delivery::Delivery;
use super::error::ListenError;
use super::faults::Faults;
use super::newcomers::Newcomers;
use super::unix::{self, SocketFile};
use crate::config::{Listen, ServerTls};

/// Bound sockets that are not served yet.
#[derive(Debug)]
pub(crate) struct Listeners {
    unix: Vec<(UnixListener, SocketFile)>,
    tcp: Vec<(TcpListener, Option<ServerTls>)>,
    limits: Listen,
}

impl Listeners {
    /// Binds the configured addresses.
    pub(crate) async fn bind(listen: &Listen) -> Result<Self, ListenError> {
        let mut listeners = Self { unix: Vec::new(), tcp: Vec::new(), limits: listen.clone() };
        listeners.add(listen).await?;
        Ok(listeners)
    }

    /// Binds only a socket at this path, with the configured limits.
    pub(crate) fn private(path: &Path, limits: &Listen) -> Result<Self, ListenError> {
        Ok(Self { unix: vec![unix::bind(path)?], tcp: Vec::new(), limits: limits.clone() })
    }

    /// Also binds the configured addresses.
    pub(crate) async fn add(&mut self, listen: &Listen) -> Result<(), ListenError> {
        if let Some(address) = listen.tcp {
            let bound = TcpListener::bind(address).await;
            let bound = bound.map_err(|error| ListenError::Bind { address: format!("tcp://{address}"), error })?;
            self.tcp.push((bound, listen.tls.clone()));
        }
        match listen.unix.as_ref().map(|socket| (unix::bind(&socket.path), socket)) {
            None => {}
            Some((Ok(bound), _)) => self.unix.push(bound),
            // The folder may belong to another user, or its path may be too long.
            Some((Err(error @ ListenError::Bind { .. }), socket)) if socket.is_default && !self.tcp.is_empty() => {
                tracing::warn!("{error}; clients can only connect over TCP (choose the addresses with [listen])");
            }
            Some((Err(error), _)) => return Err(error),
        }
        Ok(())
    }

    /// The addresses, in the form of `LTEL_ADDRESS`.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let unix = self.unix.iter().map(|(_, file)| format!("unix:{}", file.path().display()));
        let tcp = self.tcp.iter().filter_map(|(tcp, tls)| {
            let scheme = if tls.is_some() { "tls" } else { "tcp" };
            Some(format!("{scheme}://{}", tcp.local_addr().ok()?))
        });
        unix.chain(tcp).collect()
    }

    /// Serves connections until dropped.
    pub(crate) async fn serve(self, deliveries: Sender<Delivery>, faults: Arc<Faults>, answers: TaskTracker) {
        let connections = Arc::new(connection::Settings {
            max_frame_bytes: self.limits.max_frame_bytes,
            buffers: Buffers::new(self.limits.max_buffered_bytes, self.limits.max_frame_bytes),
            token: self.limits.token,
            deliveries,
            faults,
            places: Arc::new(Semaphore::new(self.limits.max_connections.min(Semaphore::MAX_PERMITS))),
            answers,
        });
        let mut accepting = JoinSet::new();
        for (listener, file) in self.unix {
            accepting.spawn(accept_unix(listener, file, Arc::clone(&connections)));
        }
        for (listener, tls) in self.tcp {
            accepting.spawn(accept_tcp(listener, tls, Arc::clone(&connections)));
        }
        accepting.join_all().await;
    }
}

// Keeps the file as long as the listener.
async fn accept_unix(listener: UnixListener, _file: SocketFile, settings: Arc<connection::Settings>) {
    let newcomers = Newcomers::default();
    loop {
        let Some((stream, _)) = accepted(listener.accept().await, &settings.faults).await else { continue };
        // From the kernel, in this process's pid namespace.
        let pid = stream.peer_cred().ok().and_then(|peer| u32::try_from(peer.pid()?).ok()).filter(|pid| *pid > 0);
        let newcomer = newcomers.admit().await;
        let open = ready(Ok(stream.into_split()));
        tokio::spawn(connection::serve(open, pid, newcomer, Arc::clone(&settings)));
    }
}

async fn accept_tcp(listener: TcpListener, tls: Option<ServerTls>, settings: Arc<connection::Settings>) {
    let tls = tls.map(|tls| TlsAcceptor::from(tls.0));
    let newcomers = Newcomers::default();
    loop {
        let Some((stream, peer)) = accepted(listener.accept().await, &settings.faults).await else { continue };
        keep_alive(&stream, peer);
        let newcomer = newcomers.admit().await;
        let settings = Arc::clone(&settings);
        match &tls {
            None => drop(tokio::spawn(connection::serve(ready(Ok(stream.into_split())), None, newcomer, settings))),
            Some(tls) => {
                let handshake = tls.accept(stream);
                let open = async move {
                    let stream = handshake.await.map_err(|error| io::Error::other(format!("with {peer}: {error}")))?;
                    Ok(tokio::io::split(stream))
                };
                tokio::spawn(connection::serve(open, None, newcomer, settings));
            }
        }
    }
}

async fn accepted<T>(result: io::Result<T>, faults: &Faults) -> Option<T> {
    match result {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            faults.count("accept failed", &error);
            // Most likely out of file descriptors: an immediate retry would only burn CPU.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// Finds hosts that vanish without closing the connection: a run must not wait for them forever.
fn keep_alive(stream: &tokio::net::TcpStream, peer: SocketAddr) {
    let probes =
        TcpKeepalive::new().with_time(Duration::from_secs(10)).with_interval(Duration::from_secs(5)).with_retries(3);
    if let Err(error) = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&probes)) {
        tracing::debug!("cannot set options of the connection from {peer}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UnixSocket;

    /// Scenario: the path of the default socket is too long, or its folder does not exist any more.
    #[tokio::test]
    async fn without_the_default_socket_there_is_tcp() {
        let folder = tempfile::tempdir().expect("a folder");
        let long = folder.path().join("l".repeat(120));
        std::fs::create_dir(&long).expect("a folder");
        for path in [long.join("ltel.sock"), folder.path().join("missing/ltel.sock")] {
            let mut listen = Listen {
                unix: Some(UnixSocket { path, is_default: true }),
                tcp: "127.0.0.1:0".parse().ok(),
                tls: None,
                max_connections: 1,
                max_frame_bytes: 1,
                max_buffered_bytes: 1,
                token: None,
                table: None,
            };
            let addresses = Listeners::bind(&listen).await.expect("TCP").addresses();
            assert!(matches!(&addresses[..], [tcp] if tcp.starts_with("tcp://127.0.0.1:")), "{addresses:?}");
            listen.unix.as_mut().expect("it is set").is_default = false;
            assert!(Listeners::bind(&listen).await.is_err());
            listen.unix.as_mut().expect("it is set").is_default = true;
            listen.tcp = None;
            assert!(Listeners::bind(&listen).await.is_err());
        }
    }
}
