//! A table of figures: every endpoint and every error.

use ltel_core::Timestamp;
use ltel_core::prelude::*;

use super::endpoint::Endpoint;
use super::errors::Errors;

/// Figures by endpoint and error.
#[derive(Debug)]
pub(super) struct Table {
    // By the number of their series.
    endpoints: Vec<Option<Endpoint>>,
    pub(super) errors: Errors,
}

impl Table {
    /// An empty table that tells so many errors apart.
    pub(super) fn new(error_limit: usize) -> Self {
        Self { endpoints: Vec::new(), errors: Errors::new(error_limit) }
    }

    /// Records a request of the endpoint with this number.
    #[inline]
    pub(super) fn record(&mut self, number: usize, overflow: bool, request: &Request<'_>) {
        if self.endpoints.len() <= number {
            self.endpoints.resize_with(number + 1, || None);
        }
        let endpoint = self.endpoints[number].get_or_insert_with(|| {
            if overflow { Endpoint::new("", "other endpoints") } else { Endpoint::new(&request.method, &request.name) }
        });
        let ended = request.end_time();
        endpoint.record(request, ended);
        if let Some(error) = &request.error {
            self.errors.record(&endpoint.method, &endpoint.name, &error.text, Timestamp::from_secs(ended));
        }
    }

    /// Adds the figures of another table.
    pub(super) fn add(&mut self, other: &Self) {
        if self.endpoints.len() < other.endpoints.len() {
            self.endpoints.resize_with(other.endpoints.len(), || None);
        }
        for (have, more) in self.endpoints.iter_mut().zip(&other.endpoints) {
            match (have, more) {
                (Some(have), Some(more)) => have.add(more),
                (have, Some(more)) => *have = Some(more.clone()),
                (_, None) => {}
            }
        }
        self.errors.add(&other.errors);
    }

    /// All endpoints, by name.
    pub(super) fn endpoints(&self) -> Vec<&Endpoint> {
        let mut endpoints: Vec<_> = self.endpoints.iter().flatten().collect();
        endpoints.sort_by(|a, b| (&a.name, &a.method).cmp(&(&b.name, &b.method)));
        endpoints
    }

    /// All endpoints in one.
    pub(super) fn total(&self) -> Endpoint {
        // Locust's name for it.
        let mut total = Endpoint::new("", "Aggregated");
        for endpoint in self.endpoints.iter().flatten() {
            total.add(endpoint);
        }
        total
    }
}
