use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Requests)]
struct Traffic {
    /// Requests.
    #[counter]
    requests: Counter,
}

/// Traffic.
#[derive(Recorder)]
#[recorder(on = [Request, Request, Tick])]
struct Twice {
    /// Requests.
    #[counter(on = Frobnicate)]
    requests: Counter,
    /// Requests.
    #[counter(on = [])]
    none: Counter,
    /// Requests.
    #[counter(on = [Tick, Request])]
    both: Counter,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>().with::<Twice>();
}
