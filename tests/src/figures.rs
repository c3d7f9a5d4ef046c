//! Figures by endpoint: Locust's own, those of an independent witness inside Locust, and ltel's; and when they are equal.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The key of Locust's statistics.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Locust's `request_type`.
    pub method: String,
    /// Its `name`.
    pub name: String,
}

impl Endpoint {
    /// The endpoint of this method and name.
    pub fn new(method: &str, name: &str) -> Self {
        Self { method: method.to_owned(), name: name.to_owned() }
    }
}

/// What was counted of one endpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// Requests.
    pub requests: u64,
    /// Those that failed.
    pub failures: u64,
    /// Requests without a response time.
    pub untimed: u64,
    /// Failed requests with a response time; only a witness knows.
    pub timed_failures: Option<u64>,
    /// Sum of the response times in milliseconds.
    pub total_ms: f64,
    /// The shortest, where there is any.
    pub min_ms: Option<f64>,
    /// The longest, where there is any.
    pub max_ms: Option<f64>,
}

impl Counted {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.untimed += other.untimed;
        if let Some(count) = other.timed_failures {
            *self.timed_failures.get_or_insert(0) += count;
        }
        self.total_ms += other.total_ms;
        self.min_ms = self.min_ms.into_iter().chain(other.min_ms).reduce(f64::min);
        self.max_ms = self.max_ms.into_iter().chain(other.max_ms).reduce(f64::max);
    }

    /// Requests with a response time.
    pub fn timed(&self) -> u64 {
        self.requests - self.untimed
    }

    /// The average response time.
    pub fn average_ms(&self) -> f64 {
        if self.timed() == 0 { 0.0 } else { self.total_ms / self.timed() as f64 }
    }

    /// Fails unless average, minimum and maximum are those of `self`: 0.5 %, 1 ms and 1 ms.
    pub fn check_times(&self, what: &str, average: f64, min: f64, max: f64) {
        let expected = (self.average_ms(), self.min_ms.unwrap_or(0.0), self.max_ms.unwrap_or(0.0));
        let close = (average - expected.0).abs() <= expected.0.abs() * 0.005 + 1e-6
            && (min - expected.1).abs() <= 1.0
            && (max - expected.2).abs() <= 1.0;
        assert!(close, "{what}: average, min, max are {:?}, Locust has {expected:?}", (average, min, max));
    }
}

/// Figures of all endpoints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures(pub BTreeMap<Endpoint, Counted>);

impl Figures {
    /// What Locust wrote with `--json-file`.
    pub fn of_locust(path: &Path) -> Self {
        Self::of_entries(&json(path))
    }

    /// What the witnesses of all processes wrote into the folder.
    pub fn of_witnesses(folder: &Path) -> Self {
        let mut all = Self::default();
        for entry in fs::read_dir(folder).expect("the test's folder").flatten() {
            if entry.file_name().to_string_lossy().starts_with("witness-") {
                for (endpoint, counted) in Self::of_entries(&json(&entry.path())["stats"]).0 {
                    all.0.entry(endpoint).or_default().add(&counted);
                }
            }
        }
        all
    }

    /// The total of all endpoints.
    pub fn total(&self) -> Counted {
        let mut total = Counted::default();
        for counted in self.0.values() {
            total.add(counted);
        }
        total
    }

    /// By name alone, as histograms are labelled.
    pub fn by_name(&self) -> BTreeMap<&str, Counted> {
        let mut names = BTreeMap::<_, Counted>::new();
        for (endpoint, counted) in &self.0 {
            names.entry(endpoint.name.as_str()).or_default().add(counted);
        }
        names
    }

    /// Counts of requests and failures, to compare as a whole.
    pub fn counts(&self) -> BTreeMap<&Endpoint, (u64, u64)> {
        self.0.iter().map(|(endpoint, counted)| (endpoint, (counted.requests, counted.failures))).collect()
    }

    /// Entries as Locust's statistics serialize them.
    pub fn of_entries(entries: &Value) -> Self {
        let entries = entries.as_array().unwrap_or_else(|| panic!("no list of entries: {entries}"));
        Self(
            entries
                .iter()
                .map(|entry| {
                    let count = |key: &str| entry[key].as_u64().unwrap_or_else(|| panic!("no `{key}` in {entry}"));
                    let text = |key: &str| entry[key].as_str().unwrap_or_else(|| panic!("no `{key}` in {entry}"));
                    let timed = count("num_requests") > count("num_none_requests");
                    let counted = Counted {
                        requests: count("num_requests"),
                        failures: count("num_failures"),
                        untimed: count("num_none_requests"),
                        timed_failures: entry["timed_failures"].as_u64(),
                        total_ms: entry["total_response_time"].as_f64().expect("a sum of response times"),
                        min_ms: entry["min_response_time"].as_f64().filter(|_| timed),
                        max_ms: entry["max_response_time"].as_f64().filter(|_| timed),
                    };
                    (Endpoint::new(text("method"), text("name")), counted)
                })
                .collect(),
        )
    }
}

pub(crate) fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&whole_surrogates(&text)).unwrap_or_else(|e| panic!("{}: {e}\n{text}", path.display()))
}

/// Python writes a lone surrogate as `\ud800`, which is no JSON text. The plugin turns it into that
/// very text of six characters, so here too.
fn whole_surrogates(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let escape = rest.get(at..at + 6).unwrap_or(&rest[at..]);
        let code = escape.strip_prefix("\\u").and_then(|hex| u16::from_str_radix(hex, 16).ok());
        let next = rest.get(at + 6..at + 12).and_then(|e| e.strip_prefix("\\u"));
        let next = next.and_then(|hex| u16::from_str_radix(hex, 16).ok());
        out.push_str(&rest[..at]);
        let length = match (code, next) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                out.push('\\');
                6
            }
            _ => 2,
        };
        out.push_str(&rest[at..at + length]);
        rest = &rest[at + length..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_become_their_own_text() {
        for (json, text) in [
            (r#""a\ud800b""#, r"a\ud800b"),
            (r#""\ud83d\ude80""#, "🚀"),
            (r#""\\ud800""#, r"\ud800"),
            (r#""\ud800\ud83d\ude80\n""#, "\\ud800🚀\n"),
            (r#""\udc00""#, r"\udc00"),
        ] {
            assert_eq!(serde_json::from_str::<String>(&whole_surrogates(json)).unwrap(), text);
        }
    }
}
