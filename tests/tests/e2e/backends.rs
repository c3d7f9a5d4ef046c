//! A backend's options do not change the figures.

use std::collections::BTreeSet;

use ltel_core::wire::Encoding;
use ltel_tests::{Client, Exit, SLOW, SOON, Scene, TestAgent, Turn, config, need_file, row, until};

const SUCCESS: &str = "locust.tl.request.metric.success";

/// Scenario: JSON and OTLP backends with deltas, one with exponential histograms and gzip, over several intervals.
/// Guarantees: the deltas add up to Locust's figures, also in the buckets; each backend keeps its own options.
#[apply(e2e)]
fn deltas_add_up() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let agent = TestAgent::start(&scene);
    let delta = "temporality = \"delta\"\n";
    let backends =
        agent.grpc_backend() + delta + &agent.http_backend() + "histograms = \"exponential\"\ncompression = \"gzip\"\n";
    let config = config(&scene, "", &backends).replace("[backends.file]", &format!("[backends.file]\n{delta}"));
    let locust = ["--headless", "-f", "counting.py", "-u3", "-r3", "-t5s", "--json-file", "figures"];
    assert_eq!(scene.start("run", scene.run(&config, locust)).wait(SLOW), Exit::Code(0));

    let (lines, expected) = (scene.lines(), scene.figures().total());
    lines.check_figures(&scene.figures());
    let parts: Vec<_> = lines.named(SUCCESS).map(|line| line.count("count")).collect();
    assert!(parts.len() > 4, "several intervals: {parts:?}");
    assert_eq!(parts.iter().sum::<u64>(), expected.requests);
    let grpc = agent.histogram("grpc", SUCCESS, true);
    assert!(!grpc.exponential && agent.exports("grpc").len() > 2);
    assert_eq!(grpc.count, expected.requests);
    let http = agent.histogram("http", SUCCESS, false);
    assert!(http.exponential, "{http:?}");
    assert_eq!(http.count, expected.requests);
    for histogram in [grpc, http] {
        assert!((histogram.sum - expected.total_ms).abs() < 0.001 * expected.total_ms, "{histogram:?}");
    }
}

/// Scenario: two recorders and two backends, each recorder with a backend of its own.
/// Guarantees: each backend gets what is routed to it and nothing else; both get the account.
#[apply(e2e)]
fn routes() {
    let scene = Scene::new();
    let second = scene.path("second.ndjson");
    let more = format!("[backends.second]\ntype = \"json\"\noutput = '{}'\n", second.display());
    let config = config(&scene, "", &more)
        .replace("[recorders.stats]", "[recorders.stats]\nbackends = [\"file\"]")
        .replace("[recorders.requests]", "[recorders.requests]\nbackends = [\"second\"]")
        .replace("[recorders.lifecycle]\n", "");
    let mut ltel = scene.serve(&config, &["--once"]);
    a_run(&scene, &["/a", "/b"]);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    let names = |lines: &ltel_tests::Lines| -> BTreeSet<String> {
        let of_requests = lines.0.iter().map(|line| line.name().to_owned());
        of_requests
            .filter(|name| name.contains("request") || name.contains("event") || name.contains("report"))
            .collect()
    };
    let expected = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names(&scene.lines()), expected(&["locust.tl.request.metric.stats", "ltel.run.report"]));
    let of_second = [SUCCESS, "locust.tl.request.metric.requests", "ltel.run.report"];
    assert_eq!(names(&ltel_tests::Lines::read(&second)), expected(&of_second));
}

/// Scenario: more endpoints than a recorder may have series, by the configuration or by default.
/// Guarantees: the series are bounded, further ones are merged into one overflow series, and the totals are complete.
#[apply(e2e)]
fn more_endpoints_than_series() {
    let names: Vec<_> = (0..3_000).map(|n| format!("/{n}")).collect();
    for (option, limit) in [("series_limit = 10", 10), ("", 2_000)] {
        let scene = Scene::new();
        let config = config(&scene, "", "").replace("[recorders.requests]", &format!("[recorders.requests]\n{option}"));
        let mut ltel = scene.serve(&config, &["--once"]);
        a_run(&scene, &names);
        assert_eq!(ltel.wait(SLOW), Exit::Code(0));
        let lines = scene.lines();
        let series = lines.latest(SUCCESS);
        assert!(series.len() <= limit + 1, "{} series", series.len());
        assert_eq!(series.values().map(|line| line.count("count")).sum::<u64>(), 3_000);
        assert_eq!(lines.final_record().count("num_requests"), 3_000);
        let endpoints = lines.stats("endpoint").filter(|line| line.is("status", "success"));
        assert_eq!(endpoints.map(|line| line.count("num_requests")).sum::<u64>(), 3_000);
        let reached = lines.report().telemetry["series_limit_reached"]["requests"].as_u64();
        assert!(reached.is_some_and(|count| count > 0), "the report counts what was merged: {:?}", lines.report());
    }
}

/// Scenario: one JSON file on a full disk, another one on a good disk.
/// Guarantees: ltel keeps running, logs the error once, and its exit code says that telemetry was lost; the other file is
/// complete.
#[apply(e2e)]
fn a_full_disk() {
    need_file("/dev/full", "Linux");
    let scene = Scene::new();
    let full = "[backends.full]\ntype = \"json\"\noutput = \"/dev/full\"\ninterval = \"1s\"\n";
    let mut ltel = scene.serve(&config(&scene, "", full), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests(vec![row("/a", 5.0, false); 10]);
    until("several writes", SOON, || (scene.lines_so_far().stats("current").count() >= 3).then_some(()));
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(1), "telemetry was lost");
    assert_eq!(scene.lines().final_record().count("num_requests"), 10);
    let log = ltel.stderr();
    assert_eq!(log.matches("cannot write JSON lines").count(), 1, "{log}");
}

fn a_run<S: AsRef<str>>(scene: &Scene, names: &[S]) {
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests(names.iter().map(|name| row(name.as_ref(), 5.0, false)).collect());
    client.finish();
}
