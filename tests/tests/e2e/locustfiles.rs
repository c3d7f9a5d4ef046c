//! Unusual locustfiles: none of them costs a run or a request, or disturbs Locust.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use ltel_tests::{
    Exit, Lines, SLOW, Scene, Span, Target, Turn, check_account, config, free_port, locust_opentelemetry_venv,
    locust_venv,
};
use serde_json::{Value, json};

/// A locustfile of `locustfiles/odd`, and how it is run.
struct Odd {
    scene: Scene,
    locustfile: &'static str,
    venv: std::path::PathBuf,
    args: Vec<String>,
    env: Vec<(&'static str, String)>,
    recorders: &'static str,
    exit: i32,
}

impl Odd {
    fn file(locustfile: &'static str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("locustfiles/odd");
        let scene = Scene::new();
        fs::copy(folder.join(locustfile), scene.path(locustfile)).unwrap();
        let (args, env) = (Vec::new(), Vec::new());
        Self { scene, locustfile, venv: locust_venv(), args, env, recorders: "", exit: 0 }
    }

    fn args<S: ToString>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.to_string()));
        self
    }

    fn env(mut self, key: &'static str, value: &(impl ToString + ?Sized)) -> Self {
        self.env.push((key, value.to_string()));
        self
    }

    /// Runs it under `ltel-cli run`; what it has written to JSON lines, and to its log.
    fn run(&self) -> (Lines, String) {
        let locust = self.venv.join("locust").display().to_string();
        let fixed = [&locust, "--headless", "--only-summary", "--json-file", "figures", "-f", self.locustfile];
        self.run_program(&fixed)
    }

    fn run_program(&self, program: &[&str]) -> (Lines, String) {
        let _turn = Turn::shared();
        let config = config(&self.scene, "grace = \"5s\"", self.recorders)
            .replace("type = \"json\"", "type = \"json\"\nspans = true\nqueue = 200000\nqueue_bytes = \"1GiB\"");
        let program = program.iter().map(ToString::to_string).chain(self.args.iter().cloned());
        let mut command: Command = self.scene.run_program(&config, program);
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        let mut run = self.scene.start("run", command);
        assert_eq!(run.wait(SLOW), Exit::Code(self.exit), "{}", run.stderr());
        (self.scene.lines(), run.stderr() + &run.stdout())
    }

    /// The figures are Locust's own, and those of the witness if it has one.
    fn is_exact(&self, lines: &Lines) {
        let report = lines.report();
        check_account(report);
        assert_eq!((report.telemetry["complete"].as_bool(), report.count("dropped")), (Some(true), 0), "{report:?}");
        let witnessed = self.scene.witnessed();
        if self.args.contains(&PROCESSES.to_owned()) {
            // Locust's master waits half a second for the last reports of its workers: on a busy machine it misses some.
            lines.check_figures(&witnessed);
        } else {
            lines.check_figures(&self.scene.figures());
        }
        if !witnessed.0.is_empty() {
            assert_eq!(report.count("recorded"), witnessed.total().requests);
        }
    }

    fn witness(&self, name: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.scene.path(name)).unwrap()).unwrap()
    }
}

const PROCESSES: &str = "--processes=2";

fn processes() -> [String; 3] {
    let port = free_port();
    [PROCESSES.to_owned(), format!("--master-bind-port={port}"), format!("--master-port={port}")]
}

fn lifecycle(lines: &Lines) -> Vec<&str> {
    let names = lines.0.iter().map(ltel_tests::Line::name).filter(|name| name.starts_with("locust.tl.event."));
    let mut names: Vec<_> = names.filter(|name| !name.ends_with("test.events")).collect();
    names.dedup();
    names
}

/// Scenario: a load shape that returns fractions, or integers of another type; local, and with processes.
/// Guarantees: the run is whole and exact, with its lifecycle; a count of users that is a fraction is the number below it; the
/// start of the test tells what the locustfile has, and no number of users, which the shape changes.
#[apply(e2e)]
fn shapes_return_any_number() {
    for (form, distributed) in [("float", false), ("float", true), ("whole", false), ("int", true)] {
        let mut odd = Odd::file("shape.py").env("FORM", form);
        if distributed {
            odd = odd.args(processes());
        }
        let (lines, _) = odd.run();
        odd.is_exact(&lines);
        let expected =
            ["test.start", "spawn.complete", "test.stop"].map(|event| format!("locust.tl.event.{event}")).to_vec();
        assert_eq!(lifecycle(&lines), expected, "{form}");
        let spawned = lines.named("locust.tl.event.spawn.complete").next().unwrap();
        assert_eq!(spawned.count("user_count"), 3, "{form}");
        let start = lines.named("locust.tl.event.test.start").next().unwrap();
        assert_eq!(start.telemetry["user_classes"], json!(["Reports"]), "{start:?}");
        assert_eq!(["users", "spawn_rate", "run_time", "host"].map(|key| start.has(key)), [false; 4], "{start:?}");
    }
}

/// Scenario: hosts of user classes that are a list, a map, a function, and what cannot be compared or printed.
/// Guarantees: the run is whole and exact; Locust ends with 0 as it does alone; the start of the test lacks the host and nothing
/// else.
#[apply(e2e)]
fn hosts_are_anything() {
    for classes in [&["Listed"][..], &["Mapped"], &["Called"], &["Raising"], &[]] {
        let odd = Odd::file("hosts.py").args(["-u4", "-r4", "-t2s"]).args(classes);
        let (lines, log) = odd.run();
        odd.is_exact(&lines);
        assert!(!log.contains("Traceback"), "{log}");
        let start = lines.named("locust.tl.event.test.start").next().unwrap();
        assert!(!start.has("host") && start.text("locust_version").starts_with("2."), "{start:?}");
        let numbers = ["users", "spawn_rate", "run_time"].map(|key| start.number(key));
        assert_eq!((numbers, start.text("locustfile")), ([4.0, 4.0, 2.0], "hosts"), "{start:?}");
    }
}

/// Scenario: events whose `start_time` is in ms, in ns, of another clock, hours off, absent, or a text.
/// Guarantees: rates are Locust's own, and each span is near the test.
#[apply(e2e)]
fn start_times_are_anything() {
    let odd = Odd { recorders: "[recorders.spans]", ..Odd::file("start_times.py") }.args(["-u4", "-r4", "-t6s"]);
    let (lines, log) = odd.run();
    odd.is_exact(&lines);
    let own: Value = odd.witness("figures.json");
    let entry = &own[0];
    let seconds = entry["last_request_timestamp"].as_f64().unwrap() - entry["start_time"].as_f64().unwrap();
    let rps = entry["num_requests"].as_f64().unwrap() / seconds;
    let told = lines.final_record();
    let ours = told.number("total_rps");
    assert!((ours - rps).abs() < rps * 0.05, "{ours} requests/s, Locust has {rps}");
    let current = told.number("current_rps");
    assert!((current - rps).abs() < rps * 0.3, "{current} requests/s at the end of {rps}");
    assert!(log.contains("field not understood: requests.start_time"), "{log}");
    let stamp = |line: &ltel_tests::Line, text: &str| {
        let time = humantime::parse_rfc3339(text).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
    };
    let begun = entry["start_time"].as_f64().unwrap();
    for line in lines.0.iter().filter(|line| line.is("telemetry_type", "span")) {
        // Two hours off is as near as it was said to be.
        let off = stamp(line, line.text("start_time")) - begun;
        assert!(off.abs() < 7_300.0, "{off} s from the test's begin: {line:?}");
    }
}

/// Scenario: listeners that raise before ours, and events that lack what Locust requires.
/// Guarantees: what Locust counts is counted, and nothing else; our listeners raise nothing.
#[apply(e2e)]
fn listeners_raise() {
    // Locust's own code for a listener that fails.
    let odd = Odd { exit: 2, ..Odd::file("listeners.py") }.args(["-u4", "-r4", "-t3s"]);
    let (lines, log) = odd.run();
    odd.is_exact(&lines);
    let names: BTreeSet<_> = odd.scene.figures().0.keys().map(|endpoint| endpoint.name.clone()).collect();
    assert_eq!(names, ["fails", "plain", "reschedules"].map(str::to_owned).into());
    let ours = log.split("Traceback").skip(1).filter(|trace| trace.contains("ltel_locust")).count();
    assert_eq!(ours, 0, "{log}");
}

/// Scenario: four OS threads that fire 80,000 events as fast as they can, beside greenlets.
/// Guarantees: none is lost, none is there twice; nor any of the events of the test's own.
#[apply(e2e)]
fn events_of_os_threads() {
    let odd = Odd { exit: 1, recorders: "[recorders.spans]", ..Odd::file("threads.py") };
    let (lines, _) = odd.args(["-u4", "-r4", "-t60s"]).run();
    let report = lines.report();
    assert_eq!(report.telemetry["complete"], true, "{report:?}");
    for thread in 0..4 {
        let name = format!("/thread{thread}");
        let line = lines.stats("endpoint").find(|line| line.is("name", &name) && line.is("status", "success")).unwrap();
        assert_eq!((line.count("num_requests"), line.count("num_failures")), (20_000, 2_000), "{name}");
    }
    let spans = Span::of_lines(&lines);
    assert_eq!(ltel_tests::ids(&spans).len() as u64, report.count("recorded"), "each request has one span of its own");
}

/// Scenario: users of one asyncio loop, which runs in a greenlet of the first of them.
/// Guarantees: each request is of its own user and below its own task; what `traceparent()` hands out is the request's own.
#[apply(e2e)]
fn one_loop_serves_all_users() {
    let odd = Odd { recorders: "[recorders.spans]\ntasks = true", ..Odd::file("shared_loop.py") };
    let odd = odd.args(["-u6", "-r6", "-t4s"]);
    let (lines, _) = odd.run();
    odd.is_exact(&lines);
    let spans = Span::of_lines(&lines);
    let (requests, tasks): (Vec<_>, Vec<_>) = spans.iter().partition(|span| span.name.starts_with("LOOP"));
    let tasks: BTreeMap<_, _> = tasks.iter().map(|task| (task.span_id.clone(), *task)).collect();
    assert!(requests.len() > 100 && tasks.len() > 100);
    let mut first = 0;
    for span in &requests {
        let user = span.attribute("locust.user_class");
        assert_eq!(span.name, format!("LOOP {user}"));
        match &span.parent_span_id {
            Some(parent) => assert_eq!((&tasks[parent].name[..], &tasks[parent].trace_id), (user, &span.trace_id)),
            // Of `on_start`, which is no task.
            None => first += 1,
        }
    }
    assert!((1..=6).contains(&first), "{first} requests without a task");
    let handed: Vec<(String, String)> = serde_json::from_value(odd.witness("headers.json")).unwrap();
    let told: BTreeSet<_> = requests.iter().map(|span| format!("00-{}-{}-01", span.trace_id, span.span_id)).collect();
    let headers: BTreeSet<_> = handed.iter().map(|(before, _)| before.clone()).collect();
    assert!(handed.iter().all(|(before, after)| before == after));
    assert_eq!(headers.len(), handed.len(), "each request has a header of its own");
    assert!(told.is_subset(&headers));
}

/// Scenario: tasks whose requests are made by greenlets, by pools of threads that serve all users, and by coroutines.
/// Guarantees: each request belongs to its own user and task, whatever thread or coroutine makes it.
#[apply(e2e)]
fn others_make_the_requests() {
    let odd = Odd { recorders: "[recorders.spans]\ntasks = true", ..Odd::file("helpers.py") };
    let odd = odd.args(["-u6", "-r6", "-t4s", "--stop-timeout=5"]);
    let (lines, log) = odd.run();
    odd.is_exact(&lines);
    assert!(!log.contains("Traceback"), "{log}");
    let spans = Span::of_lines(&lines);
    let (tasks, requests): (Vec<_>, Vec<_>) = spans.iter().partition(|span| span.kind == "internal");
    let tasks: BTreeMap<_, _> = tasks.iter().map(|task| (&task.span_id, *task)).collect();
    let mut ways: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for span in requests {
        let (way, user) = span.name.split_once(' ').unwrap();
        assert_eq!(span.attribute("locust.user_class"), user, "{span:?}");
        let parent = span.parent_span_id.as_ref().unwrap_or_else(|| panic!("{span:?} is a root"));
        let task = tasks[parent];
        let expected = (format!("task_{}", user.to_lowercase()), &span.trace_id);
        assert_eq!((task.name.clone(), &task.trace_id), expected, "{span:?}");
        ways.entry(way.to_owned()).or_default().insert(user.to_owned());
    }
    assert_eq!(ways.len(), 12, "{ways:?}");
    assert!(ways.values().all(|users| users.len() == 3), "{ways:?}");
}

/// Scenario: OpenTelemetry's instrumentation of `requests`, and spans of the locustfile's own within tasks.
/// Guarantees: both trees are one: task, the locustfile's span, the request, the instrumentation's span, the target.
#[apply(e2e)]
fn the_locustfile_has_opentelemetry() {
    let target = Target::start();
    let odd = Odd { recorders: "[recorders.spans]\ntasks = true", ..Odd::file("otel_requests.py") };
    let odd = Odd { venv: locust_opentelemetry_venv(), ..odd }.args(["-u2", "-r2", "-t3s", "-H", &target.url()]);
    let (lines, _) = odd.run();
    odd.is_exact(&lines);
    let mut parents = BTreeMap::new();
    for span in Span::of_lines(&lines) {
        parents.insert(span.span_id, (span.name, span.trace_id, span.parent_span_id));
    }
    let requests: Vec<_> = parents.values().filter(|(name, ..)| name != "buy").cloned().collect();
    let theirs: Vec<BTreeMap<String, Option<String>>> = serde_json::from_value(odd.witness("spans.json")).unwrap();
    for span in theirs {
        let text = |key: &str| span[key].clone().unwrap();
        parents.insert(text("span_id"), (text("name"), text("trace_id"), span["parent_span_id"].clone()));
    }
    let above = |span: &(String, String, Option<String>)| {
        let above = &parents[span.2.as_ref().unwrap_or_else(|| panic!("{span:?} is a root"))];
        assert_eq!(above.1, span.1, "one trace");
        above.clone()
    };
    assert!(requests.len() > 20, "{requests:?}");
    for request in requests {
        let next = above(&request);
        let task = if request.0.ends_with("/below") { above(&next) } else { next.clone() };
        assert_eq!((&*next.0 == "checkout", &*task.0), (request.0.ends_with("/below"), "buy"), "{request:?}");
    }
    let seen = target.hits().into_iter().flat_map(|hit| hit.traceparents);
    let mut met = 0;
    for header in seen {
        let parts: Vec<_> = header.split('-').collect();
        // The end of the test may have met a request on its way.
        let Some(span) = parents.get(parts[2]).filter(|span| span.2.is_some()) else { continue };
        assert_eq!(span.1, parts[1]);
        assert!(["GET", "POST"].contains(&&*span.0), "the instrumentation's own span: {span:?}");
        if parents.contains_key(span.2.as_ref().unwrap()) {
            assert_ne!(above(span).0, "buy", "the request lies between");
            met += 1;
        }
    }
    assert!(met > 20, "{met} requests of the target");
}

/// Scenario: test functions of pytest as users, with and without tasks traced.
/// Guarantees: each execution of a function is a task.
#[apply(e2e)]
fn test_functions_of_pytest() {
    let target = Target::start();
    let odd = Odd { recorders: "[recorders.spans]\ntasks = true", exit: 1, ..Odd::file("test_pytest.py") };
    let odd = odd.args(["-u3", "-r3", "-t3s", "-H", &target.url()]);
    let (lines, log) = odd.run();
    odd.is_exact(&lines);
    assert!(!log.contains("Traceback"), "{log}");
    let spans = Span::of_lines(&lines);
    let tasks: BTreeMap<_, _> =
        spans.iter().filter(|span| span.kind == "internal").map(|span| (&span.span_id, span)).collect();
    let requests: Vec<_> = spans.iter().filter(|span| span.kind == "client").collect();
    assert!(requests.len() > 10);
    for span in requests {
        let task = tasks[span.parent_span_id.as_ref().unwrap()];
        let name = span.attribute("locust.request_name");
        assert_eq!(task.name, format!("test_{name}"));
        assert_eq!(task.status == "error", name == "failing", "{task:?}");
    }
}

/// Scenario: programs that use Locust as a library and know nothing of ltel, under `ltel-cli run`.
/// Guarantees: each environment is a run, with what Locust has counted.
#[apply(e2e)]
fn locust_as_a_library() {
    for (program, runs) in [("library.py", 2), ("single_user.py", 1)] {
        let odd = Odd::file(program);
        let python = odd.venv.join("python").display().to_string();
        let (lines, log) = odd.run_program(&[&python, program]);
        let said = log.lines().filter_map(|line| line.strip_prefix("library ")?.parse::<u64>().ok());
        let mut said: Vec<_> = said.collect();
        let mut told: Vec<_> = lines.reports().iter().map(|report| report.count("recorded")).collect();
        said.sort_unstable();
        told.sort_unstable();
        assert_eq!((told.len(), &told), (runs, &said), "{log}");
        assert!(lines.reports().iter().all(|report| report.telemetry["complete"] == true));
    }
}

/// Scenario: the plugin imported twice, it or Locust reloaded, a log handler that raises, a mock in the place of the request
/// event, and requests of a listener of `quitting`.
/// Guarantees: there is one run, exact and with traces, and no request fails of ours.
#[apply(e2e)]
fn tests_do_the_unusual() {
    for (form, name) in [
        ("imported twice", "own"),
        ("plugin reloaded", "own"),
        ("locust reloaded", "own"),
        ("handler raises", "own"),
        ("event mocked", "ConnectionError"),
        ("statistics reset", "after the reset"),
        ("requests of quitting", "quitting"),
        // Those of the master count, as in Locust.
        ("requests of quitting with workers", "quitting"),
    ] {
        let odd = Odd { recorders: "[recorders.spans]\ntasks = true", ..Odd::file("unusual.py") };
        let mut odd = odd.env("FORM", form).args(["-u2", "-r2", "-t4s"]);
        if form == "requests of quitting with workers" {
            odd = odd.args(processes());
        }
        let (lines, log) = odd.run();
        assert_eq!(lines.reports().len(), 1, "{form}: {log}");
        odd.is_exact(&lines);
        let names: BTreeSet<_> = odd.scene.figures().0.keys().map(|endpoint| endpoint.name.clone()).collect();
        assert!(names.contains(name) && !names.contains("no trace"), "{form}: {names:?}");
        assert!(!names.contains("InvalidHeader"), "{form}: {names:?}");
    }
}

/// Scenario: Locust behind `opentelemetry-instrument`, which puts a `sitecustomize` of its own first; and as a module.
/// Guarantees: the plugin is loaded all the same, and Locust's options know it.
#[apply(e2e)]
fn wrappers_of_locust() {
    let check = |odd: Odd, program: &[&str]| {
        let figures = ["--headless", "--only-summary", "--json-file", "figures", "-f", "hosts.py"];
        let odd = odd.args(figures).args(["-u2", "-r2", "-t2s", "--testplan", "wrapped", "Listed"]);
        let (lines, _) = odd.run_program(program);
        odd.is_exact(&lines);
        assert_eq!(lines.report().text("testplan"), "wrapped");
    };
    let venv = locust_opentelemetry_venv();
    let [wrapper, locust] = ["opentelemetry-instrument", "locust"].map(|name| venv.join(name).display().to_string());
    let quiet = ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"];
    let odd = quiet.into_iter().fold(Odd::file("hosts.py"), |odd, name| odd.env(name, "none"));
    // Without it, what the instrumentation has imported keeps Locust from starting, with ltel or without.
    let odd = odd.env("OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH", "patch_all");
    check(odd, &[&wrapper, &locust]);
    let python = locust_venv().join("python").display().to_string();
    check(Odd::file("hosts.py"), &[&python, "-m", "locust"]);
    check(Odd::file("hosts.py"), &["sh", "-c", "exec \"$@\"", "sh", &python, "-m", "locust"]);
}

/// The beginning of a name: ltel cuts longer ones.
fn shown(name: &str) -> String {
    name.chars().take(900).collect()
}

/// Scenario: every type of Python in every field of every event, from a seed that is printed.
/// Guarantees: the run is there, its counts are what the locustfile counted, and no listener of ours raises.
#[apply(e2e)]
fn fuzz_of_field_values() {
    let seed = std::env::var("LTEL_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let nanos = ltel_core::Clock::System.now().as_nanos();
        u32::try_from(nanos % 1_000_000).unwrap()
    });
    for seed in [seed, seed + 1] {
        let traces = "[recorders.spans]\ntasks = true\n[recorders.http]\nrequest_url = true\nrequest_body_size = true\n\
                      [recorders.failures]";
        let odd = Odd { recorders: traces, exit: 1, ..Odd::file("fuzz.py") }.env("SEED", &seed);
        let (lines, log) = odd.run();
        let failed = format!("LTEL_FUZZ_SEED={seed}");
        let ours = log.split("Traceback").skip(1).filter(|trace| trace.contains("/ltel_locust/")).count();
        assert_eq!(ours, 0, "{failed}: {log}");
        let report = lines.report();
        check_account(report);
        assert_eq!((report.telemetry["complete"].as_bool(), report.count("dropped")), (Some(true), 0), "{failed}");
        assert_eq!(lifecycle(&lines).first(), Some(&"locust.tl.event.test.start"), "{failed}");
        let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
        for entry in odd.witness("counted.json").as_array().unwrap() {
            let text = |key: &str| shown(entry[key].as_str().unwrap());
            *counted.entry((text("method"), text("name"))).or_default() += entry["count"].as_u64().unwrap();
        }
        let told: BTreeMap<_, _> = lines
            .stats("endpoint")
            .filter(|line| line.is("status", "success"))
            .map(|line| ((shown(line.text("method")), shown(line.text("name"))), line.count("num_requests")))
            .collect();
        assert!(counted.values().sum::<u64>() > 500, "{failed}: a test worth its name");
        assert_eq!(told, counted, "{failed}");
    }
}
