//! Points, spans and log records when a receiver fails, over gRPC and over HTTP.

use std::collections::BTreeSet;

use ltel_core::event::UserError;
use ltel_core::wire::{Encoding, Message};
use ltel_tests::{
    Client, Exit, Fault, FaultReceiver, SLOW, SOON, Scene, Span, Taken, config, free_port, ids, otlp_backend, traced,
};

const PROTOCOLS: [&str; 2] = ["grpc", "http"];

/// The signals, and the items of each that are sent at the end of a run of ten requests: a histogram's point, the spans, the
/// run report.
const SIGNALS: [(&str, u64); 3] = [("metrics", 2), ("traces", 10), ("logs", 1)];

/// What became of the one request that a run has for a receiver.
struct Outcome {
    /// What the receiver was sent, attempt by attempt, the same each time.
    attempts: Vec<Taken>,
    /// What ltel said.
    exit: Exit,
    said: String,
}

impl Outcome {
    fn answers(&self) -> Vec<&str> {
        self.attempts.iter().map(|taken| taken.answer.as_str()).collect()
    }

    /// Seconds from each attempt to the next.
    fn waited(&self) -> Vec<f64> {
        self.attempts.windows(2).map(|pair| pair[1].time - pair[0].time).collect()
    }
}

/// A run of ten requests whose first `times` attempts to deliver meet a fault, for each signal by each protocol.
fn each(fault: Fault<'_>, times: u32, check: impl Fn(&str, &str, Outcome)) {
    each_with("", fault, times, check);
}

/// The same with more options of the backend.
fn each_with(options: &str, fault: Fault<'_>, times: u32, check: impl Fn(&str, &str, Outcome)) {
    let scene = Scene::new();
    let receiver = FaultReceiver::start(&scene);
    for protocol in PROTOCOLS {
        for (signal, items) in SIGNALS {
            let before = receiver.requests().len();
            receiver.fault(fault, signal, times);
            let (exit, said) = run(&receiver, protocol, signal, options);
            let attempts = receiver.requests().split_off(before);
            for taken in &attempts {
                let seen = (taken.signal.as_str(), taken.protocol.as_str(), taken.items, &taken.digest);
                assert_eq!(seen, (signal, protocol, items, &attempts[0].digest), "one request: {said}");
                assert!(taken.violations.is_empty(), "{:?}", taken.violations);
            }
            check(protocol, signal, Outcome { attempts, exit, said });
        }
    }
}

fn run(receiver: &FaultReceiver, protocol: &str, signal: &str, options: &str) -> (Exit, String) {
    let scene = Scene::new();
    let backend = receiver.backend(protocol).replace("\"1s\"", "\"1h\"");
    let config = config(&scene, "", &format!("{backend}signals = [\"{signal}\"]\ninternal_metrics = false\n{options}"));
    // One recorder with points, one with spans, none with records: those are sent as they come.
    let config = ["lifecycle", "stats", "users", "system"]
        .iter()
        .fold(config + "[recorders.spans]\n", |config, name| config.replace(&format!("[recorders.{name}]\n"), ""))
        .replace("[backends.file]", "[backends.file]\nspans = true");
    let mut ltel = scene.serve(&config, &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests((1..=10).map(|number| traced(number, "http://127.0.0.1/some")).collect());
    client.finish();
    let exit = ltel.wait(SOON);
    assert_eq!(scene.lines().report().count("recorded"), 10);
    (exit, ltel.stderr())
}

/// Scenario: the receiver answers 429, or `RESOURCE_EXHAUSTED`, and asks for a retry after a second.
/// Guarantees: ltel waits that long, and resends the same request once.
#[apply(e2e)]
fn throttled() {
    each(Fault::Throttle(1), 1, |protocol, signal, outcome| {
        assert_eq!(outcome.exit, Exit::Code(0), "{protocol}, {signal}: {}", outcome.said);
        assert_eq!(outcome.answers(), ["throttle", "accept"], "{protocol}, {signal}: {}", outcome.said);
        let waited = outcome.waited()[0];
        assert!((1.0..4.0).contains(&waited), "{protocol}, {signal}: tried again after {waited} s");
        assert!(!outcome.said.contains("WARN"), "{protocol}, {signal}: {}", outcome.said);
    });
}

/// Scenario: the receiver asks for a retry after a minute, but the timeout for all attempts is eight seconds.
/// Guarantees: ltel gives up at once, and reports what was lost.
#[apply(e2e)]
fn throttled_for_too_long() {
    each_with("timeout = \"8s\"\n", Fault::Throttle(60), 1, |protocol, signal, outcome| {
        assert_eq!(outcome.exit, Exit::Code(1), "{protocol}, {signal}: {}", outcome.said);
        let said = &outcome.said;
        assert_eq!(outcome.answers(), ["throttle"], "{protocol}, {signal}: {said}");
        assert!(said.contains(&lost(signal)), "{said}");
    });
}

/// Scenario: the receiver answers 503, or `UNAVAILABLE`, three times, without a time for the retry.
/// Guarantees: ltel waits longer before each attempt, and resends the same request until it is accepted.
#[apply(e2e)]
fn unavailable_for_a_while() {
    each(Fault::Unavailable, 3, |protocol, signal, outcome| {
        assert_eq!(outcome.exit, Exit::Code(0), "{protocol}, {signal}: {}", outcome.said);
        let expected = ["unavailable", "unavailable", "unavailable", "accept"];
        assert_eq!(outcome.answers(), expected, "{protocol}, {signal}: {}", outcome.said);
        let waited = outcome.waited();
        // Doubled each time, with a jitter of a tenth of a second.
        assert!(waited[0] >= 0.1 && waited[1] >= 0.2 && waited[2] >= 0.4, "{protocol}, {signal}: {waited:?}");
        assert!(!outcome.said.contains("WARN"), "{protocol}, {signal}: {}", outcome.said);
    });
}

/// Scenario: the receiver answers 400, or `INVALID_ARGUMENT`, and why.
/// Guarantees: ltel does not retry, and reports what was lost with the receiver's message.
#[apply(e2e)]
fn refused_for_good() {
    each(Fault::Reject("no-such-tenant"), 1, |protocol, signal, outcome| {
        assert_eq!(outcome.exit, Exit::Code(1), "{protocol}, {signal}: {}", outcome.said);
        let said = &outcome.said;
        assert_eq!(outcome.answers(), ["reject"], "{protocol}, {signal}: {said}");
        let why = if protocol == "grpc" { "InvalidArgument: no-such-tenant" } else { "400: no-such-tenant" };
        assert!(said.contains(&format!("export of {signal} to http://127.0.0.1:")) && said.contains(why), "{said}");
        assert!(said.contains(&lost(signal)), "{said}");
    });
}

/// Scenario: the receiver accepts all items but one, and says why.
/// Guarantees: ltel resends nothing, and reports how many were rejected, and why.
#[apply(e2e)]
fn taken_in_part() {
    each(Fault::Partial(1, "too-old"), 1, |protocol, signal, outcome| {
        assert_eq!(outcome.exit, Exit::Code(1), "{protocol}, {signal}: {}", outcome.said);
        let said = &outcome.said;
        assert_eq!(outcome.answers(), ["partial"], "{protocol}, {signal}: {said}");
        assert!(said.contains(&format!("the receiver rejected 1 of {}: too-old", items(signal))), "{said}");
        assert!(said.contains("rejected by the receiver"), "{said}");
    });
}

/// Scenario: the receiver closes the connection without an answer, twice.
/// Guarantees: ltel reconnects, and resends the same request until it is accepted.
#[apply(e2e)]
fn connections_that_are_closed() {
    each(Fault::Close, 2, |protocol, signal, outcome| {
        assert_eq!(outcome.exit, Exit::Code(0), "{protocol}, {signal}: {}", outcome.said);
        assert_eq!(outcome.answers(), ["close", "close", "accept"], "{protocol}, {signal}: {}", outcome.said);
        assert!(!outcome.said.contains("WARN"), "{protocol}, {signal}: {}", outcome.said);
    });
}

/// What ltel says of a signal whose one export failed for good. Of metrics these are the final figures.
fn lost(signal: &str) -> String {
    let what = if signal == "metrics" { "final figures NOT delivered" } else { "1 failed export" };
    format!("{what} ({})", items(signal))
}

/// As ltel counts them.
fn items(signal: &str) -> &'static str {
    match signal {
        "metrics" => "2 points",
        "traces" => "10 spans",
        _ => "1 record",
    }
}

/// Scenario: six hundred spans with urls of 10 kB, and six hundred records with tracebacks of 8 kB: 11 MB in all.
/// Guarantees: all of them arrive as they are, in requests that are smaller than the 4 MiB that receivers take.
#[apply(e2e)]
fn requests_are_of_a_bounded_size() {
    let scene = Scene::new();
    let receiver = FaultReceiver::start(&scene);
    let backends = receiver.backend("grpc") + &receiver.backend("http") + "compression = \"gzip\"\n";
    let config = config(&scene, "", &format!("[recorders.spans]\n[recorders.failures]\n{backends}"));
    let mut ltel = scene.serve(&config, &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    let url = format!("http://127.0.0.1/{}", "long".repeat(1_000));
    for first in (1..1_500).step_by(100) {
        client.requests((first..first + 100).map(|number| traced(number, &url)).collect());
        client.acknowledged();
    }
    for number in 0..300 {
        let (user, error) = ("User".to_owned(), format!("Exception: {number}"));
        let traceback = "line\n".repeat(1_600);
        client.send(Message::from(UserError { time: 1_700_000_000.0, user, error, traceback, ..UserError::default() }));
    }
    client.acknowledged();
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    let said = ltel.stderr();
    assert!(!said.contains("WARN"), "{said}");
    let requests = receiver.requests();
    for protocol in PROTOCOLS {
        let spans = receiver.spans(protocol);
        assert_eq!(ids(&spans).len(), 1_500, "{protocol}");
        assert!(spans.iter().all(|span| span.attribute("url.full") == url), "{protocol}");
        let records = receiver.log_records(protocol);
        let of_users = records.iter().filter(|log| log.event_name == "locust.tl.event.user.error");
        // When it is first seen, and at the end.
        assert_eq!(of_users.count(), 600, "{protocol}");
        for (signal, smallest) in [("traces", 6_000_000), ("logs", 4_800_000)] {
            let sizes: Vec<_> = requests
                .iter()
                .filter(|taken| taken.protocol == protocol && taken.signal == signal)
                .map(|taken| taken.size)
                .collect();
            assert!(sizes.iter().sum::<u64>() > smallest, "{protocol}, {signal}: {sizes:?}");
            assert!(sizes.iter().all(|size| *size < 4 << 20), "{protocol}, {signal}: {sizes:?}");
        }
    }
}

/// Scenario: receivers that take 64 KB and 1 MB at a time, which ltel does not know; and one to which it is told. Eight hundred series
/// with long names, and as many spans. Guarantees: all of it arrives.
#[apply(e2e)]
fn receivers_that_take_less() {
    for (limit, options) in [(64_000, ""), (1_000_000, ""), (1_000_000, "max_request_bytes = \"900KB\"\n")] {
        let scene = Scene::new();
        let receiver = FaultReceiver::start_with_limit(&scene, limit);
        let backends = receiver.backend("grpc") + options + &receiver.backend("http") + options;
        // Its final points only.
        let backends = backends.replace("\"1s\"", "\"1h\"");
        let config = config(&scene, "", &format!("[recorders.spans]\n[recorders.http]\n{backends}"));
        let mut ltel = scene.serve(&config, &["--once"]);
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
        client.start("run");
        for first in (1..800).step_by(100) {
            let rows = (first..first + 100).map(|number| {
                let mut row = traced(number, "http://127.0.0.1/some");
                row.name = format!("/{}/{number}", "long".repeat(200)).into();
                row
            });
            client.requests(rows.collect());
            client.acknowledged();
        }
        client.finish();
        let exit = ltel.wait(SLOW);
        let said = ltel.stderr();
        assert_eq!(exit, Exit::Code(0), "{limit}: {said}");
        assert_eq!(said.contains("does not take a request of"), options.is_empty(), "{limit}: {said}");
        let requests = receiver.requests();
        for protocol in PROTOCOLS {
            let of = |signal: &'static str| {
                requests.iter().filter(move |taken| taken.signal == signal && taken.protocol == protocol)
            };
            let spans: u64 = of("traces").filter(|taken| taken.is_accepted()).map(|taken| taken.items).sum();
            assert_eq!(spans, 800, "{limit}, {protocol}: {said}");
            let points = of("metrics").filter(|taken| taken.is_accepted()).flat_map(Taken::points);
            let routes = points.filter(|point| point.metric == "http.client.request.duration");
            let routes: BTreeSet<_> =
                routes.filter_map(|point| point.attributes.get("url.template").cloned()).collect();
            assert_eq!(routes.len(), 800, "{limit}, {protocol}: {said}");
        }
    }
}

/// Scenario: a run to a receiver of JSON, which accepts one item less than it gets. Guarantees: it gets what one of protobuf gets, and
/// ltel knows what it has rejected.
#[apply(e2e)]
fn by_json() {
    let scene = Scene::new();
    let receiver = FaultReceiver::start(&scene);
    let backends = receiver.backend("grpc") + &receiver.json_backend();
    let mut ltel = scene.serve(&config(&scene, "", &format!("[recorders.spans]\n{backends}")), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests((1..=10).map(|number| traced(number, "http://127.0.0.1/some")).collect());
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(0), "{}", ltel.stderr());
    assert!(
        receiver.requests_of("traces", "http").iter().all(|taken| taken.headers["content-type"] == "application/json")
    );
    let [over_grpc, by_json] = PROTOCOLS.map(|protocol| receiver.spans(protocol));
    assert_eq!((ids(&over_grpc), by_json.len()), (ids(&by_json), 10));
    assert_eq!(by_json[0].attributes, over_grpc[0].attributes);
    let counts =
        PROTOCOLS.map(|protocol| receiver.histogram(protocol, "locust.tl.request.metric.success", false).count);
    assert_eq!(counts, [10, 10]);
    assert_eq!(receiver.log_records("http").len(), receiver.log_records("grpc").len());

    receiver.fault(Fault::Partial(1, "too-old"), "traces", 1);
    let backend = receiver.json_backend() + "signals = [\"traces\"]\n[recorders.spans]\n";
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", &backend), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests((1..=10).map(|number| traced(number, "http://127.0.0.1/some")).collect());
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(1));
    assert!(ltel.stderr().contains("the receiver rejected 1 of 10 spans: too-old"), "{}", ltel.stderr());
}

/// Scenario: a receiver that takes two seconds for each answer, and three thousand spans at once for a backend in whose
/// queue there is room for a hundred.
/// Guarantees: what has no room is dropped and counted: spans that were delivered and those that were dropped are all
/// there were. The JSON file beside it has all.
#[apply(e2e)]
fn more_spans_than_there_is_room_for() {
    for protocol in PROTOCOLS {
        let scene = Scene::new();
        let receiver = FaultReceiver::start(&scene);
        receiver.fault(Fault::Slow(2.0), "traces", 100);
        let backend = receiver.backend(protocol) + "queue = 100\n[recorders.spans]\n";
        let config = config(&scene, "", &backend).replace("[backends.file]", "[backends.file]\nspans = true");
        let mut ltel = scene.serve(&config, &["--once"]);
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
        client.start("run");
        for first in (1..3_000).step_by(50) {
            client.requests((first..first + 50).map(|number| traced(number, "http://127.0.0.1/some")).collect());
        }
        client.finish();
        assert_eq!(ltel.wait(SOON), Exit::Code(1));
        let said = ltel.stderr();
        assert_eq!(ids(&Span::of_lines(&scene.lines())).len(), 3_000, "{said}");
        let dropped: usize = said
            .split_once(" spans dropped (queue full)")
            .and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok())
            .unwrap_or_else(|| panic!("no count of what was dropped: {said}"));
        let delivered = ids(&receiver.spans(protocol)).len();
        assert_eq!((dropped > 0, delivered + dropped), (true, 3_000), "{protocol}: {said}");
    }
}

/// Scenario: a receiver that refuses connections, and more spans than its backend's queue holds, when ltel is to end.
/// Guarantees: ltel does not try each of them for as long as a single one; every span is counted as failed or dropped, and ltel
/// ends with 1.
#[apply(e2e)]
fn a_full_queue_for_nobody() {
    let scene = Scene::new();
    let backend = otlp_backend("dead", "grpc", free_port());
    let backend = format!("{backend}timeout = \"8s\"\nsignals = [\"traces\"]\n[recorders.spans]\n");
    let mut ltel = scene.serve(&config(&scene, "", &backend), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    for first in (1..30_000).step_by(1_000) {
        client.requests((first..first + 1_000).map(|number| traced(number, "http://127.0.0.1/some")).collect());
    }
    client.finish();
    assert_eq!(ltel.wait(SLOW), Exit::Code(1));
    let said = ltel.stderr();
    assert!(!said.contains("did not finish"), "{said}");
    let count = |before: &str, after: &str| -> u64 {
        let count = said.split_once(after).and_then(|(text, _)| text.rsplit(before).next());
        count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count before `{after}`: {said}"))
    };
    let (failed, dropped) = (count("(", " spans)"), count(" ", " spans dropped (queue full)"));
    assert_eq!((failed > 0, failed + dropped), (true, 30_000), "{said}");
}
