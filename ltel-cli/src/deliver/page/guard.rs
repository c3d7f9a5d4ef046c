//! Who may see the page. Without a token, anyone on this machine; but no other site that a browser has open: its requests are told
//! by their headers, and a name of its own that suddenly leads to this machine by the `Host` header.

use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, COOKIE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::config::{Page, is_local};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The rules of one page.
#[derive(Debug)]
pub(super) struct Guard {
    token: Option<SecretString>,
    // Browsers send cookies to all ports of a host.
    cookie: String,
    is_encrypted: bool,
    is_local: bool,
    hosts: Vec<String>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Welcome,
    /// It has the token in its URL: the browser is to keep it, and to come again without.
    Keep(HeaderValue),
    /// For no page of this server.
    WrongHost,
    /// From another site.
    WrongSite,
    NoToken,
    WrongToken,
}

impl Guard {
    pub(super) fn new(page: &Page, address: SocketAddr) -> Self {
        let mut hosts = page.hosts.clone();
        if address.ip().is_unspecified() {
            // The name in the URL that ltel tells.
            hosts.extend(sysinfo::System::host_name().ok());
        }
        Self {
            token: page.token.clone(),
            cookie: format!("ltel_page_{}", address.port()),
            is_encrypted: page.tls.is_some(),
            is_local: is_local(address),
            hosts,
        }
    }

    /// Whether a request may have an answer.
    pub(super) fn judge(&self, request: &Parts) -> Verdict {
        let is_page = request.uri.path() == "/";
        // Another site may lead to the page, but not use its parts.
        if !is_page && request.headers.get(FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none") {
            return Verdict::WrongSite;
        }
        let Some(token) = &self.token else {
            return if self.knows_host(&request.headers) { Verdict::Welcome } else { Verdict::WrongHost };
        };
        let right = |given: &[u8]| bool::from(token.expose_secret().as_bytes().ct_eq(given));
        let query = request.uri.query().unwrap_or_default();
        if let Some((_, given)) = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| is_page && key == "token") {
            return match self.kept(token) {
                Some(cookie) if right(given.as_bytes()) => Verdict::Keep(cookie),
                _ => Verdict::WrongToken,
            };
        }
        let mut given =
            bearers(&request.headers).map(ToOwned::to_owned).chain(self.cookies(&request.headers)).peekable();
        if given.peek().is_none() {
            return Verdict::NoToken;
        }
        if given.any(|given| right(&given)) { Verdict::Welcome } else { Verdict::WrongToken }
    }

    /// Whether the request is for this server by its name. A browser that a name of another site has led here says that name.
    fn knows_host(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else { return false };
        let Some(name) = without_port(host) else { return false };
        let is_known = |name: &str| self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name));
        match name.trim_matches(['[', ']']).parse::<IpAddr>() {
            // No name leads to an address. On this machine only its own are asked for.
            Ok(ip) => !self.is_local || ip.to_canonical().is_loopback() || is_known(name),
            Err(_) => name.eq_ignore_ascii_case("localhost") || is_known(name),
        }
    }

    /// The cookie that keeps the token, which scripts and other sites do not get.
    fn kept(&self, token: &SecretString) -> Option<HeaderValue> {
        let value = URL_SAFE_NO_PAD.encode(token.expose_secret());
        let secure = if self.is_encrypted { "; Secure" } else { "" };
        let cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}", self.cookie);
        let mut cookie = HeaderValue::try_from(cookie).ok()?;
        cookie.set_sensitive(true);
        Some(cookie)
    }

    /// The tokens in this page's cookies.
    fn cookies(&self, headers: &HeaderMap) -> impl Iterator<Item = Vec<u8>> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        pairs.filter(|(name, _)| *name == self.cookie).filter_map(|(_, value)| URL_SAFE_NO_PAD.decode(value).ok())
    }
}

/// The tokens in `Authorization` headers.
fn bearers(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
    })
}

/// The name or address of a `Host` header.
fn without_port(host: &str) -> Option<&str> {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(end);
    let port_is_right = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    (port_is_right && !name.is_empty()).then_some(name)
}
