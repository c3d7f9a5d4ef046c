//! What telemetry costs inside Locust: the CPU time of the process per request event, with a user that does nothing but fire
//! them. Bare, with ltel, with Locust's own `--otel`, and with the plugin locust-telemetry, in turn, so that what disturbs
//! the machine disturbs all alike.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use ltel_tests::{Exit, Process, SLOW, Scene, TestAgent, locust_otel_venv, locust_telemetry_venv};

const ROUNDS: usize = 5;
const SAMPLES: usize = 10;

const LOCUSTFILE: &str = r#"
import os, time
import gevent
from locust import User, task

EVENTS = 200_000

class Response:
    status_code = 200

class Null(User):
    @task
    def fire(self):
        fire = self.environment.events.request.fire
        response, names = Response(), [f"/resource/{n}" for n in range(20)]
        for _ in range(5_000):
            fire(request_type="GET", name="/", response_time=1.5, response_length=10, exception=None, context={},
                 url="http://x/", start_time=time.time(), response=response)
        gevent.sleep(1)
        began = time.process_time()
        for n in range(EVENTS):
            fire(request_type="GET", name=names[n % 20], response_time=1.5, response_length=10, exception=None, context={},
                 url="http://x/", start_time=time.time(), response=response)
            if not n % 200:
                gevent.sleep(0)
        gevent.sleep(0.5)
        print("NANOSECONDS", (time.process_time() - began) / EVENTS * 1e9, flush=True)
        self.environment.runner.quit()
"#;

/// The modes, each as a command that runs the locustfile to its end.
const MODES: [&str; 4] = ["bare", "ltel", "locust --otel", "locust-telemetry otel"];

fn run(mode: &str, agent: &TestAgent) -> f64 {
    let scene = Scene::new();
    let file = scene.write("cost.py", LOCUSTFILE);
    let file = file.to_str().expect("a path");
    let headless = ["--headless", "-u", "1", "--only-summary", "-f", file];
    let endpoint = format!("http://127.0.0.1:{}", agent.grpc);
    let mut locust = match mode {
        "bare" => scene.locust(headless),
        "ltel" => {
            scene.run("[recorders.stats]\n[recorders.requests]\n[backends.json]\noutput = \"/dev/null\"\n", headless)
        }
        "locust --otel" => {
            let mut command = scene.program(&locust_otel_venv().join("locust"));
            command.args(headless).arg("--otel").env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
            command.env("OTEL_EXPORTER_OTLP_INSECURE", "true");
            command
        }
        // It has nothing for a test of one process: a master and a worker, of which the worker counts.
        _ => {
            let mut command = scene.program(&locust_telemetry_venv().join("locust"));
            command.args(headless).args([
                "--processes",
                "1",
                "--testplan",
                "cost",
                "--enable-telemetry-recorder",
                "otel",
            ]);
            command
                .args(["--lt-otel-exporter-otlp-endpoint", &endpoint])
                .env("LOCUST_OTEL_EXPORTER_OTLP_INSECURE", "true");
            command
        }
    };
    if mode == "locust-telemetry otel" {
        // Its worker cannot end the test: the master's run time does.
        locust.args(["-t", "25s"]);
    }
    let mut process: Process = scene.start("locust", locust);
    let exit = process.wait(SLOW * 4);
    let said = process.stdout() + &process.stderr();
    assert!(matches!(exit, Exit::Code(0)), "{mode}: {exit:?}\n{said}");
    let nanoseconds = said.lines().find_map(|line| line.split("NANOSECONDS ").nth(1)?.trim().parse().ok());
    nanoseconds.unwrap_or_else(|| panic!("{mode}: no figure in\n{said}"))
}

#[allow(clippy::print_stderr)] // what a bench found
fn cost(c: &mut Criterion) {
    let scene = Scene::new();
    let agent = TestAgent::start(&scene);
    let mut measured: Vec<RefCell<VecDeque<f64>>> = MODES.iter().map(|_| RefCell::default()).collect();
    for round in 1..=ROUNDS {
        for (mode, samples) in MODES.iter().zip(&mut measured) {
            let nanoseconds = run(mode, &agent);
            eprintln!("round {round}: {mode}: {nanoseconds:.0} ns");
            samples.get_mut().push_back(nanoseconds);
        }
    }
    let median = |samples: &RefCell<VecDeque<f64>>| {
        let mut sorted: Vec<f64> = samples.borrow().iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    let bare = median(&measured[0]);
    for (mode, samples) in MODES.iter().zip(&measured) {
        eprintln!("{mode}: {:.0} ns per request, {:.0} ns over bare", median(samples), median(samples) - bare);
    }
    let mut group = c.benchmark_group("locust_cost");
    group.sampling_mode(SamplingMode::Flat).sample_size(SAMPLES);
    group.warm_up_time(Duration::from_nanos(1)).measurement_time(Duration::from_nanos(1));
    for (mode, samples) in MODES.iter().zip(&measured) {
        group.bench_function(*mode, |b| {
            b.iter_custom(|iterations| {
                let mut samples = samples.borrow_mut();
                samples.rotate_left(1);
                Duration::from_secs_f64(samples[0] * 1e-9 * iterations as f64)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, cost);
criterion_main!(benches);
