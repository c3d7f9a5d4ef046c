//! OpenTelemetry's semantic conventions for HTTP clients: whether a request is HTTP, and the attributes that are not
//! just a field of Locust's event.

use std::borrow::Cow;
use std::collections::HashMap;

use ltel_core::prelude::*;
use url::Url;

/// The methods that the conventions know by default. Method names are case-sensitive.
const METHODS: [&str; 10] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "QUERY"];

/// The value that the conventions use for anything outside a known set.
const OTHER: &str = "_OTHER";

/// Whether it is an HTTP request: it has an HTTP method or an HTTP URL. Locust's clients for other protocols
/// report requests too.
pub(crate) fn is_http(request: &Request<'_>) -> bool {
    is_http_method(&request.method) || url(request).is_some()
}

/// Whether the conventions know this method.
pub(crate) fn is_http_method(method: &str) -> bool {
    METHODS.contains(&method)
}

/// `http.request.method`: the method if the conventions know it, else `_OTHER`.
pub(crate) fn http_method(method: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == method).unwrap_or(OTHER)
}

/// `http.response.status_code`: absent if there was no response, for which Locust's clients report 0.
pub(crate) fn status_code(request: &Request<'_>) -> Option<u16> {
    request.status_code.filter(|code| *code > 0)
}

/// `error.type`, for requests that Locust counts as failed and for no others: the status code if that is an error's, else
/// the class of the exception. A test may accept a 404 or fail a 200: the test decides, not the status.
pub(crate) fn error_type<'a>(request: &'a Request<'_>) -> Option<&'a str> {
    let error = request.error.as_ref()?;
    let status = request.status_code.filter(|code| *code >= 400).and_then(digits);
    let class = if error.class.is_empty() { OTHER } else { &error.class };
    Some(status.unwrap_or(class))
}

/// The absolute HTTP URL of a request: from the event if a recorder asked for it, else from its name.
pub(crate) fn url<'a>(request: &'a Request<'_>) -> Option<&'a str> {
    request.url().filter(|url| is_http_url(url)).or_else(|| url_in_name(request))
}

/// The name of a request if it is an absolute HTTP URL: `FastHttpUser` uses the URL as the name of requests to other
/// hosts than the one under test.
pub(crate) fn url_in_name<'a>(request: &'a Request<'_>) -> Option<&'a str> {
    Some(&*request.name).filter(|name| is_http_url(name))
}

fn is_http_url(url: &str) -> bool {
    let begins = |scheme: &str| url.get(..scheme.len()).is_some_and(|have| have.eq_ignore_ascii_case(scheme));
    begins("http://") || begins("https://")
}

/// A URL, absolute or not, that is safe to show (`url.full`): without user and password, and without the signatures that the
/// conventions name, which grant access.
pub(crate) fn without_secrets(url: &str) -> Cow<'_, str> {
    const SECRET: [&str; 4] = ["AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"];
    const REDACTED: &str = "REDACTED";
    if !url.bytes().any(|byte| matches!(byte, b'@' | b'?')) {
        return Cow::Borrowed(url);
    }
    let origin = origin(url).unwrap_or_default();
    let rest = &url[origin.len()..];
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let is_secret = |pair: &str| pair.split_once('=').is_some_and(|(key, _)| SECRET.contains(&key));
    let has_secret = query.is_some_and(|query| query.split('#').next().unwrap_or_default().split('&').any(is_secret));
    if !origin.contains('@') && !has_secret {
        return Cow::Borrowed(url);
    }
    let mut safe = String::with_capacity(url.len());
    // A Locust name can be any text: only the user part of a URL is redacted.
    let user = origin.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)));
    if let Some((scheme, (user, host))) = user {
        safe.push_str(scheme);
        safe.push_str("://");
        safe.push_str(REDACTED);
        if user.contains(':') {
            safe.push(':');
            safe.push_str(REDACTED);
        }
        safe.push('@');
        safe.push_str(host);
    } else {
        safe.push_str(origin);
    }
    safe.push_str(path);
    if let Some(query) = query {
        let (query, fragment) = query.find('#').map_or((query, ""), |at| query.split_at(at));
        for (n, pair) in query.split('&').enumerate() {
            safe.push(if n == 0 { '?' } else { '&' });
            match pair.split_once('=') {
                Some((key, _)) if SECRET.contains(&key) => {
                    safe.push_str(key);
                    safe.push('=');
                    safe.push_str(REDACTED);
                }
                _ => safe.push_str(pair),
            }
        }
        safe.push_str(fragment);
    }
    Cow::Owned(safe)
}

/// A status code as text: a failed request must not cost an allocation.
fn digits(code: u16) -> Option<&'static str> {
    static DIGITS: [[u8; 3]; 1_000] = {
        let mut digits = [*b"000"; 1_000];
        let mut code = 0;
        while code < digits.len() {
            let digit = b"0123456789";
            digits[code] = [digit[code / 100], digit[code / 10 % 10], digit[code % 10]];
            code += 1;
        }
        digits
    };
    DIGITS.get(usize::from(code)).and_then(|digits| std::str::from_utf8(digits).ok())
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// `url.scheme`: `http` or `https`.
    pub(crate) scheme: &'static str,
    /// `server.address`: a domain name or an IP address, an IPv6 one without brackets.
    pub(crate) address: Box<str>,
    /// `server.port`: the scheme's own unless the URL names one.
    pub(crate) port: u16,
}

impl Server {
    /// The server of an absolute HTTP URL.
    pub(crate) fn of(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let scheme = ["http", "https"].into_iter().find(|scheme| *scheme == url.scheme())?;
        let address = url.host_str()?.trim_start_matches('[').trim_end_matches(']').into();
        Some(Self { scheme, address, port: url.port_or_known_default()? })
    }
}

/// The servers of URLs, each parsed once: a known server costs one look-up and no allocation.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    index: HashMap<Box<str>, usize>,
    parsed: Vec<(Box<str>, Option<Server>)>,
    // The last server that did not fit into the index.
    spare: Option<Server>,
    // The place of the last one that was asked for: most tests have one.
    last: usize,
}

impl Servers {
    /// How many are kept. Bounded: a test may request any URLs.
    const LIMIT: usize = 1_000;

    /// The server of an absolute HTTP URL.
    pub(crate) fn of(&mut self, url: &str) -> Option<&Server> {
        let origin = origin(url)?;
        let is_last = self.parsed.get(self.last).is_some_and(|(last, _)| **last == *origin);
        let known = if is_last { Some(self.last) } else { self.index.get(origin).copied() };
        if let Some(at) = known {
            self.last = at;
            return self.parsed[at].1.as_ref();
        }
        let server = Server::of(origin);
        if self.parsed.len() >= Self::LIMIT {
            self.spare = server;
            return self.spare.as_ref();
        }
        self.last = self.parsed.len();
        self.index.insert(origin.into(), self.last);
        self.parsed.push((origin.into(), server));
        self.parsed[self.last].1.as_ref()
    }
}

/// The part of a URL that determines its server: `scheme://authority`.
fn origin(url: &str) -> Option<&str> {
    let authority = url.find("://")? + "://".len();
    // The URL standard lets `\` end an HTTP URL's authority too.
    let path = url[authority..].find(['/', '\\', '?', '#']).unwrap_or(url.len() - authority);
    Some(&url[..authority + path])
}

#[cfg(test)]
mod tests {
    use ltel_core::event::{Extra, RequestError, ResponseTime};

    use super::*;

    fn request(method: &'static str, url: Option<&'static str>) -> Request<'static> {
        Request {
            method: method.into(),
            name: "/".into(),
            response_time: ResponseTime::from_ms(1.0),
            extra: url.map(|url| Box::new(Extra { url: Some(url.into()), ..Extra::default() })),
            ..Request::default()
        }
    }

    #[test]
    fn http_is_recognized_by_method_or_url() {
        for (method, url, expected) in [
            ("GET", None, true),
            ("get", None, false),
            ("SQL", None, false),
            ("PROPFIND", None, false),
            ("PROPFIND", Some("https://shop/"), true),
            ("SSE", Some("HTTP://shop/"), true),
            ("WSS", Some("wss://shop/"), false),
        ] {
            assert_eq!(is_http(&request(method, url)), expected, "{method} {url:?}");
        }
        assert!(is_http(&Request { name: "http://shop/".into(), ..request("PROPFIND", None) }));
        assert_eq!((http_method("PATCH"), http_method("PROPFIND"), http_method("get")), ("PATCH", OTHER, OTHER));
    }

    #[test]
    fn the_error_type_is_the_tests_verdict() {
        let failed = |status: Option<u16>, class: &'static str| Request {
            status_code: status,
            error: Some(RequestError { class: class.into(), text: "".into() }),
            ..request("GET", None)
        };
        assert_eq!(error_type(&Request { status_code: Some(404), ..request("GET", None) }), None);
        for (status, class, expected) in [
            (Some(404), "HTTPError", "404"),
            (Some(503), "CatchResponseError", "503"),
            (Some(200), "CatchResponseError", "CatchResponseError"),
            (Some(0), "ConnectionError", "ConnectionError"),
            (None, "TimeoutError", "TimeoutError"),
            // Not an HTTP status.
            (Some(40_000), "HTTPError", "HTTPError"),
            (None, "", OTHER),
        ] {
            assert_eq!(error_type(&failed(status, class)), Some(expected));
        }
    }

    #[test]
    fn urls_are_shown_without_secrets() {
        for (url, shown) in [
            ("http://shop/cart?id=7&b=#top", "http://shop/cart?id=7&b=#top"),
            ("http://me:secret@shop:80/", "http://REDACTED:REDACTED@shop:80/"),
            ("http://token@shop/a@b", "http://REDACTED@shop/a@b"),
            ("https://s3/a?sig=abc&x=1&Signature=d#e", "https://s3/a?sig=REDACTED&x=1&Signature=REDACTED#e"),
            ("https://s3?sig=abc", "https://s3?sig=REDACTED"),
            ("me@x://shop?a", "me@x://shop?a"),
            ("\u{e9}@\u{e9}://\u{e9}:\u{e9}@\u{e9}?", "\u{e9}@\u{e9}://REDACTED:REDACTED@\u{e9}?"),
            ("://@?", "://REDACTED@?"),
            ("/cart?sig=abc", "/cart?sig=REDACTED"),
            ("mail me@shop?", "mail me@shop?"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[test]
    fn servers_of_urls() {
        let server = |scheme, address: &str, port| Some(Server { scheme, address: address.into(), port });
        let mut servers = Servers::default();
        for (url, expected) in [
            ("http://shop.example", server("http", "shop.example", 80)),
            ("https://shop.example/pay?a=b", server("https", "shop.example", 443)),
            ("https://Shop.example:8443/pay", server("https", "shop.example", 8443)),
            ("http://user:secret@shop.example:8080", server("http", "shop.example", 8080)),
            ("http://[::1]:8080/", server("http", "::1", 8080)),
            ("http://10.1.2.80?q=/x", server("http", "10.1.2.80", 80)),
            ("shop.example", None),
            ("ftp://shop.example/", None),
            ("http://", None),
            ("http://shop:port/", None),
        ] {
            for _ in 0..2 {
                assert_eq!(servers.of(url), expected.as_ref(), "{url}");
            }
        }
        for n in 0..2 * Servers::LIMIT {
            let name = format!("shop{n}.example");
            assert_eq!(servers.of(&format!("http://{name}/")), server("http", &name, 80).as_ref());
        }
        assert_eq!(servers.parsed.len(), Servers::LIMIT);
    }
}
