//! Spans through the whole of ltel-cli: the CPU time that each takes, from the socket to an OTLP receiver over HTTP. Criterion
//! shows CPU time as if it were time, so elements per second are spans per second on one core.

use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use ltel_core::event::Extra;
use ltel_core::trace::TraceContext;
use ltel_core::wire::{Encoding, Frame, Message, Rows};
use ltel_tests::{Client, Exit, Process, SLOW, Scene, Target, row, until};

const ROWS: u64 = 1_000;

/// A batch of traced requests, without a number: so the same bytes can be sent again and again.
fn frame() -> Vec<u8> {
    let names: Vec<String> = (0..100).map(|n| format!("/api/v1/resource/{n}")).collect();
    let rows = (0..ROWS).zip(names.iter().cycle()).map(|(n, name)| {
        let mut row = row(name, (n * 31 % 900) as f64, n % 50 == 0);
        row.extra = Some(Box::new(Extra {
            url: Some(format!("http://shop.example:8080{name}?page={n}").into()),
            user_class: Some("Shopper".into()),
            trace: Some(TraceContext {
                trace_id: u128::from(n + 1).into(),
                span_id: (n + 1).into(),
                parent_span_id: None,
                sampled: true,
            }),
            ..Extra::default()
        }));
        row
    });
    let rows = Rows { rows: rows.collect(), time: Some(1_700_000_001.0), ..Rows::default() };
    let frame = Frame { seq: None, message: Message::Requests(rows) };
    Encoding::MessagePack.encode(&frame).expect("a frame")
}

/// The CPU time of a process that has ended, and has not been waited for yet.
fn cpu_time(process: &Process) -> Duration {
    let fields = until("the end of ltel", SLOW, || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid())).expect("the process");
        // What stands before is its name in parentheses.
        let fields: Vec<String> = stat.rsplit(')').next()?.split_whitespace().map(str::to_owned).collect();
        (fields[0] == "Z").then_some(fields)
    });
    // Fields 14 and 15 of proc(5), user and system time in ticks of 10 ms.
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(10 * ticks)
}

fn spans(c: &mut Criterion) {
    let frame = frame();
    let target = Target::start();
    let mut group = c.benchmark_group("spans");
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(20));
    group.throughput(Throughput::Elements(ROWS));
    let otlp =
        format!("type = \"otlp\"\nsignals = [\"traces\"]\ntraces = {{ endpoint = \"{}/v1/traces\" }}", target.url());
    for (name, backend) in
        [("to OTLP", otlp.as_str()), ("to JSON", "type = \"json\"\noutput = \"/dev/null\"\nspans = true")]
    {
        group.bench_function(name, |b| {
            b.iter_custom(|batches| {
                let scene = Scene::new();
                // All at once: nothing may be dropped.
                let config = format!(
                    "[listen]\nunix = '{}'\n[recorders.spans]\n[backends.spans]\n{backend}\nqueue = 1000000000\nqueue_bytes = '4GiB'\n",
                    scene.socket().display()
                );
                let mut ltel = scene.serve(&config, &["--once"]);
                let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "bench");
                client.start("bench");
                for _ in 0..batches {
                    client.encoded_requests(&frame, ROWS);
                }
                client.finish();
                let took = cpu_time(&ltel);
                assert_eq!(ltel.wait(SLOW), Exit::Code(0));
                assert!(!ltel.stderr().contains("WARN"), "{}", ltel.stderr());
                took
            });
        });
    }
    group.finish();
}

criterion_group!(benches, spans);
criterion_main!(benches);
