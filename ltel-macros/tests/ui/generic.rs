use ltel_core::prelude::*;

/// Generic.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Generic<T: Send + 'static> {
    /// Requests.
    #[counter]
    requests: Counter,
    #[state]
    state: Option<T>,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Generic<u8>>();
}
