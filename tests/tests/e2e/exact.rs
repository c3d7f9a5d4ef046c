//! The figures are Locust's own, endpoint by endpoint, to the last request.

use std::collections::BTreeSet;
use std::process::Command;

use ltel_tests::{
    Endpoint, Exit, Figures, Lines, Process, SLOW, Scene, Target, TestAgent, Turn, config, free_port, latest,
};

/// Scenario: one Locust process with both HTTP clients and hand-fired events, under `ltel-cli run`.
/// Guarantees: JSON records, JSON histograms, and OTLP histograms over gRPC and over HTTP say what Locust says.
#[apply(e2e)]
fn local() {
    exactly(&["local"], |stage| {
        let mut command = stage.scene.run(&stage.config(), stage.locust(&["-u", "5", "-r", "10", "-t", "4s"]));
        command.env("LONE_SURROGATES", "1");
        let mut run = stage.start("run", command);
        assert_eq!(run.wait(SLOW), Exit::Code(1), "Locust's own exit code for a test with failures");
    });
}

/// Scenario: a master and two workers, each a process of its own, with `ltel-cli --once` beside them.
/// Guarantees: what the workers report after the master's `test_stop` is in the figures, which are Locust's own.
#[apply(e2e)]
fn master_and_two_workers() {
    exactly(&["master", "worker-0", "worker-1"], |stage| {
        let mut ltel = stage.scene.serve(&stage.config(), &["--once"]);
        let port = free_port().to_string();
        let bind = format!("--master-bind-port={port}");
        let master = ["--master", "--master-bind-host=127.0.0.1", &bind, "--expect-workers=2", "-u6", "-r10", "-t4s"];
        let address = stage.scene.address();
        let mut master = stage.start("master", stage.scene.locust_to(&address, stage.locust(&master)));
        let worker = ["--worker", "-f", "everything.py", "--master-host=127.0.0.1", "--master-port", &port];
        let mut workers = ["one", "two"].map(|name| stage.start(name, stage.scene.locust_to(&address, worker)));
        assert_eq!(master.wait(SLOW), Exit::Code(1));
        for worker in &mut workers {
            // The failures are the master's to tell.
            assert_eq!(worker.wait(SLOW), Exit::Code(0));
        }
        assert_eq!(ltel.wait(SLOW), Exit::Code(0));
    });
}

/// Scenario: `locust --processes 2`, a master with two workers of its own, under `ltel-cli run`; they may outlive it.
/// Guarantees: every source is waited for, and the figures are Locust's own.
#[apply(e2e)]
fn master_with_processes() {
    exactly(&["master", "worker-0", "worker-1"], |stage| {
        let port = free_port();
        let (bind, connect) = (format!("--master-bind-port={port}"), format!("--master-port={port}"));
        let locust = ["--processes=2", "--master-bind-host=127.0.0.1", &bind, &connect, "-u6", "-r10", "-t4s"];
        let mut run = stage.start("run", stage.scene.run(&stage.config(), stage.locust(&locust)));
        assert_eq!(run.wait(SLOW), Exit::Code(1));
    });
}

/// Runs a test and checks every figure. Locust's master waits for its workers' last reports for a limited time; where they
/// come too late, its own figures are short of what its processes counted. Then ltel must still have everything, and the test
/// runs again to be compared with Locust's figures too.
fn exactly(sources: &[&str], test: impl Fn(&Stage)) {
    let _turn = Turn::shared();
    for _ in 0..3 {
        let stage = Stage::set();
        test(&stage);
        let witness = stage.scene.witnessed();
        stage.check(sources, &witness);
        let locust = stage.scene.figures();
        if locust.counts() == witness.counts() {
            stage.scene.lines().check_figures(&locust);
            return;
        }
    }
    panic!("Locust's own figures were never whole");
}

/// What the three have in common: target, receiver, locustfile, and how the figures are compared.
struct Stage {
    scene: Scene,
    target: Target,
    agent: TestAgent,
}

impl Stage {
    fn set() -> Self {
        let scene = Scene::new();
        let agent = TestAgent::start(&scene);
        Self { scene, target: Target::start(), agent }
    }

    fn config(&self) -> String {
        config(&self.scene, "", &(self.agent.grpc_backend() + &self.agent.http_backend()))
    }

    fn locust(&self, more: &[&str]) -> Vec<String> {
        let url = self.target.url();
        let fixed = ["--headless", "-f", "everything.py", "-H", &url, "--only-summary", "--json-file", "figures"];
        fixed.iter().chain(more).map(ToString::to_string).collect()
    }

    fn start(&self, name: &str, mut command: Command) -> Process {
        // Port 1 refuses.
        command.env("REFUSING", "http://127.0.0.1:1");
        self.scene.start(name, command)
    }

    fn check(&self, sources: &[&str], witness: &Figures) {
        assert!(witness.0.len() > 25 && witness.total().requests > 50, "a run worth comparing: {witness:?}");
        let lines = self.scene.lines();
        lines.check_figures(witness);
        check_histogram_lines(&lines, witness);
        for token in ["grpc", "http"] {
            self.agent.check_figures(token, witness);
            self.check_statuses(token, witness);
        }

        let report = lines.report();
        assert_eq!(report.count("sent"), witness.total().requests);
        assert_eq!(report.count("dropped"), 0);
        assert_eq!(report.telemetry["complete"], true);
        let listed = report.telemetry["sources"].as_array().unwrap();
        let mut done: Vec<_> =
            listed.iter().filter(|s| s["status"] == "done").map(|s| s["source_id"].as_str().unwrap()).collect();
        done.sort_unstable();
        assert_eq!(done, sources);
    }

    // A 404 is a 404, and what never got an answer has no status.
    fn check_statuses(&self, token: &str, witness: &Figures) {
        let points = self.agent.points(token);
        let errors = latest(&points, "locust.tl.request.metric.error");
        for kind in ["http", "fast"] {
            for (name, status) in [("missing", "404"), ("broken", "500"), ("judged", "200")] {
                let name = format!("{kind} {name}");
                let statuses: Vec<_> = errors
                    .iter()
                    .filter(|point| point.attribute("endpoint") == name)
                    .map(|point| point.attribute("status_code"))
                    .collect();
                assert!(witness.0.contains_key(&Endpoint::new("GET", &name)), "{name}");
                assert!(!statuses.is_empty() && statuses.iter().all(|s| *s == status), "{name}: {statuses:?}");
            }
        }
    }
}

fn check_histogram_lines(lines: &Lines, witness: &Figures) {
    // With and without a response time.
    for (endpoint, expected) in &witness.0 {
        let counted = ["requests", "failures"].map(|what| {
            let all = lines.latest(&format!("locust.tl.request.metric.{what}"));
            let of = all.values().filter(|l| l.is("endpoint", &endpoint.name) && l.is("method", &endpoint.method));
            of.map(|line| line.count("value")).sum::<u64>()
        });
        assert_eq!(counted, [expected.requests, expected.failures], "JSON counters of {endpoint:?}");
    }
    let users: BTreeSet<_> = lines.named("locust.tl.user.metric.count").map(|line| line.text("source_id")).collect();
    assert!(users.len() == 1 && !users.iter().any(|id| id.starts_with("worker")), "users are told once: {users:?}");
    for (name, expected) in witness.by_name() {
        let sum = |metric: &str, field: &str| -> f64 {
            lines.latest(metric).values().filter(|line| line.is("endpoint", name)).map(|line| line.number(field)).sum()
        };
        let (success, error) = ("locust.tl.request.metric.success", "locust.tl.request.metric.error");
        let failures = expected.timed_failures.unwrap_or(0);
        let counts = (sum(success, "count"), sum(error, "count"));
        assert_eq!(counts, ((expected.timed() - failures) as f64, failures as f64), "JSON histograms of {name:?}");
        let total = sum(success, "sum") + sum(error, "sum");
        assert!((total - expected.total_ms).abs() <= expected.total_ms * 0.005 + 1e-6, "sum of {name:?}");
    }
}
