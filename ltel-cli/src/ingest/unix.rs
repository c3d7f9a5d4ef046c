//! The file of a Unix socket: from the start only its owner can connect, and ltel removes it at its end.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::error::ListenError;

/// The file of a socket. Removed with the listener, unless another file has replaced it.
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

/// Whether another process listens there, even a stopped one with a full backlog. A socket file without a listener is left
/// over from an ltel that was killed.
fn is_served(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Connecting to a full backlog would block.
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

/// Creates the socket in a folder that no other user can enter, restricts it to its owner, and moves it to its path.
fn bind_private(path: &Path) -> io::Result<(UnixListener, u64)> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Socket paths are limited in length: this one is as long as the final path, except for the shortest names.
    let random = path.file_name().map_or(0, OsStr::len).saturating_sub(2).clamp(2, 8);
    let folder = tempfile::Builder::new()
        .prefix("")
        .rand_bytes(random)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)?;
    let made = folder.path().join("s");
    let listener = UnixListener::bind(&made)?;
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    let inode = fs::symlink_metadata(&made)?.ino();
    fs::rename(&made, path)?;
    Ok((listener, inode))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    #[tokio::test]
    async fn only_its_owner_can_connect_and_nothing_else_is_left() {
        let folder = folder();
        let path = folder.path().join("ltel.sock");
        let (listener, file) = bind(&path).expect("a socket");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        let names: Vec<_> = fs::read_dir(folder.path()).expect("a folder").flatten().map(|e| e.file_name()).collect();
        assert_eq!(names, ["ltel.sock"]);
        let _client = UnixStream::connect(&path).expect("it listens");
        listener.accept().await.expect("a client");
        drop((listener, file));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_a_killed_ltel_has_left_is_taken_over() {
        let folder = folder();
        let path = folder.path().join("ltel.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
        let (_listener, _file) = bind(&path).expect("no listener");
        UnixStream::connect(&path).expect("it listens");
        assert!(matches!(bind(&path), Err(ListenError::InUse(_))));
        fs::write(folder.path().join("file"), "").expect("a file");
        assert!(matches!(bind(&folder.path().join("file")), Err(ListenError::NotASocket(_))));
    }

    /// Scenario: another process listens, but is stopped: it does not accept, and its backlog is full.
    #[tokio::test]
    async fn one_that_is_stopped_is_there_all_the_same() {
        let folder = folder();
        let path = folder.path().join("ltel.sock");
        let address = SockAddr::unix(&path).expect("a path");
        let stopped = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        stopped.bind(&address).expect("a path");
        stopped.listen(1).expect("a listener");
        let mut waiting = Vec::new();
        loop {
            let client = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
            client.set_nonblocking(true).expect("a socket");
            let connected = client.connect(&address);
            waiting.push(client);
            if connected.is_err() {
                break;
            }
        }
        assert!(matches!(bind(&path), Err(ListenError::InUse(_))));
    }

    #[tokio::test]
    async fn a_path_may_be_as_long_as_the_system_allows() {
        let folder = folder();
        let longest = if cfg!(target_os = "linux") { 107 } else { 103 };
        let room = longest - folder.path().as_os_str().len() - 1;
        for name in ["l".repeat(room), format!("{}/l.so", "l".repeat(room - 5))] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            bind(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}
