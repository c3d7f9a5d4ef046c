//! `run` at a terminal, and in a pipe.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use ltel_tests::{Exit, Lines, SLOW, Scene, Terminal, Turn, check_account, locust_venv};

/// Fires requests under long names, and prints lines of a kind: to both streams, colored, long, and one in pieces with time in between.
const TALKING: &str = r#"
import sys

import counting
import gevent
from gevent.monkey import get_original
from locust import events

Counting = counting.Counting
# Locust's own greenlets must not write in between.
sleep = get_original("time", "sleep")


@events.test_start.add_listener
def _on_test_start(**_kwargs):
    # When ltel has said that the run begins.
    gevent.spawn_later(3, _talk)


def _talk():
    for stream in (sys.stdout, sys.stderr):
        print(f"{stream.name}: a terminal {stream.isatty()}", file=stream, flush=True)
    for n in range(300):
        print(f"line {n:03} " + "x" * (n % 150), file=(sys.stdout, sys.stderr)[n % 2], flush=True)
    print("\x1b[31mred\x1b[0m", flush=True)
    for piece in ("a line ", "in three ", "pieces\n"):
        print(piece, end="", flush=True)
        sleep(0.7)
"#;

fn scene() -> Scene {
    let scene = Scene::new();
    scene.write("talking.py", TALKING);
    scene
}

fn run(scene: &Scene, options: &[&str], locust: &[&str]) -> Command {
    let mut command = scene.ltel(["run"]);
    command.args(options).arg("--").arg(locust_venv().join("locust"));
    command.args(["--headless", "-f", "talking.py", "-u3", "-r3", "--json-file", "figures"]).args(locust);
    command
}

/// The only file of telemetry.
fn file(scene: &Scene) -> PathBuf {
    let folder = scene.path(".local/state/ltel");
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    let file = files.pop().unwrap();
    assert_eq!(files, [] as [PathBuf; 0]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    file
}

fn is_exact(scene: &Scene, lines: &Lines) {
    lines.check_figures(&scene.figures());
    check_account(lines.report());
}

/// Checks that all of Locust's output is there, unbroken.
fn check_output(text: &str) {
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    for stream in ["<stdout>", "<stderr>"] {
        assert!(lines.contains(&&*format!("{stream}: a terminal True")), "{text}");
    }
    for n in 0..300 {
        let line = format!("line {n:03} {}", "x".repeat(n % 150));
        assert!(lines.contains(&line.trim_end()), "`{line}` is not in\n{text}");
    }
    for line in ["red", "a line in three pieces"] {
        assert!(lines.contains(&line), "`{line}` is not in\n{text}");
    }
    // Locust's own tables.
    assert!(text.matches("Type     Name").count() >= 2, "{text}");
}

/// Scenario: `run` without a configuration at a terminal; the test says much, to stdout and stderr, and one line in pieces.
/// Guarantees: Locust sees a terminal, and all of its output is there, line by line; below it a line changes in place and is gone in
/// the end; telemetry is in a file of the user's own, which is named first and last, and none of it is on the terminal; the table
/// comes last.
#[apply(e2e)]
fn at_a_terminal() {
    let _turn = Turn::shared();
    let scene = scene();
    let mut terminal = Terminal::start(&scene, &run(&scene, &[], &["-t12s"]));
    let live = |line: &str| line.contains(" left  3 users  ") && line.contains(" req/s  0 failed  p95 ");
    let first = terminal.shows("a line of a running test", SLOW, live);
    terminal.shows("another one", SLOW, |line| live(line) && line != first);
    assert_eq!(terminal.wait(SLOW), Exit::Code(0));

    let text = terminal.text();
    check_output(&text);
    let file = file(&scene);
    is_exact(&scene, &Lines::read(&file));
    let place = format!("Telemetry as JSON lines: {}", file.display());
    assert!(text.starts_with(&place), "{text}");
    assert!(text.lines().last().unwrap().starts_with(&format!("{place} (")), "{text}");
    assert!(!text.contains("telemetry_name") && !text.contains(" left  "), "{text}");
    let (_, table) = text.split_once("\nRun ").expect(&text);
    let requests = scene.figures().total().requests;
    assert!(table.contains(" of testplan talking\n") && table.contains("p99 ms"), "{text}");
    assert!(table.contains(&format!("\n{requests} requests of 3 users in ")), "{text}");
    assert!(
        table.contains(&format!("{requests} requests sent by 1 Locust process, {requests} recorded, 0 dropped")),
        "{text}"
    );
}

/// Scenario: keys for Locust, and Ctrl-C, in the terminal of `run`.
/// Guarantees: Locust spawns a user at `w`; it gets SIGINT once, ends its own way with its own exit code; the run is complete.
#[apply(e2e)]
fn keys_reach_locust() {
    let _turn = Turn::shared();
    let scene = scene();
    let mut terminal = Terminal::start(&scene, &run(&scene, &[], &["-t60s"]));
    terminal.shows("three users", SLOW, |line| line.contains("  3 users  "));
    // Locust looks for keys every 0.2 s.
    terminal.types("w");
    terminal.shows("a fourth user", SLOW, |line| line.contains("  4 users  "));
    terminal.types("\x03");
    let exit = terminal.wait(SLOW);
    let text = terminal.text();
    // Not always 0: a Ctrl-C that meets Locust looking for keys ends it with 2, with ltel or without.
    let (_, code) = text.rsplit_once("Shutting down (exit code ").expect(&text);
    assert_eq!(exit, Exit::Code(code[..1].parse().unwrap()), "{text}");
    assert_eq!(text.matches("KeyboardInterrupt").count(), text.matches("KeyboardInterrupt\n").count(), "{text}");
    assert_eq!(Lines::read(&file(&scene)).report().telemetry["complete"], true);
}

/// Scenario: Ctrl-C in a terminal that echoes it, while a live line is shown.
/// Guarantees: the line does not stay.
#[apply(e2e)]
fn an_echo_beside_the_line() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let waits = "trap 'exit 7' INT; while :; do sleep 0.1; done";
    let mut terminal = Terminal::start(&scene, &scene.ltel(["run", "--", "sh", "-c", waits]));
    terminal.shows("a live line", SLOW, |line| line.trim_end() == "Locust starts");
    terminal.types("\x03");
    assert_eq!(terminal.wait(SLOW), Exit::Code(7));
    assert!(terminal.written().contains("^C"), "an echo: {:?}", terminal.written());
    assert!(!terminal.text().contains("Locust starts"), "{}", terminal.text());
}

/// Scenario: the command ends while a Locust process that it has started still runs its test.
/// Guarantees: the line says what is waited for, not that the test goes on; the run is complete.
#[apply(e2e)]
fn data_after_the_command() {
    let _turn = Turn::shared();
    let scene = scene();
    let script = "\"$@\" & until [ -e end ]; do sleep 0.1; done";
    let mut command = scene.ltel(["run", "--", "sh", "-c", script, "sh"]);
    command.arg(locust_venv().join("locust")).args(["--headless", "-f", "talking.py", "-u3", "-r3", "-t10s"]);
    let mut terminal = Terminal::start(&scene, &command);
    terminal.shows("three users", SLOW, |line| line.contains("  3 users  "));
    scene.write("end", "");
    terminal.shows("what is waited for", SLOW, |line| {
        line.trim_end() == "Locust has ended; waiting up to 10s for its data"
    });
    assert_eq!(terminal.wait(SLOW), Exit::Code(0));
    assert_eq!(Lines::read(&file(&scene)).report().telemetry["complete"], true);
}

/// Scenario: `run` in a terminal that cannot move its cursor; one that was told to show no progress.
/// Guarantees: Locust writes to the terminal itself, no control sequence comes from ltel, telemetry is in the file all the same.
#[apply(e2e)]
fn without_a_line() {
    let _turn = Turn::shared();
    for (term, options) in [("dumb", &[][..]), ("xterm", &["--progress", "off"])] {
        let scene = scene();
        let mut command = run(&scene, options, &["-t8s"]);
        command.env("TERM", term).env("NO_COLOR", "1");
        let mut terminal = Terminal::start(&scene, &command);
        assert_eq!(terminal.wait(SLOW), Exit::Code(0));
        let written = terminal.written();
        assert_eq!(written.matches('\u{1b}').count(), 2, "only the test's own: {written}");
        check_output(&terminal.text());
        is_exact(&scene, &Lines::read(&file(&scene)));
    }
}

/// Scenario: `run` without a configuration in a pipe; the same with the summary as JSON.
/// Guarantees: stdout is JSON lines, Locust's output is on stderr, no control sequence is anywhere; or stdout is the document with
/// the final figures, and telemetry is in the file.
#[apply(e2e)]
fn in_a_pipe() {
    let _turn = Turn::shared();
    let scene = scene();
    let mut command = scene.start("run", run(&scene, &[], &["-t8s"]));
    assert_eq!(command.wait(SLOW), Exit::Code(0));
    is_exact(&scene, &Lines::read(&scene.path("run.out")));
    assert!(!scene.path(".local/state/ltel").exists());
    assert!(command.stderr().contains("line 298 ") && command.stderr().contains("\nRun "), "{}", command.stderr());
    assert_eq!(command.stderr().matches('\u{1b}').count(), 2, "only the test's own: {}", command.stderr());

    let mut command = scene.start("json", run(&scene, &["--summary", "json"], &["-t8s"]));
    assert_eq!(command.wait(SLOW), Exit::Code(0));
    is_exact(&scene, &Lines::read(&file(&scene)));
    let document: serde_json::Value = serde_json::from_str(&command.stdout()).expect("a document");
    assert_eq!(document["total"]["requests"].as_u64(), Some(scene.figures().total().requests));
    assert!(!command.stderr().contains("\nRun "), "{}", command.stderr());

    let mut command = scene.start("markdown", run(&scene, &["--summary", "markdown"], &["-t6s"]));
    assert_eq!(command.wait(SLOW), Exit::Code(0));
    let requests = scene.figures().total().requests.to_string();
    assert!(command.stdout().starts_with('#') && command.stdout().contains(&requests), "{}", command.stdout());
}

/// Scenario: the summary and a backend of the file would both go to stdout.
/// Guarantees: an error that names the backend, before anything starts.
#[apply(e2e)]
fn stdout_for_one_of_them() {
    let scene = scene();
    scene.write("telemetry.toml", "[recorders.stats]\n[backends.lines]\ntype = \"json\"\noutput = \"stdout\"\n");
    let options = ["--config", "telemetry.toml", "--summary", "json"];
    let mut command = scene.start("run", run(&scene, &options, &["-t8s"]));
    assert_eq!(command.wait(SLOW), Exit::Code(2));
    assert!(command.stderr().contains("the backend `lines` would both go to stdout"), "{}", command.stderr());
}
