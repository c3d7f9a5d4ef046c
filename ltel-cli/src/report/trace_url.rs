//! Links from a request to its trace in a tracing system.

use crate::config::url::shown_url;

/// A URL with `{trace_id}` in it, and perhaps `{span_id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceUrl(String);

impl TraceUrl {
    /// Checks it. An error says what is wrong, and what would be right.
    pub(crate) fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        const EXAMPLE: &str = "write a URL such as `https://tracing.example/trace/{trace_id}`";
        let shown = shown_url(text);
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let Some(rest) = rest.filter(|rest| !rest.starts_with(['/', '?', '#']) && !rest.is_empty()) else {
            return Err((format!("`{shown}` is not a URL that begins with `https://` or `http://`"), EXAMPLE));
        };
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err((format!("`{shown}` is not a URL: it has a space in it"), "write `%20` in place of a space"));
        }
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.contains('{') {
            return Err(("the host of `trace_url` cannot depend on the trace".to_owned(), EXAMPLE));
        }
        if !text.contains("{trace_id}") {
            return Err((format!("`{shown}` has no `{{trace_id}}`, so it would lead to no trace"), EXAMPLE));
        }
        Ok(Self(text.to_owned()))
    }

    /// The URL, with its placeholders.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_url_with_a_trace_id() {
        for right in [
            "https://tracing.example/trace/{trace_id}",
            "http://127.0.0.1:16686/trace/{trace_id}?uiFind={span_id}",
            "https://g.example/explore?left={\"queries\":[{\"query\":\"{trace_id}\"}]}",
        ] {
            assert_eq!(TraceUrl::parse(right).as_ref().map(TraceUrl::as_str), Ok(right));
        }
        for (wrong, message) in [
            ("", "`` is not a URL that begins"),
            ("https://", "`https://` is not a URL that begins"),
            ("tracing.example/{trace_id}", "is not a URL that begins"),
            ("javascript:alert({trace_id})", "is not a URL that begins"),
            ("https:///{trace_id}", "is not a URL that begins"),
            ("https://tracing.example/", "has no `{trace_id}`"),
            ("https://tracing.example/{traceid}", "has no `{trace_id}`"),
            ("https://{trace_id}.example/", "the host of `trace_url`"),
            ("https://tracing.example/a b/{trace_id}", "has a space in it"),
        ] {
            let (said, _) = TraceUrl::parse(wrong).expect_err(wrong);
            assert!(said.contains(message), "{said}");
        }
    }
}
