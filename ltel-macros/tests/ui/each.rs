use ltel_core::prelude::*;

/// Users by class.
#[derive(Recorder)]
#[recorder(on = [Users, Request], each = |e| [1, 2], labels(time))]
struct UsersByClass {
    /// Users.
    #[gauge(value = total, on = Users)]
    users: Gauge<u64>,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<UsersByClass>();
}
