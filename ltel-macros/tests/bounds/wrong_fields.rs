use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request, labels(method))]
struct Traffic {
    /// Requests.
    #[counter]
    requests: Histogram, //~ a field with `#[counter]` must be a `Counter`, not a `ltel_core::instrument::Histogram`
    /// Sessions.
    #[up_down_counter(value = 1)]
    sessions: Counter, //~ a field with `#[up_down_counter]` must be an `UpDownCounter`
    /// Status.
    #[gauge(value = status_code)]
    status: u64, //~ a field with `#[gauge]` must be a `Gauge`, not a `u64`
    /// Times.
    #[histogram(value = response_time)]
    times: Gauge, //~ a field with `#[histogram]` must be a `Histogram`
    /// Slow ones.
    #[record]
    slow: Counter, //~ a field with `#[record]` must be a `Records`
}

fn main() {}
