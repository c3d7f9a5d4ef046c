//! Locust's rate does not suffer, whatever happens to its telemetry. Each test runs alone on the machine.

use std::process::Command;

use ltel_core::wire::{Encoding, Features, Reply};
use ltel_tests::{Deaf, Exit, Process, SLOW, Scene, Turn, config, otlp_backend, until};
use rustix::process::Signal;
use serde_json::Value;

const LOCUST: [&str; 8] = ["--headless", "-f", "ticking.py", "-u1", "-t5s", "--only-summary", "--json-file", "figures"];

/// Requests a tick, a hundred ticks a second.
const BURST: &str = "100";

/// Scenario: the OTLP receivers accept connections and never answer, over gRPC and over HTTP.
/// Guarantees: Locust's rate is what it is without ltel, the JSON beside them is exact, and the run ends.
#[apply(e2e)]
fn an_otlp_receiver_that_hangs() {
    unharmed(hanging_receivers);
}

fn hanging_receivers() -> Scene {
    let (scene, deaf) = (Scene::new(), Deaf::silent());
    let hanging = otlp_backend("deaf-grpc", "grpc", deaf.port)
        + "timeout = \"1s\"\n"
        + &otlp_backend("deaf-http", "http/protobuf", deaf.port)
        + "timeout = \"1s\"\n";
    let run = start(&scene, scene.run(&config(&scene, "", &hanging), LOCUST));
    let run = ended(run);
    assert!(deaf.accepted() >= 2, "both have connected");
    is_exact(&scene);
    for backend in ["deaf-grpc", "deaf-http"] {
        assert!(run.stderr().contains(backend), "the summary names the backends");
    }
    scene
}

/// Scenario: ltel is stopped for two seconds in mid-run, in which Locust reports more than the socket's buffers hold.
/// Guarantees: nothing is lost, and Locust's rate is what it is without ltel.
#[apply(e2e)]
fn an_ltel_that_stands_still() {
    unharmed(standing_still);
}

fn standing_still() -> Scene {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &["--once"]);
    let locust = start(&scene, scene.locust_to(&scene.address(), LOCUST));
    until("requests", SLOW, || {
        scene.lines_so_far().stats("current").any(|l| l.count("num_requests") > 0).then_some(())
    });
    ltel.signal(Signal::STOP);
    // The two seconds are the scenario itself: 20,000 requests, some 800 kB.
    std::thread::sleep(std::time::Duration::from_secs(2));
    ltel.signal(Signal::CONT);
    let locust = ended(locust);
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));
    is_exact(&scene);
    assert!(!locust.stderr().contains("not delivered"));
    scene
}

/// Scenario: what listens where telemetry goes accepts connections and never reads.
/// Guarantees: Locust's rate is what it is without the plugin; its memory is bounded; its log counts all requests as
/// not delivered, some of them for want of room.
#[apply(e2e)]
fn a_receiver_that_never_reads() {
    unharmed(|| never_reads(&Deaf::silent()));
}

/// Scenario: the same, but it does say `welcome` first.
/// Guarantees: the same.
#[apply(e2e)]
fn a_receiver_that_welcomes_and_never_reads() {
    let welcome = Reply::Welcome { last_seq: 0, features: Features::default() };
    let greeting = Encoding::MessagePack.encode_reply(&welcome).unwrap();
    unharmed(|| never_reads(&Deaf::greeting(greeting.clone())));
}

fn never_reads(deaf: &Deaf) -> Scene {
    let scene = Scene::new();
    let mut command = scene.locust_to(&format!("tcp://127.0.0.1:{}", deaf.port), LOCUST);
    // Half a megabyte: about a second's worth.
    command.env("LTEL_BUFFER_BYTES", "500000").env("LTEL_DRAIN_TIMEOUT", "1");
    let locust = ended(start(&scene, command));
    assert!(deaf.accepted() > 0);
    let (log, all) = (locust.stderr(), scene.figures().total().requests);
    let (_, counted) = log.split_once(&format!("ltel: not delivered: {all} of {all} requests (")).expect(&log);
    let dropped: u64 = counted.split(' ').next().unwrap().parse().unwrap();
    assert!(dropped > 0 && dropped < all, "{log}");
    assert!(log.contains("the oldest requests are dropped and counted"), "{log}");
    scene
}

/// Fails if a scenario harms Locust each time. The machine may have other things to do for a while, during one run and not
/// during the one that it is compared with: then both are repeated.
fn unharmed(scenario: impl Fn() -> Scene) {
    let _turn = Turn::alone();
    let mut harms = Vec::new();
    for _ in 0..3 {
        match harm(&scenario(), bare_ticks()) {
            None => return,
            Some(harm) => harms.push(harm),
        }
    }
    panic!("{harms:?}");
}

fn start(scene: &Scene, mut command: Command) -> Process {
    command.env("BURST", BURST);
    scene.start("locust", command)
}

fn ended(mut process: Process) -> Process {
    assert_eq!(process.wait(SLOW), Exit::Code(0));
    process
}

fn is_exact(scene: &Scene) {
    let (lines, figures) = (scene.lines(), scene.figures());
    lines.check_figures(&figures);
    let report = lines.report();
    assert_eq!((report.count("sent"), report.count("dropped")), (figures.total().requests, 0), "{report:?}");
}

/// What is wrong, unless Locust fired as often as without ltel, and was never kept from running for long.
fn harm(scene: &Scene, bare: u64) -> Option<String> {
    let (ticks, gap) = ticks_and_gap(scene);
    if ticks * 10 < bare * 7 {
        return Some(format!("{ticks} ticks, without ltel {bare}"));
    }
    (gap >= 1.0).then(|| format!("Locust stood still for {gap} s"))
}

/// What this machine does without ltel.
fn bare_ticks() -> u64 {
    let scene = Scene::new();
    ended(start(&scene, scene.locust(LOCUST)));
    ticks_and_gap(&scene).0
}

fn ticks_and_gap(scene: &Scene) -> (u64, f64) {
    let mut files = std::fs::read_dir(scene.path(".")).unwrap().flatten();
    let file = files.find(|file| file.file_name().to_string_lossy().starts_with("gap-")).expect("the gap's file");
    let seen: Value = serde_json::from_str(&std::fs::read_to_string(file.path()).unwrap()).unwrap();
    (seen["ticks"].as_u64().unwrap(), seen["longest_gap"].as_f64().unwrap())
}
