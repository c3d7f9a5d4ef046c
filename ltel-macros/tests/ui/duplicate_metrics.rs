use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Traffic {
    /// Requests.
    #[counter]
    requests: Counter,
    /// Requests.
    #[counter(name = "Traffic.Requests")]
    again: Counter,
    /// Sizes.
    #[histogram(name = "size", unit = "By", value = response_length, labels(kind = "a"))]
    a: Histogram,
    /// Other sizes.
    #[histogram(name = "size", unit = "By", value = response_length, labels(kind = "b"))]
    b: Histogram,
    /// Sizes.
    #[histogram(name = "size", unit = "By", value = response_length, labels(kind = "a"))]
    c: Histogram,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>();
}
