//! What keeps ltel from listening.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why ltel cannot listen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ListenError {
    #[error("another ltel listens on `{0}`: stop it, or choose another path in [listen]")]
    InUse(PathBuf),
    #[error("`{0}` exists and is not a socket: move it, or choose another path in [listen]")]
    NotASocket(PathBuf),
    #[error("cannot listen on `{address}`: {error}")]
    Bind { address: String, error: io::Error },
}
