//! The options of a page.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use ltel_core::backend::{Check, ConfigError};
use ltel_core::schema;
use ltel_core::schemars::{self, JsonSchema};
use secrecy::SecretString;
use serde::Deserialize;
use toml::Spanned;

use crate::config::ServerTls;
use crate::config::listen::tls::{self, RawTls};
use crate::config::values::{Secret, address, token};
use crate::report::TraceUrl;

/// Where a page listens by default.
pub(super) const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4329);

/// The keys of its table.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Options {
    /// The address of the page. Beyond this machine it needs a token and `tls`, or `open = true`.
    #[schemars(with = "Option<schema::Address>", extend("default" = "127.0.0.1:4329", "examples" = ["127.0.0.1:4329"]))]
    listen: Option<Spanned<String>>,
    /// The token that a browser must send.
    #[schemars(with = "Option<Secret>")]
    token: Option<Spanned<Secret>>,
    /// The certificate of the page, for HTTPS.
    #[schemars(with = "Option<RawTls>")]
    tls: Option<Spanned<RawTls>>,
    /// Whether anyone who reaches the address may see the page, or its token is enough.
    #[serde(default)]
    open: bool,
    /// Names in the page's URL, such as `ltel.example.com`, for a page without a token. Addresses and `localhost` are always known.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    hosts: Vec<Spanned<String>>,
    /// Where requests with a trace lead to: a URL with `{trace_id}`, and `{span_id}` if it needs one.
    #[schemars(with = "Option<String>", extend("examples" = ["https://tracing.example/trace/{trace_id}"]))]
    trace_url: Option<Spanned<String>>,
}

/// The options of a page.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// The address that it listens on.
    pub(super) listen: SocketAddr,
    /// Whether another free port will do.
    pub(super) any_port: bool,
    /// The token that a browser must send.
    pub(super) token: Option<SecretString>,
    /// The TLS settings; absent without TLS.
    pub(super) tls: Option<ServerTls>,
    /// Names by which browsers may ask for it, beside addresses and `localhost`.
    pub(super) hosts: Vec<String>,
    /// Where a request's trace is.
    pub(super) trace_url: Option<TraceUrl>,
    /// Told where the page is; if absent, the log is.
    pub(super) url: Option<PageUrl>,
}

/// Where a page is, once it has started, with its token if it has one.
pub(crate) type PageUrl = Arc<OnceLock<String>>;

impl Page {
    /// The page of a command line. Without an address: the default one, or if its port is taken, a free one. An address that
    /// other machines can reach gets a random token.
    pub(crate) fn of_command_line(address: Option<SocketAddr>, url: &PageUrl) -> Self {
        let listen = address.unwrap_or(DEFAULT);
        let token = (!is_local(listen)).then(|| uuid::Uuid::new_v4().simple().to_string().into());
        let (any_port, url) = (address.is_none(), Some(Arc::clone(url)));
        Self { listen, any_port, token, tls: None, hosts: Vec::new(), trace_url: None, url }
    }

    /// The URL of the page if it listens on this address.
    pub(super) fn url_at(&self, address: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        match sysinfo::System::host_name() {
            Ok(host) if address.ip().is_unspecified() => format!("{scheme}://{host}:{}/", address.port()),
            _ => format!("{scheme}://{address}/"),
        }
    }
}

/// Whether only this machine can reach it.
pub(super) const fn is_local(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Checks its table.
pub(super) fn check(options: Options, cx: &mut Check<'_>) -> Option<Page> {
    let listen = match &options.listen {
        Some(stated) => {
            let address = address(stated.get_ref(), DEFAULT).map_err(|(message, help)| {
                cx.error(ConfigError::new(message, stated.span()).help(help));
            });
            address.ok().map(|address| (address, stated.span()))
        }
        None => Some((DEFAULT, cx.header())),
    };
    if let Some((address, span)) = &listen {
        cx.claim_address(*address, span.clone());
        if !options.open
            && let Some(error) = exposed(&options, *address, span.clone(), &cx.place.title)
        {
            cx.error(error);
        }
    }
    let token = options.token.and_then(|secret| token(&secret, cx.env).map_err(|error| cx.error(error)).ok());
    let tls = options.tls.and_then(|raw| tls::read(raw.get_ref(), raw.span(), cx.errors));
    for host in &options.hosts {
        if !is_name(host.get_ref()) {
            let message = format!("`{}` is not a host name", host.get_ref());
            cx.error(
                ConfigError::new(message, host.span()).help("write a name without scheme and port: `ltel.example.com`"),
            );
        }
    }
    let hosts = options.hosts.into_iter().map(|host| host.into_inner().to_ascii_lowercase()).collect();
    let trace_url = options.trace_url.and_then(|stated| match TraceUrl::parse(stated.get_ref()) {
        Ok(url) => Some(url),
        Err((message, help)) => {
            cx.error(ConfigError::new(message, stated.span()).help(help));
            None
        }
    });
    Some(Page { listen: listen?.0, any_port: false, token, tls, hosts, trace_url, url: None })
}

/// The error of an address that other machines can reach without both a token, or certificates, and TLS.
fn exposed(options: &Options, address: SocketAddr, span: std::ops::Range<usize>, title: &str) -> Option<ConfigError> {
    let certificates = options.tls.as_ref().is_some_and(|tls| tls.get_ref().asks_for_certificates());
    let missing = match (options.token.is_some(), options.tls.is_some()) {
        _ if certificates || is_local(address) => return None,
        (true, true) => return None,
        (true, false) => "without TLS: its token and all figures can be read on the network",
        (false, true) => "without a token",
        (false, false) => "without a token and without TLS",
    };
    let token = if options.token.is_some() { "" } else { "\n  token = { env = \"LTEL_PAGE_TOKEN\" }" };
    let tls =
        if options.tls.is_some() { "" } else { "\n  tls = { cert_file = \"server.pem\", key_file = \"server.key\" }" };
    Some(
        ConfigError::new(format!("other machines can see the page at `{address}` {missing}"), span)
            .help(format!("add to {title}:{token}{tls}\nor, if only trusted machines can reach it:\n  open = true")),
    )
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}
