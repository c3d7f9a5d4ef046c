use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Traffic {
    /// Users.
    #[gauge(on = Users, value = total)]
    users: Gauge,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>();
}
