use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request, name = "Slow-Checkout")]
struct Traffic {
    /// Requests.
    #[counter]
    requests: Counter,
}

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Größe {
    /// Requests.
    #[counter]
    requests: Counter,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>().with::<Größe>();
}
