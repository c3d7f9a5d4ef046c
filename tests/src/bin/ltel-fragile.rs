//! ltel with a recorder that panics at a request named `/falls`, as one of a user's own might.

use ltel_core::prelude::*;

/// Requests, up to the one that it cannot take.
#[derive(Debug, Recorder)]
#[recorder(on = Request, labels(endpoint = name))]
struct Fragile {
    /// Requests.
    #[counter(when = |r| stands(&r.name))]
    requests: Counter,
}

fn stands(name: &str) -> bool {
    assert_ne!(name, "/falls", "no such request was expected");
    true
}

fn main() -> std::process::ExitCode {
    ltel_cli::run(ltel_recorders::registry().with::<Fragile>())
}
