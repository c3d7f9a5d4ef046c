use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request, per = sauce, every = "ten seconds", crate = "ltel_core", needs(urls), scope = 3)]
struct Traffic {
    /// Requests.
    #[counter]
    requests: Counter,
    /// Slow ones.
    #[record(severity = warn, kind = log)]
    slow: Records,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>();
}
