use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(
    on = Request,
    scope = 3,
    observe = |r, o, cx| (),
    needs(url = true, logs = "info", context = |a, b| true),
    labels(names::METHOD),
)]
struct Traffic {
    /// Times.
    #[histogram(name = 3, value = response_time, buckets = (3, BOUNDS))]
    times: Histogram,
    /// Slow ones.
    #[record(severity = |a, b, c, d| Severity::Error, body = 2 + 3, observe = |r, cx| ())]
    slow: Records,
    /// Failed ones.
    #[record(severity = "error", name = 1)]
    failed: Records,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>();
}
