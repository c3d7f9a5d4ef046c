//! `when` and `labels` of recorders, and `[labels]`, in what each backend gets.

use std::collections::BTreeMap;
use std::fs;

use ltel_core::wire::Encoding;
use ltel_tests::{
    Client, Exit, FaultReceiver, Prometheus, SLOW, SOON, Scene, Turn, Value, config, free_port, prometheus_backend, row,
};
use rustix::process::Signal;
use serde_json::Value as Json;

const REQUESTS: &str = "locust.tl.request.metric.requests";
const REQUESTS_IN_PROMETHEUS: &str = "locust_tl_request_metric_requests_total";

const TOP: &str = r#"
[labels]
region = "eu"
build = { env = "BUILD_ID" }
"#;

const RECORDERS: &str = r#"
[recorders.checkout]
type = "requests"
when = 'name.startsWith("/checkout")'
labels = { tenant = "context.tenant", color = { value = "green" } }

[recorders.part]
type = "stats"
when = 'name.startsWith("/checkout")'

[recorders.spans]
labels = { color = { value = "green" } }
"#;

/// Scenario: real Locust whose requests have a tenant in their context, or none, with `[labels]`, one of which the command line
/// replaces, and recorders with `when` and `labels`; to JSON, OTLP and Prometheus.
/// Guarantees: each line, point, log record, span and sample has the labels; counts by tenant are the locustfile's own; the records
/// of a `stats` that sees a part say so, and those of the whole are whole; values that are missing are in the run report, and are said
/// once.
#[apply(e2e)]
fn labels_reach_every_backend() {
    let _turn = Turn::shared();
    let (scene, port) = (Scene::new(), free_port());
    let receiver = FaultReceiver::start(&scene);
    let backends = receiver.backend("grpc") + &prometheus_backend(port, "");
    let config =
        config(&scene, TOP, &(backends + RECORDERS)).replace("[backends.file]", "[backends.file]\nspans = true");
    let mut command = scene.server(&config, &["--label", "region=us"]);
    command.env("BUILD_ID", "7");
    let mut ltel = scene.start("ltel", command);
    ltel.says("listening on", SOON);
    let prometheus = Prometheus::start(&scene, port, "1s");
    let locust = ["--headless", "-f", "declared.py", "-u2", "-r2", "-t4s", "--json-file", "figures"];
    let mut locust = scene.start("locust", scene.locust_to(&scene.address(), locust));
    // Every seventh request fails.
    assert_eq!(locust.wait(SLOW), Exit::Code(1));
    scene.reported(1);
    let expected = witnessed(&scene);
    let total: u64 = expected.values().sum();
    assert!(expected.len() == 3 && total > 100, "a run worth comparing: {expected:?}");

    let query = format!("sum by (tenant) ({REQUESTS_IN_PROMETHEUS}{{color=\"green\",region=\"us\",build=\"7\"}})");
    prometheus.sees(&format!("sum({REQUESTS_IN_PROMETHEUS}{{color=\"green\"}}) == {total}"));
    let in_prometheus: BTreeMap<_, _> =
        prometheus.by("tenant", &query).into_iter().map(|(tenant, count)| (tenant, count as u64)).collect();
    assert_eq!(in_prometheus, expected);
    assert_eq!(prometheus.query("{__name__=~\"locust_.+\",region!=\"us\"}"), [], "all of them");
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));

    let has = |label: &dyn Fn(&str) -> String| label("region") == "us" && label("build") == "7";
    for line in &scene.lines().0 {
        // A span has them among its attributes.
        let attributes = line.telemetry.get("attributes").and_then(Json::as_object);
        let of = |name: &str| attributes.unwrap_or(&line.telemetry).get(name).and_then(Json::as_str);
        let text = |name: &str| of(name).unwrap_or_default().to_owned();
        assert!(has(&text) && (attributes.is_none() || text("color") == "green"), "{line:?}");
    }
    let lines = scene.lines();
    let mut in_lines = BTreeMap::new();
    for (texts, line) in lines.latest(REQUESTS).into_iter().filter(|(texts, _)| texts.contains_key("color")) {
        *in_lines.entry(texts.get("tenant").cloned().unwrap_or_default()).or_insert(0) += line.count("value");
    }
    assert_eq!(in_lines, expected);
    let (filtered, whole): (Vec<_>, Vec<_>) = lines.stats("final").partition(|line| line.has("when"));
    assert_eq!((filtered.len(), filtered[0].count("num_requests")), (1, total));
    assert_eq!((whole.len(), whole[0].count("num_requests")), (1, scene.figures().total().requests));
    let left_out = &lines.report().telemetry["values_left_out"];
    assert_eq!(left_out["checkout"], expected[""], "requests without a tenant: {left_out}");
    assert_eq!(ltel.stderr().matches("`context.tenant` has no value").count(), 1, "{}", ltel.stderr());

    let points = receiver.points("grpc");
    // Not what ltel says of itself.
    for point in points.iter().filter(|point| !point.metric.starts_with("ltel.")) {
        assert!(has(&|name| point.attribute(name).to_owned()), "{point:?}");
    }
    let mut last: BTreeMap<_, _> = BTreeMap::new();
    for point in points.iter().filter(|point| point.metric == REQUESTS && point.attribute("color") == "green") {
        last.insert(&point.attributes, point);
    }
    let mut in_points = BTreeMap::new();
    for (_, point) in last {
        let Value::Number(count) = point.value else { panic!("a sum: {point:?}") };
        *in_points.entry(point.attribute("tenant").to_owned()).or_insert(0) += count as u64;
    }
    assert_eq!(in_points, expected);
    let (records, spans) = (receiver.log_records("grpc"), receiver.spans("grpc"));
    assert!(records.len() > 10 && spans.len() > 100, "{} records, {} spans", records.len(), spans.len());
    for record in records {
        assert!(has(&|name| record.attribute(name).to_owned()), "{record:?}");
    }
    for span in spans {
        assert!(has(&|name| span.attribute(name).to_owned()) && span.attribute("color") == "green", "{span:?}");
    }
    assert!(lines.report().is("region", "us"));
}

/// Requests by tenant, as the locustfile counted them; without a tenant under "".
fn witnessed(scene: &Scene) -> BTreeMap<String, u64> {
    let folder = fs::read_dir(scene.path("")).expect("the scene's folder");
    let mut files = folder.map(|entry| entry.expect("an entry").path());
    let file = files.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("declared-")));
    let counted: Json =
        serde_json::from_str(&fs::read_to_string(file.expect("a witness")).expect("text")).expect("JSON");
    let mut by_tenant = BTreeMap::new();
    for (key, entry) in counted["checkout"].as_object().expect("a map") {
        let (_, tenant) = key.split_once(' ').expect("a name and a tenant");
        *by_tenant.entry(tenant.to_owned()).or_insert(0) += entry["requests"].as_u64().expect("a count");
    }
    by_tenant
}

/// Scenario: the only `stats` has `names = true` and a `when` that none of the requests fits; there are rules for names, thresholds
/// and a report in JSON. Guarantees: figures, thresholds and the exit code are about all requests all the same, by the names of the
/// rules and without what these drop; the report has the labels.
#[apply(e2e)]
fn figures_are_of_all_requests() {
    let scene = Scene::new();
    let report = scene.path("report.json");
    let file = format!(
        "[labels]\nregion = \"eu\"\n[[names]]\ncut_query = true\n[[names]]\nmatch = '^/health$'\ndrop = true\n\
         [listen]\nunix = '{}'\n[recorders.stats]\nnames = true\nwhen = 'name == \"other\"'\n\
         [backends.file]\ntype = \"json\"\noutput = '{}'\n[backends.report]\ntype = \"report\"\nfiles = ['{}']\n\
         [thresholds]\nsome = 'p95 < 5ms'\n",
        scene.socket().display(),
        scene.path("telemetry.ndjson").display(),
        report.display()
    );
    let mut ltel = scene.serve(&file, &["--once", "--label", "shard=3"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests(vec![row("some?page=1", 10.0, false); 20]);
    client.requests(vec![row("/health", 10.0, false); 3]);
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(99), "{}", ltel.stderr());
    let document: Json = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(document["total"]["requests"], 20);
    assert_eq!((&document["endpoints"][0]["name"], &document["endpoints"][1]), (&"some".into(), &Json::Null));
    assert_eq!(document["account"]["filtered"], 3);
    assert_eq!(document["run"]["labels"], serde_json::json!({ "region": "eu", "shard": "3" }));
    let lines = scene.lines();
    let last = lines.final_record();
    assert_eq!((last.count("num_requests"), last.text("when")), (0, "name == \"other\""));
    let threshold = lines.named("ltel.threshold").next().expect("a judgement");
    assert!(threshold.is("region", "eu") && threshold.is("shard", "3"), "{threshold:?}");
}
