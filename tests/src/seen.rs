//! What both ends of traced requests saw: the locustfile `tracing.py`, and the target.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;

use crate::figures::json;
use crate::scene::Scene;

/// A request as the user's code knows it.
#[derive(Clone, Debug, Deserialize)]
pub struct Seen {
    /// What the locustfile did.
    pub kind: String,
    /// The user's class.
    pub user: String,
    /// Which execution of a task it belongs to; nothing outside of one.
    pub execution: Option<String>,
    /// The `traceparent` that the target answered it was sent, after redirects.
    #[serde(default)]
    pub traceparent: String,
    /// Of its event.
    pub name: String,
    /// Of its event.
    pub method: String,
    /// Whether its event says so.
    pub failed: bool,
    /// Of its event, in milliseconds.
    pub response_time: f64,
}

impl Seen {
    /// All numbered requests of all Locust processes. A request whose user was killed before its event does not count.
    pub fn of(scene: &Scene) -> BTreeMap<String, Self> {
        let mut all = BTreeMap::new();
        for entry in fs::read_dir(scene.path(".")).expect("the test's folder").flatten() {
            if entry.file_name().to_string_lossy().starts_with("seen-") {
                let requests = json(&entry.path());
                for (number, seen) in requests.as_object().expect("requests by number") {
                    if seen.get("name").is_some() {
                        all.insert(number.clone(), Self::deserialize(seen).expect("a request"));
                    }
                }
            }
        }
        all
    }

    /// Trace id, span id and flags of its `traceparent`.
    pub fn ids(&self) -> (&str, &str, &str) {
        let parts: Vec<_> = self.traceparent.split('-').collect();
        assert!(parts.len() == 4 && parts[0] == "00", "no traceparent: {self:?}");
        (parts[1], parts[2], parts[3])
    }
}
