//! Thresholds: what a run is judged by, what ltel exits with, and tests that a broken threshold stops.

use std::time::Duration;

use ltel_core::source::SourceKind;
use ltel_core::wire::{Done, Encoding, Message};
use ltel_tests::{
    Client, Exit, FaultReceiver, Line, Process, SLOW, SOON, Scene, Turn, check_account, config, free_port, get,
    hello_of, locust_venv, locust_venv_of, post, row, until,
};
use rustix::process::Signal;

/// A configuration with these thresholds.
fn judging(scene: &Scene, top: &str, thresholds: &str) -> String {
    config(scene, top, &format!("[thresholds]\n{thresholds}\n"))
}

/// A run of a client: requests of 10, 20 and 612 ms, of which the last has failed.
fn shop(scene: &Scene) {
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("shop");
    client.requests(vec![row("/a", 10.0, false), row("/a", 20.0, false), row("/b", 612.0, true)]);
    client.finish();
}

/// The judgements on the only run, each as `passed` or `broken`, the figure with its unit, and the reason.
fn judged(scene: &Scene) -> Vec<String> {
    let lines = scene.lines();
    let word = |line: &Line| if line.telemetry["passed"] == true { "passed" } else { "broken" };
    let figure = |line: &Line| {
        let actual = line.telemetry.get("actual");
        actual.map_or("-".to_owned(), |actual| format!("{actual} {}", line.text("unit")))
    };
    let reason = |line: &Line| if line.has("reason") { format!(", {}", line.text("reason")) } else { String::new() };
    let judgements = lines.named("ltel.threshold");
    judgements.map(|line| format!("{} {}{}", word(line), figure(line), reason(line))).collect()
}

/// Scenario: `--once`, and a client's run with thresholds: they hold, or one is broken, or matches no endpoint, or has no figure.
/// Guarantees: exit code 0 or 99, a line that says which are broken and by what, and a record for each, before the report.
#[apply(e2e)]
fn once_ends_with_99_if_a_threshold_is_broken() {
    let check = |thresholds: &str, code: u8, said: &str, records: &[&str]| {
        let scene = Scene::new();
        let mut ltel = scene.serve(&judging(&scene, "", thresholds), &["--once"]);
        shop(&scene);
        assert_eq!(ltel.wait(SLOW), Exit::Code(code.into()), "{thresholds}\n{}", ltel.stderr());
        assert!(ltel.stderr().contains(said), "`{said}` is not in\n{}", ltel.stderr());
        assert_eq!(judged(&scene), records, "{thresholds}");
        let lines = scene.lines();
        assert_eq!(lines.0.last().unwrap().name(), "ltel.run.report");
    };
    check(
        "all = [\"p95 < 700ms\", \"requests == 3\", \"failure_ratio < 50%\"]\n\"GET /a\" = \"max <= 20ms\"",
        0,
        "run shop: 4 thresholds passed",
        &["passed 612.0 ms", "passed 3.0 {request}", "passed 0.3333333333333333 1", "passed 20.0 ms"],
    );
    check(
        "all = [\"p95 < 500ms\", \"requests > 2\"]\n\"GET *\" = \"failures == 0\"",
        99,
        "ltel-cli: 2 thresholds broken: p95 is 612 ms, must be < 500 ms; failures of GET /b is 1, must be == 0\n",
        &["broken 612.0 ms", "passed 3.0 {request}", "broken 1.0 {request}, GET /b is the worst of 2 endpoints"],
    );
    check(
        "\"GET /A\" = \"p95 < 500ms\"",
        99,
        "ltel-cli: 1 threshold broken: `p95 < 500ms` of GET /A: no endpoint matches; did you mean `GET /a`?\n",
        &["broken -, no endpoint matches; did you mean `GET /a`?"],
    );
}

/// Scenario: a run without requests. Guarantees: a threshold on response times has not passed, one on counts is judged.
#[apply(e2e)]
fn a_run_without_requests() {
    let scene = Scene::new();
    let thresholds =
        "all = [\"p95 < 500ms\", \"failure_ratio < 1%\", \"failures == 0\"]\n\"GET /\" = \"failures == 0\"";
    let mut ltel = scene.serve(&judging(&scene, "", thresholds), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("empty");
    client.finish();
    assert_eq!(ltel.wait(SLOW), Exit::Code(99));
    let none = "broken -, no request was made";
    assert_eq!(judged(&scene), [none, none, "passed 0.0 {request}", none]);
}

/// Scenario: an ltel that serves run after run, in one of which a threshold is broken, and SIGTERM.
/// Guarantees: it is logged and recorded; the exit code says nothing of it.
#[apply(e2e)]
fn serving_logs_what_is_broken() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&judging(&scene, "", "all = \"p95 < 500ms\""), &[]);
    shop(&scene);
    scene.reported(1);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    assert!(ltel.stderr().contains("run shop: its threshold is broken: p95 is 612 ms, must be < 500 ms"));
    assert_eq!(judged(&scene), ["broken 612.0 ms"]);
}

/// Scenario: a run that is incomplete, since its client says that it has sent more; its thresholds hold, or one is broken.
/// Guarantees: the judgement says that figures are incomplete; loss is exit code 1 as ever, and a broken threshold 99: the line
/// says both.
#[apply(e2e)]
fn incomplete_figures_are_judged_as_they_are() {
    for (thresholds, code, says_broken) in [("all = \"requests > 0\"", 1, false), ("all = \"requests > 1\"", 99, true)]
    {
        let scene = Scene::new();
        let mut ltel = scene.serve(&judging(&scene, "", thresholds), &["--once"]);
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
        client.start("cut");
        client.requests(vec![row("/a", 10.0, false)]);
        client.send(Message::Done(Done { sent: Some(2), ..Done::default() }));
        client.acknowledged();
        drop(client);
        assert_eq!(ltel.wait(SLOW), Exit::Code(code));
        let said = ltel.stderr();
        assert!(said.contains("telemetry was lost: run cut: incomplete"), "{said}");
        assert_eq!(said.contains("ltel-cli: 1 threshold broken: requests is 1, must be > 1; telemetry"), says_broken);
        assert!(judged(&scene)[0].ends_with("1.0 {request}, figures are incomplete"), "{:?}", judged(&scene));
    }
}

/// Scenario: a source goes without a word: a client, and real Locust of `run`, that exits in the middle of its test with code 0.
/// Guarantees: what it dropped is not known, so `dropped` has not passed. What has passed nevertheless, has, and the last line of
/// `run` says that telemetry was lost.
#[apply(e2e)]
fn what_a_source_that_is_gone_dropped_is_not_known() {
    let unknown = "`dropped == 0`: it is not known what these sources dropped: local (missing); figures are incomplete";
    let scene = Scene::new();
    let mut ltel = scene.serve(&judging(&scene, "grace = \"1s\"", "all = \"dropped == 0\""), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("cut");
    client.requests(vec![row("/a", 10.0, false)]);
    client.acknowledged();
    drop(client);
    assert_eq!(ltel.wait(SLOW), Exit::Code(99));
    assert!(ltel.stderr().contains(unknown), "{}", ltel.stderr());

    let _turn = Turn::shared();
    let leaving = "import os\nfrom locust import User, task, constant\nclass Leaving(User):\n    \
                   wait_time = constant(2)\n    fired = 0\n    @task\n    def fire(self):\n        \
                   if self.fired:\n            os._exit(0)\n        \
                   self.fired += 1\n        \
                   self.environment.events.request.fire(request_type=\"JOB\", name=\"one\", response_time=5.0, \
                   response_length=0, exception=None)\n";
    let scene = Scene::new();
    scene.write("leaving.py", leaving);
    let config = judging(&scene, "grace = \"1s\"", "all = \"failures == 0\"");
    let output = scene.run(&config, ["--headless", "-f", "leaving.py", "-u1", "--only-summary"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("ltel-cli: 1 threshold passed, but telemetry was lost: run "), "{said}");
    assert!(last.contains(": incomplete"), "{said}");
}

/// Scenario: `run` of real Locust, all of whose requests fail: Locust's own code is 1. Thresholds hold, or one is broken. And of
/// commands that record no test.
/// Guarantees: 99 for a broken threshold, else Locust's code; a command that succeeds without a test has not passed.
#[apply(e2e)]
fn run_ends_with_99_or_as_locust_does() {
    let _turn = Turn::shared();
    let failing = "from locust import User, task, constant\nimport witness\nclass Failing(User):\n    \
                   wait_time = constant(0.1)\n    @task\n    def fire(self):\n        \
                   self.environment.events.request.fire(request_type=\"JOB\", name=\"fails\", response_time=5.0, \
                   response_length=0, exception=OSError(\"no\"))\n";
    for (thresholds, code) in [("\"JOB fails\" = \"p95 < 1s\"", 1), ("all = \"failure_ratio < 1%\"", 99)] {
        let scene = Scene::new();
        scene.write("failing.py", failing);
        let arguments = ["--headless", "-f", "failing.py", "-u1", "-t2s", "--only-summary"];
        let output = scene.run(&judging(&scene, "", thresholds), arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        let broken = "ltel-cli: 1 threshold broken: failure_ratio is 100 %, must be < 1 %";
        assert_eq!(said.contains(broken), code == 99, "{said}");
    }
    for (command, code) in [("exit 0", 99), ("exit 3", 3)] {
        let scene = Scene::new();
        let config = judging(&scene, "", "all = \"p95 < 1s\"");
        let output = scene.run_program(&config, ["sh", "-c", command]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert_eq!(said.contains("no test was recorded, so no threshold was judged"), code == 99, "{said}");
    }
}

/// Scenario: thresholds, of which one is broken, and a receiver of OTLP. Guarantees: a log record for each, with the figure, the
/// limit and the severity.
#[apply(e2e)]
fn judgements_are_log_records() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let receiver = FaultReceiver::start(&scene);
    let thresholds = "all = [\"p95 < 0.5s\", \"requests > 2\"]";
    let config = judging(&scene, "", &format!("{thresholds}\n{}", receiver.backend("grpc")));
    let mut ltel = scene.serve(&config, &["--once"]);
    shop(&scene);
    assert_eq!(ltel.wait(SLOW), Exit::Code(99));
    let records = receiver.log_records("grpc");
    let mut told = Vec::new();
    for record in records.iter().filter(|record| record.event_name == "ltel.threshold") {
        let fields = ["check", "passed", "actual", "limit", "unit"].map(|key| record.attribute(key).to_owned());
        told.push((record.severity.clone(), record.body.clone(), fields.join(" ")));
    }
    let expected = [
        ("ERROR", "p95 is 612 ms, must be < 500 ms", "p95 < 0.5s false 612.0 500.0 ms"),
        ("INFO", "requests is 3, as it must be: > 2", "requests > 2 true 3.0 2.0 {request}"),
    ];
    assert_eq!(told, expected.map(|(severity, body, fields)| (severity.into(), body.into(), fields.into())));
}

/// Scenario: a broken threshold stops a test: of a local runner, that loses its connection meanwhile; of a master with a worker; of
/// two workers whose master does not have the plugin.
/// Guarantees: the order goes to whoever can stop the test, names its run, and comes again after a reconnect; nobody else gets
/// it. The judgement stays broken when the figure recovers.
#[apply(e2e)]
fn who_is_told_to_stop() {
    let serve = |top: &str| {
        let scene = Scene::new();
        let thresholds = "\"*\" = { check = \"failure_ratio < 50%\", abort = true }";
        let ltel = scene.serve(&judging(&scene, top, thresholds), &["--once"]);
        (scene, ltel)
    };
    let reason = "failure_ratio of GET /a is 100 %, must be < 50 %";
    let order = ("shop".to_owned(), reason.to_owned());
    let failed = || vec![row("/a", 1.0, true)];

    let (scene, mut ltel) = serve("");
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "local");
    client.start("shop");
    client.requests(failed());
    assert_eq!(client.told_to_stop(), order);
    drop(client);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "local").on_from(2);
    assert_eq!(client.told_to_stop(), order);
    client.requests((0..9).map(|_| row("/a", 1.0, false)).collect());
    client.count_as_sent(1);
    client.finish();
    assert_eq!(ltel.wait(SLOW), Exit::Code(99));
    let judged = judged(&scene);
    let expected = "broken 0.1 1, it was 100 % after ";
    assert!(judged[0].starts_with(expected) && judged[0].ends_with("which has stopped the test"), "{judged:?}");
    assert!(
        ltel.stderr().contains("failure_ratio of GET /a is 10 % by now, but it was not < 50 %"),
        "{}",
        ltel.stderr()
    );

    let (scene, mut ltel) = serve("");
    let mut master = Client::saying(&scene.socket(), hello_of(SourceKind::Master, "master"));
    let mut worker = Client::saying(&scene.socket(), hello_of(SourceKind::Worker, "worker"));
    master.start("shop");
    master.acknowledged();
    worker.start("shop");
    worker.requests(failed());
    assert_eq!(master.told_to_stop(), order);
    assert_eq!(worker.orders_until_acknowledged(), 0, "its master is told");
    worker.finish();
    master.finish();
    assert_eq!(ltel.wait(SLOW), Exit::Code(99));

    let (scene, mut ltel) = serve("grace = \"1s\"");
    let workers = ["one", "two"].map(|id| {
        let mut worker = Client::saying(&scene.socket(), hello_of(SourceKind::Worker, id));
        worker.start("shop");
        worker.requests(failed());
        worker
    });
    for mut worker in workers {
        assert_eq!(worker.told_to_stop(), order);
        worker.finish();
    }
    assert_eq!(ltel.wait(SLOW), Exit::Code(99));
}

/// Thresholds that `counting.py` breaks three seconds after its test has begun.
const AFTER_3S: &str = "\"COUNT *\" = { check = \"max < 1ms\", abort = true, after = \"3s\" }";

/// The test of the only run was stopped within three seconds of the moment that was due; Locust has said why; every request is
/// there.
fn was_stopped(scene: &Scene, ltel: &Process, locust_said: &str) {
    let lines = scene.lines();
    let report = lines.report();
    check_account(report);
    assert_eq!(report.telemetry["complete"], true, "{report:?}");
    lines.check_figures(&scene.witnessed());
    let time = |name: &str| {
        let line = lines.named(name).next().unwrap_or_else(|| panic!("no {name}"));
        humantime::parse_rfc3339(&line.time).unwrap()
    };
    let ran = time("locust.tl.event.test.stop").duration_since(time("locust.tl.event.test.start")).unwrap();
    assert!((Duration::from_secs(3)..Duration::from_secs(6)).contains(&ran), "{ran:?}");
    let told = "ltel: the test is stopped: max of COUNT /run1 is 10 ms, must be < 1 ms";
    assert!(locust_said.contains(told), "{locust_said}");
    assert!(ltel.stderr().contains("stopping the test: max of COUNT /run1"), "{}", ltel.stderr());
    let line = lines.named("ltel.threshold").next().expect("a judgement");
    assert_eq!((&line.telemetry["passed"], &line.telemetry["aborted"]), (&false.into(), &true.into()));
}

const HEADLESS: [&str; 6] = ["--headless", "-f", "counting.py", "-u4", "-r4", "--only-summary"];

/// Scenario: `run` of real Locust, the oldest and the newest, and with `--processes 2`, without a run time: a threshold breaks.
/// Guarantees: the test ends within three seconds of the moment that is due, Locust ends its own way and says why, no request is
/// lost, and the exit code is 99.
#[apply(e2e)]
fn a_broken_threshold_ends_locust() {
    let _turn = Turn::shared();
    for (venv, more) in
        [(locust_venv_of("2.20.1"), &[][..]), (locust_venv(), &[][..]), (locust_venv(), &["--processes", "2"][..])]
    {
        let scene = Scene::new();
        let program = venv.join("locust").display().to_string();
        let port = free_port();
        let ports = [format!("--master-bind-port={port}"), format!("--master-port={port}")];
        let mut arguments = [&[program.as_str()], &HEADLESS[..], more].concat();
        if !more.is_empty() {
            arguments.extend(["-f", "counting.py,patient.py"]);
            arguments.extend(ports.iter().map(String::as_str));
        }
        let config = judging(&scene, "", AFTER_3S);
        let mut run = scene.start("run", scene.run_program(&config, arguments));
        assert_eq!(run.wait(SLOW), Exit::Code(99), "{}", run.stderr());
        was_stopped(&scene, &run, &run.stderr());
    }
}

/// Scenario: a master with two workers that serve an ltel of their own, without a run time: a threshold breaks.
/// Guarantees: as with one process; the workers end with their master.
#[apply(e2e)]
fn a_broken_threshold_ends_a_distributed_test() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let mut ltel = scene.serve(&judging(&scene, "", AFTER_3S), &["--once"]);
    let port = free_port().to_string();
    let bind = format!("--master-bind-port={port}");
    let start = |name: &str, arguments: &[&str]| scene.start(name, scene.locust_to(&scene.address(), arguments));
    let distributed =
        ["-f", "counting.py,patient.py", "--master", "--expect-workers=2", "--master-bind-host=127.0.0.1"];
    let mut master = start("master", &[&HEADLESS[..], &distributed, &[&bind]].concat());
    let workers = ["one", "two"]
        .map(|name| start(name, &["-f", "counting.py", "--worker", "--master-host=127.0.0.1", "--master-port", &port]));
    assert_eq!(master.wait(SLOW), Exit::Code(0));
    for mut worker in workers {
        assert_eq!(worker.wait(SLOW), Exit::Code(0));
    }
    assert_eq!(ltel.wait(SLOW), Exit::Code(99));
    was_stopped(&scene, &ltel, &master.stderr());
}

/// Scenario: real Locust with its web UI, which has begun its test by itself: a threshold breaks. Then the UI begins another test,
/// which is stopped by hand.
/// Guarantees: the test ends, Locust and its web UI go on; the order is for the first test only. Both runs are judged.
#[apply(e2e)]
fn with_the_web_ui_only_the_test_ends() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    // The requests of the second test take 20 ms.
    let thresholds = "\"COUNT /run1\" = { check = \"max < 1ms\", abort = true, after = \"3s\" }";
    let mut ltel = scene.serve(&judging(&scene, "", thresholds), &[]);
    let port = free_port();
    let number = port.to_string();
    let arguments = ["--autostart", "-f", "counting.py", "-u2", "-r2", "--web-host=127.0.0.1", "--web-port", &number];
    let mut locust = scene.start("locust", scene.locust_to(&scene.address(), arguments));
    scene.reported(1);
    assert_eq!(locust.exit(), None, "its web UI goes on");
    assert_eq!(post(port, "/swarm", "user_count=2&spawn_rate=2").unwrap().status, 200);
    until("requests of the second test", SLOW, || {
        get(port, "/stats/requests").unwrap().body.contains("/run2").then_some(())
    });
    assert_eq!(post(port, "/stop", "").unwrap().status, 200);
    let lines = scene.reported(2);
    locust.signal(Signal::TERM);
    locust.wait(SLOW);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));
    let aborted: Vec<_> = lines.named("ltel.threshold").map(|line| line.telemetry["aborted"].clone()).collect();
    assert_eq!(aborted, [true, false]);
    assert_eq!(locust.stderr().matches("ltel: the test is stopped").count(), 1, "{}", locust.stderr());
    assert!(lines.reports().iter().all(|report| report.telemetry["complete"] == true), "{:?}", lines.reports());
}

/// Scenario: `check` of a configuration with thresholds. Guarantees: they are listed, with what each does.
#[apply(e2e)]
fn check_lists_thresholds() {
    let scene = Scene::new();
    let thresholds = "all = [\"p95 < 500ms\", \"rps > 10\"]\n\"POST /checkout*\" = [{ check = \"p95 < 300ms\", abort = true, \
                      after = \"30s\" }, { check = \"avg < 1s\", abort = true }]";
    let path = scene.write("telemetry.toml", &judging(&scene, "", thresholds));
    let output = scene.ltel(["check", "--config", path.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let from = text.find(" threshold of").expect("a table of thresholds");
    insta::assert_snapshot!(text[from..].trim_end());
}
