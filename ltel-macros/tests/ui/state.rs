use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Twice {
    /// Requests.
    #[counter]
    requests: Counter,
    #[state]
    a: u64,
    #[state]
    b: u64,
}

/// Alone.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Alone {
    #[state]
    a: u64,
}

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Missing {
    /// Requests.
    #[counter(when = |_, _, cx| {
        cx.state.seen += 1;
        true
    })]
    requests: Counter,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Twice>().with::<Alone>().with::<Missing>();
}
