//! Metrics, spans and log records over OTLP, to several kinds of receivers: each gets all that the JSON file has.

use std::collections::{BTreeMap, BTreeSet};

use ltel_core::wire::Encoding;
use ltel_tests::{
    Authority, Client, Exit, FaultReceiver, Figures, LogRecord, Point, Rotel, SLOW, SOON, Scene, Span, Target,
    TestAgent, TlsProxy, Turn, check_figures, config, histogram, ids, otlp_backend, row, until,
};
use rustix::process::Signal;

/// What a receiver has.
struct Received {
    points: Vec<Point>,
    spans: Vec<Span>,
    logs: Vec<LogRecord>,
}

/// What was sent, as the JSON file and the witness in Locust tell it.
struct Sent {
    witness: Figures,
    spans: BTreeSet<(String, String)>,
    records: BTreeMap<String, usize>,
}

/// A run of `tracing.py` with all that has records and spans, to these backends and to the JSON file.
fn run(scene: &Scene, backends: &str) -> Sent {
    let target = Target::start();
    let config = config(scene, "", &format!("[recorders.spans]\ntasks = true\n[recorders.failures]\n{backends}"))
        .replace("[backends.file]", "[backends.file]\nspans = true");
    let url = target.url();
    let mut command = scene.run(&config, ["--headless", "-f", "tracing.py", "-H", &url, "-u4", "-r10"]);
    // Port 1 refuses.
    command.env("REFUSING", "http://127.0.0.1:1");
    let mut run = scene.start("run", command);
    until("requests at the target", SLOW, || {
        assert_eq!(run.exit(), None, "Locust ended");
        (target.hits().len() >= 300).then_some(())
    });
    run.signal(Signal::TERM);
    assert_eq!(run.wait(SLOW), Exit::Code(1), "Locust's own exit code for a test with failures");
    assert!(!run.stderr().contains("NOT delivered"), "{}", run.stderr());

    let lines = scene.lines();
    let mut records = BTreeMap::new();
    // Points have a unit; the records of statistics have a type of their own.
    for line in lines.0.iter().filter(|line| line.is("telemetry_type", "event") || line.has("stats_type")) {
        *records.entry(line.name().to_owned()).or_default() += 1;
    }
    let sent = Sent { witness: scene.witnessed(), spans: ids(&Span::of_lines(&lines)), records };
    assert!(sent.spans.len() as u64 > sent.witness.total().requests, "spans of requests, and of tasks");
    for name in ["locust.tl.event.test.start", "locust.tl.request.metric.stats", "ltel.run.report"] {
        assert!(sent.records.contains_key(name), "{name}: {:?}", sent.records);
    }
    sent
}

impl Received {
    fn from(receiver: &FaultReceiver, protocol: &str) -> Self {
        let (points, spans) = (receiver.points(protocol), receiver.spans(protocol));
        Self { points, spans, logs: receiver.log_records(protocol) }
    }

    fn by_agent(agent: &TestAgent, token: &str) -> Self {
        Self { points: agent.points(token), spans: agent.spans(token), logs: agent.log_records(token) }
    }

    fn records(&self) -> BTreeMap<String, usize> {
        let mut records = BTreeMap::new();
        for log in &self.logs {
            *records.entry(log.event_name.clone()).or_default() += 1;
        }
        records
    }

    /// Fails unless it has all, each once.
    fn check(&self, what: &str, sent: &Sent) {
        check_figures(what, &self.points, &sent.witness);
        assert_eq!(ids(&self.spans), sent.spans, "{what}: spans");
        assert_eq!(self.records(), sent.records, "{what}: log records");
        for log in &self.logs {
            let run_id = log.attribute("run_id");
            assert!(!run_id.is_empty() && !log.body.is_empty() && !log.severity.is_empty(), "{what}: {log:?}");
        }
        // A failure is told with the trace of its request.
        let traced: Vec<_> = self.logs.iter().filter(|log| !log.trace_id.is_empty()).collect();
        assert!(traced.iter().any(|log| log.event_name == "locust.tl.event.failure"), "{what}: {:?}", self.logs);
        for log in traced {
            assert!(sent.spans.contains(&(log.trace_id.clone(), log.span_id.clone())), "{what}: {log:?}");
        }
        // All of one process, whatever the signal.
        let resources: BTreeSet<_> = (self.points.iter().map(|point| &point.resource))
            .chain(self.spans.iter().map(|span| &span.resource))
            .chain(self.logs.iter().map(|log| &log.resource))
            .collect();
        assert_eq!(resources.len(), 1, "{what}: {resources:?}");
    }
}

/// Scenario: a run to a receiver that checks what the specification demands, over gRPC with gzip and over HTTP without.
/// Guarantees: both have the figures of Locust, the spans and the records of the JSON file, each once.
#[apply(e2e)]
fn a_strict_receiver() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let receiver = FaultReceiver::start(&scene);
    let sent = run(&scene, &(receiver.backend("grpc") + "compression = \"gzip\"\n" + &receiver.backend("http")));
    for (protocol, encoding) in [("grpc", "gzip"), ("http", "identity")] {
        Received::from(&receiver, protocol).check(protocol, &sent);
        let others = receiver.requests().into_iter().filter(|t| t.protocol == protocol && t.encoding != encoding);
        assert_eq!(others.count(), 0, "{protocol}: all of it in {encoding}");
    }
}

/// Scenario: receivers that ask for a client's certificate, over gRPC and over HTTP: one that ends TLS itself, and Datadog's
/// test agent behind a proxy that does.
/// Guarantees: each has the figures of Locust, the spans and the records of the JSON file, each once.
#[apply(e2e)]
fn receivers_that_ask_for_a_certificate() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let authority = Authority::new();
    let receiver = FaultReceiver::start_mutual(&scene, &authority);
    let agent = TestAgent::start(&scene);
    let proxies =
        [TlsProxy::mutual(agent.grpc, "h2", &authority), TlsProxy::mutual(agent.http, "http/1.1", &authority)];
    let tls = with_certificate(&scene, &authority);
    let backends = [
        ("grpc", "grpc", receiver.port("grpc"), ""),
        ("http", "http/protobuf", receiver.port("http"), "compression = \"gzip\"\n"),
        ("agent-grpc", "grpc", proxies[0].port, "compression = \"gzip\"\n"),
        ("agent-http", "http/protobuf", proxies[1].port, ""),
    ];
    let backends = backends.map(|(name, protocol, port, more)| encrypted(name, protocol, port) + more + &tls);
    let sent = run(&scene, &backends.concat());
    for protocol in ["grpc", "http"] {
        Received::from(&receiver, protocol).check(protocol, &sent);
        let token = format!("agent-{protocol}");
        Received::by_agent(&agent, &token).check(&token, &sent);
    }
}

/// Scenario: the same receivers, and a client without a certificate, or with one of another authority.
/// Guarantees: they get nothing, and ltel says what was not delivered.
#[apply(e2e)]
fn a_client_that_is_not_trusted() {
    let outer = Scene::new();
    let authority = Authority::new();
    let receiver = FaultReceiver::start_mutual(&outer, &authority);
    for stranger in [false, true] {
        let scene = Scene::new();
        let tls = if stranger {
            let ca = scene.write("ca.pem", &authority.pem());
            let own = Authority::new().sign("client").write(&scene, "client");
            let (certificate, key) = (own.certificate.display(), own.key.display());
            format!("tls = {{ ca_file = '{}', cert_file = '{certificate}', key_file = '{key}' }}\n", ca.display())
        } else {
            format!("tls = {{ ca_file = '{}' }}\n", scene.write("ca.pem", &authority.pem()).display())
        };
        let backends = [("grpc", "grpc"), ("http", "http/protobuf")]
            .map(|(name, protocol)| encrypted(name, protocol, receiver.port(name)) + "timeout = \"2s\"\n" + &tls);
        let mut ltel = scene.serve(&config(&scene, "", &backends.concat()), &["--once"]);
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
        client.start("run");
        client.requests(vec![row("some", 1.0, false); 10]);
        client.finish();
        assert_eq!(ltel.wait(SOON), Exit::Code(1), "telemetry was lost");
        let said = ltel.stderr();
        for backend in ["grpc", "http"] {
            assert!(said.contains(&format!("backend `{backend}`: final figures NOT delivered")), "{said}");
        }
    }
    assert_eq!(receiver.requests().len(), 0);
}

/// Scenario: a run to Rotel, over gRPC and over HTTP, which sends all it receives on to Datadog's test agent.
/// Guarantees: what arrives there by either way is what the JSON file has, each once.
#[apply(e2e)]
fn rotel() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let agent = TestAgent::start(&scene);
    let collector = Rotel::start(&scene, agent.grpc);
    // Rotel puts together what comes by both ways: the resource tells it apart.
    let backends = ["grpc", "http"].map(|way| collector.backend(way) + &format!("resource = {{ way = \"{way}\" }}\n"));
    let sent = run(&scene, &backends.concat());
    for way in ["grpc", "http"] {
        let by_way = |resource: &BTreeMap<String, String>| resource.get("way").is_some_and(|by| by == way);
        let received = || Received {
            points: agent.points_of_all().into_iter().filter(|point| by_way(&point.resource)).collect(),
            spans: agent.spans_of_all().into_iter().filter(|span| by_way(&span.resource)).collect(),
            logs: agent.log_records_of_all().into_iter().filter(|log| by_way(&log.resource)).collect(),
        };
        // It waits a little for more, and then sends a batch of each signal.
        until("everything, behind Rotel", SOON, || {
            let received = received();
            let complete = received.spans.len() >= sent.spans.len() && received.records() == sent.records;
            let timed = ["success", "error"]
                .map(|which| histogram(&received.points, &format!("locust.tl.request.metric.{which}"), false).count);
            (complete && timed.iter().sum::<u64>() == sent.witness.total().timed()).then_some(())
        });
        received().check(way, &sent);
    }
}

fn encrypted(name: &str, protocol: &str, port: u16) -> String {
    otlp_backend(name, protocol, port).replace("http://127.0.0.1", "https://localhost")
}

fn with_certificate(scene: &Scene, authority: &Authority) -> String {
    let ca = scene.write("ca.pem", &authority.pem());
    let own = authority.sign("client").write(scene, "client");
    let files = [ca, own.certificate, own.key].map(|file| file.display().to_string());
    format!("tls = {{ ca_file = '{}', cert_file = '{}', key_file = '{}' }}\n", files[0], files[1], files[2])
}
