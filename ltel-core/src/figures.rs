//! The figures of a run, as a table, a report or a page shows them. Typed values, computed once by a recorder, so that no
//! code has to look up a figure by the name of a field.

use crate::clock::Timestamp;

/// The figures of a run at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFigures {
    /// When they were taken.
    pub time: Timestamp,
    /// Whether these are the final figures of the run, and whether they are complete.
    pub stage: Stage,
    /// How many users run, or ran when the test was stopped.
    pub users: u64,
    /// The total of all endpoints.
    pub total: EndpointFigures,
    /// Each endpoint, by name and then by method. Empty while the test runs.
    pub endpoints: Vec<EndpointFigures>,
    /// Each distinct error, by endpoint and then by text. Empty while the test runs.
    pub errors: Vec<ErrorFigures>,
}

/// The progress of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The run is active: these figures are intermediate.
    Running,
    /// The run is over.
    Final {
        /// Whether every request of the run is in the figures.
        complete: bool,
    },
}

/// The figures of one endpoint, or of all. Times are in milliseconds, lengths in bytes, rates per second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointFigures {
    /// The method, such as `GET`. Empty in the total.
    pub method: String,
    /// The name, as Locust shows it. `Aggregated` in the total.
    pub name: String,
    /// Requests, including failed ones.
    pub requests: u64,
    /// Failed requests.
    pub failures: u64,
    /// The shortest response time; absent if no request had one.
    pub min_ms: Option<f64>,
    /// The longest response time; absent if no request had one.
    pub max_ms: Option<f64>,
    /// The mean response time; 0 if no request had one.
    pub mean_ms: f64,
    /// The median response time; 0 if no request had one.
    pub median_ms: f64,
    /// The percentiles of the response times that the recorder's options ask for.
    pub percentiles: Vec<Percentile>,
    /// The mean length of a response.
    pub mean_length: f64,
    /// Requests per second, over the whole test.
    pub rate: f64,
    /// Failed requests per second, over the whole test.
    pub failure_rate: f64,
    /// Requests per second, lately.
    pub current_rate: f64,
    /// Failed requests per second, lately.
    pub current_failure_rate: f64,
}

impl EndpointFigures {
    /// The response time of this percentile in milliseconds, if the recorder computes it.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        self.percentiles.iter().find(|have| have.percent.total_cmp(&percent).is_eq()).map(|have| have.ms)
    }
}

/// A percentile: the response time that this percentage of the requests did not exceed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentile {
    /// From 0 to 100.
    pub percent: f64,
    /// In milliseconds.
    pub ms: f64,
}

/// One distinct error of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorFigures {
    /// The endpoint's method.
    pub method: String,
    /// The endpoint's name.
    pub name: String,
    /// The error's text, as Locust shows it.
    pub error: String,
    /// How often it occurred.
    pub occurrences: u64,
    /// When it occurred first.
    pub first: Timestamp,
    /// When it occurred last.
    pub last: Timestamp,
}
