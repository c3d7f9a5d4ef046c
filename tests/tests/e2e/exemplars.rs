//! Exemplars, matched with the spans that were exported: in OTLP, and as a real Prometheus keeps them.

use std::collections::BTreeMap;

use ltel_tests::{
    Exemplar, Exit, FaultReceiver, Point, Prometheus, SLOW, Scene, Seen, Span, Target, Turn, config, free_port,
    prometheus_backend, until,
};
use rustix::process::Signal;

const SUCCESS: &str = "locust.tl.request.metric.success";
const ERROR: &str = "locust.tl.request.metric.error";

/// A finished run of `tracing.py`, all spans of which went to a receiver over HTTP.
struct Run {
    scene: Scene,
    receiver: FaultReceiver,
    prometheus: Option<Prometheus>,
    /// By trace and span ids.
    spans: BTreeMap<(String, String), Span>,
}

impl Run {
    /// With these options of the recorder of spans, and the backends that are made for a receiver.
    fn of(spans: &str, backends: impl FnOnce(&FaultReceiver) -> String, scraped: Option<u16>) -> Self {
        let (scene, target) = (Scene::new(), Target::start());
        let receiver = FaultReceiver::start(&scene);
        let config = config(&scene, "", &format!("{}[recorders.spans]\n{spans}\n", backends(&receiver)));
        let prometheus =
            scraped.map(|port| Prometheus::start_with(&scene, port, "1s", &["--enable-feature=exemplar-storage"]));
        let url = target.url();
        let mut command = scene.run(&config, ["--headless", "-f", "tracing.py", "-H", &url, "-u4", "-r10"]);
        // Port 1 refuses.
        command.env("REFUSING", "http://127.0.0.1:1");
        let mut run = scene.start("run", command);
        until("requests at the target", SLOW, || {
            assert_eq!(run.exit(), None, "Locust ended");
            (target.hits().len() >= 600).then_some(())
        });
        run.signal(Signal::TERM);
        assert_eq!(run.wait(SLOW), Exit::Code(1), "Locust's own exit code for a test with failures");
        let seen = Seen::of(&scene);
        let spans = receiver.spans("http").into_iter().map(|mut span| {
            // A span's times are right to microseconds, which is not enough to tell its bucket.
            let exact = match span.attribute("url.full").split_once("?n=") {
                Some((_, number)) => seen[number].response_time,
                None => 3.0,
            };
            assert!((span.duration_ms - exact).abs() < 0.01, "{span:?}");
            span.duration_ms = exact;
            ((span.trace_id.clone(), span.span_id.clone()), span)
        });
        let spans = spans.collect();
        Self { scene, receiver, prometheus, spans }
    }

    /// The points that a backend of this name has sent, with its histograms of response times only.
    fn points(&self, backend: &str) -> Vec<Point> {
        let requests = self.receiver.requests().into_iter().filter(|taken| {
            taken.is_accepted() && taken.signal == "metrics" && taken.headers["x-datadog-test-session-token"] == backend
        });
        let points = requests.flat_map(|taken| taken.points());
        points.filter(|point| [SUCCESS, ERROR].contains(&&*point.metric)).collect()
    }

    /// The span of an exemplar.
    fn span(&self, trace_id: &str, span_id: &str) -> &Span {
        let ids = (trace_id.to_owned(), span_id.to_owned());
        self.spans.get(&ids).unwrap_or_else(|| panic!("no span was exported with the ids {ids:?}"))
    }

    /// The spans of requests in a series and a bucket, in the order of their ends.
    fn in_bucket(&self, series: &Series, (above, most): (f64, f64)) -> Vec<&Span> {
        let within = |span: &&Span| above < span.duration_ms && span.duration_ms <= most;
        let mut spans: Vec<_> = self.spans.values().filter(|span| series_of(span) == *series).filter(within).collect();
        spans.sort_by_key(|span| span.end);
        spans
    }
}

/// What tells the series of one process apart: the metric, the endpoint, its method, its status.
type Series = [String; 4];

fn series_of(span: &Span) -> Series {
    let (method, endpoint) = span.name.split_once(' ').expect("a method and a name");
    let metric = if span.status == "error" { ERROR } else { SUCCESS };
    [metric, endpoint, method, span.attribute("http.response.status_code")].map(ToOwned::to_owned)
}

fn series_of_point(point: &Point) -> Series {
    [&point.metric, point.attribute("endpoint"), point.attribute("method"), point.attribute("status_code")]
        .map(ToOwned::to_owned)
}

/// Fails unless the exemplar says what its span says.
fn says_what_its_span_says(run: &Run, series: &Series, exemplar: &Exemplar) {
    let span = run.span(&exemplar.trace_id, &exemplar.span_id);
    assert_eq!(&series_of(span), series, "{exemplar:?}: {span:?}");
    assert!((exemplar.value - span.duration_ms).abs() < 1e-9, "{exemplar:?}: {span:?}");
    assert!(exemplar.time.abs_diff(span.end) < 1_000, "a microsecond: {exemplar:?}: {span:?}");
    assert!(exemplar.counted > 0, "{exemplar:?}");
}

/// Scenario: a run of both HTTP clients, every trace of which is sampled, to three backends: explicit buckets, exponential ones as deltas,
/// and one with `exemplars = false`.
/// Guarantees: each exemplar is a span that was exported, with its duration, its end and its series; a bucket has one per
/// collection, the latest that is counted in it, and each sampled bucket has one; the third backend has none.
#[apply(e2e)]
fn exemplars_are_exported_spans() {
    let _turn = Turn::shared();
    let backends = |receiver: &FaultReceiver| {
        let metrics = |name: &str| receiver.backend("http").replace("[backends.http]", &format!("[backends.{name}]"));
        let named = |name: &str| {
            metrics(name).replace("token = \"http\"", &format!("token = \"{name}\"")) + "signals = [\"metrics\"]\n"
        };
        receiver.backend("http")
            + &named("fine")
            + "histograms = \"exponential\"\ntemporality = \"delta\"\n"
            + &named("off")
            + "exemplars = false\n"
    };
    let run = Run::of("", backends, None);
    assert!(run.spans.len() > 400, "{}", run.spans.len());

    // Since all are sampled, the count of a bucket says which span was its latest.
    let mut last = BTreeMap::<_, Exemplar>::new();
    let (mut latest, mut all) = (0, 0);
    for point in run.points("http") {
        let series = series_of_point(&point);
        let mut before = f64::NEG_INFINITY;
        for exemplar in point.exemplars {
            says_what_its_span_says(&run, &series, &exemplar);
            assert!(exemplar.bucket.0 >= before, "one of each bucket: {exemplar:?}");
            before = exemplar.bucket.1;
            let spans = run.in_bucket(&series, exemplar.bucket);
            let place = spans.iter().position(|span| span.span_id == exemplar.span_id).expect("in its bucket") as u64;
            // Later: what was recorded while the points were read, or ended before one that was reported earlier.
            assert!(place + 1 >= exemplar.counted, "{exemplar:?}: the span number {place} of {series:?}");
            (latest, all) = (latest + u32::from(place + 1 == exemplar.counted), all + 1);
            let key = (series.clone(), exemplar.bucket.1.to_bits());
            if let Some(earlier) = last.insert(key, exemplar.clone()) {
                assert!(earlier.time < exemplar.time, "{earlier:?}, {exemplar:?}");
            }
        }
    }
    assert!(all > 20 && f64::from(latest) > 0.9 * f64::from(all), "{latest} of {all}");
    for ((series, _), exemplar) in &last {
        let spans = run.in_bucket(series, exemplar.bucket);
        assert_eq!(spans.last().map(|span| &span.span_id), Some(&exemplar.span_id), "the last of {series:?}");
    }
    let covered = |span: &&Span| {
        last.iter().any(|((series, _), exemplar)| {
            series == &series_of(span) && exemplar.bucket.0 < span.duration_ms && span.duration_ms <= exemplar.bucket.1
        })
    };
    let left_out: Vec<_> = run.spans.values().filter(|span| !covered(span)).collect();
    assert!(left_out.is_empty(), "buckets without an exemplar: {left_out:?}");

    let mut found = 0;
    for point in run.points("fine") {
        let mut before = f64::NEG_INFINITY;
        for exemplar in &point.exemplars {
            says_what_its_span_says(&run, &series_of_point(&point), exemplar);
            assert!(exemplar.bucket.0 >= before * (1.0 - 1e-9), "one of each bucket: {exemplar:?}");
            before = exemplar.bucket.1;
            found += 1;
        }
    }
    assert!(found > all, "finer buckets have more: {found}");
    let off = run.points("off");
    assert!(!off.is_empty() && off.iter().all(|point| point.exemplars.is_empty()));
    assert_eq!(run.scene.lines().report().telemetry["complete"], true);
}

/// Scenario: half of the traces are sampled, and a Prometheus that keeps exemplars scrapes ltel until its end.
/// Guarantees: each exemplar that it has kept is a span that was exported, in its bucket, with its duration and its end; and of each
/// bucket with a sampled request it has the latest.
#[apply(e2e)]
fn a_prometheus_keeps_exemplars() {
    let _turn = Turn::shared();
    let port = free_port();
    let backends = |receiver: &FaultReceiver| receiver.backend("http") + &prometheus_backend(port, "");
    let run = Run::of("ratio = 0.5\nkeep = { failures = false }", backends, Some(port));
    let prometheus = run.prometheus.as_ref().expect("it was started");

    let mut kept = BTreeMap::<_, Vec<f64>>::new();
    for metric in [SUCCESS, ERROR] {
        let bounds: Vec<_> =
            run.points("http").iter().flat_map(|point| point.exemplars.clone()).map(|e| e.bucket).collect();
        let name = format!("{}_milliseconds_bucket", metric.replace('.', "_"));
        for exemplar in prometheus.exemplars(&name) {
            assert_eq!(exemplar.labels.keys().collect::<Vec<_>>(), ["span_id", "trace_id"], "{exemplar:?}");
            let span = run.span(&exemplar.labels["trace_id"], &exemplar.labels["span_id"]);
            let label = |name: &str| exemplar.series.get(name).cloned().unwrap_or_default();
            let series = [metric.to_owned(), label("endpoint"), label("method"), label("status_code")];
            assert_eq!(series_of(span), series, "{exemplar:?}: {span:?}");
            assert!((exemplar.value - span.duration_ms).abs() < 1e-9, "{exemplar:?}: {span:?}");
            assert!((exemplar.time - span.end as f64 / 1e9).abs() < 2e-3, "{exemplar:?}: {span:?}");
            let le: f64 = label("le").parse().expect("a bound");
            let bucket = bounds.iter().find(|(above, most)| *above < exemplar.value && exemplar.value <= *most);
            assert_eq!(bucket.expect("a bucket that OTLP has too").1.to_bits(), le.to_bits(), "{exemplar:?}");
            kept.entry((series, bucket.map(|(above, most)| (above.to_bits(), most.to_bits()))))
                .or_default()
                .push(exemplar.time);
        }
    }
    assert!(kept.len() > 10, "{kept:?}");
    for ((series, bucket), times) in kept {
        let (above, most) = bucket.expect("checked above");
        let spans = run.in_bucket(&series, (f64::from_bits(above), f64::from_bits(most)));
        let last = spans.last().expect("one").end as f64 / 1e9;
        assert!(times.iter().any(|time| (time - last).abs() < 2e-3), "the last of {series:?}: {last}, {times:?}");
    }
}
