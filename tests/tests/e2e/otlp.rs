//! Metrics by OTLP, to a receiver that does what real ones do on a bad day, and checks what the specification demands.

use std::collections::BTreeMap;
use std::time::Duration;

use ltel_core::wire::Encoding;
use ltel_tests::{
    Client, Deaf, Exit, Fault, FaultReceiver, Point, Process, SLOW, SOON, Scene, Turn, Value, config, otlp_backend,
    row, traced, until,
};
use rustix::process::Signal;

const SUCCESS: &str = "locust.tl.request.metric.success";
const PROTOCOLS: [&str; 2] = ["grpc", "http"];

/// Scenario: the receiver closes the connection without an answer, twice in the middle of a run.
/// Guarantees: ltel connects again; at the end the receiver has everything, and has it once.
#[apply(e2e)]
fn connections_that_are_closed() {
    let scene = Scene::new();
    let receiver = FaultReceiver::start(&scene);
    for protocol in PROTOCOLS {
        let scene = Scene::new();
        let backend = receiver.backend(protocol).replace("interval = \"1s\"", "interval = \"200ms\"");
        let mut ltel = scene.serve(&config(&scene, "", &backend), &["--once"]);
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
        client.start("run");
        client.requests(vec![row("some", 1.0, false); 10]);
        let exports = || successes(&receiver, protocol);
        until("an export", SOON, || (!exports().is_empty()).then_some(()));
        receiver.fault(Fault::Close, "metrics", 2);
        until("two that failed, and one after them", SOON, || {
            let attempts = receiver.requests_of("metrics", protocol);
            let closed: Vec<_> = (0..attempts.len()).filter(|n| attempts[*n].answer == "close").collect();
            (closed.len() == 2 && attempts.len() > closed[1] + 1).then_some(())
        });
        client.requests(vec![row("some", 1.0, false); 10]);
        client.finish();
        assert_eq!(ltel.wait(SOON), Exit::Code(0));
        let said = ltel.stderr();
        assert_eq!(receiver.histogram(protocol, SUCCESS, false).count, 20, "{protocol}: {said}");
        assert!(!said.contains("NOT delivered"), "{protocol}: {said}");
    }
}

/// Scenario: a run to a receiver that takes three seconds for each answer, over gRPC and over HTTP, beside a JSON file.
/// Guarantees: the file has its records each second as if there were no such receiver; both know in the end what Locust says.
#[apply(e2e)]
fn a_slow_receiver() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let receiver = FaultReceiver::start(&scene);
    receiver.fault(Fault::Slow(3.0), "", 1_000);
    let backends = receiver.backend("grpc") + &receiver.backend("http");
    let locust = ["--headless", "-f", "counting.py", "-u3", "-r3", "--only-summary", "--json-file", "figures"];
    let mut run = scene.start("run", scene.run(&config(&scene, "", &backends), locust));
    until("five records in the file", SLOW, || (scene.lines_so_far().stats("current").count() >= 5).then_some(()));
    run.signal(Signal::TERM);
    assert_eq!(run.wait(SLOW), Exit::Code(0));
    let (lines, figures) = (scene.lines(), scene.figures());
    lines.check_figures(&figures);
    let mut times: Vec<_> =
        lines.stats("current").map(|line| humantime::parse_rfc3339(&line.time).expect("a time")).collect();
    times.dedup();
    let mut gaps: Vec<_> = times.windows(2).map(|pair| pair[1].duration_since(pair[0]).unwrap_or_default()).collect();
    gaps.sort_unstable();
    assert!(gaps[gaps.len() / 2] < Duration::from_secs(2), "each second one: {gaps:?}");
    for protocol in PROTOCOLS {
        receiver.check_figures(protocol, &scene.witnessed());
        let exports = receiver.requests_of("metrics", protocol);
        assert!(exports.iter().all(|taken| taken.answer == "slow") && exports.len() > 1, "{}", exports.len());
    }
}

/// What is asked of the histograms of a backend.
#[derive(Clone, Copy, Debug)]
struct Wish {
    /// Whether a point counts since the one before it.
    delta: bool,
    /// Whether the buckets grow exponentially.
    exponential: bool,
}

const WISHES: [Wish; 2] = [Wish { delta: true, exponential: true }, Wish { delta: false, exponential: false }];

/// Scenario: temporality and kind of the histograms as the file says, against the environment.
/// Guarantees: the receiver gets what the file says.
#[apply(e2e)]
fn histograms_as_the_file_says() {
    for wish in WISHES {
        let file = |backend: &str| {
            let temporality = if wish.delta { "delta" } else { "cumulative" };
            let histograms = if wish.exponential { "exponential" } else { "explicit" };
            format!("{backend}temporality = \"{temporality}\"\nhistograms = \"{histograms}\"\n")
        };
        let against = Wish { delta: !wish.delta, exponential: !wish.exponential };
        two_intervals(file, &variables(against), wish);
    }
}

/// Scenario: the file leaves temporality and kind of the histograms open, and OpenTelemetry's variables say them.
/// Guarantees: the receiver gets what they say.
#[apply(e2e)]
fn histograms_as_the_environment_says() {
    for wish in WISHES {
        two_intervals(str::to_owned, &variables(wish), wish);
    }
}

fn variables(wish: Wish) -> [(&'static str, &'static str); 2] {
    let temporality = if wish.delta { "delta" } else { "cumulative" };
    let aggregation = if wish.exponential { "base2_exponential_bucket_histogram" } else { "explicit_bucket_histogram" };
    [
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", temporality),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", aggregation),
    ]
}

/// A run that is exported in its middle and at its end, over gRPC and over HTTP.
fn two_intervals(backend: impl Fn(&str) -> String, variables: &[(&str, &str)], wish: Wish) {
    let scene = Scene::new();
    let receiver = FaultReceiver::start(&scene);
    let backends = PROTOCOLS.map(|protocol| backend(&receiver.backend(protocol))).concat();
    let mut command = scene.server(&config(&scene, "", &backends), &["--once"]);
    command.envs(variables.iter().copied());
    let mut ltel: Process = scene.start("ltel", command);
    ltel.says("listening on", SOON);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    for exports in 1..=2 {
        client.requests((1..=10).map(|n| row("some", f64::from(n), false)).collect());
        client.acknowledged();
        until("an export over both", SOON, || {
            PROTOCOLS.iter().all(|p| successes(&receiver, p).len() >= exports).then_some(())
        });
    }
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    for protocol in PROTOCOLS {
        let points = successes(&receiver, protocol);
        // Deltas follow upon each other; an interval without any has no point. What is cumulative begins at the run's start.
        for pair in points.windows(2) {
            let follows = if wish.delta { pair[1].start >= pair[0].time } else { pair[1].start == pair[0].start };
            assert!(follows, "{protocol}: {pair:#?}");
        }
        assert!(points.iter().all(|point| point.delta == wish.delta), "{protocol}, {wish:?}: {points:#?}");
        let all = receiver.histogram(protocol, SUCCESS, wish.delta);
        assert_eq!((all.count, all.sum, all.min, all.max), (20, 110.0, 1.0, 10.0), "{protocol}, {wish:?}");
        let exponential = |point: &Point| matches!(&point.value, Value::Histogram(h) if h.exponential);
        assert!(points.iter().all(|point| exponential(point) == wish.exponential), "{protocol}, {wish:?}");
        check_counters(&receiver, protocol, wish);
    }
}

fn successes(receiver: &FaultReceiver, protocol: &str) -> Vec<Point> {
    receiver.points(protocol).into_iter().filter(|point| point.metric == SUCCESS).collect()
}

/// Counters have the same temporality; what they say of the run's events adds up either way.
fn check_counters(receiver: &FaultReceiver, protocol: &str, wish: Wish) {
    let mut events = BTreeMap::<_, f64>::new();
    for point in receiver.points(protocol).iter().filter(|point| point.metric == "locust.tl.event.test.events") {
        assert_eq!(point.delta, wish.delta, "{protocol}: {point:?}");
        let Value::Number(number) = point.value else { panic!("no number: {point:?}") };
        let sum = events.entry(point.attribute("event").to_owned()).or_default();
        *sum = if wish.delta { *sum + number } else { number };
    }
    let expected = ["start", "stop"].map(|event| (format!("locust.tl.event.test.{event}"), 1.0));
    assert_eq!(events, expected.into(), "{protocol}, {wish:?}");
}

/// Scenario: a receiver that takes its time, and refuses some requests for the moment, or closes their connection.
/// Guarantees: each request waits for the end of the one before it, with all its attempts; so the times in them never go
/// backwards, and a receiver that takes no point older than the last one of its resource takes all.
#[apply(e2e)]
fn requests_leave_in_the_order_of_their_time() {
    const DELAY: f64 = 0.05;
    for protocol in PROTOCOLS {
        let scene = Scene::new();
        let receiver = FaultReceiver::start(&scene);
        for (fault, times) in [
            (Fault::Slow(DELAY), 3),
            (Fault::Unavailable, 2),
            (Fault::Slow(DELAY), 2),
            (Fault::Close, 1),
            (Fault::Slow(DELAY), 1_000),
        ] {
            receiver.fault(fault, "metrics", times);
        }
        let backend = receiver.backend(protocol).replace("interval = \"1s\"", "interval = \"200ms\"");
        let mut ltel = scene.serve(&config(&scene, "", &format!("{backend}[recorders.http]\n")), &["--once"]);
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
        client.start("run");
        client.requests(vec![row("some", 1.0, false); 10]);
        let taken = || receiver.requests_of("metrics", protocol);
        until("requests after all faults", SOON, || {
            (taken().iter().filter(|taken| taken.answer == "slow").count() >= 20).then_some(())
        });
        client.finish();
        assert_eq!(ltel.wait(SOON), Exit::Code(0));
        assert!(!ltel.stderr().contains("WARN"), "{protocol}: {}", ltel.stderr());
        let taken = taken();
        for pair in taken.windows(2) {
            let apart = pair[1].time - pair[0].time;
            assert!(
                pair[0].answer != "slow" || apart >= DELAY,
                "{protocol}: {apart} s apart, while one was on its way"
            );
        }
        let accepted = taken.iter().filter(|taken| taken.is_accepted());
        let newest = accepted.map(|taken| taken.points().iter().map(|point| point.time).max().unwrap());
        let newest: Vec<_> = newest.collect();
        assert!(newest.is_sorted(), "{protocol}: {newest:?}");
    }
}

/// Scenario: receivers that accept connections and never answer, over gRPC and over HTTP, and the end of a run whose points are
/// six requests.
/// Guarantees: not each of them takes a timeout of its own; ltel ends by itself, and says what was lost.
#[apply(e2e)]
fn a_receiver_that_hangs_at_the_end() {
    let scene = Scene::new();
    let deaf = PROTOCOLS.map(|_| Deaf::silent());
    let backends =
        [("grpc", "grpc", deaf[0].port), ("http", "http/protobuf", deaf[1].port)].map(|(name, full, port)| {
            let backend = otlp_backend(name, full, port).replace("\"1s\"", "\"1h\"");
            format!("{backend}signals = [\"metrics\"]\ntimeout = \"6s\"\n")
        });
    let recorders = ["b", "c", "d"].map(|name| format!("[recorders.{name}]\ntype = \"requests\"\n"));
    let more = format!("{}[recorders.http]\n{}", backends.concat(), recorders.concat());
    let mut ltel = scene.serve(&config(&scene, "", &more), &[]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests(vec![row("some", 1.0, false); 10]);
    client.finish();
    // Otherwise they would know that ltel is to end, and be in a hurry anyway.
    until("final figures on their way", SOON, || deaf.iter().all(|deaf| deaf.accepted() > 0).then_some(()));
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SLOW), Exit::Code(1), "telemetry was lost");
    let said = ltel.stderr();
    assert!(!said.contains("given up"), "{said}");
    for name in PROTOCOLS {
        assert!(said.contains(&format!("backend `{name}`: final figures NOT delivered")), "{said}");
    }
}

/// Scenario: a receiver of its own for each signal, by gRPC, by HTTP with gzip, by HTTP without, two of them with a key of
/// their own: as the file says, and as OpenTelemetry's variables say.
/// Guarantees: each receiver gets its signal and no other, in the way that was asked for, with its own key.
#[apply(e2e)]
fn each_signal_in_its_own_way() {
    let outer = Scene::new();
    let [metrics, traces, logs] = [(); 3].map(|()| FaultReceiver::start(&outer));
    let at = |receiver: &FaultReceiver, protocol: &str| format!("http://127.0.0.1:{}", receiver.port(protocol));
    let (shared, own_traces) = (at(&metrics, "grpc"), format!("{}/v1/traces", at(&traces, "http")));
    let own_logs = format!("{}/v1/logs", at(&logs, "http"));
    let http = "protocol = \"http/protobuf\"";
    let file = format!(
        "[backends.otlp]\ntype = \"otlp\"\nprotocol = \"grpc\"\nendpoint = \"{shared}\"\nheaders = {{ x-key = \"all\" }}\n\
         [backends.otlp.traces]\nendpoint = \"{own_traces}\"\n{http}\ncompression = \"gzip\"\nheaders = {{ x-key = \"t\" }}\n\
         [backends.otlp.logs]\nendpoint = \"{own_logs}\"\n{http}\nheaders = {{ x-key = \"l\" }}\n"
    );
    let variables = [
        ("ENDPOINT", shared.as_str()),
        ("PROTOCOL", "grpc"),
        ("HEADERS", "x-key=all"),
        ("TRACES_ENDPOINT", &own_traces),
        ("TRACES_PROTOCOL", "http/protobuf"),
        ("TRACES_COMPRESSION", "gzip"),
        ("TRACES_HEADERS", "x-key=t"),
        ("LOGS_ENDPOINT", &own_logs),
        ("LOGS_PROTOCOL", "http/protobuf"),
        ("LOGS_HEADERS", "x-key=l"),
    ];
    let variables = variables.map(|(name, value)| (format!("OTEL_EXPORTER_OTLP_{name}"), value));
    for (backend, variables) in [(file.as_str(), &[][..]), ("[backends.otlp]\ntype = \"otlp\"\n", &variables[..])] {
        let scene = Scene::new();
        let mut command = scene.server(&config(&scene, "", &format!("{backend}[recorders.spans]\n")), &["--once"]);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let mut ltel = scene.start("ltel", command);
        ltel.says("listening on", SOON);
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
        client.start(if variables.is_empty() { "by-file" } else { "by-env" });
        client.requests((1..=10).map(|number| traced(number, "http://127.0.0.1/some")).collect());
        client.finish();
        assert_eq!(ltel.wait(SOON), Exit::Code(0));
        assert!(!ltel.stderr().contains("WARN"), "{}", ltel.stderr());
    }
    let expected = [
        (&metrics, ("metrics", "grpc", "identity", "all")),
        (&traces, ("traces", "http", "gzip", "t")),
        (&logs, ("logs", "http", "identity", "l")),
    ];
    for (receiver, way) in expected {
        let requests = receiver.requests();
        assert!(requests.len() >= 2, "{way:?}: of both runs");
        for taken in &requests {
            let key = taken.headers.get("x-key").map_or("", String::as_str);
            assert_eq!((taken.signal.as_str(), taken.protocol.as_str(), taken.encoding.as_str(), key), way);
            assert!(taken.violations.is_empty(), "{:?}", taken.violations);
        }
    }
    assert_eq!(traces.spans("http").len(), 20);
    assert_eq!(metrics.histogram("grpc", SUCCESS, false).count, 20, "of two runs");
}
