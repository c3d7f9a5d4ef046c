//! The whole of ltel-cli: how many request events it takes over its socket, how soon it listens, and what memory it needs.
//! Frames are encoded beforehand; recorders are `requests` and `stats`, backends JSON and OTLP (to Datadog's test agent).

use std::hint::black_box;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use ltel_core::event::Users;
use ltel_core::wire::{Encoding, Frame, Message, Rows};
use ltel_tests::{Client, Process, SOON, Scene, TestAgent, row, until};
use rustix::process::Signal;

const ROWS: u64 = 1_000;
const ENDPOINTS: usize = 100;
const EVENTS_FOR_MEMORY: u64 = 10_000_000;

fn config(scene: &Scene, more: &str) -> String {
    format!(
        "[listen]\nunix = '{}'\n[recorders.requests]\n[recorders.stats]\n[backends.json]\noutput = \"/dev/null\"\n{more}\n",
        scene.socket().display()
    )
}

/// A batch of requests, without a number: so the same bytes can be sent again and again.
fn frame() -> Vec<u8> {
    let names: Vec<String> = (0..ENDPOINTS).map(|n| format!("/api/v1/resource/{n}")).collect();
    let rows = (0..ROWS)
        .map(|n| row(&names[usize::try_from(n * 7).unwrap_or(0) % ENDPOINTS], (n * 31 % 900) as f64, n % 50 == 0));
    let rows = Rows { rows: rows.collect(), time: Some(1_700_000_001.0), ..Rows::default() };
    let frame = Frame { seq: None, message: Message::Requests(rows) };
    Encoding::MessagePack.encode(&frame).expect("a frame")
}

/// Sends so many batches and waits until they are recorded.
fn send(client: &mut Client, frame: &[u8], batches: u64) {
    for _ in 0..batches {
        client.raw(frame).expect("room in the socket");
    }
    client.send(Message::from(Users::default()));
    client.acknowledged();
}

/// Resident memory in KiB.
fn resident(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).expect("the process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

#[allow(clippy::print_stderr, clippy::disallowed_methods)] // a bench measures the time, and says what it found
fn socket(c: &mut Criterion) {
    let frame = frame();
    let mut group = c.benchmark_group("socket");
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(10));
    group.throughput(Throughput::Elements(ROWS));
    for otlp in [false, true] {
        let scene = Scene::new();
        let agent = otlp.then(|| TestAgent::start(&scene));
        let more = agent.as_ref().map(TestAgent::grpc_backend).unwrap_or_default();
        let ltel = scene.serve(&config(&scene, &more), &[]);
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "bench");
        client.start("bench");
        let name = if otlp { "to JSON and OTLP" } else { "to JSON" };
        group.bench_function(name, |b| {
            b.iter_custom(|batches| {
                let begun = Instant::now();
                send(&mut client, &frame, black_box(batches));
                begun.elapsed()
            });
        });
        if otlp {
            send(&mut client, &frame, EVENTS_FOR_MEMORY / ROWS);
            eprintln!("resident after {EVENTS_FOR_MEMORY} events more, {ENDPOINTS} endpoints: {} KiB", resident(&ltel));
        }
    }
    group.finish();

    let mut group = c.benchmark_group("start");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.bench_function("to listening", |b| {
        b.iter_custom(|times| {
            let mut all = Duration::ZERO;
            for _ in 0..times {
                let scene = Scene::new();
                let command = scene.server(&config(&scene, ""), &[]);
                let begun = Instant::now();
                let mut ltel = scene.start("ltel", command);
                while UnixStream::connect(scene.socket()).is_err() {
                    std::thread::yield_now();
                }
                all += begun.elapsed();
                ltel.signal(Signal::TERM);
                until("the end", SOON, || ltel.exit());
            }
            all
        });
    });
    group.finish();
}

criterion_group!(benches, socket);
criterion_main!(benches);
