//! Metrics of ltel itself.

use ltel_core::wire::Encoding;
use ltel_tests::{
    Client, Exit, Fault, FaultReceiver, Line, SOON, Scene, TestAgent, Value, config, free_port, latest, otlp_backend,
    row, traced, until,
};
use rustix::process::Signal;

/// A line of this metric with these labels, and a value other than zero.
fn says(line: &Line, metric: &str, labels: &[(&str, &str)]) -> bool {
    line.is("telemetry_name", metric)
        && labels.iter().all(|(label, value)| line.is(label, value))
        && line.number("value") > 0.0
}

/// Scenario: a backend whose receiver is dead, one whose receiver refuses a part, one that asks for ltel's own
/// metrics, and a client that sends garbage.
/// Guarantees: the metrics tell who is connected, what was sent, what was lost, why and where; they belong to no run.
#[apply(e2e)]
fn what_goes_wrong_can_be_watched() {
    let scene = Scene::new();
    let receiver = FaultReceiver::start(&scene);
    for signal in ["metrics", "logs"] {
        receiver.fault(Fault::Partial(1, "no"), signal, 1);
    }
    let dead = otlp_backend("dead", "grpc", free_port());
    let more = [format!("{dead}timeout = \"200ms\"\n"), receiver.backend("http"), "[recorders.spans]\n".to_owned()];
    let config =
        config(&scene, "", &more.concat()).replace("[backends.file]", "[backends.file]\ninternal_metrics = true");
    let mut ltel = scene.serve(&config, &[]);
    let mut client = Client::unix(&scene.socket(), Encoding::JsonLines, "client");
    client.start("run");
    client.requests((1..=10).map(|number| traced(number, "http://127.0.0.1/some")).collect());
    client.raw(b"{\"type\": \"nonsense\"}\n").unwrap();
    for (metric, labels) in [
        ("ltel.clients", &[][..]),
        ("ltel.runs", &[]),
        ("ltel.faults", &[("kind", "frame not understood")]),
        ("ltel.backend.sent", &[("backend", "file"), ("signal", "metrics")]),
        ("ltel.backend.sent", &[("backend", "file"), ("signal", "logs")]),
        ("ltel.backend.lost", &[("backend", "dead"), ("signal", "metrics"), ("reason", "export_failed")]),
        ("ltel.backend.lost", &[("backend", "dead"), ("signal", "logs"), ("reason", "export_failed")]),
        ("ltel.backend.lost", &[("backend", "http"), ("signal", "metrics"), ("reason", "rejected")]),
        ("ltel.backend.lost", &[("backend", "http"), ("signal", "logs"), ("reason", "rejected")]),
        ("ltel.backend.exports.failed", &[("backend", "dead"), ("signal", "metrics")]),
        ("ltel.backend.queue.capacity", &[("backend", "dead"), ("signal", "traces")]),
    ] {
        let line = until(&format!("{metric} {labels:?}"), SOON, || {
            scene.lines_so_far().0.into_iter().find(|line| says(line, metric, labels))
        });
        assert!(!line.has("run_id") && !line.has("testplan"), "{line:?}");
    }
    client.finish();
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(1), "telemetry was lost");
}

/// Scenario: a run to JSON and to an OTLP receiver, and nothing said of ltel's own metrics.
/// Guarantees: OTLP has them, JSON has not; at the end they say what was sent.
#[apply(e2e)]
fn otlp_has_them_and_json_has_not() {
    let scene = Scene::new();
    let agent = TestAgent::start(&scene);
    let mut ltel = scene.serve(&config(&scene, "", &agent.grpc_backend()), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests(vec![row("some", 1.0, false); 10]);
    // Both backends collect for the last time at once: what the file took only then, the other may not know of.
    until("lines in the file", SOON, || {
        let lines = scene.lines_so_far();
        let points = lines.named("locust.tl.request.metric.success").count();
        (points > 0 && lines.stats("current").count() > 0).then_some(())
    });
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    assert!(scene.lines().0.iter().all(|line| !line.name().starts_with("ltel.backend")));
    let points = agent.points("grpc");
    let sent = latest(&points, "ltel.backend.sent");
    let of = |backend: &str, signal: &str| {
        let mut points = sent.iter().filter(|p| p.attribute("backend") == backend && p.attribute("signal") == signal);
        points.next().unwrap_or_else(|| panic!("{backend}, {signal}: {sent:?}"))
    };
    for (backend, signal) in [("file", "metrics"), ("file", "logs"), ("grpc", "metrics"), ("grpc", "logs")] {
        let point = of(backend, signal);
        assert!(matches!(point.value, Value::Number(sent) if sent > 0.0), "{point:?}");
    }
}
