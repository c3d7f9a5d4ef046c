//! The figures of a run as those that show them get them: over time, of each process, and what happened.

use std::process::Command;
use std::thread;

use ltel_tests::{Events, Exit, Figures, PageEvent, Process, SLOW, Scene, Target, Turn, config, free_port, until};
use serde_json::Value;

/// Scenario: one Locust process under `ltel-cli run`.
/// Guarantees: the points of the timeline add up to Locust's own figures, endpoint by endpoint; users, the process and its usage, and
/// what happened to the run are there.
#[apply(e2e)]
fn local() {
    over_time(&["local"], |scene, page, locust| {
        let mut run = start(scene, "run", scene.run(page, locust(&["-u5", "-r10", "-t6s"])));
        assert_eq!(run.wait(SLOW), Exit::Code(1), "Locust's own exit code for a test with failures");
    });
}

/// Scenario: `locust --processes 2` under `ltel-cli run`. Guarantees: the same, merged over the workers.
#[apply(e2e)]
fn master_with_processes() {
    over_time(&["master", "worker-0", "worker-1"], |scene, page, locust| {
        let port = free_port();
        let (bind, connect) = (format!("--master-bind-port={port}"), format!("--master-port={port}"));
        let args = ["--processes=2", "--master-bind-host=127.0.0.1", &bind, &connect, "-u6", "-r10", "-t6s"];
        let mut run = start(scene, "run", scene.run(page, locust(&args)));
        assert_eq!(run.wait(SLOW), Exit::Code(1));
    });
}

/// Scenario: a master and two workers with a serving ltel beside them. Guarantees: the same.
#[apply(e2e)]
fn master_and_two_workers() {
    over_time(&["master", "worker-0", "worker-1"], |scene, page, locust| {
        let mut ltel = scene.serve(page, &["--once"]);
        let (port, address) = (free_port().to_string(), scene.address());
        let bind = format!("--master-bind-port={port}");
        let args = ["--master", "--master-bind-host=127.0.0.1", &bind, "--expect-workers=2", "-u6", "-r10", "-t6s"];
        let mut master = start(scene, "master", scene.locust_to(&address, locust(&args)));
        let worker = ["--worker", "-f", "everything.py", "--master-host=127.0.0.1", "--master-port", &port];
        let mut workers = ["one", "two"].map(|name| start(scene, name, scene.locust_to(&address, worker)));
        assert_eq!(master.wait(SLOW), Exit::Code(1));
        for worker in &mut workers {
            assert_eq!(worker.wait(SLOW), Exit::Code(0));
        }
        assert_eq!(ltel.wait(SLOW), Exit::Code(0));
    });
}

fn start(scene: &Scene, name: &str, mut command: Command) -> Process {
    // Port 1 refuses.
    command.env("REFUSING", "http://127.0.0.1:1");
    scene.start(name, command)
}

type Locust<'a> = &'a dyn Fn(&[&str]) -> Vec<String>;

/// Runs a test, and checks its last figures.
fn over_time(sources: &[&str], test: impl Fn(&Scene, &str, Locust<'_>)) {
    let _turn = Turn::shared();
    let (scene, target, port) = (Scene::new(), Target::start(), free_port());
    let page = config(&scene, "", &format!("[backends.page]\nlisten = \"127.0.0.1:{port}\"\n"));
    let url = target.url();
    let locust = |more: &[&str]| -> Vec<String> {
        let fixed = ["--headless", "-f", "everything.py", "-H", &url, "--only-summary", "--json-file", "figures"];
        fixed.iter().chain(more).map(ToString::to_string).collect()
    };
    let browser = thread::spawn(move || {
        let events = until("the page", SLOW, || Events::of(port, "", "").ok());
        events.filter(|event| event.name == "document").last()
    });
    test(&scene, &page, &locust);
    let last = browser.join().expect("a browser").expect("figures");
    check(&last, &scene.witnessed(), sources);
}

fn check(last: &PageEvent, witness: &Figures, sources: &[&str]) {
    let document = &last.data;
    assert_eq!((&document["final"], &document["complete"]), (&true.into(), &true.into()));
    assert_eq!(Events::figures(last).counts(), witness.counts());
    let length = document["timeline"]["points"].as_u64().unwrap();
    assert!((5..60).contains(&length), "{length} points");
    for endpoint in list(&document["endpoints"]).iter().chain([&document["total"]]) {
        for count in ["requests", "failures"] {
            let points: u64 = list(&endpoint["points"][count]).iter().map(|n| n.as_u64().unwrap()).sum();
            assert_eq!(Some(points), endpoint[count].as_u64(), "{count} of {}", endpoint["name"]);
        }
        assert!(list(&endpoint["points"]["requests"]).len() as u64 <= length);
    }
    let heat = list(&document["timeline"]["heat_map"]["counts"]).iter().flat_map(list);
    assert_eq!(Some(heat.map(|pair| pair[1].as_u64().unwrap()).sum()), document["total"]["timed_requests"].as_u64());
    let most_users = list(&document["timeline"]["users"]).iter().filter_map(Value::as_u64).max();
    assert_eq!(most_users, document["test"]["users"].as_u64(), "{}", document["timeline"]["users"]);

    let generators = list(&document["generators"]);
    assert_eq!(generators.iter().map(|generator| &generator["label"]).collect::<Vec<_>>(), sources);
    for generator in generators {
        assert!(generator["max_cpu_percent"].as_f64().is_some_and(|cpu| cpu > 0.0), "{generator}");
        assert!(generator["max_memory_bytes"].as_u64() > Some(10 << 20), "{generator}");
        assert!(list(&generator["cpu_percent"]).len() as u64 <= length, "{generator}");
    }
    let kinds: Vec<_> = list(&document["annotations"]).iter().map(|a| a["kind"].as_str().unwrap()).collect();
    let is = |kind: &str| kinds.iter().filter(|have| **have == kind).count();
    let workers = sources.iter().filter(|source| source.starts_with("worker")).count();
    assert_eq!((is("start"), is("spawning_complete"), is("stop")), (1, 1, 1), "{kinds:?}");
    assert_eq!((is("worker_joined"), is("worker_left")), (workers, 0), "{kinds:?}");
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}
