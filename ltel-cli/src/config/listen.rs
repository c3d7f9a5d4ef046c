//! `[listen]`: where Locust's side connects, and how much of it.

use std::net::SocketAddr;
use std::path::PathBuf;

use bytesize::ByteSize;
use serde::Deserialize;
use toml::Spanned;

use super::Environment;
use super::section::Section;
use super::values::Secret;
use ltel_core::backend::ConfigError;

const DEFAULT_TCP: &str = "127.0.0.1:4327";

/// Where Locust's side can reach ltel, and how much of it.
#[derive(Clone, Debug)]
pub struct Listen {
    /// A Unix socket.
    pub unix: Option<PathBuf>,
    /// A TCP address.
    pub tcp: Option<SocketAddr>,
    /// Connections at a time.
    pub max_connections: usize,
    /// Bytes of one frame.
    pub max_frame_bytes: usize,
    /// What each client must know.
    pub token: Option<String>,
}

#[derive(Deserialize)]
struct RawListen {
    unix: Option<Spanned<PathBuf>>,
    tcp: Option<Spanned<String>>,
    max_connections: Option<usize>,
    max_frame_bytes: Option<ByteSize>,
    token: Option<Spanned<Secret>>,
}

/// Without `[listen]`: a socket in the user's runtime folder, where there is one, and a port of this host.
pub(super) fn default(env: &Environment) -> Listen {
    let runtime_dir = env.get("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir());
    Listen {
        unix: runtime_dir.map(|dir| dir.join("ltel.sock")),
        tcp: DEFAULT_TCP.parse().ok(),
        max_connections: 1_024,
        max_frame_bytes: 8 << 20,
        token: None,
    }
}

/// Reads and checks `[listen]`.
pub(super) fn read(section: Section<'_>, env: &Environment, errors: &mut Vec<ConfigError>) -> Option<Listen> {
    let header = section.header.clone();
    let before = errors.len();
    let raw = section.read::<RawListen>(&[], errors)?;
    if errors.len() == before && raw.unix.is_none() && raw.tcp.is_none() {
        errors.push(
            ConfigError::new("[listen] names no address", header)
                .help(format!("give `unix = \"/path/ltel.sock\"`, `tcp = \"{DEFAULT_TCP}\"`, or both")),
        );
    }
    let tcp = raw.tcp.and_then(|tcp| match tcp.get_ref().parse::<SocketAddr>() {
        Ok(address) => Some(address),
        Err(_) => {
            errors.push(
                ConfigError::new(format!("`{}` is no address and port", tcp.get_ref()), tcp.span())
                    .help(format!("such as `{DEFAULT_TCP}` or `[::1]:4327`")),
            );
            None
        }
    });
    let token = raw.token.and_then(|secret| {
        secret.get_ref().resolve(env).map_err(|why| errors.push(ConfigError::new(why, secret.span()))).ok()
    });
    if let Some(unix) = &raw.unix {
        let folder = unix.get_ref().parent().filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            let message = format!("`{}` is in a folder that does not exist", unix.get_ref().display());
            errors.push(ConfigError::new(message, unix.span()).help("give a path in an existing folder"));
        }
    }
    Some(Listen {
        unix: raw.unix.map(Spanned::into_inner),
        tcp,
        max_connections: raw.max_connections.unwrap_or(1_024),
        max_frame_bytes: raw
            .max_frame_bytes
            .map_or(8 << 20, |size| usize::try_from(size.as_u64()).unwrap_or(usize::MAX)),
        token,
    })
}
