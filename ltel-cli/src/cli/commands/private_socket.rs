//! The private socket of `run`, in its own folder.

use std::ffi::OsString;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Failure;
use crate::cli::private_folder::temporary_folder_in;

/// A socket that only this user's processes can reach. Dropping it removes its folder.
#[derive(Debug)]
pub(super) struct PrivateSocket {
    folder: TempDir,
}

impl PrivateSocket {
    /// Creates it in the first usable folder of `$XDG_RUNTIME_DIR`, `$TMPDIR`, /tmp and /var/tmp.
    pub(super) fn create() -> Result<Self, Failure> {
        let stated = ["XDG_RUNTIME_DIR", "TMPDIR"].into_iter().filter_map(std::env::var_os);
        Self::in_first_of(stated.map(PathBuf::from).chain(["/tmp".into(), "/var/tmp".into()]))
    }

    fn in_first_of(folders: impl Iterator<Item = PathBuf>) -> Result<Self, Failure> {
        let mut why = Vec::new();
        for folder in folders {
            match Self::in_folder(&folder) {
                Ok(socket) => return Ok(socket),
                Err(error) => why.push(format!("  {}: {error}", folder.display())),
            }
        }
        Err(Failure::failed(format!(
            "no usable folder for the socket that Locust connects to: set XDG_RUNTIME_DIR or TMPDIR to a folder that \
             exists, is writable and has a short path\n{}",
            why.join("\n")
        )))
    }

    fn in_folder(folder: &Path) -> Result<Self, String> {
        // Locust may run in another working directory.
        if !folder.is_absolute() {
            return Err("not an absolute path".to_owned());
        }
        let folder = temporary_folder_in(folder).map_err(|error| error.to_string())?;
        let socket = Self { folder };
        // At most 107 bytes on Linux, 103 on macOS.
        SocketAddr::from_pathname(socket.path()).map_err(|_| "too long for a socket path".to_owned())?;
        Ok(socket)
    }

    /// Where it is.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("ltel.sock")
    }

    /// The same, in the form of `LTEL_ADDRESS`.
    pub(super) fn address(&self) -> OsString {
        let mut address = OsString::from("unix:");
        address.push(self.path());
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(folders: &[&Path], expected: Result<&Path, &str>) {
        let socket = PrivateSocket::in_first_of(folders.iter().map(|folder| folder.to_path_buf()));
        match (socket, expected) {
            (Ok(socket), Ok(folder)) => assert_eq!(socket.path().parent().and_then(Path::parent), Some(folder)),
            (Err(failure), Err(part)) => assert!(failure.message.contains(part), "{}", failure.message),
            (socket, expected) => panic!("{socket:?} where {expected:?} was expected"),
        }
    }

    #[test]
    fn the_first_folder_that_takes_a_socket() {
        let root = tempfile::tempdir().expect("a folder");
        let (missing, file, long) =
            (root.path().join("missing"), root.path().join("file"), root.path().join("l".repeat(100)));
        std::fs::write(&file, "").expect("a file");
        std::fs::create_dir(&long).expect("a folder");
        let (missing, file, long) = (missing.as_path(), file.as_path(), long.as_path());
        check(&[root.path(), missing], Ok(root.path()));
        check(&[missing, file, long, Path::new("relative"), root.path()], Ok(root.path()));
        check(&[missing], Err("missing: No such file"));
        check(&[long, missing], Err(&format!("{}: too long for a socket path", long.display())));
        check(&[Path::new("")], Err("not an absolute path"));
        check(&[file], Err("set XDG_RUNTIME_DIR or TMPDIR to a folder"));
        // The folder with the path that was too long is removed again.
        assert_eq!(std::fs::read_dir(long).expect("a folder").count(), 0);
    }
}
