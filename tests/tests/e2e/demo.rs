//! The demo: the first thing that people try.

use ltel_tests::{Exit, Lines, SLOW, Scene, TestAgent, Turn, latest, target_dir};

/// Scenario: `ltel-cli demo --otlp URL` on a machine that has never seen it; later, on one that has.
/// Guarantees: it sets up Locust by itself, runs it, prints where the telemetry is, a table by endpoint and the
/// account; the telemetry is whole, and reaches the OTLP receiver.
#[apply(e2e)]
fn demo() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let agent = TestAgent::start(&scene);
    let mut command = scene.ltel(["demo", "--otlp", &format!("http://127.0.0.1:{}", agent.http)]);
    // Kept from run to run, as the user's cache is.
    command.env("XDG_CACHE_HOME", target_dir().join("demo-cache"));
    let mut demo = scene.start("demo", command);
    assert_eq!(demo.wait(SLOW * 3), Exit::Code(0));
    let said = demo.stdout() + &demo.stderr();
    let (_, file) = said.split_once("JSON lines: ").expect(&said);
    let file = file.lines().next().unwrap();
    let lines = Lines::read(file.as_ref());
    let report = lines.report();
    assert_eq!(report.telemetry["complete"], true);
    assert!(report.count("recorded") > 100 && report.count("dropped") == 0, "{report:?}");
    let said = said.to_lowercase();
    for word in ["p50", "p95", "p99", "sent", "recorded", "dropped"] {
        assert!(said.contains(word), "`{word}` is not in:\n{said}");
    }
    let points = agent.points_of_all();
    assert!(!latest(&points, "locust.tl.request.metric.success").is_empty());
}
