//! URLs as they are shown: without what may be secret.

use std::ops::Range;

/// What stands in place of a secret.
pub(crate) const BLANK: &str = "***";

/// What a parameter of a URL may name: it is of a template, not secret.
const PLACEHOLDERS: [&str; 2] = ["{trace_id}", "{span_id}"];

/// A URL without its user and the values of its parameters, which may be a password and keys. It is not parsed: all else stays as it
/// was written, and what is wrong with a URL can be said too.
pub(crate) fn shown_url(url: &str) -> String {
    replaced(url, |_| BLANK.to_owned())
}

/// The same, with stars of the same length in place of each secret: all else stays where it is.
pub(crate) fn starred_url(url: &str) -> String {
    replaced(url, |secret| "*".repeat(secret.len()))
}

fn replaced(url: &str, by: impl Fn(&str) -> String) -> String {
    let (mut shown, mut at) = (String::new(), 0);
    for secret in secrets(url) {
        shown += &url[at..secret.start];
        shown += &by(&url[secret.clone()]);
        at = secret.end;
    }
    shown + &url[at..]
}

/// Where the user and the values of parameters are.
fn secrets(url: &str) -> Vec<Range<usize>> {
    let begin = url.find("://").map_or(0, |at| at + "://".len());
    let end_of_host = |from: usize| url[from..].find(['/', '?', '#', '\\']).map_or(url.len(), |at| from + at);
    let authority = &url[begin..end_of_host(begin)];
    // What stands behind a colon and is not a port is the beginning of a password that should have been escaped.
    let port = authority.rsplit_once(':').filter(|(host, _)| !host.contains('[')).map_or("", |(_, port)| port);
    let within = if port.bytes().all(|byte| byte.is_ascii_digit()) { authority } else { &url[begin..] };
    let mut secrets = Vec::new();
    let mut host = begin;
    if let Some(end) = authority.rfind('@').or_else(|| within.rfind('@')).filter(|end| *end > 0) {
        secrets.push(begin..begin + end);
        host = begin + end + 1;
    }
    let from = end_of_host(host);
    if let Some(query) = url[from..].find(['?', '#']) {
        secrets.extend(values(url, from + query));
    }
    secrets
}

/// Where the values of a query, and of a fragment, are. What has no name may be a key by itself.
fn values(url: &str, from: usize) -> impl Iterator<Item = Range<usize>> {
    let mut at = from;
    let pairs = url[from..].split(['?', '#', '&', ';']).map(move |pair| {
        let begin = at;
        at += pair.len() + 1;
        (pair, begin)
    });
    let secrets = pairs.filter(|(pair, _)| !PLACEHOLDERS.iter().any(|placeholder| pair.contains(placeholder)));
    secrets.filter_map(|(pair, begin)| {
        let value = pair.find('=').map_or(begin, |equals| begin + equals + 1);
        (value < begin + pair.len()).then(|| value..begin + pair.len())
    })
}

#[cfg(test)]
mod tests {
    use super::{shown_url, starred_url};

    /// Guarantees: no user, no password and no value of a parameter is shown, also of what is not quite a URL; all else is.
    #[test]
    fn urls_without_secrets() {
        for (written, shown) in [
            ("http://collector:4318", "http://collector:4318"),
            ("https://[::1]:4318/base/", "https://[::1]:4318/base/"),
            ("http://h/users/@me", "http://h/users/@me"),
            ("https://user:pass@host:1/a?b=c", "https://***@host:1/a?b=***"),
            ("https://token@host", "https://***@host"),
            ("https://host?api_key=S&b=c==&tenant=1", "https://host?api_key=***&b=***&tenant=***"),
            ("https://host/a?S", "https://host/a?***"),
            ("https://host/a?b=&&c=S;d=S#e=S&f=S", "https://host/a?b=&&c=***;d=***#e=***&f=***"),
            ("https://host/a#S", "https://host/a#***"),
            ("https://host/a?x=@y", "https://host/a?x=***"),
            ("https://user:S@S@host/", "https://***@host/"),
            ("https://user:S/S?S#S@host/x?y=S", "https://***@host/x?y=***"),
            ("user:S@host/x?token=S", "***@host/x?token=***"),
            ("host:4317", "host:4317"),
            ("", ""),
            ("https://t/{trace_id}?org=1&q=[{trace_id}]", "https://t/{trace_id}?org=***&q=[{trace_id}]"),
        ] {
            assert_eq!(shown_url(written), shown);
            // What is shown is shown as it is.
            assert_eq!(shown_url(shown), shown);
            assert_eq!(starred_url(written).len(), written.len());
        }
        assert_eq!(starred_url("https://user:pass@h/a?b=S&c=d"), "https://*********@h/a?b=*&c=*");
    }
}
