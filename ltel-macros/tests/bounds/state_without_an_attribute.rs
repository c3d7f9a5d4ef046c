use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Traffic {
    /// Requests.
    #[counter(when = |_, _, cx| {
        cx.state.seen += 1; //~ no field `seen` on type `NoState`
        true
    })]
    requests: Counter,
}

fn main() {}
