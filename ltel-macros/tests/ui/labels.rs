use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request, labels(source = name, value = name, method, method = name, n = 3, "a b" = name, "quoted"))]
struct Traffic {
    /// Requests.
    #[counter(labels(method = "GET", run_id = "1", varies = name, name))]
    requests: Counter,
    /// Slow ones.
    #[record(fields(time, a = name, a = method))]
    slow: Records,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>();
}
