//! Hostile clients, as a short form of the bench `attack`; and the memory for the figures of a large test.

use std::time::Duration;

use ltel_core::event::Request;
use ltel_core::wire::Encoding;
use ltel_tests::{Attack, Client, Exit, MOST_MEMORY, SOON, Scene, Turn, row};
use rustix::process::Signal;

/// Scenario: hundreds of hostile clients for some seconds, in mid-run of a good one: slow ones, half and huge frames, ids of
/// megabytes, floods of runs, events and spans to a receiver that hangs, and frames changed at random.
/// Guarantees: the good client's figures are exact; ltel keeps running until it is stopped; its memory stays below 256 MiB.
#[apply(e2e)]
fn a_good_client_among_hostile_ones() {
    let _turn = Turn::alone();
    let outcome = Attack { time: Duration::from_secs(8), clients: 400, seed: 1, only: String::new() }.run();
    assert!(outcome.peak_memory() <= MOST_MEMORY, "{outcome}");
}

/// Scenario: a test of 2,000 endpoints, each with a hundred response times around its own, and 2,000 distinct errors.
/// Guarantees: ltel needs no more than 64 MiB for their figures, while the test runs and at its end.
#[apply(e2e)]
fn figures_of_thousands_of_endpoints_and_errors() {
    const ENDPOINTS: usize = 2_000;
    let scene = Scene::new();
    let config = format!(
        "[listen]\nunix = '{}'\n[backends.file]\ntype = \"json\"\noutput = '{}'\n[recorders.stats]\nerror_limit = {ENDPOINTS}\n",
        scene.socket().display(),
        scene.path("telemetry.ndjson").display(),
    );
    let mut ltel = scene.serve(&config, &[]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "large");
    client.start("large");
    let mut random = 1_u64;
    let mut uniform = move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 11) as f64 / (1_u64 << 53) as f64
    };
    for round in 0..100 {
        let named = |n: usize| {
            // A sum of uniform numbers is about normal, and response times are about log-normal.
            let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
            let ms = (normal * 0.5).exp() * (5 + n % 200) as f64;
            let mut row = Request { name: format!("/endpoint/{n}").into(), ..row("", ms, round == 0) };
            if let Some(error) = &mut row.error {
                error.text = format!("HTTPError: 500 Server Error for https://host.example/endpoint/{n}").into();
            }
            row
        };
        client.requests((0..ENDPOINTS).map(named).collect());
    }
    client.acknowledged();
    let running = ltel.status("VmRSS").unwrap();
    client.finish();
    scene.reported(1);
    let peak = ltel.status("VmHWM").unwrap();
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    assert!(peak <= 64 << 10, "{running} KiB resident while it runs, {peak} KiB at most");
    let lines = scene.lines();
    let of = |status: &str| lines.stats("endpoint").filter(|line| line.is("status", status)).count();
    assert_eq!((of("success"), of("error")), (ENDPOINTS, ENDPOINTS));
    assert_eq!(lines.final_record().count("num_requests"), 100 * ENDPOINTS as u64);
}
