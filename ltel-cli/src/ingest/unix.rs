//! The file of a Unix socket: only its owner can connect, from its first moment, and it is gone when ltel is.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::listen::ListenError;

/// The file of a socket. It goes when the listener goes, unless another has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens on this path, unless another ltel does.
pub(super) fn bind(path: &Path) -> Result<(UnixListener, SocketFile), ListenError> {
    let failed = |error| ListenError::Bind { address: format!("unix:{}", path.display()), error };
    if let Ok(metadata) = fs::symlink_metadata(path) {
        if !metadata.file_type().is_socket() {
            return Err(ListenError::NotASocket(path.to_owned()));
        }
        if is_served(path).map_err(failed)? {
            return Err(ListenError::InUse(path.to_owned()));
        }
    }
    let (listener, inode) = bind_private(path).map_err(failed)?;
    Ok((listener, SocketFile { path: path.to_owned(), inode }))
}

/// Whether another process listens there: one that is stopped, and whose backlog is full, as well. A file without one is what
/// an ltel left behind that was killed.
fn is_served(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // To connect to a full backlog would block.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => Ok(true),
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(false),
            _ => Err(error),
        },
    }
}

/// Makes the socket in a folder that nobody else can enter, and moves it to its path when only its owner can connect.
fn bind_private(path: &Path) -> io::Result<(UnixListener, u64)> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A socket's path may not be long: this one is as long as the one that is asked for, where that can be.
    let name = path.file_name().map_or(0, std::ffi::OsStr::len).saturating_sub(3).clamp(3, 8);
    let folder = tempfile::Builder::new().prefix(".").rand_bytes(name).tempdir_in(parent)?;
    let made = folder.path().join("s");
    let listener = UnixListener::bind(&made)?;
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    let inode = fs::symlink_metadata(&made)?.ino();
    fs::rename(&made, path)?;
    Ok((listener, inode))
}
