//! What Prometheus scrapes of ltel, and what it answers when it is asked for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpStream;
use std::time::Duration;

use ltel_core::clock::{Clock, Timestamp};
use ltel_core::wire::Encoding;
use ltel_tests::{
    Client, Exit, Figures, Prometheus, SLOW, SOON, Scene, Target, Turn, config, free_port, get, program,
    prometheus_backend, prometheus_client_venv, request, row, until,
};
use rustix::process::Signal;

const SUCCESS: &str = "locust_tl_request_metric_success_milliseconds";
const ERROR: &str = "locust_tl_request_metric_error_milliseconds";
const REQUESTS: &str = "locust_tl_request_metric_requests_total";
const FAILURES: &str = "locust_tl_request_metric_failures_total";
const OPEN_METRICS: &str = "Accept: application/openmetrics-text;version=1.0.0\r\n";
const SCRAPE: &str = "X-Prometheus-Scrape-Timeout-Seconds: 10\r\n";

/// Scenario: Prometheus scrapes an ltel that serves, while a real Locust sends requests of every kind; the run ends.
/// Guarantees: a query answers with Locust's own figures, endpoint by endpoint, under the names that dashboards know; gauges
/// end with the run; the last figures stay for `keep`, then vanish.
#[apply(e2e)]
fn promql_gives_back_locusts_figures() {
    let _turn = Turn::shared();
    let (scene, target, port) = (Scene::new(), Target::start(), free_port());
    let keep = Duration::from_secs(8);
    let config = config(&scene, "", &prometheus_backend(port, "keep = \"8s\""));
    let ltel = scene.serve(&config, &[]);
    let prometheus = Prometheus::start(&scene, port, "1s");
    let url = target.url();
    let locust = ["--headless", "-f", "everything.py", "-H", &url, "-u5", "-r10", "--json-file", "figures"];
    let mut command = scene.locust_to(&scene.address(), locust);
    command.env("REFUSING", "http://127.0.0.1:1").env("LONE_SURROGATES", "1");
    let mut locust = scene.start("locust", command);

    // While it runs: its users, what it costs, and counts that grow.
    let users = prometheus.sees("locust_tl_user_metric_count_ratio == 5");
    assert_eq!((users[0].label("source"), users[0].label("source_id")), ("LocalRunner", "local"));
    assert!(!users[0].labels.contains_key("run_id"), "{users:?}");
    for gauge in ["cpu_percent", "mem_bytes", "network_bytes{direction=\"sent\"}"] {
        prometheus.sees(&format!("locust_tl_system_metric_{gauge}"));
    }
    prometheus.sees(&format!("sum(increase({SUCCESS}_count[5s])) > 0"));
    prometheus.sees(&format!("sum({SUCCESS}_count) + sum({ERROR}_count) > 600"));

    locust.signal(Signal::TERM);
    assert_eq!(locust.wait(SLOW), Exit::Code(1));
    let lines = scene.reported(1);
    let ended = time(&lines.report().time);
    let witness = scene.witnessed();
    assert!(witness.0.len() > 25 && witness.total().requests > 500, "a run worth comparing: {witness:?}");
    assert_eq!(scene.figures().counts(), witness.counts(), "one process: Locust's own figures are whole");
    check_figures(&prometheus, &witness);
    let counted = |metric: &str| prometheus.query(&format!("sum(last_over_time({metric}[1m]))"))[0].value();
    let all = witness.total();
    assert_eq!((counted(REQUESTS), counted(FAILURES)), (all.requests as f64, all.failures as f64));

    let run_id = lines.report().text("run_id").to_owned();
    assert_eq!(
        prometheus.by("run_id", &format!("sum by (run_id) ({SUCCESS}_count)")).keys().collect::<Vec<_>>(),
        [&run_id]
    );
    // It may come a scrape later than the last requests.
    prometheus.sees("locust_tl_event_test_events_total{event=\"locust.tl.event.test.stop\"}");
    let events = prometheus.by("event", "sum by (event) (locust_tl_event_test_events_total)");
    assert_eq!((events["locust.tl.event.test.start"], events["locust.tl.event.test.stop"]), (1.0, 1.0), "{events:?}");
    let target = prometheus.query("target_info");
    assert_eq!((target.len(), target[0].label("service_name")), (1, "locust_telemetry"));
    assert_eq!(prometheus.query(&format!("{SUCCESS}_count"))[0].label("otel_scope_name"), "locust_telemetry");
    assert_eq!(prometheus.query("{__name__=~\".*_created\"}"), [], "only if it is wished");
    until("a scrape that is well", SOON, || prometheus.scrape_error().is_none().then_some(()));

    // A scrape that failed hides everything until the next one.
    let gone = |metric: &str| {
        (!prometheus.query(&format!("(up == 1) unless on (instance) {metric}")).is_empty()).then_some(())
    };
    until("the end of the gauges", SOON, || gone("locust_tl_user_metric_count_ratio"));
    let series = prometheus.sees(&format!("{SUCCESS}_count")).len();
    assert!(series > 5, "{series} series are there still");
    until("the end of the last figures", SLOW, || gone(&format!("{SUCCESS}_count")));
    let all = prometheus.query(&format!("{SUCCESS}_count[5m]"));
    assert_eq!(all.len(), series);
    for sample in &all {
        let stayed = sample.values.last().unwrap().0 - ended;
        let keep = keep.as_secs_f64();
        // A busy machine may miss a scrape, or end a run a little after its report.
        assert!(stayed > keep - 3.0 && stayed < keep + 3.0, "stayed for {stayed} s: {:?}", sample.labels);
    }
    assert!(get(port, "/metrics").unwrap().body.contains("target_info"), "the page is still there");
    assert!(!ltel.stderr().contains("scraped by Prometheus"), "{}", ltel.stderr());
}

/// Scenario: Prometheus scrapes while endpoints appear between two scrapes, the last of them at the end of the run.
/// Guarantees: it sees each counter and histogram from zero on, so that differences, which `increase()` is made of, are exactly
/// what was counted.
#[apply(e2e)]
fn increase_misses_no_beginning() {
    let _turn = Turn::shared();
    let (scene, port) = (Scene::new(), free_port());
    let _ltel = scene.serve(&config(&scene, "", &prometheus_backend(port, "")), &[]);
    let prometheus = Prometheus::start(&scene, port, "1s");
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "run");
    client.start("run");
    let requests =
        |name: &'static str, count: usize, failed: usize| (0..count).map(|n| row(name, 12.5, n < failed)).collect();
    client.requests(requests("/a", 20, 0));
    prometheus.sees(&format!("{REQUESTS}{{endpoint=\"/a\"}} == 20"));
    client.requests(requests("/b", 7, 3));
    prometheus.sees(&format!("{REQUESTS}{{endpoint=\"/b\"}}"));
    client.requests(requests("/a", 1, 0));
    prometheus.sees(&format!("{FAILURES}{{endpoint=\"/b\"}} == 3"));
    client.requests(requests("/c", 5, 0));
    prometheus.sees(&format!("{REQUESTS}{{endpoint=\"/c\"}}"));
    client.finish();
    scene.reported(1);
    prometheus.sees(&format!("{SUCCESS}_count{{endpoint=\"/c\"}} == 5"));
    for (metric, expected) in [
        (REQUESTS, [("/a", 21.0), ("/b", 7.0), ("/c", 5.0)].as_slice()),
        (FAILURES, &[("/b", 3.0)]),
        (&format!("{SUCCESS}_count"), &[("/a", 21.0), ("/b", 4.0), ("/c", 5.0)]),
        (&format!("{SUCCESS}_bucket{{le=\"20.0\"}}"), &[("/a", 21.0), ("/b", 4.0), ("/c", 5.0)]),
        (&format!("{ERROR}_count"), &[("/b", 3.0)]),
    ] {
        let mut counted = BTreeMap::new();
        for series in prometheus.query(&format!("{metric}[5m]")) {
            assert!(series.values.is_sorted_by(|(_, a), (_, b)| a <= b), "{metric}: {series:?}");
            *counted.entry(series.label("endpoint").to_owned()).or_default() += series.value() - series.values[0].1;
        }
        let expected: BTreeMap<String, f64> = expected.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        assert_eq!(counted, expected, "{metric}");
        // It extrapolates to the edges of its range: not less than the difference.
        let increase = prometheus.by("endpoint", &format!("sum by (endpoint) (increase({metric}[5m]))"));
        assert!(expected.iter().all(|(name, n)| increase[name] >= *n), "{metric}: {increase:?}");
    }
}

/// Scenario: scrapers of either format, and a browser; then ltel ends after the run.
/// Guarantees: who scrapes at an interval sees a new series at zero, then its value; the browser sees the value; ltel waits until
/// each scraper has the value of what it saw at zero.
#[apply(e2e)]
fn zero_comes_before_the_value() {
    let (scene, port) = (Scene::new(), free_port());
    let mut ltel = scene.serve(&config(&scene, "", &prometheus_backend(port, "")), &["--once"]);
    let mut client = run(&scene, "run", &["/a"]);
    client.acknowledged();
    let count = |headers: &str| {
        let page = request(port, "GET", "/metrics", headers).unwrap().body;
        let values = |name: &str| -> Vec<f64> {
            let lines = page.lines().filter(|line| line.starts_with(name));
            lines.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect()
        };
        let counted = values(REQUESTS);
        assert_eq!(counted, values(&format!("{SUCCESS}_count")), "{page}");
        assert_eq!(counted == [0.0], values(SUCCESS).iter().all(|value| *value == 0.0), "{page}");
        counted[0].to_string()
    };
    let own = format!("{SCRAPE}User-Agent: own\r\nAccept: text/plain;version=0.0.4\r\n");
    let open = format!("{SCRAPE}User-Agent: open\r\n{OPEN_METRICS}");
    assert_eq!([OPEN_METRICS, "", &own, &own, &open].map(count), ["1", "1", "0", "1", "0"]);
    client.finish();
    ltel.says("waiting for a last scrape", SOON);
    assert_eq!([OPEN_METRICS, &own, "", &open].map(count), ["1"; 4]);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    assert!(!ltel.stderr().contains("scraped by Prometheus"), "{}", ltel.stderr());
}

/// Scenario: Locust runs under `ltel-cli run`, which ends with it; Prometheus scrapes now and then.
/// Guarantees: the last scrape finds the last figures before ltel is gone, and the table says that they were delivered.
#[apply(e2e)]
fn run_waits_for_a_last_scrape() {
    let _turn = Turn::shared();
    let (scene, port) = (Scene::new(), free_port());
    let prometheus = Prometheus::start(&scene, port, "3s");
    let locust = ["--headless", "-f", "counting.py", "-u3", "-r3", "-t4s", "--json-file", "figures"];
    let mut run = scene.start("run", scene.run(&config(&scene, "", &prometheus_backend(port, "")), locust));
    prometheus.sees(&format!("{SUCCESS}_count"));
    assert_eq!(run.wait(SLOW), Exit::Code(0));
    let counts = || prometheus.by("endpoint", &format!("sum by (endpoint) (last_over_time({SUCCESS}_count[5m]))"));
    let expected: BTreeMap<_, _> =
        scene.figures().by_name().iter().map(|(name, c)| ((*name).to_owned(), c.requests as f64)).collect();
    // What it has scraped, it shows a little later.
    until("the last figures in Prometheus", SOON, || (counts() == expected).then_some(()));
    let table = run.stderr();
    let row = table.lines().find(|line| line.trim_start().starts_with("scraped")).unwrap_or_default();
    assert!(row.contains("prometheus") && row.trim_end().ends_with("delivered"), "{table}");
    assert!(!row.contains("NOT"), "{table}");
}

/// Scenario: nothing ever scrapes, and ltel ends after a run.
/// Guarantees: it does not wait, and says what was not delivered.
#[apply(e2e)]
fn nobody_scrapes() {
    let (scene, port) = (Scene::new(), free_port());
    let mut ltel = scene.serve(&config(&scene, "", &prometheus_backend(port, "")), &["--once"]);
    run(&scene, "run", &["/a"]).finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(1), "figures were lost");
    let log = ltel.stderr();
    assert!(log.contains("backend `scraped`: Prometheus never scraped run run: "), "{log}");
    assert!(log.contains("make `scrape_interval` shorter than a run, keep ltel running after a run"), "{log}");
    assert!(!log.contains("waiting for a last scrape"), "{log}");
    let lost = "backend `scraped`: final figures NOT delivered (4 points): Prometheus never scraped run run";
    assert!(log.contains(lost), "{log}");

    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", &prometheus_backend(port, "keep = \"100ms\"")), &[]);
    run(&scene, "short", &["/a"]).finish();
    ltel.says("backend `scraped`: Prometheus never scraped run short: ", SOON);
    ltel.says(&format!("raise `keep`, which is 100ms, and have http://127.0.0.1:{port}/metrics scraped"), SOON);
}

/// Scenario: endpoints with every kind of name, in a run that is over and one that is not.
/// Guarantees: promtool, Prometheus' Python library (strict, for OpenMetrics) and Prometheus itself read every sample, with
/// the names as they were; the runs do not mix. So it is with `_created`, which this Prometheus keeps as a series; newer ones can
/// make a zero of it (`--enable-feature=created-timestamp-zero-ingestion`, which 2.42 has not).
#[apply(e2e)]
fn foreign_parsers_read_every_name() {
    let _turn = Turn::shared();
    let (scene, port) = (Scene::new(), free_port());
    let before = Clock::System.now().as_secs();
    let _ltel = scene.serve(&config(&scene, "", &prometheus_backend(port, "created = true")), &[]);
    let names = [
        "plain",
        "",
        " ",
        "quo\"te and back\\slash",
        "ends with \\",
        "new\nline\r\ttab",
        "emoji 🚀 ü",
        "\u{2028}\u{feff}",
        "{le=\"+Inf\"} 1",
        "# EOF",
        "nul\0",
        "\u{1b}[31m\u{7f}",
    ];
    run(&scene, "first", &names).finish();
    scene.reported(1);
    let mut second = run(&scene, "second", &names[..2]);
    second.acknowledged();

    let expected: BTreeMap<String, f64> = names.iter().map(|name| (name.replace('\0', "\u{fffd}"), 1.0)).collect();
    let own = scene.write("own.txt", &get(port, "/metrics").unwrap().body);
    let open = request(port, "GET", "/metrics", OPEN_METRICS).unwrap().body;
    for created in [&format!("{SUCCESS}_created{{"), "locust_tl_request_metric_requests_created{"] {
        assert_eq!(open.lines().filter(|line| line.starts_with(created)).count(), names.len() + 2, "{created}");
    }
    let open = scene.write("open.txt", &open);

    let mut promtool = scene.program(&program("promtool"));
    promtool.args(["check", "metrics"]).stdin(File::open(&own).unwrap());
    let output = promtool.output().unwrap();
    // 3: read well, and it has opinions on the names, such as that seconds are better than milliseconds.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");

    let script = scene.write("read.py", READ);
    for (module, page) in [("prometheus_client.parser", &own), ("prometheus_client.openmetrics.parser", &open)] {
        let mut python = scene.program(&prometheus_client_venv().join("python"));
        let output = python.arg(&script).arg(module).arg(page).output().unwrap();
        assert!(output.status.success(), "{module}: {}", String::from_utf8_lossy(&output.stderr));
        let read: BTreeMap<String, BTreeMap<String, f64>> = serde_json::from_slice::<serde_json::Value>(&output.stdout)
            .unwrap()
            .as_object()
            .unwrap()
            .iter()
            .map(|(run, counts)| {
                let counts = counts.as_object().unwrap().iter();
                (run.clone(), counts.map(|(name, count)| (name.clone(), count.as_f64().unwrap())).collect())
            })
            .collect();
        assert_eq!(read["first"], expected, "{module}");
        assert_eq!(read["second"].len(), 2, "{module}");
    }

    let prometheus = Prometheus::start(&scene, port, "1s");
    prometheus.sees(&format!("{SUCCESS}_count{{run_id=\"second\"}} == 1"));
    assert_eq!(prometheus.by("endpoint", &format!("{SUCCESS}_count{{run_id=\"first\"}}")), expected);
    let by_run = prometheus.by("run_id", &format!("sum by (run_id) ({SUCCESS}_count)"));
    assert_eq!(by_run, [("first".to_owned(), names.len() as f64), ("second".to_owned(), 2.0)].into());
    let created = prometheus.by("run_id", &format!("max by (run_id) ({SUCCESS}_created)"));
    assert!(before <= created["first"] && created["first"] <= created["second"], "{before} {created:?}");
    assert!(created["second"] <= Clock::System.now().as_secs(), "{created:?}");
    until("a scrape that is well", SOON, || prometheus.scrape_error().is_none().then_some(()));
    second.finish();
}

const READ: &str = "
import importlib, json, sys

counts = {}
parser = importlib.import_module(sys.argv[1])
with open(sys.argv[2], encoding='utf-8', newline='') as page:
    for family in parser.text_string_to_metric_families(page.read()):
        for sample in family.samples:
            if sample.name == 'locust_tl_request_metric_success_milliseconds_count':
                counts.setdefault(sample.labels['run_id'], {})[sample.labels['endpoint']] = sample.value
json.dump(counts, sys.stdout)
";

/// Scenario: what is no scrape, scrapers that say nothing and never go, and an address that is taken.
/// Guarantees: other paths and methods get an error status, HEAD has no body; open connections do not disturb runs; a used
/// address is an error that names it, before anything starts.
#[apply(e2e)]
fn requests_of_other_kinds() {
    let (scene, port) = (Scene::new(), free_port());
    let config = config(&scene, "", &prometheus_backend(port, "scope_labels = false\nresource = { team = \"a\" }"));
    let mut ltel = scene.serve(&config, &[]);
    ltel.says(&format!("backend `scraped`: metrics are at http://127.0.0.1:{port}/metrics"), SOON);
    let mut client = run(&scene, "run", &["/a"]);
    client.acknowledged();
    for (method, path, status) in
        [("GET", "/", 404), ("GET", "/metrics/", 404), ("POST", "/metrics", 405), ("GET", "/metrics?x=y", 200)]
    {
        assert_eq!(request(port, method, path, "").unwrap().status, status, "{method} {path}");
    }
    let own = get(port, "/metrics").unwrap();
    assert!(own.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", own.head);
    assert!(own.body.contains("telemetry_sdk_name=") && own.body.contains("team=\"a\""), "{}", own.body);
    assert!(
        own.body.contains(&format!("# TYPE {SUCCESS} histogram")) && !own.body.contains("otel_scope"),
        "{}",
        own.body
    );
    let open = request(port, "GET", "/metrics", OPEN_METRICS).unwrap();
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(open.head.contains(kind) && open.body.ends_with("# EOF\n"), "{open:?}");
    let head = request(port, "HEAD", "/metrics", "").unwrap();
    assert!(head.status == 200 && head.body.is_empty() && head.head.contains("content-length: "), "{head:?}");

    let mut another =
        scene.start("another", scene.ltel(["--config".as_ref(), scene.path("telemetry.toml").as_os_str()]));
    assert_ne!(another.wait(SOON), Exit::Code(0));
    // The socket of the first is in the way as well: one of another name.
    let text = config.replace("ltel.sock", "another.sock");
    let mut another = scene.start("another", scene.server(&text, &[]));
    assert_eq!(another.wait(SOON), Exit::Code(1));
    let said = another.stderr();
    assert!(
        said.contains(&format!("backend `scraped`: cannot listen on `127.0.0.1:{port}`: Address already in use")),
        "{said}"
    );

    let silent: Vec<_> = (0..40).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    client.finish();
    scene.reported(1);
    drop(silent);
    until("a scrape after them", SOON, || get(port, "/metrics").ok().filter(|answer| answer.status == 200));
}

/// A run with a request to each of these endpoints; it is not over.
fn run(scene: &Scene, run_id: &str, names: &[&str]) -> Client {
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, run_id);
    client.start(run_id);
    client.requests(names.iter().map(|name| row(name, 12.5, false)).collect());
    client
}

/// Waits until Prometheus has the whole run, and compares each endpoint.
fn check_figures(prometheus: &Prometheus, witness: &Figures) {
    let of = |family: &str, part: &str| {
        prometheus.by("endpoint", &format!("sum by (endpoint) (last_over_time({family}_{part}[1m]))"))
    };
    until("the last scrape", SOON, || {
        let all: f64 = of(SUCCESS, "count").values().chain(of(ERROR, "count").values()).sum();
        (all >= witness.total().timed() as f64).then_some(())
    });
    let [passed, failed] = [SUCCESS, ERROR].map(|family| of(family, "count"));
    let [time_passed, time_failed] = [SUCCESS, ERROR].map(|family| of(family, "sum"));
    let infinite = |family: &str| of(family, "bucket{le=\"+Inf\"}");
    assert_eq!((infinite(SUCCESS), infinite(ERROR)), (passed.clone(), failed.clone()));
    let number = |figures: &BTreeMap<String, f64>, name: &str| figures.get(name).copied().unwrap_or_default();
    for (name, expected) in witness.by_name() {
        // The only character that does not travel.
        let name = name.replace('\0', "\u{fffd}");
        let failures = expected.timed_failures.unwrap_or(0) as f64;
        let counts = (number(&passed, &name), number(&failed, &name));
        assert_eq!(counts, (expected.timed() as f64 - failures, failures), "passed and failed requests of {name:?}");
        let total = number(&time_passed, &name) + number(&time_failed, &name);
        assert!((total - expected.total_ms).abs() <= expected.total_ms * 0.005 + 1e-6, "sum of {name:?}: {total}");
    }
}

/// RFC 3339 in UTC, as seconds.
fn time(text: &str) -> f64 {
    let at = humantime::parse_rfc3339(text).unwrap();
    let (at, now) = (Timestamp::from(at).as_secs(), Clock::System.now().as_secs());
    assert!(at <= now + 1.0, "{text}");
    at
}
