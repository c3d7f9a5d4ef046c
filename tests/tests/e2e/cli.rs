//! The command line, as a person or a supervisor sees it.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{ChildStdout, Output};

use ltel_core::wire::Encoding;
use ltel_tests::{Client, Exit, Line, Lines, Process, SLOW, SOON, Scene, Turn, config, row};
use rustix::process::Signal;

/// Scenario: commands other than Locust under `run`, which exit in different ways.
/// Guarantees: `run` ends with their exit code.
#[apply(e2e)]
fn run_ends_with_the_commands_exit_code() {
    let scene = Scene::new();
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        let output = scene.ltel(["run", "--", "sh", "-c", script]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{script}: {output:?}");
    }
    let output = scene.ltel(["run", "--", "no-such-command"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{output:?}");
    assert!(text(&output.stderr).contains("no-such-command"), "{output:?}");
}

/// Scenario: a locustfile that is not there, and one that Python cannot read.
/// Guarantees: `run` exits with Locust's exit code, and Locust's error is visible.
#[apply(e2e)]
fn run_of_a_locust_that_does_not_start() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    scene.write("broken.py", "this is no Python\n");
    for file in ["missing.py", "broken.py"] {
        let bare = scene.locust(["--headless", "-f", file]).output().unwrap();
        let with = scene.run(&config(&scene, "", ""), ["--headless", "-f", file]).output().unwrap();
        assert_ne!(bare.status.code(), Some(0));
        assert_eq!(with.status.code(), bare.status.code(), "{with:?}");
        let complaint = all(&bare);
        let complaint = complaint.lines().rev().find(|line| line.contains(file) || line.contains("Error")).unwrap();
        assert!(all(&with).contains(complaint), "`{complaint}` is not in {with:?}");
    }
}

/// Scenario: `run -- locust --help` without any configuration, which writes JSON lines to standard output.
/// Guarantees: Locust's help is there with the plugin's options in it, and no telemetry; exit code 0.
#[apply(e2e)]
fn run_locust_help() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let locust = scene.locust([""; 0]);
    let output = scene.ltel(["run", "--"]).arg(locust.get_program()).arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = text(&output.stderr) + &text(&output.stdout);
    for option in ["--headless", "--ltel-address", "--testplan"] {
        assert!(said.contains(option), "{option} is not in:\n{said}");
    }
    assert!(!said.contains("telemetry_name"), "{said}");
}

/// Scenario: `run` with a JSON backend that writes to standard output, and a Locust that prints its tables there.
/// Guarantees: standard output holds JSON lines only; Locust's own output and the summary are on standard error.
#[apply(e2e)]
fn stdout_is_data() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let config = "[recorders.stats]\n[recorders.lifecycle]\n[backends.console]\ntype = \"json\"\noutput = \"stdout\"\n";
    let locust = ["--headless", "-f", "counting.py", "-u2", "-t2s"];
    let mut run = scene.start("run", scene.run(config, locust));
    assert_eq!(run.wait(SLOW), Exit::Code(0));
    let lines = Lines::parse(&run.stdout());
    assert_eq!(lines.final_record().count("num_requests"), lines.report().count("recorded"));
    let said = run.stderr();
    // Locust's table, and ours after it with the account.
    let (locusts, ours) = said.split_once("Response time percentiles").expect(&said);
    assert!(locusts.contains("# reqs"), "{said}");
    let ours = ours.to_lowercase();
    for word in ["/run1", "p99", "sent", "recorded", "dropped", "delivered"] {
        assert!(ours.contains(word), "`{word}` is not in the summary:\n{ours}");
    }
}

/// Scenario: a test plan's name from each source, and a run's id from outside.
/// Guarantees: `LTEL_TESTPLAN`, `--testplan`, the configuration and the locustfile's name win in this order;
/// `LTEL_RUN_ID` is the run's id.
#[apply(e2e)]
fn names_of_test_plan_and_run() {
    let _turn = Turn::shared();
    for (variable, option, file, expected) in [
        (Some("variable"), Some("option"), Some("file"), "variable"),
        (None, Some("option"), Some("file"), "option"),
        (None, None, Some("file"), "file"),
        (None, None, None, "counting"),
    ] {
        let scene = Scene::new();
        let top = file.map_or(String::new(), |name| format!("testplan = \"{name}\""));
        let mut command = scene.run(&config(&scene, &top, ""), ["--headless", "-f", "counting.py", "-t1s"]);
        command.args(option.iter().flat_map(|name| ["--testplan", name]));
        command.envs(variable.map(|name| ("LTEL_TESTPLAN", name))).env("LTEL_RUN_ID", "given");
        let mut run = scene.start("run", command);
        assert_eq!(run.wait(SLOW), Exit::Code(0));
        let lines = scene.lines();
        assert_eq!((lines.report().text("testplan"), lines.report().text("run_id")), (expected, "given"));
    }
}

/// Scenario: `--once`, and `exit_after_run` in the file; one run.
/// Guarantees: ltel ends with 0 once the run is complete and everything is written.
#[apply(e2e)]
fn once() {
    for (top, args) in [("", &["--once"][..]), ("exit_after_run = true", &[])] {
        let scene = Scene::new();
        let mut ltel = scene.serve(&config(&scene, top, ""), args);
        one_run(&scene, "only", 100);
        assert_eq!(ltel.wait(SOON), Exit::Code(0));
        assert_eq!(scene.lines().final_record().count("num_requests"), 100);
        assert!(!scene.socket().exists(), "the socket's file is gone");
    }
}

/// Scenario: a serving ltel, between runs, gets SIGINT or SIGTERM.
/// Guarantees: it served one run after another, and ends with 0.
#[apply(e2e)]
fn serves_run_after_run() {
    for signal in [Signal::INT, Signal::TERM] {
        let scene = Scene::new();
        let mut ltel = scene.serve(&config(&scene, "", ""), &[]);
        let runs = [("a", 10), ("b", 20), ("c", 30)];
        for (n, (run_id, requests)) in (1..).zip(runs) {
            one_run(&scene, run_id, requests);
            scene.reported(n);
        }
        ltel.signal(signal);
        assert_eq!(ltel.wait(SOON), Exit::Code(0));
        let lines = scene.lines();
        for (run_id, requests) in runs {
            assert_eq!(lines.of_run(run_id).final_record().count("num_requests"), u64::from(requests));
        }
    }
}

/// Scenario: the path of the Unix socket is free, or holds a dead socket, a live one, or something else.
/// Guarantees: only its owner can use it; a dead one is replaced; a live one and other files are not touched, and ltel
/// exits with an error that names them.
#[apply(e2e)]
fn the_unix_socket() {
    let scene = Scene::new();
    let config = config(&scene, "", "");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;

    drop(UnixListener::bind(scene.socket()).unwrap());
    let mut first = scene.serve(&config, &[]);
    assert_eq!(mode(&scene.socket()), 0o600);

    let mut second = scene.start("second", scene.server(&config, &[]));
    assert_ne!(second.wait(SOON), Exit::Code(0));
    assert!(second.stderr().contains("another ltel listens"), "{}", second.stderr());
    // The first one is as well as before.
    one_run(&scene, "run", 5);
    first.signal(Signal::TERM);
    assert_eq!(first.wait(SOON), Exit::Code(0));
    assert_eq!(scene.lines().report().count("recorded"), 5);

    fs::write(scene.socket(), "mine").unwrap();
    let mut third = scene.start("third", scene.server(&config, &[]));
    assert_ne!(third.wait(SOON), Exit::Code(0));
    assert!(third.stderr().contains("is not a socket"), "{}", third.stderr());
    assert_eq!(fs::read_to_string(scene.socket()).unwrap(), "mine");
}

/// Scenario: a listener with a token, and clients with and without it.
/// Guarantees: a client without it is refused, with the reason in Locust's log; a client with it is served.
#[apply(e2e)]
fn a_token() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let config = config(&scene, "", "").replace("[listen]", "[listen]\ntoken = \"secret\"");
    let mut ltel = scene.serve(&config, &["--once"]);
    let locust = ["--headless", "-f", "counting.py", "-t2s"];
    let mut refused = scene.start("refused", scene.locust_to(&scene.address(), locust));
    assert_eq!(refused.wait(SLOW), Exit::Code(0));
    assert!(refused.stderr().contains("rejects telemetry"), "{}", refused.stderr());
    let mut welcome = scene.locust_to(&scene.address(), locust);
    welcome.env("LTEL_TOKEN", "secret");
    assert_eq!(scene.start("welcome", welcome).wait(SLOW), Exit::Code(0));
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));
    assert!(scene.lines().report().count("recorded") > 0);
}

/// Scenario: the reader of ltel's standard output closes the pipe (`ltel-cli | head -1`).
/// Guarantees: ltel exits silently: no panic, no error, exit code 0.
#[apply(e2e)]
fn a_closed_stdout() {
    let scene = Scene::new();
    let config = format!(
        "[listen]\nunix = '{}'\n[recorders.stats]\n[recorders.lifecycle]\n[recorders.requests]\n[backends.console]\n\
         type = \"json\"\noutput = \"stdout\"\ninterval = \"1s\"\n",
        scene.socket().display()
    );
    let mut ltel = scene.start_piped("ltel", scene.server(&config, &["--once"]));
    ltel.says("listening on", SOON);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    let (line, pipe) = first_line(&mut ltel);
    assert_eq!(Line::parse(&line).name(), "locust.tl.event.test.start");
    client.requests((0..500).map(|n| row("some", f64::from(n), n % 2 == 0)).collect());
    client.acknowledged();
    drop(pipe);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    let said = ltel.stderr();
    assert!(!said.contains("panicked") && !said.contains("ERROR"), "{said}");
}

/// Scenario: a JSON file with a limit, and more lines than it takes.
/// Guarantees: whole lines in files of bounded size, the newest first in line, and no more of them than were asked for.
#[apply(e2e)]
fn rotation_of_the_file() {
    let scene = Scene::new();
    let limit = 16 * 1024;
    // All lines come at the end: how many are in which file does not depend on the time.
    let config = config(&scene, "", "")
        .replace("[backends.file]", "[backends.file]\nmax_bytes = \"16KiB\"\nkeep = 2")
        .replace("interval = \"1s\"", "interval = \"1h\"");
    let mut ltel = scene.serve(&config, &["--once"]);
    let names: Vec<_> = (0..300).map(|n| format!("/endpoint/{n}")).collect();
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests(names.iter().map(|name| row(name, 5.0, false)).collect());
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    assert_eq!(scene.lines().0.last().unwrap().name(), "ltel.run.report", "the newest file ends with the run");
    let first_time = |name: &str| Lines::read(&scene.path(name)).0[0].time.clone();
    assert!(first_time("telemetry.ndjson") >= first_time("telemetry.ndjson.1"));
    assert!(first_time("telemetry.ndjson.1") >= first_time("telemetry.ndjson.2"));
    for name in ["telemetry.ndjson", "telemetry.ndjson.1", "telemetry.ndjson.2"] {
        let path = scene.path(name);
        let (size, lines) = (fs::metadata(&path).unwrap().len(), Lines::read(&path));
        assert!(size <= limit && lines.0.len() > 5, "{name}: {size} bytes");
    }
    assert!(!scene.path("telemetry.ndjson.3").exists());
}

/// Scenario: `check` with a good file and with one that has several errors.
/// Guarantees: 0 and what would run; 2 and every error with its line.
#[apply(e2e)]
fn check() {
    let scene = Scene::new();
    let good = scene.write("good.toml", &config(&scene, "", ""));
    let output = scene.ltel(["check", "--config"]).arg(good).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for word in ["stats", "file", "ltel.sock"] {
        assert!(all(&output).contains(word), "`{word}` is not in {output:?}");
    }
    let bad = "grase = \"1s\"\n[recorders.stat]\n[backends.file]\ntype = \"jsn\"\n";
    let bad = scene.write("bad.toml", bad);
    let output = scene.ltel(["check", "--config"]).arg(&bad).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    for word in ["grase", "grace", "stat", "stats", "jsn", "json", "bad.toml"] {
        assert!(all(&output).contains(word), "`{word}` is not in {output:?}");
    }
    // The same errors stop it from serving, with the same code.
    let output = scene.ltel(["--config"]).arg(&bad).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

/// Scenario: `recorders`, as a table and as JSON.
/// Guarantees: both list the built-in recorders with what they emit.
#[apply(e2e)]
fn recorders() {
    let scene = Scene::new();
    let metrics = ["locust.tl.request.metric.success", "locust.tl.user.metric.count", "locust.tl.system.metric.cpu"];
    let table = scene.ltel(["recorders"]).output().unwrap();
    let json = scene.ltel(["recorders", "--format", "json"]).output().unwrap();
    for output in [&table, &json] {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        for word in ["lifecycle", "stats", "requests", "users", "system", "failures", "http"].iter().chain(&metrics) {
            assert!(text(&output.stdout).contains(word), "`{word}` is not in {output:?}");
        }
    }
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(json.as_array().is_some_and(|list| list.len() >= 5), "{json}");
}

fn one_run(scene: &Scene, run_id: &str, requests: u32) {
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, run_id);
    client.start(run_id);
    client.requests((0..requests).map(|n| row("some", f64::from(n), false)).collect());
    client.finish();
}

/// Reads one line, and gives it with the pipe that it came through.
fn first_line(process: &mut Process) -> (String, ChildStdout) {
    let mut pipe = process.child().stdout.take().unwrap();
    let mut line = Vec::new();
    let mut byte = [0];
    while pipe.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    (text(&line), pipe)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn all(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}
