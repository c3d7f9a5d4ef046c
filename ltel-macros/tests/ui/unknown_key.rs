use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request, lables(method), frobnicate)]
struct Traffic {
    /// Requests.
    #[counter(buckets = [1, 2], whn = |r| true, severity = info, each = |r| r, unti("ms"))]
    requests: Counter,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>();
}
