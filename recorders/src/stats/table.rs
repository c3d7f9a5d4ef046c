//! A table of figures: every endpoint and every error.

use std::sync::Arc;

use ltel_core::Timestamp;
use ltel_core::figures::ErrorFigures;
use ltel_core::prelude::*;
use ltel_core::recorder::RunMemory;

use super::endpoint::{Endpoint, EndpointName};
use super::errors::{Room, Seen};

/// Figures by endpoint and error.
#[derive(Debug)]
pub(super) struct Table {
    // By the number of their series.
    endpoints: Vec<Option<Box<Endpoint>>>,
    error_room: Room,
    // All errors beyond the limit.
    other_errors: Option<Seen>,
}

impl Table {
    /// An empty table that tells so many errors apart.
    pub(super) const fn new(error_limit: usize, memory: Arc<RunMemory>) -> Self {
        Self { endpoints: Vec::new(), error_room: Room::new(error_limit, memory), other_errors: None }
    }

    /// Records a request of the endpoint with this number and name, reported at this time in seconds since the epoch.
    #[inline]
    pub(super) fn record(&mut self, number: usize, name: &Arc<EndpointName>, request: &Request<'_>, at: f64) {
        if self.endpoints.len() <= number {
            self.endpoints.resize_with(number + 1, || None);
        }
        let endpoint = self.endpoints[number].get_or_insert_with(|| Box::new(Endpoint::new(Arc::clone(name))));
        endpoint.record(request, at, self.error_room.memory());
        if let Some(error) = &request.error {
            let seen = Seen::once(Timestamp::from_secs(at));
            if let Err(seen) = endpoint.errors.add(&error.text, seen, &mut self.error_room) {
                add_other(&mut self.other_errors, seen);
            }
        }
    }

    /// Adds the figures of another table, with the memory that they take.
    pub(super) fn add(&mut self, mut other: Self) {
        if self.endpoints.len() < other.endpoints.len() {
            self.endpoints.resize_with(other.endpoints.len(), || None);
        }
        for (have, more) in self.endpoints.iter_mut().zip(&mut other.endpoints) {
            let Some(more) = more else { continue };
            let have = have.get_or_insert_with(|| Box::new(Endpoint::new(Arc::clone(&more.name))));
            have.add(more);
            have.take_over_memory(more);
            for (text, seen) in more.errors.sorted() {
                if let Err(seen) = have.errors.add(text, *seen, &mut self.error_room) {
                    add_other(&mut self.other_errors, seen);
                }
            }
        }
        if let Some(seen) = other.other_errors {
            add_other(&mut self.other_errors, seen);
        }
    }

    /// All endpoints, by name.
    pub(super) fn endpoints(&self) -> Vec<&Endpoint> {
        self.numbered_endpoints().into_iter().map(|(_, endpoint)| endpoint).collect()
    }

    /// All endpoints and the numbers of their series, by name.
    pub(super) fn numbered_endpoints(&self) -> Vec<(usize, &Endpoint)> {
        let numbered = self.endpoints.iter().enumerate();
        let mut endpoints: Vec<_> = numbered.filter_map(|(n, endpoint)| Some((n, &**endpoint.as_ref()?))).collect();
        endpoints.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
        endpoints
    }

    /// Each error, by endpoint; errors beyond the limit come last.
    pub(super) fn errors(&self) -> Vec<ErrorFigures> {
        let mut errors = Vec::new();
        for endpoint in self.endpoints() {
            let EndpointName { name, method } = &*endpoint.name;
            errors.extend(endpoint.errors.sorted().into_iter().map(|(text, seen)| seen.figures(method, name, text)));
        }
        errors.extend(self.other_errors.map(|seen| seen.figures("", "", "other errors")));
        errors
    }

    /// The total of all endpoints.
    pub(super) fn total(&self) -> Endpoint {
        let mut total = Endpoint::new(EndpointName::new("", super::TOTAL));
        for endpoint in self.endpoints.iter().flatten() {
            total.add(endpoint);
        }
        total
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let taken = self.endpoints.iter().flatten().map(|endpoint| endpoint.taken()).sum();
        self.error_room.memory().give_back(taken);
    }
}

fn add_other(others: &mut Option<Seen>, seen: Seen) {
    match others {
        Some(others) => others.add(seen),
        None => *others = Some(seen),
    }
}
