use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Traffic {
    /// Requests.
    #[counter(when = |r| r.name.len())] //~ mismatched types
    no_bool: Counter,
    /// Requests.
    #[counter(when = |r| r.nmae == "/")] //~ no field `nmae` on type
    no_field: Counter,
    /// Requests.
    #[counter(value = |r, o| o.factor)] //~ no field `factor` on type
    no_option: Counter,
    /// Requests.
    #[counter(value = |r| self.state)] //~ `self`
    no_self: Counter,
    /// Requests.
    #[counter(value = |r| event.response_length)] //~ cannot find value `event`
    no_local: Counter,
}

fn main() {}
