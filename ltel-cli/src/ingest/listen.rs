//! Where Locust's side connects: a Unix socket, a TCP address, or both.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::connection;
use super::delivery::Delivery;
use crate::config::Listen;
use crate::runs::faults::Faults;

/// Why ltel cannot listen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ListenError {
    #[error("another ltel listens on `{0}`; stop it, or choose another path in [listen]")]
    InUse(PathBuf),
    #[error("`{0}` exists and is not a socket; move it away, or choose another path in [listen]")]
    NotASocket(PathBuf),
    #[error("cannot listen on `{address}`: {error}")]
    Bind { address: String, error: io::Error },
}

/// Sockets that are bound and not yet served.
#[derive(Debug)]
pub(crate) struct Listeners {
    unix: Vec<(UnixListener, SocketFile)>,
    tcp: Vec<TcpListener>,
    limits: Listen,
}

impl Listeners {
    /// Binds the configured addresses.
    pub(crate) async fn bind(listen: &Listen) -> Result<Self, ListenError> {
        let mut listeners = Self { unix: Vec::new(), tcp: Vec::new(), limits: listen.clone() };
        listeners.add(listen).await?;
        Ok(listeners)
    }

    /// Binds a socket of this path only. The limits are the configured ones.
    pub(crate) fn private(path: &Path, limits: &Listen) -> Result<Self, ListenError> {
        Ok(Self { unix: vec![bind_unix(path)?], tcp: Vec::new(), limits: limits.clone() })
    }

    /// Binds the configured addresses as well.
    pub(crate) async fn add(&mut self, listen: &Listen) -> Result<(), ListenError> {
        if let Some(path) = &listen.unix {
            self.unix.push(bind_unix(path)?);
        }
        if let Some(address) = listen.tcp {
            let bound = TcpListener::bind(address).await;
            self.tcp.push(bound.map_err(|error| ListenError::Bind { address: format!("tcp://{address}"), error })?);
        }
        Ok(())
    }

    /// The addresses, as `LTEL_ADDRESS` takes them.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let unix = self.unix.iter().map(|(_, file)| format!("unix:{}", file.path.display()));
        let tcp = self.tcp.iter().filter_map(|tcp| Some(format!("tcp://{}", tcp.local_addr().ok()?)));
        unix.chain(tcp).collect()
    }

    /// Serves connections until it is dropped.
    pub(crate) async fn serve(self, deliveries: Sender<Delivery>, faults: Arc<Faults>, answers: TaskTracker) {
        let connections = Arc::new(connection::Settings {
            max_frame_bytes: self.limits.max_frame_bytes,
            token: self.limits.token,
            deliveries,
            faults,
            places: Arc::new(Semaphore::new(self.limits.max_connections)),
            answers,
        });
        let mut accepting = JoinSet::new();
        for (listener, file) in self.unix {
            accepting.spawn(accept_unix(listener, file, Arc::clone(&connections)));
        }
        for listener in self.tcp {
            accepting.spawn(accept_tcp(listener, Arc::clone(&connections)));
        }
        accepting.join_all().await;
    }
}

// The file stays as long as the listener.
async fn accept_unix(listener: UnixListener, _file: SocketFile, settings: Arc<connection::Settings>) {
    loop {
        let Some((stream, _)) = accepted(listener.accept().await, &settings.faults).await else { continue };
        // The kernel's word, and the pid as this process sees it.
        let pid = stream.peer_cred().ok().and_then(|peer| u32::try_from(peer.pid()?).ok()).filter(|pid| *pid > 0);
        let (read, write) = stream.into_split();
        connection::start(read, write, pid, &settings);
    }
}

async fn accept_tcp(listener: TcpListener, settings: Arc<connection::Settings>) {
    loop {
        let Some((stream, peer)) = accepted(listener.accept().await, &settings.faults).await else { continue };
        keep_alive(&stream, peer);
        let (read, write) = stream.into_split();
        connection::start(read, write, None, &settings);
    }
}

async fn accepted<T>(result: io::Result<T>, faults: &Faults) -> Option<T> {
    match result {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            faults.count("accept failed", &error);
            // Out of file descriptors, most likely: trying again at once would only burn a core.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// A host that vanishes says no goodbye: its run must not wait for it for ever.
fn keep_alive(stream: &tokio::net::TcpStream, peer: SocketAddr) {
    let probes =
        TcpKeepalive::new().with_time(Duration::from_secs(10)).with_interval(Duration::from_secs(5)).with_retries(3);
    if let Err(error) = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&probes)) {
        tracing::debug!("cannot set options of the connection from {peer}: {error}");
    }
}

fn bind_unix(path: &Path) -> Result<(UnixListener, SocketFile), ListenError> {
    let failed = |error| ListenError::Bind { address: format!("unix:{}", path.display()), error };
    if let Ok(metadata) = std::fs::symlink_metadata(path) {
        if !metadata.file_type().is_socket() {
            return Err(ListenError::NotASocket(path.to_owned()));
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(ListenError::InUse(path.to_owned()));
        }
        // Nobody answers: what an ltel left behind that was killed.
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let inode = std::fs::metadata(path).map_err(failed)?.ino();
    Ok((listener, SocketFile { path: path.to_owned(), inode }))
}

/// The file of a Unix socket. It goes when the listener goes, unless another has taken its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
