//! What telemetry costs inside Locust: the CPU time of the process per request event, with a user that does nothing but fire
//! them. Bare, with ltel, with Locust's own `--otel`, and with the plugin locust-telemetry, in turn, so that what disturbs
//! the machine disturbs all alike. And what spans cost: for events, and for requests that go through all of `HttpUser` and
//! `FastHttpUser` but the network, where `traceparent` is sent with each.
//!
//! `ONLY=spans` in the environment measures the modes whose names contain that, and their bare ones; `ROUNDS=1` does so once.
//! `BEFORE=<ltel-cli/python of another checkout>` measures that plugin beside this one, with the same ltel-cli.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use ltel_tests::{Exit, Process, SLOW, Scene, TestAgent, locust_otel_venv, locust_telemetry_venv};

const SAMPLES: usize = 10;

const LOCUSTFILE: &str = r#"
import os, time
import gevent
import requests
from locust import FastHttpUser, HttpUser, User
from requests.adapters import BaseAdapter

CLIENT = os.environ.get("CLIENT", "events")
# requests takes fifty times as long as the others.
EVENTS = 20_000 if CLIENT == "HttpUser" else 200_000
NAMES = [f"/resource/{n}" for n in range(20)]

class Null:
    host = "http://x"

    def measure(self):
        one = self.prepared()
        for n in range(EVENTS // 40):
            one("/")
        gevent.sleep(1)
        began = time.process_time()
        for n in range(EVENTS):
            one(NAMES[n % 20])
            if not n % 200:
                gevent.sleep(0)
        gevent.sleep(0.5)
        print("NANOSECONDS", (time.process_time() - began) / EVENTS * 1e9, flush=True)
        self.environment.runner.quit()

class Response:
    status_code = 200
    content = b"ok"
    headers = {}

    def raise_for_status(self):
        pass

if CLIENT == "events":
    class Firing(Null, User):
        tasks = [Null.measure]

        def prepared(self):
            fire, response = self.environment.events.request.fire, Response()
            def one(name):
                fire(request_type="GET", name=name, response_time=1.5, response_length=10, exception=None, context={},
                     url="http://x/", start_time=time.time(), response=response)
            return one

if CLIENT == "HttpUser":
    class Nowhere(BaseAdapter):
        def send(self, request, **_arguments):
            response = requests.Response()
            response.status_code, response._content = 200, b"ok"
            response.request, response.url = request, request.url
            return response

    class Http(Null, HttpUser):
        tasks = [Null.measure]

        def prepared(self):
            self.client.mount("http://", Nowhere())
            return self.client.get

if CLIENT == "FastHttpUser":
    class Fast(Null, FastHttpUser):
        tasks = [Null.measure]

        def prepared(self):
            self.client.client.urlopen = lambda url, **_arguments: Response()
            return self.client.get
"#;

/// What is measured: who makes the requests, and what becomes of their telemetry.
#[derive(Clone, Copy, Debug)]
struct Mode {
    client: &'static str,
    telemetry: Telemetry,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Telemetry {
    Bare,
    Ltel,
    /// ltel with spans, with these options.
    Spans(&'static str),
    /// ltel with the plugin of another checkout, and these options of spans if there are any.
    Before(Option<&'static str>),
    LocustsOwn,
    OtherPlugin,
}

const EVENTS: &str = "events";

fn modes() -> Vec<Mode> {
    use Telemetry::{Bare, Before, LocustsOwn, Ltel, OtherPlugin, Spans};
    // Nearly nothing is sampled; everything is.
    let ratios = ["ratio = 0.01", "ratio = 1"];
    let mut all = Vec::new();
    for client in [EVENTS, "FastHttpUser", "HttpUser"] {
        let mut telemetry = vec![Bare, Ltel];
        telemetry.extend(ratios.map(Spans));
        if std::env::var_os("BEFORE").is_some() {
            telemetry.push(Before(None));
            telemetry.extend(ratios.map(|ratio| Before(Some(ratio))));
        }
        telemetry.extend(if client == EVENTS {
            vec![LocustsOwn, OtherPlugin]
        } else {
            vec![Spans("propagate = false")]
        });
        all.extend(telemetry.into_iter().map(|telemetry| Mode { client, telemetry }));
    }
    let only = std::env::var("ONLY").unwrap_or_default();
    let wanted = |client: &str| all.iter().any(|mode| mode.client == client && mode.name().contains(&only));
    all.iter()
        .filter(|mode| mode.name().contains(&only) || (mode.telemetry == Bare && wanted(mode.client)))
        .copied()
        .collect()
}

impl Mode {
    fn name(self) -> String {
        let telemetry = match self.telemetry {
            Telemetry::Bare => "bare".to_owned(),
            Telemetry::Ltel => "ltel".to_owned(),
            Telemetry::Spans(options) => format!("ltel, spans with {options}"),
            Telemetry::Before(None) => "ltel before".to_owned(),
            Telemetry::Before(Some(options)) => format!("ltel before, spans with {options}"),
            Telemetry::LocustsOwn => "locust --otel".to_owned(),
            Telemetry::OtherPlugin => "locust-telemetry otel".to_owned(),
        };
        if self.client == EVENTS { telemetry } else { format!("{}, {telemetry}", self.client) }
    }

    /// Runs the locustfile to its end: nanoseconds a request.
    fn measure(self, agent: &TestAgent) -> f64 {
        let scene = Scene::new();
        let theirs = self.telemetry == Telemetry::OtherPlugin;
        // Its own way to be switched on.
        let first = if theirs { "from locust_telemetry import entrypoint\nentrypoint.initialize()\n" } else { "" };
        let file = scene.write("cost.py", &format!("{first}{LOCUSTFILE}"));
        let file = file.to_str().expect("a path");
        let headless = ["--headless", "-u", "1", "--only-summary", "-f", file];
        let endpoint = format!("http://127.0.0.1:{}", agent.grpc);
        let recorders = "[recorders.stats]\n[recorders.requests]\n[backends.json]\noutput = \"/dev/null\"\n";
        let spans = |options: &str| format!("{recorders}spans = true\n[recorders.spans]\n{options}\n");
        let mut ltel = None;
        let mut locust = match self.telemetry {
            Telemetry::Before(options) => {
                let listen = format!("[listen]\nunix = '{}'\n", scene.socket().display());
                let config = options.map_or(recorders.to_owned(), spans);
                ltel = Some(scene.serve(&(listen + &config), &[]));
                let plugin = PathBuf::from(std::env::var_os("BEFORE").expect("set"));
                let path = std::env::join_paths([plugin.join("ltel_locust/autoload"), plugin]).expect("a path");
                let mut command = scene.locust(headless);
                command.env("PYTHONPATH", path).env("LTEL_ADDRESS", scene.address());
                command
            }
            Telemetry::Bare => scene.locust(headless),
            Telemetry::Ltel => scene.run(recorders, headless),
            Telemetry::Spans(options) => scene.run(&spans(options), headless),
            Telemetry::LocustsOwn => {
                let mut command = scene.program(&locust_otel_venv().join("locust"));
                command.args(headless).arg("--otel").env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
                command.env("OTEL_EXPORTER_OTLP_INSECURE", "true");
                command
            }
            // It has nothing for a test of one process: a master and a worker, of which the worker counts.
            Telemetry::OtherPlugin => {
                let mut command = scene.program(&locust_telemetry_venv().join("locust"));
                command.args(headless).args(["--processes", "1", "--testplan", "cost"]);
                command.args(["--enable-telemetry-recorder", "otel"]);
                command.args(["--lt-otel-exporter-otlp-endpoint", &endpoint]);
                command.env("LOCUST_OTEL_EXPORTER_OTLP_INSECURE", "true");
                // Its worker cannot end the test: the master's run time does.
                command.args(["-t", "25s"]);
                command
            }
        };
        locust.env("CLIENT", self.client);
        let mut process: Process = scene.start("locust", locust);
        let exit = process.wait(SLOW * 4);
        let said = process.stdout() + &process.stderr();
        assert!(matches!(exit, Exit::Code(0)), "{self:?}: {exit:?}\n{said}");
        drop(ltel);
        let nanoseconds = said.lines().find_map(|line| line.split("NANOSECONDS ").nth(1)?.trim().parse().ok());
        nanoseconds.unwrap_or_else(|| panic!("{self:?}: no figure in\n{said}"))
    }
}

#[allow(clippy::print_stderr)] // what a bench found
fn cost(c: &mut Criterion) {
    let scene = Scene::new();
    let agent = TestAgent::start(&scene);
    let modes = modes();
    let rounds = std::env::var("ROUNDS").map_or(5, |rounds| rounds.parse().expect("a number of rounds"));
    let mut measured: Vec<RefCell<VecDeque<f64>>> = modes.iter().map(|_| RefCell::default()).collect();
    for round in 1..=rounds {
        for (mode, samples) in modes.iter().zip(&mut measured) {
            let nanoseconds = mode.measure(&agent);
            eprintln!("round {round}: {}: {nanoseconds:.0} ns", mode.name());
            samples.get_mut().push_back(nanoseconds);
        }
    }
    let median = |mut samples: Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples[samples.len() / 2]
    };
    let mut bare = Vec::new();
    for (mode, samples) in modes.iter().zip(&measured) {
        let samples: Vec<f64> = samples.borrow().iter().copied().collect();
        // The first of each client.
        if mode.telemetry == Telemetry::Bare {
            bare.clone_from(&samples);
        }
        // Round by round: what disturbs the machine disturbs both.
        let over = median(samples.iter().zip(&bare).map(|(ns, bare)| ns - bare).collect());
        eprintln!("{}: {:.0} ns per request, {over:.0} ns over bare", mode.name(), median(samples));
    }
    let mut group = c.benchmark_group("locust_cost");
    group.sampling_mode(SamplingMode::Flat).sample_size(SAMPLES);
    group.warm_up_time(Duration::from_nanos(1)).measurement_time(Duration::from_nanos(1));
    for (mode, samples) in modes.iter().zip(&measured) {
        group.bench_function(mode.name(), |b| {
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
