//! Hostile clients: a short form of the bench `attack`.

use std::time::Duration;

use ltel_tests::{Attack, MOST_MEMORY, Turn};

/// Scenario: hundreds of hostile clients for some seconds, in mid-run of a good one: slow ones, half and huge frames, ids of
/// megabytes, floods of runs, events and spans to a receiver that hangs, and frames changed at random.
/// Guarantees: the good client's figures are exact; ltel goes on until it is told to end; its memory stays below 256 MiB.
#[test]
fn a_good_client_among_hostile_ones() {
    let _turn = Turn::alone();
    let outcome = Attack { time: Duration::from_secs(8), clients: 400, seed: 1, only: String::new() }.run();
    assert!(outcome.peak_memory() <= MOST_MEMORY, "{outcome}");
}
