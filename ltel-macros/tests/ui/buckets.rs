use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Traffic {
    /// Response times.
    #[histogram(value = response_time, buckets = [100, 50])]
    falling: Histogram,
    /// Response times.
    #[histogram(value = response_time, buckets = [1, "two"])]
    text: Histogram,
    /// Response times.
    #[histogram(value = response_time, buckets = 100)]
    number: Histogram,
    /// Response times.
    #[histogram(value = response_time, buckets = |r, o| &o.bounds)]
    closure: Histogram,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>();
}
