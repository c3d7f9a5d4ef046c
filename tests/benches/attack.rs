//! A thousand hostile clients beside a good one: see what ltel does. `LTEL_ATTACK_SECONDS` (30), `LTEL_ATTACK_CLIENTS` (1,000),
//! `LTEL_ATTACK_SEED`, and `LTEL_ATTACK_ONLY`, a part of the name of a kind of client.

// It is run by people.
#![allow(clippy::print_stdout)]

use std::env;
use std::str::FromStr;
use std::time::Duration;

use ltel_core::clock::Clock;
use ltel_tests::{Attack, MOST_MEMORY};

fn main() {
    let attack = Attack {
        time: Duration::from_secs(variable("LTEL_ATTACK_SECONDS").unwrap_or(30)),
        clients: variable("LTEL_ATTACK_CLIENTS").unwrap_or(1_000),
        seed: variable("LTEL_ATTACK_SEED").unwrap_or_else(|| Clock::System.now().as_nanos()),
        only: variable("LTEL_ATTACK_ONLY").unwrap_or_default(),
    };
    println!("LTEL_ATTACK_SEED={}", attack.seed);
    let outcome = attack.run();
    print!("{outcome}");
    assert!(outcome.peak_memory() <= MOST_MEMORY, "ltel had {} KiB resident", outcome.peak_memory());
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    let Ok(value) = text.parse() else { panic!("{name}: `{text}` cannot be read") };
    Some(value)
}
