use ltel_core::prelude::*;

#[derive(Recorder)]
#[recorder(on = Request)]
struct Traffic {
    #[counter]
    requests: Counter,
    #[record]
    slow: Records,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>();
}
