use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Traffic {
    /// Requests.
    #[counter(name = "1st.requests")]
    first: Counter,
    /// Requests.
    #[counter(name = "requests per path")]
    blank: Counter,
    /// Requests.
    #[counter(name = "")]
    empty: Counter,
    /// Requests.
    #[counter(name = requests)]
    no_text: Counter,
    /// Requests.
    #[record(name = "slow requests")]
    record: Records,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>();
}
