//! `[listen]`: where clients connect, which clients may, and their limits.

pub(crate) mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::unix::net;
use std::path::{Path, PathBuf};

use ltel_core::backend::ConfigError;
use ltel_core::schema;
use ltel_core::schemars::{self, JsonSchema};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use toml::Spanned;

use super::Environment;
use super::section::Section;
use super::values::{Secret, Size, address, token};

pub use tls::ServerTls;

const DEFAULT_TCP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4327);
const MAX_CONNECTIONS: usize = 1_024;
const MAX_FRAME_BYTES: usize = 8 << 20;
const MAX_BUFFERED_BYTES: usize = 32 << 20;

/// Where clients connect, which clients may, and their limits.
#[derive(Clone, Debug)]
pub struct Listen {
    /// A Unix socket.
    pub unix: Option<UnixSocket>,
    /// A TCP address.
    pub tcp: Option<SocketAddr>,
    /// The TLS settings of the TCP address; absent without TLS.
    pub tls: Option<ServerTls>,
    /// Clients that may be connected at a time.
    pub max_connections: usize,
    /// The most bytes of one frame.
    pub max_frame_bytes: usize,
    /// The most bytes of all frames that are not recorded yet, beyond a small buffer per connection.
    pub max_buffered_bytes: usize,
    /// The token that each client must send.
    pub token: Option<SecretString>,
    /// What its table says, with the files of certificates that it names; absent without `[listen]`. Secret: there is a private key in it.
    pub(crate) table: Option<SecretString>,
}

/// The path of a Unix socket.
#[derive(Clone, Debug)]
pub struct UnixSocket {
    /// The path.
    pub path: PathBuf,
    /// Whether it is the default, without which ltel may go on.
    pub is_default: bool,
}

/// Where the plugin connects.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Listen", deny_unknown_fields)]
pub(super) struct RawListen {
    /// The path of a Unix socket, which only this user can use (mode 0600). Without `unix` and `tcp`, ltel listens where it does
    /// without `[listen]`: on `$XDG_RUNTIME_DIR/ltel.sock` and on `127.0.0.1:4327`.
    #[schemars(with = "Option<String>")]
    unix: Option<Spanned<PathBuf>>,
    /// A TCP address. Beyond this machine it needs `tls` and a token or `client_ca_file`, or `open = true`.
    #[schemars(with = "Option<schema::Address>", extend("examples" = ["127.0.0.1:4327"]))]
    tcp: Option<Spanned<String>>,
    /// Whether anyone who reaches the address may connect.
    #[serde(default)]
    open: bool,
    /// The certificate of the TCP address.
    #[schemars(with = "Option<tls::RawTls>")]
    tls: Option<Spanned<tls::RawTls>>,
    /// Clients at a time.
    #[schemars(extend("default" = 1024))]
    max_connections: Option<NonZeroUsize>,
    /// The size of one frame.
    #[schemars(with = "Option<schema::Bytes>", extend("default" = "8MiB"))]
    max_frame_bytes: Option<Spanned<Size>>,
    /// The size of all frames that are not recorded yet.
    #[schemars(with = "Option<schema::Bytes>", extend("default" = "32MiB"))]
    max_buffered_bytes: Option<Spanned<Size>>,
    /// The token that each client must send.
    #[schemars(with = "Option<Secret>")]
    token: Option<Spanned<Secret>>,
}

/// Without `[listen]`: a socket in the user's runtime folder, if there is one, and a port of this host.
pub(super) fn default(env: &Environment) -> Listen {
    let runtime_dir = env.get("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir());
    Listen {
        unix: runtime_dir.map(|dir| UnixSocket { path: dir.join("ltel.sock"), is_default: true }),
        tcp: Some(DEFAULT_TCP),
        tls: None,
        max_connections: MAX_CONNECTIONS,
        max_frame_bytes: MAX_FRAME_BYTES,
        max_buffered_bytes: MAX_BUFFERED_BYTES,
        token: None,
        table: None,
    }
}

/// Reads and checks `[listen]`.
pub(super) fn read(section: Section<'_>, env: &Environment, errors: &mut Vec<ConfigError>) -> Option<Listen> {
    let table = section.fingerprint();
    let before = errors.len();
    let raw = section.read::<RawListen>(&[], errors)?;
    // An invalid address has its own error: a second one would not help.
    let is_whole = errors.len() == before;
    // Without an address, the other keys are about the default ones.
    let default = (is_whole && raw.unix.is_none() && raw.tcp.is_none()).then(|| default(env));
    let guard = Guard {
        token: raw.token.is_some(),
        tls: raw.tls.is_some(),
        client_certificates: raw.tls.as_ref().is_some_and(|tls| tls.get_ref().asks_for_certificates()),
    };
    let has_tcp = raw.tcp.is_some() || default.is_some();
    let tcp = raw.tcp.and_then(|tcp| tcp_address(&tcp, guard, raw.open || !is_whole, errors));
    let token = raw.token.and_then(|secret| token(&secret, env).map_err(|error| errors.push(error)).ok());
    let tls = raw.tls.and_then(|tls| {
        if !has_tcp {
            errors.push(
                ConfigError::new("`tls` applies to the TCP address, but [listen] has none", tls.span())
                    .help(format!("add `tcp = \"{DEFAULT_TCP}\"`, or remove `tls`")),
            );
        }
        tls::read(tls.get_ref(), tls.span(), errors)
    });
    let unix = raw.unix.map(|unix| {
        errors.extend(unix_error(unix.get_ref(), unix.span()));
        UnixSocket { path: unix.into_inner(), is_default: false }
    });
    if let Some(size) = raw.max_frame_bytes.as_ref().filter(|size| size.get_ref().as_u64() == 0) {
        errors.push(
            ConfigError::new("`max_frame_bytes` is 0: no client could connect", size.span())
                .help("the plugin's frames have up to 1 MB: give at least that, or remove `max_frame_bytes`"),
        );
    }
    let max_frame_bytes = raw.max_frame_bytes.map_or(MAX_FRAME_BYTES, |size| size.get_ref().as_usize());
    let max_buffered_bytes = match raw.max_buffered_bytes {
        Some(size) if size.get_ref().as_usize() < max_frame_bytes => {
            let message = format!("`max_buffered_bytes` is less than `max_frame_bytes`, which is {max_frame_bytes}");
            errors.push(
                ConfigError::new(message, size.span())
                    .help(format!("give at least `max_buffered_bytes = {}`", max_frame_bytes.saturating_mul(2))),
            );
            max_frame_bytes
        }
        Some(size) => size.get_ref().as_usize(),
        None => MAX_BUFFERED_BYTES.max(max_frame_bytes.saturating_mul(2)),
    };
    let (default_unix, default_tcp) = default.map_or((None, None), |default| (default.unix, default.tcp));
    Some(Listen {
        unix: unix.or(default_unix),
        tcp: tcp.or(default_tcp),
        tls,
        max_connections: raw.max_connections.map_or(MAX_CONNECTIONS, NonZeroUsize::get),
        max_frame_bytes,
        max_buffered_bytes,
        token,
        table: Some(table.into()),
    })
}

impl Listen {
    /// Whether it listens as another does, with the same certificates and secrets.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let secrets = |of: &Self| {
            [&of.table, &of.token].map(|secret| secret.as_ref().map(|secret| secret.expose_secret().to_owned()))
        };
        secrets(self) == secrets(other)
    }
}

/// The protections of an address that other machines can reach.
#[derive(Clone, Copy)]
struct Guard {
    token: bool,
    tls: bool,
    client_certificates: bool,
}

fn tcp_address(tcp: &Spanned<String>, guard: Guard, open: bool, errors: &mut Vec<ConfigError>) -> Option<SocketAddr> {
    let address = match address(tcp.get_ref(), DEFAULT_TCP) {
        Ok(address) => address,
        Err((message, help)) => {
            errors.push(ConfigError::new(message, tcp.span()).help(help));
            return None;
        }
    };
    let is_guarded = guard.client_certificates || (guard.token && guard.tls);
    if !open && !is_guarded && !address.ip().to_canonical().is_loopback() {
        let missing = match (guard.token, guard.tls) {
            (true, _) => "without TLS: its token and all data can be read on the network",
            (_, true) => "without a token",
            _ => "without a token and without TLS",
        };
        let token = if guard.token { "" } else { "\n  token = { env = \"LTEL_TOKEN\" }" };
        let tls = if guard.tls { "" } else { "\n  tls = { cert_file = \"server.pem\", key_file = \"server.key\" }" };
        let certificates = if guard.token { "" } else { "\nor, in place of a token, add `client_ca_file` to `tls`" };
        errors.push(ConfigError::new(format!("other machines can connect to `{address}` {missing}"), tcp.span()).help(
            format!(
                "add to [listen]:{token}{tls}{certificates}\nor, if only trusted machines can reach it:\n  open = true"
            ),
        ));
    }
    Some(address)
}

fn unix_error(path: &Path, span: Range<usize>) -> Option<ConfigError> {
    let text = path.display().to_string();
    if let Some(path) = text.strip_prefix("unix:") {
        let help = format!("write the path alone: `unix = \"{}\"`", path.trim_start_matches("//"));
        return Some(ConfigError::new(format!("`{text}` is not a path"), span).help(help));
    }
    if text.is_empty() {
        return Some(ConfigError::new("`unix` in [listen] is empty", span).help("write a path, or remove `unix`"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        let message = format!("`{}` is in a folder that does not exist", path.display());
        return Some(ConfigError::new(message, span).help("use a path in an existing folder"));
    }
    if net::SocketAddr::from_pathname(path).is_err() {
        // One byte fewer than the field: a zero byte ends it.
        let longest = if cfg!(target_os = "linux") { 107 } else { 103 };
        let message = format!("`{}` is not a valid path of a Unix socket", path.display());
        return Some(ConfigError::new(message, span).help(format!(
            "a socket's path has at most {longest} bytes, this one has {}: use a shorter path",
            path.as_os_str().len()
        )));
    }
    None
}
