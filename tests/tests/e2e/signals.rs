//! Signals, and processes that are killed.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use ltel_core::wire::Encoding;
use ltel_tests::{
    Client, Exit, Figures, Lines, SLOW, SOON, Scene, Turn, check_account, config, free_port, program, row, until,
};
use rustix::process::Signal;
use serde_json::Value;

const LOCUST: [&str; 8] = ["--headless", "-f", "counting.py", "-u3", "-r3", "--only-summary", "--json-file", "figures"];

/// Scenario: Ctrl-C in the terminal that `ltel-cli run` runs in; the terminal sends it to ltel and Locust alike.
/// Guarantees: Locust gets it once and ends as it does without ltel, with its own exit code; the run is complete and exact.
#[apply(e2e)]
fn ctrl_c_in_a_terminal() {
    let scene = ctrl_c(&[]);
    is_exact(&scene, &scene.figures());
}

/// Scenario: the same with a Locust of several processes, all of which get the signal.
/// Guarantees: the same. Locust's master misses what its workers did last, ltel does not.
#[apply(e2e)]
fn ctrl_c_for_several_processes() {
    let port = free_port();
    let (bind, connect) = (format!("--master-bind-port={port}"), format!("--master-port={port}"));
    let scene = ctrl_c(&["--processes=2", &bind, &connect]);
    is_exact(&scene, &scene.witnessed());
}

fn ctrl_c(locust: &[&str]) -> Scene {
    let _turn = Turn::shared();
    between_requests(|| {
        let scene = Scene::new();
        let mut run = scene.run(&config(&scene, "", ""), LOCUST);
        run.args(locust);
        // A terminal of its own, whose foreground group the command is in; what we write is what is typed.
        let mut terminal = scene.program(&program("python3"));
        terminal.args(["-c", "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"]);
        terminal.arg(run.get_program()).args(run.get_args()).stdin(Stdio::piped());
        let mut terminal = scene.start("terminal", terminal);
        in_mid_run(&scene);
        let keyboard = terminal.child().stdin.as_mut().unwrap();
        keyboard.write_all(b"\x03").unwrap();
        keyboard.flush().unwrap();
        let exit = terminal.wait(SLOW);
        // Not always 0: a Ctrl-C that meets Locust looking for keys ends it with 2, with ltel or without.
        let said = terminal.stdout();
        let (_, last) = said.rsplit_once("Shutting down (exit code ").expect(&said);
        assert_eq!(exit, Exit::Code(last[..1].parse().unwrap()));
        (scene, said)
    })
}

/// Scenario: SIGINT or SIGTERM sent to `ltel-cli run` alone, as a supervisor does.
/// Guarantees: it is passed on to Locust, which ends as without ltel; the run is complete and exact.
#[apply(e2e)]
fn a_signal_to_ltel_run() {
    let _turn = Turn::shared();
    for signal in [Signal::INT, Signal::TERM] {
        let scene = between_requests(|| {
            let scene = Scene::new();
            let mut run = scene.start("run", scene.run(&config(&scene, "", ""), LOCUST));
            in_mid_run(&scene);
            run.signal(signal);
            assert_eq!(run.wait(SLOW), Exit::Code(0), "{signal:?}");
            (scene, run.stderr())
        });
        is_exact(&scene, &scene.figures());
    }
}

/// Scenario: SIGTERM to a serving `ltel-cli` in mid-run; Locust goes on without it. The grace period is a second.
/// Guarantees: ltel ends with 1 after that, the run that was open has its figures and a report that says so; Locust is not
/// disturbed, and counts in its log what was not delivered.
#[apply(e2e)]
fn sigterm_to_a_serving_ltel() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "grace = \"1s\"", ""), &[]);
    let mut locust = scene.locust_to(&scene.address(), LOCUST);
    locust.env("LTEL_DRAIN_TIMEOUT", "1");
    let mut locust = scene.start("locust", locust);
    in_mid_run(&scene);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(1));
    let lines = scene.lines();
    let report = lines.report();
    assert_eq!(report.telemetry["complete"], false);
    assert_eq!(source(report.telemetry["sources"].as_array().unwrap(), "local")["status"], "open");
    assert!(report.count("recorded") > 50);
    assert_eq!(lines.final_record().count("num_requests"), report.count("recorded"));

    locust.says("ltel: connection to", SOON);
    locust.signal(Signal::TERM);
    assert_eq!(locust.wait(SLOW), Exit::Code(0));
    locust.says("ltel: not delivered: ", SOON);
}

/// Scenario: one of two workers is killed by SIGKILL in mid-run; the grace period is two seconds.
/// Guarantees: the run ends all the same, names the worker, and ltel ends with 1; the figures of the other one are exact.
#[apply(e2e)]
fn a_killed_worker() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "grace = \"2s\"", ""), &["--once"]);
    let port = free_port().to_string();
    let bind = format!("--master-bind-port={port}");
    let mut master = scene.locust_to(&scene.address(), LOCUST);
    master.args(["--master", "--master-bind-host=127.0.0.1", &bind, "--expect-workers=2"]);
    let mut master = scene.start("master", master);
    let worker = ["--worker", "-f", "counting.py", "--master-host=127.0.0.1", "--master-port", &port];
    let mut workers = ["one", "two"].map(|name| scene.start(name, scene.locust_to(&scene.address(), worker)));
    // Gauges are sampled at a time of their own: what dies before its first sample never has any.
    until("requests and gauges of both workers", SLOW, || {
        let lines = scene.lines_so_far();
        let has = |name, id| lines.named(name).any(|line| line.is("source_id", id));
        let of = |id| has("locust.tl.request.metric.success", id) && has("locust.tl.system.metric.mem", id);
        (of("worker-0") && of("worker-1")).then_some(())
    });
    let [killed, survivor] = &mut workers;
    killed.signal(Signal::KILL);
    assert_eq!(killed.wait(SOON), Exit::Signal(9));
    until("the end of the killed worker's gauges, while the other's go on", SLOW, || {
        let lines = scene.lines_so_far();
        let memory: Vec<_> = lines.named("locust.tl.system.metric.mem").map(|line| line.text("source_id")).collect();
        let last = |id: &str| memory.iter().rposition(|of| *of == id);
        let (first, second) = (last("worker-0")?, last("worker-1")?);
        let since = &memory[first.min(second) + 1..];
        (since.iter().filter(|id| id.starts_with("worker-")).count() >= 3).then_some(())
    });
    master.signal(Signal::TERM);
    for process in [&mut master, survivor] {
        assert_eq!(process.wait(SLOW), Exit::Code(0));
    }
    assert_eq!(ltel.wait(SLOW), Exit::Code(1));

    let lines = scene.lines();
    let report = lines.report();
    let sources = report.telemetry["sources"].as_array().unwrap();
    let missing: Vec<_> = sources.iter().filter(|source| source["status"] == "missing").collect();
    assert_eq!(missing.len(), 1, "{report:?}");
    assert_eq!(report.telemetry["complete"], false);
    assert_eq!(report.telemetry["missing"].as_array().unwrap(), &[missing[0]["source_id"].clone()]);
    let done = |id: &str| source(sources, id)["status"] == "done";
    let survivor = if done("worker-0") { "worker-0" } else { "worker-1" };
    assert!(done("master") && done(survivor), "{report:?}");
    let witnessed = scene.witnessed().total().requests;
    assert_eq!(source(sources, survivor)["recorded"].as_u64(), Some(witnessed));
    assert_eq!(lines.final_record().count("num_requests"), report.count("recorded"));
}

/// Repeats a test, which gives its scene and Locust's log, until SIGINT met no request. It is an exception at any point of
/// Python's code: where that is a request's event, some of the listeners, Locust's own among them, have seen the request
/// and others have not, and there is no figure to compare with.
fn between_requests(test: impl Fn() -> (Scene, String)) -> Scene {
    for _ in 0..5 {
        let (scene, log) = test();
        if !log.contains("events.request.fire(") {
            return scene;
        }
    }
    panic!("SIGINT met a request each time");
}

/// Waits until the run has gone on for a while.
fn in_mid_run(scene: &Scene) {
    until("a run with a hundred requests", SLOW, || {
        let lines = scene.lines_so_far();
        lines.stats("current").any(|line| line.count("num_requests") > 100).then_some(())
    });
}

fn is_exact(scene: &Scene, locust: &Figures) {
    let lines = scene.lines();
    lines.check_figures(locust);
    let report = lines.report();
    check_account(report);
    assert_eq!(report.telemetry["complete"], true, "{report:?}");
    assert_eq!((report.count("sent"), report.count("dropped")), (locust.total().requests, 0));
}

fn source<'a>(sources: &'a [Value], id: &str) -> &'a Value {
    sources.iter().find(|source| source["source_id"] == id).unwrap_or_else(|| panic!("no {id} in {sources:?}"))
}

/// Scenario: a serving ltel's file is moved away in mid-run and ltel gets SIGHUP, as logrotate does it.
/// Guarantees: ltel goes on in a new file of that path, and its run with it; every line is in one of the two files, whole and once.
#[apply(e2e)]
fn sighup_opens_files_again() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &["--once"]);
    let (path, moved) = (scene.path("telemetry.ndjson"), scene.path("moved"));
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.acknowledged();
    let is_written = |path: &Path| std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
    until("the first lines", SOON, || is_written(&path).then_some(()));
    std::fs::rename(&path, &moved).unwrap();
    ltel.signal(Signal::HUP);
    ltel.says("SIGHUP: reopening files", SOON);
    client.requests(vec![row("/", 1.0, false)]);
    client.acknowledged();
    until("a new file", SOON, || is_written(&path).then_some(()));
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    let mut lines = Lines::read(&moved);
    lines.0.extend(Lines::read(&path).0);
    assert_eq!(lines.named("locust.tl.event.test.start").count(), 1);
    assert_eq!(lines.final_record().count("num_requests"), 1);
    assert_eq!(lines.0.last().unwrap().name(), "ltel.run.report");
}
