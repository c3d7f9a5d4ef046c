//! What a plugin writes to its socket, recorded and played to ltel: so ltel takes what plugins of earlier protocols say.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use ltel_tests::{Exit, Line, Lines, SLOW, SOON, Scene, Span, Target, Turn, config, ids};
use serde_json::Value;

const RECORDERS: &str = "[recorders.http]\n[recorders.custom]\n[recorders.tasks]\n[recorders.events]\n[recorders.logs]\n\
    [recorders.failures]\n[recorders.spans]\nratio = 0.5\ntasks = true\n\
    [recorders.tenants]\ntype = \"declared\"\non = \"request\"\nwhen = 'name == \"ok\"'\n\
    labels = { tenant = \"context.tenant\" }\n[recorders.tenants.metrics]\nrequests = { counter = true }\n";

/// How often the task of `sample.py` runs to its end: three times for each of two users.
const EXECUTIONS: u64 = 6;

/// Passes one connection on to ltel.
struct Tap {
    path: PathBuf,
    client: JoinHandle<Vec<u8>>,
}

impl Tap {
    fn to(ltel: PathBuf, path: PathBuf) -> Self {
        let listener = UnixListener::bind(&path).unwrap();
        let client = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            drop(listener);
            let mut server = UnixStream::connect(ltel).unwrap();
            let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut answers, &mut back));
            let (mut all, mut some) = (Vec::new(), [0; 4096]);
            loop {
                let size = client.read(&mut some).unwrap();
                if size == 0 {
                    server.shutdown(Shutdown::Write).unwrap();
                    return all;
                }
                server.write_all(&some[..size]).unwrap();
                all.extend(&some[..size]);
            }
        });
        Self { path, client }
    }

    fn address(&self) -> String {
        format!("unix:{}", self.path.display())
    }

    /// What the client wrote, once it has ended.
    fn bytes(self) -> Vec<u8> {
        self.client.join().unwrap()
    }
}

fn with_spans(scene: &Scene) -> String {
    config(scene, "", RECORDERS).replace("[backends.file]", "[backends.file]\nspans = true")
}

/// Lines of a new ltel that these bytes were sent to.
fn played(bytes: &[u8]) -> Lines {
    let scene = Scene::new();
    let mut ltel = scene.serve(&with_spans(&scene), &["--once"]);
    let mut stream = UnixStream::connect(scene.socket()).unwrap();
    let mut answers = stream.try_clone().unwrap();
    let reader = thread::spawn(move || std::io::copy(&mut answers, &mut std::io::sink()));
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(ltel.wait(SLOW), Exit::Code(0), "{}", ltel.stderr());
    reader.join().unwrap().unwrap();
    scene.lines()
}

/// What the lines say of a run, but for what depends on when ltel heard it. Sorted: what comes at the same time has no order.
fn said(lines: &Lines) -> Vec<String> {
    const WHEN: [&str; 4] = ["duration_seconds", "end_time", "total_rps", "total_fail_per_sec"];
    const SHARED: [&str; 7] =
        ["telemetry_type", "run_id", "testplan", "source", "source_id", "bounds", "bucket_counts"];
    let metrics = lines.0.iter().filter(|line| line.is("telemetry_type", "metrics") && !line.has("stats_type"));
    let metrics: BTreeSet<_> = metrics.map(Line::name).collect();
    let latest = metrics.iter().flat_map(|name| lines.latest(name).into_values());
    let others = lines.0.iter().filter(|line| !metrics.contains(line.name()) && !line.is("stats_type", "current"));
    let mut said: Vec<_> = latest
        .chain(others)
        .map(|line| {
            let mut fields = line.telemetry.clone();
            fields.retain(|name, _| !WHEN.contains(&&**name) && !SHARED.contains(&&**name));
            if let Some(Value::Object(attributes)) = fields.get_mut("attributes") {
                attributes.retain(|name, _| !SHARED.contains(&name.trim_start_matches("locust.")));
            }
            Value::Object(fields).to_string()
        })
        .collect();
    said.sort();
    said
}

/// Checks what `sample.py` says in every run.
fn check(lines: &Lines) {
    let report = lines.report();
    assert_eq!(report.telemetry["complete"], true, "{report:?}");
    assert_eq!((report.count("sent"), report.count("recorded")), (EXECUTIONS * 8 + 2, EXECUTIONS * 8 + 2));
    let endpoints = lines.stats("endpoint").filter(|line| line.is("status", "success"));
    let endpoints: BTreeMap<_, _> =
        endpoints.map(|line| (line.text("name"), (line.count("num_requests"), line.count("num_failures")))).collect();
    let each = (EXECUTIONS, 0);
    let expected = [
        ("by hand", (EXECUTIONS, 2)),
        ("echo", each),
        ("given 00", each),
        ("given 01", each),
        ("judged", (EXECUTIONS, EXECUTIONS)),
        ("moved", each),
        ("ok", each),
        ("outside of tasks", (2, 0)),
        ("without ids handed out", each),
    ];
    assert_eq!(endpoints, expected.into());
    let sum = |metric: &str, field: &str| lines.latest(metric).values().map(|line| line.number(field)).sum::<f64>();
    assert_eq!(sum("cart.items", "value") as u64, 3 * EXECUTIONS);
    assert_eq!((sum("cart.value", "count"), sum("cart.value", "sum")), (EXECUTIONS as f64, 6.0));
    assert_eq!((sum("queue.depth", "value"), sum("tenants.requests", "value")), (6.0, EXECUTIONS as f64));
    // One more of each user, which ends it.
    assert_eq!((sum("locust.task.duration", "count"), sum("locust.task.failures", "value")), (8.0, 2.0));
    assert_eq!(lines.named("locust.tl.event.log").count() as u64, EXECUTIONS);
    check_spans(lines);
}

fn check_spans(lines: &Lines) {
    let spans = Span::of_lines(lines);
    ids(&spans);
    let tasks = spans.iter().filter(|span| span.kind == "internal");
    let tasks: BTreeMap<_, _> = tasks.map(|span| ((&*span.trace_id, &*span.span_id), span)).collect();
    let named =
        |name: &str| spans.iter().filter(|span| span.attribute("locust.request_name") == name).collect::<Vec<_>>();
    // The user's own, sampled or not as the user says.
    let given: BTreeSet<_> =
        named("given 01").iter().map(|span| (span.trace_id.clone(), span.span_id.clone())).collect();
    let expected = [0x100, 0x200].iter().flat_map(|first| (1..=3).map(move |n| format!("{:016x}", first + 2 * n + 1)));
    assert_eq!(given, expected.map(|id| ("0af7651916cd43dd8448eb211c80319c".to_owned(), id)).collect());
    assert!(named("given 00").is_empty());
    // What is kept, sampled or not.
    assert_eq!(named("judged").len() as u64, EXECUTIONS);
    let failed = tasks.values().filter(|task| task.status == "error");
    assert_eq!(failed.count(), 2);
    for request in spans.iter().filter(|span| span.kind == "client") {
        let name = request.attribute("locust.request_name");
        let parent = request.parent_span_id.as_deref();
        if name == "outside of tasks" || name == "given 01" {
            assert_eq!(parent, None, "{request:?}");
            continue;
        }
        let task =
            tasks.get(&(&*request.trace_id, parent.unwrap())).unwrap_or_else(|| panic!("no task above {request:?}"));
        assert_eq!(request.attribute("locust.user_class"), task.attribute("locust.user_class"));
    }
    // Those that the user read before they were used.
    let by_hand: BTreeMap<_, _> =
        named("by hand").iter().map(|span| (span.span_id.clone(), span.trace_id.clone())).collect();
    let mut sampled = 0;
    for event in lines.named("locust.tl.event.custom") {
        let header = event.telemetry["attributes"]["traceparent"].as_str().unwrap();
        let [_, trace_id, span_id, flags] = header.split('-').collect::<Vec<_>>()[..] else { panic!("{header}") };
        let kept = event.number("value") as u64 == 2;
        assert_eq!(by_hand.get(span_id).map(|id| &**id), (flags == "01" || kept).then_some(trace_id), "{event:?}");
        sampled += u64::from(flags == "01");
    }
    assert_eq!(named("ok").len(), sampled as usize);
}

/// Scenario: the plugin of this checkout and ltel, and between them a tap that records what the plugin writes; the recording is
/// then played to another ltel.
/// Guarantees: both say the same, and what the locustfile counts. So a recording holds all that a plugin says.
///
/// `RECORD=<file>` keeps the recording. The one of protocol 1 was made by this test where the plugin spoke that protocol, with
/// `RECORD=$PWD/tests/cases/recorded/v1.bin cargo nextest run -p ltel-tests -E 'test(what_the_plugin_writes)'`.
#[apply(e2e)]
fn what_the_plugin_writes() {
    let _turn = Turn::shared();
    let (scene, target) = (Scene::new(), Target::start());
    let mut ltel = scene.serve(&with_spans(&scene), &["--once"]);
    let tap = Tap::to(scene.socket(), scene.path("tap.sock"));
    let url = target.url();
    let locust = ["--headless", "-f", "sample.py", "-u2", "-r2", "--only-summary", "-H", &url];
    let mut locust = scene.start("locust", scene.locust_to(&tap.address(), locust));
    assert_eq!(locust.wait(SLOW), Exit::Code(1), "a test with failures: {}", locust.stderr());
    assert_eq!(ltel.wait(SOON), Exit::Code(0), "{}", ltel.stderr());
    let (lines, recording) = (scene.lines(), tap.bytes());
    lines.check_figures(&scene.witnessed());
    check(&lines);
    assert_eq!(said(&played(&recording)), said(&lines));
    if let Some(file) = env::var_os("RECORD") {
        fs::write(file, recording).unwrap();
    }
}

/// Scenario: what a plugin of protocol 1 has written.
/// Guarantees: figures, metrics, events, spans with their ids and parents: each is there as it was sent, and nothing is lost.
#[apply(e2e)]
fn a_plugin_of_protocol_1() {
    let lines = played(include_bytes!("../../cases/recorded/v1.bin"));
    check(&lines);
    // Ids, parents and all else of spans, and of what leads to a span.
    let traced: Vec<_> = said(&lines).into_iter().filter(|line| line.contains("\"trace_id\"")).collect();
    insta::assert_snapshot!(traced.join("\n"));
}
