//! A receiver's messages, made fit to be shown: on one line, not too long, without secrets.

use http::{HeaderMap, Uri};

/// Longer messages are cut: a proxy may answer with a page.
const SHOWN: usize = 200;

/// Shorter values of headers and parameters are not secrets, and may be part of any word.
const SECRET: usize = 6;

/// Makes a receiver's messages fit to be shown.
#[derive(Debug)]
pub(super) struct ReceiverText {
    secrets: Vec<String>,
}

impl ReceiverText {
    /// Hides the values of these headers and of the URL's parameters: a receiver may repeat them.
    pub(super) fn new(headers: &HeaderMap, url: &Uri) -> Self {
        let values = headers.values().filter_map(|value| value.to_str().ok());
        // `Bearer`, then the secret.
        let parts = values.flat_map(|value| std::iter::once(value).chain(value.split_whitespace()));
        let mut secrets: Vec<_> = parts.map(ToOwned::to_owned).collect();
        let query = url.query().unwrap_or_default();
        // As they are written, and what they mean.
        secrets.extend(query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value.to_owned()));
        secrets.extend(form_urlencoded::parse(query.as_bytes()).map(|(_, value)| value.into_owned()));
        secrets.retain(|secret| secret.len() >= SECRET);
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets }
    }

    /// The message, fit to be shown; `None` if it is empty.
    pub(super) fn shown(&self, words: &str) -> Option<String> {
        let mut words = words.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let first = words.next()?.to_owned();
        let line = words.fold(first, |line, word| line + " " + word);
        let line = self.secrets.iter().fold(line, |line, secret| line.replace(secret, "***"));
        match line.char_indices().nth(SHOWN) {
            Some((end, _)) => Some(format!("{}…", &line[..end])),
            None => Some(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::{ACCEPT, AUTHORIZATION};

    use super::*;

    #[test]
    fn are_one_line_without_secrets() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer eyJhbGciOi"));
        headers.insert(ACCEPT, HeaderValue::from_static("a"));
        let url = Uri::from_static("http://h/?tenant=a&key=c2VjcmV0%3D%3D");
        let words = ReceiverText::new(&headers, &url);
        for (said, shown) in [
            ("", None),
            (" \r\n", None),
            ("no such tenant", Some("no such tenant")),
            ("<h1>\r\n\tBad  Gateway\u{1b}[31m\n</h1>\n", Some("<h1> Bad Gateway [31m </h1>")),
            ("invalid: Bearer eyJhbGciOi", Some("invalid: ***")),
            ("invalid:eyJhbGciOi, a token", Some("invalid:***, a token")),
            ("no key c2VjcmV0==, of ?tenant=a&key=c2VjcmV0%3D%3D", Some("no key ***, of ?tenant=a&key=***")),
        ] {
            assert_eq!(words.shown(said).as_deref(), shown);
        }
        let long = words.shown(&"\u{e9}".repeat(1_000)).unwrap_or_default();
        assert_eq!((long.chars().count(), long.ends_with('…')), (SHOWN + 1, true));
    }
}
