//! Traces: what the system under test was sent, what the user's code saw, and what is exported, request by request.

use std::collections::{BTreeMap, BTreeSet};

use ltel_tests::{Exit, Hit, SLOW, Scene, Seen, Span, Target, Turn, config, free_port, ids, until};
use rustix::process::Signal;

/// A finished run of `tracing.py`, whose spans are in the JSON file.
struct Run {
    scene: Scene,
    seen: BTreeMap<String, Seen>,
    hits: BTreeMap<String, Vec<Hit>>,
    spans: Vec<Span>,
}

impl Run {
    /// With these options of the recorder, and more arguments of Locust. It ends when the target has had so many requests.
    fn of(spans: &str, locust: &[&str], enough: usize) -> Self {
        let scene = Scene::new();
        let target = Target::start();
        let config = config(&scene, "", &format!("[recorders.spans]\n{spans}\n"))
            .replace("[backends.file]", "[backends.file]\nspans = true");
        let url = target.url();
        let fixed = ["--headless", "-f", "tracing.py", "-H", &url, "--only-summary", "--json-file", "figures"];
        let mut command = scene.run(&config, fixed.iter().chain(locust));
        // Port 1 refuses.
        command.env("REFUSING", "http://127.0.0.1:1");
        let mut run = scene.start("run", command);
        until("requests at the target", SLOW, || {
            assert_eq!(run.exit(), None, "Locust ended");
            (target.hits().len() >= enough).then_some(())
        });
        run.signal(Signal::TERM);
        assert_eq!(run.wait(SLOW), Exit::Code(1), "Locust's own exit code for a test with failures");
        let mut hits = BTreeMap::<_, Vec<_>>::new();
        for hit in target.hits() {
            hits.entry(number(&hit.path).to_owned()).or_default().push(hit);
        }
        let spans = Span::of_lines(&scene.lines());
        Self { seen: Seen::of(&scene), hits, spans, scene }
    }

    /// Requests, as the witness in each Locust process counted them.
    fn requests(&self) -> u64 {
        self.scene.witnessed().total().requests
    }

    /// The spans of numbered requests, by number; fails if two have the same.
    fn numbered(&self) -> BTreeMap<&str, &Span> {
        let mut numbered = BTreeMap::new();
        for span in &self.spans {
            if span.kind == "client" && !span.attribute("url.full").is_empty() {
                let former = numbered.insert(number(span.attribute("url.full")), span);
                assert!(former.is_none(), "two spans of one request: {span:?}, {former:?}");
            }
        }
        numbered
    }

    /// What came over the wire with the first hop of a request.
    fn sent(&self, number: &str) -> &str {
        let first = &self.hits[number][0];
        assert_eq!(first.traceparents.len(), 1, "one header: {first:?}");
        &first.traceparents[0]
    }
}

/// The number of a request in its url.
fn number(url: &str) -> &str {
    url.split_once("?n=").unwrap_or_else(|| panic!("no number in {url}")).1
}

/// Scenario: a run of both HTTP clients with every trace sampled: redirects, failures of each kind, requests that are
/// renamed or judged by the user, a refused connection, events fired by hand.
/// Guarantees: each request has one span. The ids that the target was sent, that the user's code read in the answer, and of
/// the span are the same; the span says what Locust's event says.
#[apply(e2e)]
fn every_request_is_traced() {
    let _turn = Turn::shared();
    all_traced(&Run::of("", &["-u4", "-r10"], 400));
}

/// Scenario: the same with a master and two workers that share a locustfile.
/// Guarantees: the same, and no two processes make the same ids.
#[apply(e2e)]
fn every_request_of_every_worker_is_traced() {
    let _turn = Turn::shared();
    let port = free_port();
    let (bind, connect) = (format!("--master-bind-port={port}"), format!("--master-port={port}"));
    let run = Run::of("", &["--processes=2", "--master-bind-host=127.0.0.1", &bind, &connect, "-u4", "-r10"], 400);
    let sources: BTreeSet<_> = run.spans.iter().map(|span| span.attribute("locust.source_id")).collect();
    assert_eq!(sources, ["worker-0", "worker-1"].into());
    all_traced(&run);
}

fn all_traced(run: &Run) {
    assert_eq!(run.spans.len() as u64, run.requests(), "a span for each request");
    ids(&run.spans);
    let spans = run.numbered();
    let expected: Vec<_> = run.seen.keys().map(String::as_str).collect();
    assert_eq!(spans.keys().copied().collect::<Vec<_>>(), expected, "each numbered request has its span");
    let mut kinds = BTreeMap::<_, u64>::new();
    for (number, seen) in &run.seen {
        let span = spans[number.as_str()];
        *kinds.entry((seen.user.as_str(), seen.kind.as_str())).or_default() += 1;
        says_what_locust_says(span, seen);
        if seen.kind == "refused" {
            assert!(!run.hits.contains_key(number), "{seen:?}");
            continue;
        }
        let (trace_id, span_id, flags) = seen.ids();
        assert_eq!(run.sent(number), seen.traceparent, "{seen:?}");
        assert_eq!((trace_id, span_id, flags), (span.trace_id.as_str(), span.span_id.as_str(), "01"), "{seen:?}");
        assert_eq!(span.parent_span_id, None, "{span:?}");
        // Each hop of a redirect is the same request.
        assert_eq!(run.hits[number].len(), if seen.kind == "moved" { 2 } else { 1 }, "{seen:?}");
        assert!(run.hits[number].iter().all(|hit| hit.traceparents == [seen.traceparent.as_str()]), "{seen:?}");
    }
    // Each kind by each client, or the run was none of what the scenario says.
    for user in ["Slow", "Fast"] {
        let all = ["plain", "renamed", "slow", "missing", "broken", "refused", "judged", "forgiven", "moved"];
        for kind in all.into_iter().chain(["not followed", "given"]) {
            assert!(kinds.contains_key(&(user, kind)), "{user}: {kind}: {kinds:?}");
        }
    }
    let by_hand = run.spans.iter().filter(|span| span.attribute("locust.request_type") == "HAND");
    let by_hand: Vec<_> = by_hand.collect();
    assert!(!by_hand.is_empty() && by_hand.iter().all(|span| span.name == "HAND by hand"), "{by_hand:?}");
    assert_eq!(run.spans.len(), run.seen.len() + by_hand.len());
}

fn says_what_locust_says(span: &Span, seen: &Seen) {
    assert_eq!(span.name, format!("{} {}", seen.method, seen.name));
    assert_eq!((span.kind.as_str(), span.attribute("locust.user_class")), ("client", seen.user.as_str()));
    assert_eq!(span.status, if seen.failed { "error" } else { "unset" }, "{seen:?}: {span:?}");
    assert!((span.duration_ms - seen.response_time).abs() < 0.01, "{seen:?}: {span:?}");
    let status = match seen.kind.as_str() {
        "missing" | "forgiven" => "404",
        "broken" => "500",
        "not followed" => "302",
        "refused" => "",
        _ => "200",
    };
    assert_eq!(span.attribute("http.response.status_code"), status, "{seen:?}: {span:?}");
}

/// Scenario: a tenth of all traces is sampled, and nothing else is kept.
/// Guarantees: the flag that the target was sent says whether there is a span, request by request.
#[apply(e2e)]
fn a_tenth_is_sampled() {
    let _turn = Turn::shared();
    let run = Run::of("ratio = 0.1\nkeep = { failures = false }", &["-u6", "-r10"], 800);
    let spans = run.numbered();
    let (mut sampled, mut own) = (0.0, 0.0);
    for (number, seen) in &run.seen {
        if seen.kind == "refused" {
            continue;
        }
        let (trace_id, _, flags) = seen.ids();
        assert_eq!(run.sent(number), seen.traceparent, "{seen:?}");
        assert_eq!(spans.contains_key(number.as_str()), flags == "01", "{seen:?}");
        if seen.kind != "given" {
            own += 1.0;
            sampled += if flags == "01" { 1.0 } else { 0.0 };
            // As OpenTelemetry's sampler decides, so that one in the target comes to the same answer.
            let lower = u64::from_str_radix(&trace_id[16..], 16).unwrap();
            assert_eq!(lower < u64::MAX / 10, flags == "01", "{seen:?}");
        }
    }
    let share: f64 = sampled / own;
    assert!(own > 500.0 && (0.03..0.2).contains(&share), "{sampled} of {own} sampled");
}

/// Scenario: no trace is sampled, but failures are kept, and what takes longer than 25 ms.
/// Guarantees: those have spans, with the ids that the target was sent as not sampled; no other request has one.
#[apply(e2e)]
fn what_is_kept() {
    let _turn = Turn::shared();
    let run = Run::of("ratio = 0.0\nkeep = { failures = true, slower_than = \"25ms\" }", &["-u4", "-r10"], 400);
    let spans = run.numbered();
    for (number, seen) in run.seen.iter().filter(|(_, seen)| seen.kind != "given") {
        let span = spans.get(number.as_str());
        assert_eq!(span.is_some(), seen.failed || seen.response_time > 25.0, "{seen:?}");
        if seen.kind != "refused" {
            let (trace_id, span_id, flags) = seen.ids();
            assert_eq!(flags, "00", "{seen:?}");
            if let Some(span) = span {
                assert_eq!((trace_id, span_id), (span.trace_id.as_str(), span.span_id.as_str()), "{seen:?}");
            }
        }
    }
    let kinds: BTreeSet<_> = spans.keys().map(|number| run.seen[*number].kind.as_str()).collect();
    assert!(["missing", "broken", "refused", "judged", "slow"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
}

/// Scenario: a `traceparent` that the user has set on a request.
/// Guarantees: the target is sent that one and no other, and the span has its ids.
#[apply(e2e)]
fn what_the_user_has_set_stays() {
    let _turn = Turn::shared();
    let run = Run::of("ratio = 0.0\nkeep = { failures = false }", &["-u2", "-r10"], 200);
    let given: Vec<_> = run.seen.iter().filter(|(_, seen)| seen.kind == "given").collect();
    assert!(!given.is_empty());
    let spans = run.numbered();
    for (number, seen) in &given {
        assert_eq!(run.sent(number), seen.traceparent);
        let (trace_id, span_id, flags) = seen.ids();
        let span = spans[number.as_str()];
        assert_eq!((trace_id, span_id, flags), (span.trace_id.as_str(), span.span_id.as_str(), "01"), "{seen:?}");
    }
    assert_eq!(spans.len(), given.len(), "sampled as the user says, and nothing else");
}

/// Scenario: tasks are traced.
/// Guarantees: the requests of one execution of a task share its trace and have its span for a parent, which is exported; no
/// two executions share one. Requests outside of a task are roots. An exception that ended a task leads to its span.
#[apply(e2e)]
fn tasks_are_traced() {
    let _turn = Turn::shared();
    let run = Run::of("tasks = true\n[recorders.failures]", &["-u4", "-r10"], 400);
    let spans = run.numbered();
    let tasks: BTreeMap<_, _> = run
        .spans
        .iter()
        .filter(|span| span.kind == "internal")
        .map(|span| ((span.trace_id.as_str(), span.span_id.as_str()), span))
        .collect();
    let requests = run.spans.iter().filter(|span| span.kind == "client").count();
    assert_eq!(requests as u64, run.requests(), "a span for each request");
    let mut by_execution = BTreeMap::<_, BTreeSet<_>>::new();
    for (number, seen) in run.seen.iter().filter(|(_, seen)| seen.kind != "given") {
        let span = spans[number.as_str()];
        let parent = span.parent_span_id.as_deref();
        let Some(execution) = &seen.execution else {
            assert_eq!(parent, None, "{seen:?}");
            continue;
        };
        let key = (span.trace_id.as_str(), parent.unwrap_or_else(|| panic!("no parent: {seen:?}")));
        by_execution.entry(execution).or_default().insert(key);
        // A user that is killed at the end of the run has no end of its task to tell of.
        let task = tasks.get(&key).unwrap_or_else(|| panic!("no task above {span:?}"));
        assert_eq!((task.attribute("locust.user_class"), &task.parent_span_id), (seen.user.as_str(), &None));
        assert!(["plain", "failing", "judged", "moved", "raising"].contains(&task.name.as_str()), "{task:?}");
        if seen.kind != "refused" {
            assert_eq!(seen.ids(), (span.trace_id.as_str(), span.span_id.as_str(), "01"), "{seen:?}");
        }
    }
    let executions: BTreeSet<_> = by_execution.values().inspect(|keys| assert_eq!(keys.len(), 1)).collect();
    assert_eq!(executions.len(), by_execution.len(), "no two executions share a task's span");
    assert!(executions.len() > 20, "{}", executions.len());

    let lines = run.scene.lines();
    let errors: Vec<_> = lines.named("locust.tl.event.user.error").filter(|line| line.is("report", "first")).collect();
    assert_eq!(errors.len(), 2, "one of each class of user");
    for error in errors {
        let task = tasks[&(error.text("trace_id"), error.text("span_id"))];
        assert_eq!((task.name.as_str(), task.status.as_str()), ("raising", "error"));
        assert_eq!(task.attribute("locust.user_class"), error.text("user"));
    }
}
