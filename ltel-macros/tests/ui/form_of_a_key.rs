use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request, on = Request, labels = method, when(true), needs, options)]
struct Traffic {
    /// Requests.
    #[counter = 3]
    requests: Counter,
    /// Requests.
    #[counter(unit)]
    unit: Counter,
    /// Requests.
    #[counter(unit = "1" name = "a")]
    comma: Counter,
    /// Requests.
    #[counter(when = )]
    empty: Counter,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>();
}
