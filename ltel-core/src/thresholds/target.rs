//! What a threshold is about: all requests, or endpoints.

use std::fmt;

use super::Judgement;
use crate::figures::EndpointFigures;

/// All requests, or those of endpoints.
///
/// A pattern matches an endpoint if it matches the whole of its method, a space and its name (`GET /search`), or of its name
/// alone (`/search`: of all methods). `*` stands for any text, `\*` for a star.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: String,
    // Between the stars; none for `all`.
    parts: Vec<String>,
}

impl Target {
    /// From a text: `all`, or a pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        if text != Judgement::ALL {
            parts.push(String::new());
            let mut rest = text.chars().peekable();
            while let Some(c) = rest.next() {
                let c = match c {
                    '*' => {
                        parts.push(String::new());
                        continue;
                    }
                    '\\' => rest.next_if_eq(&'*').unwrap_or(c),
                    c => c,
                };
                if let Some(part) = parts.last_mut() {
                    part.push(c);
                }
            }
        }
        Self { text: text.to_owned(), parts }
    }

    /// Whether it is the total of all endpoints.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether it may match any number of endpoints.
    #[must_use]
    pub const fn has_star(&self) -> bool {
        self.parts.len() > 1
    }

    /// Whether the pattern matches this endpoint.
    #[must_use]
    pub fn matches(&self, endpoint: &EndpointFigures) -> bool {
        !self.is_all() && (self.matches_text(&label(endpoint)) || self.matches_text(&endpoint.name))
    }

    fn matches_text(&self, text: &str) -> bool {
        let [first, middle @ .., last] = &*self.parts else {
            return self.parts.first().is_some_and(|only| only == text);
        };
        let Some(mut rest) = text.strip_prefix(&**first) else { return false };
        for part in middle {
            // The first place is as good as a later one: only what follows it must still match.
            match rest.split_once(&**part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(&**last)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How people see an endpoint, and how patterns name it.
pub(super) fn label(endpoint: &EndpointFigures) -> String {
    match &*endpoint.method {
        "" => endpoint.name.clone(),
        method => format!("{method} {}", endpoint.name),
    }
}
