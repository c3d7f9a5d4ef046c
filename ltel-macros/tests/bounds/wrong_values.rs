use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(
    on = Request,
    labels(
        duration = response_time, //~ `ResponseTime` cannot be a label
        half = |r| r.response_length as f64, //~ `f64` cannot be a label
    ),
)]
struct Traffic {
    /// Times.
    #[histogram(value = method)] //~ `Cow<'_, str>` cannot be recorded by an instrument of `f64`
    method: Histogram,
    /// Times in whole numbers.
    #[counter(value = |r| r.response_time)] //~ `ResponseTime` cannot be recorded by an instrument of `u64`
    total: Counter,
    /// Bounds.
    #[histogram(value = response_time, buckets = |_| 3)] //~ is not a list of bounds
    bounds: Histogram,
    /// Slow ones.
    #[record(fields(thread = |_| std::thread::current()))] //~ `Thread` cannot be a field of a record
    slow: Records,
}

fn main() {}
