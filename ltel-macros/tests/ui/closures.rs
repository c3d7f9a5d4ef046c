use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request, when = true, labels(a = || 1))]
struct Traffic {
    /// Requests.
    #[counter(when = |a, b, c, d| true)]
    requests: Counter,
    /// Requests.
    #[counter(when = async |r| true)]
    waits: Counter,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>();
}
