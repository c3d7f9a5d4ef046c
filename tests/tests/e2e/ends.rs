//! How tests and ltel end together, and what ltel says if there was no test.

use std::fs;
use std::process::{Command, Output};
use std::thread;

use ltel_core::wire::Encoding;
use ltel_tests::{
    Client, Exit, Process, SLOW, SOON, Scene, Turn, check_account, config, free_port, locust_venv, row, until,
};
use rustix::process::{Pid, Signal, test_kill_process_group};

const LOCUST: [&str; 9] =
    ["--headless", "-f", "counting.py", "-u3", "-r3", "-t30s", "--only-summary", "--json-file", "figures"];

/// Scenario: ltel and Locust get SIGTERM at the same moment, as a pod's containers do when it is deleted; ltel ends after one
/// run, or serves.
/// Guarantees: ltel waits for Locust and says so; the run is complete, its figures are Locust's own; both end with 0.
#[apply(e2e)]
fn sigterm_to_ltel_and_locust_at_once() {
    let _turn = Turn::shared();
    for args in [&["--once"][..], &[]] {
        let scene = Scene::new();
        let mut ltel = scene.serve(&config(&scene, "", ""), args);
        let mut locust = scene.start("locust", scene.locust_to(&scene.address(), LOCUST));
        in_mid_run(&scene);
        ltel.signal(Signal::TERM);
        locust.signal(Signal::TERM);
        assert_eq!((locust.wait(SLOW), ltel.wait(SOON)), (Exit::Code(0), Exit::Code(0)), "{args:?}");
        is_exact(&scene);
        let waits =
            "SIGTERM: waiting at most 10s (`grace`) for the active run to complete; another signal ends the wait";
        assert!(ltel.stderr().contains(waits), "{}", ltel.stderr());
    }
}

/// Scenario: SIGTERM to an ltel during a run; the grace period is long and a second signal ends it, or it is short.
/// Guarantees: the socket is gone at once, while the run may go on; then ltel ends, the run's report says that it was open.
#[apply(e2e)]
fn a_run_that_does_not_end() {
    for (grace, said) in [("1h", "not waiting any longer"), ("1s", "did not complete within 1s (`grace`)")] {
        let scene = Scene::new();
        let mut ltel = scene.serve(&config(&scene, &format!("grace = \"{grace}\""), ""), &[]);
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
        client.start("run");
        client.requests(vec![row("before", 1.0, false)]);
        client.acknowledged();
        ltel.signal(Signal::INT);
        until("the end of the socket", SOON, || (!scene.socket().exists()).then_some(()));
        if grace == "1h" {
            client.requests(vec![row("after", 1.0, false)]);
            client.acknowledged();
            ltel.signal(Signal::TERM);
        }
        assert_eq!(ltel.wait(SOON), Exit::Code(1));
        assert!(ltel.stderr().contains(said), "{}", ltel.stderr());
        let lines = scene.lines();
        let report = lines.report();
        assert_eq!(report.telemetry["sources"][0]["status"], "open", "{report:?}");
        assert_eq!(report.count("recorded"), if grace == "1h" { 2 } else { 1 });
    }
}

/// Scenario: SIGTERM to an ltel with three clients that send as fast as they can and never stop; the grace period is short, or it
/// is long and a second signal comes.
/// Guarantees: ltel ends all the same; what it has taken is in the figures, and the report says that the run was open.
#[apply(e2e)]
fn sigterm_under_load() {
    for (grace, signals) in [("1s", 1), ("1h", 2)] {
        let scene = Scene::new();
        let mut ltel = scene.serve(&config(&scene, &format!("grace = \"{grace}\""), ""), &[]);
        let names = ["one", "two", "three"];
        let floods = names.map(|name| {
            let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, name);
            client.start(name);
            client.requests(vec![row(name, 1.0, false)]);
            client.acknowledged();
            thread::spawn(move || while client.try_requests(vec![row(name, 1.0, false); 1_000]).is_ok() {})
        });
        ltel.signal(Signal::TERM);
        ltel.says("for the 3 active runs to complete", SOON);
        if signals == 2 {
            ltel.signal(Signal::TERM);
        }
        assert_eq!(ltel.wait(SOON), Exit::Code(1));
        for flood in floods {
            flood.join().unwrap();
        }
        let lines = scene.lines();
        for name in names {
            let run = lines.of_run(name);
            let report = run.report();
            assert_eq!((&report.telemetry["complete"], report.count("recorded") > 0), (&false.into(), true));
            assert_eq!(run.final_record().count("num_requests"), report.count("recorded"));
        }
    }
}

/// Scenario: SIGTERM to an ltel without a run, to which a client is connected, as an idle web UI is.
/// Guarantees: it ends at once.
#[apply(e2e)]
fn no_run_to_wait_for() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "grace = \"1h\"", ""), &[]);
    let _client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
}

/// Scenario: `--once`, and no run begins: there is no Locust; or a master without workers; or one that comes and goes.
/// Guarantees: ltel exits with 1, and names the cause.
#[apply(e2e)]
fn once_without_a_run() {
    let check = |top: &str, said: &str, meanwhile: &dyn Fn(&Scene) -> Option<Process>| {
        let scene = Scene::new();
        let mut ltel = scene.serve(&config(&scene, top, ""), &["--once"]);
        let _locust = meanwhile(&scene);
        assert_eq!(ltel.wait(SLOW), Exit::Code(1), "{said}");
        assert!(ltel.stderr().contains(said), "`{said}` is not in\n{}", ltel.stderr());
    };
    check("start_timeout = \"1s\"", "no Locust process connected within 1s (`start_timeout`)", &|_| None);
    let _turn = Turn::shared();
    let master = |scene: &Scene, more: &[&str]| {
        let port = format!("--master-bind-port={}", free_port());
        let mut locust = scene.locust_to(&scene.address(), ["--headless", "-f", "counting.py", "--master", &port]);
        locust.args(["--master-bind-host=127.0.0.1"]).args(more);
        scene.start("locust", locust)
    };
    check("start_timeout = \"20s\"", "Locust connected, but no test was started within 20s", &|scene| {
        Some(master(scene, &["--expect-workers=1"]))
    });
    check(
        "grace = \"1s\"",
        "Locust connected, disconnected before a test was started, and did not come back within 1s",
        &|scene| Some(master(scene, &["--expect-workers=1", "--expect-workers-max-wait=3"])),
    );
}

/// Scenario: `run` of a command that is not Locust and takes its time.
/// Guarantees: one warning with the likely causes, while ltel keeps waiting; at the end the cause, and the command's exit
/// code.
#[apply(e2e)]
fn run_of_something_else() {
    let scene = Scene::new();
    let mut run = scene.ltel(["run", "--", "sh", "-c", "while [ ! -e go ]; do sleep 0.1; done; exit 0"]);
    run.env("LTEL_DRAIN_TIMEOUT", "1");
    let mut run = scene.start("run", run);
    run.says("no Locust process has connected within 10s; still waiting. Likely causes: ", SOON);
    assert_eq!(run.exit(), None);
    scene.write("go", "");
    assert_eq!(run.wait(SOON), Exit::Code(0));
    let said = run.stderr();
    assert_eq!(said.matches("no Locust process has connected").count(), 1, "{said}");
    assert!(said.contains("ltel: the command ended and no plugin ever connected: "), "{said}");
}

/// Scenario: `run` of a real Locust that does not get the plugin (`python -E`), of one that fails, of one that starts no test.
/// Guarantees: Locust's exit code, and the cause; with `--strict` 0 becomes 1, and others stay.
#[apply(e2e)]
fn run_without_a_test() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    scene.write("broken.py", "this is no Python\n");
    let python = locust_venv().join("python").display().to_string();
    let port = format!("--master-bind-port={}", free_port());
    let without = ["-E", "-m", "locust", "--headless", "-f", "counting.py", "-t1s"];
    let broken = ["-m", "locust", "--headless", "-f", "broken.py"];
    let mut alone = ["-m", "locust", "--headless", "-f", "counting.py", "--master", "--expect-workers=1", ""].to_vec();
    alone.extend(["--expect-workers-max-wait=1", &port]);
    alone.retain(|arg| !arg.is_empty());
    let never = "and no plugin ever connected";
    for (args, code, said) in [
        (&without[..], 0, "no plugin ever connected: the command does not run Locust; or Python runs with -E or -I"),
        (&broken[..], 1, never),
        (&alone[..], 1, "Locust connected, but no test was started"),
    ] {
        for (option, expected) in [(None, code), (Some("--strict"), 1)] {
            let output = run(&scene, option, &python, args).output().unwrap();
            let stderr = text(&output);
            assert_eq!(output.status.code(), Some(expected), "{args:?} {option:?}\n{stderr}");
            assert!(stderr.contains(said), "`{said}` is not in\n{stderr}");
            let lost = stderr.contains("telemetry was lost: no test was recorded");
            assert_eq!(lost, option.is_some(), "{stderr}");
        }
    }
}

/// Scenario: `run --strict` of a test that has all its telemetry; of one with a backend whose receiver is not there; of one that
/// fails by itself.
/// Guarantees: exit code 0; 1 with the loss named; Locust's own code.
#[apply(e2e)]
fn strict() {
    let _turn = Turn::shared();
    let nowhere = format!(
        "[backends.nowhere]\ntype = \"otlp\"\nendpoint = \"http://127.0.0.1:{}\"\ntimeout = \"1s\"\n",
        free_port()
    );
    for (more, locust, code, said) in [
        ("", "0", 0, None),
        (nowhere.as_str(), "0", 1, Some("telemetry was lost: backend `nowhere`: final figures NOT delivered")),
        (nowhere.as_str(), "9", 9, Some("telemetry was lost: backend `nowhere`: final figures NOT delivered")),
    ] {
        let scene = Scene::new();
        // Locust fires it last of all; what it sets is the exit code.
        let counting = fs::read_to_string(scene.path("counting.py")).unwrap();
        let exit =
            "\n@events.quitting.add_listener\ndef _exit(environment, **_kwargs):\n    environment.process_exit_code = ";
        scene.write("counting.py", &format!("{counting}{exit}{locust}\n"));
        scene.write("telemetry.toml", &config(&scene, "", more));
        let mut command = scene.ltel(["run", "--strict", "--config", "telemetry.toml", "--"]);
        command.arg(locust_venv().join("locust")).args(["--headless", "-f", "counting.py", "-t2s"]);
        let mut run = scene.start("run", command);
        assert_eq!(run.wait(SLOW), Exit::Code(code), "{}", run.stderr());
        assert_eq!(run.stderr().contains("telemetry was lost"), said.is_some(), "{}", run.stderr());
        assert!(said.is_none_or(|said| run.stderr().contains(said)), "{}", run.stderr());
    }
}

/// Scenario: SIGTERM to `run` of a shell that runs Locust and does not pass signals on: it dies of the signal, or it has a trap
/// that ends it, with Locust in the background.
/// Guarantees: Locust gets the signal and ends as it does without ltel; the run is complete and exact; when ltel has ended, no
/// process of the group is left.
#[apply(e2e)]
fn a_terminated_group_leaves_nothing_behind() {
    let _turn = Turn::shared();
    for (script, code) in
        [("echo $$ > group; \"$@\"; true", 143), ("trap 'exit 5' TERM; echo $$ > group; \"$@\" & wait", 5)]
    {
        let scene = Scene::new();
        scene.write("telemetry.toml", &config(&scene, "grace = \"2s\"", ""));
        let mut command = scene.ltel(["run", "--config", "telemetry.toml", "--", "sh", "-c", script, "sh"]);
        command.arg(locust_venv().join("locust")).args(LOCUST);
        let mut run = scene.start("run", command);
        in_mid_run(&scene);
        run.signal(Signal::TERM);
        assert_eq!(run.wait(SLOW), Exit::Code(code), "{script}");
        assert!(!has_members(&scene), "{script}: {}", run.stderr());
        is_exact(&scene);
    }
}

/// Scenario: SIGTERM to `run` of a Locust of several processes, which tells its workers to end by itself.
/// Guarantees: no process of the group gets a second signal from ltel, and none is left; the run is complete and exact.
#[apply(e2e)]
fn several_processes_are_told_once() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let port = free_port();
    let script = "echo $$ > group; exec \"$@\"";
    scene.write("telemetry.toml", &config(&scene, "", ""));
    let mut command = scene.ltel(["run", "--config", "telemetry.toml", "--", "sh", "-c", script, "sh"]);
    command.arg(locust_venv().join("locust")).args(LOCUST).arg("--processes=2");
    command.args([format!("--master-bind-port={port}"), format!("--master-port={port}")]);
    let mut run = scene.start("run", command);
    in_mid_run(&scene);
    run.signal(Signal::TERM);
    assert_eq!(run.wait(SLOW), Exit::Code(0));
    assert!(!has_members(&scene), "{}", run.stderr());
    assert!(!run.stderr().contains("the processes that the command left behind"), "{}", run.stderr());
    let lines = scene.lines();
    lines.check_figures(&scene.witnessed());
    assert_eq!(lines.report().telemetry["complete"], true, "{:?}", lines.report());
}

/// Scenario: a shell leaves Locust in the background and ends by itself; then ltel, which waits for the run, gets SIGTERM.
/// Guarantees: Locust gets the signal, so no process is left and the run is complete.
#[apply(e2e)]
fn what_a_command_leaves_behind_is_told_later() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    scene.write("telemetry.toml", &config(&scene, "", ""));
    let script = "echo $$ > group; \"$@\" & while [ ! -e go ]; do sleep 0.1; done";
    let mut command = scene.ltel(["run", "--config", "telemetry.toml", "--", "sh", "-c", script, "sh"]);
    command.arg(locust_venv().join("locust")).args(LOCUST);
    let mut run = scene.start("run", command);
    in_mid_run(&scene);
    scene.write("go", "");
    run.says("waiting for the last Locust processes", SOON);
    assert!(has_members(&scene));
    run.signal(Signal::TERM);
    assert_eq!(run.wait(SLOW), Exit::Code(0));
    assert!(!has_members(&scene), "{}", run.stderr());
    is_exact(&scene);
}

/// Scenario: the paths of the socket folders are too long, or do not exist.
/// Guarantees: `run` takes the next one.
#[apply(e2e)]
fn a_folder_for_the_socket() {
    let scene = Scene::new();
    let (long, short) = (scene.path(&"l".repeat(100)), scene.path("short"));
    fs::create_dir(&long).unwrap();
    fs::create_dir(&short).unwrap();
    let missing = scene.path("missing");
    for (xdg, tmp, expected) in [
        (&short, &long, short.as_path()),
        (&long, &short, short.as_path()),
        (&missing, &short, short.as_path()),
        (&long, &long, "/tmp".as_ref()),
    ] {
        let mut command = run(&scene, None, "sh", &["-c", "echo $LTEL_ADDRESS > address"]);
        command.env("XDG_RUNTIME_DIR", xdg).env("TMPDIR", tmp);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let address = fs::read_to_string(scene.path("address")).unwrap();
        let folder = format!("unix:{}/ltel-", expected.display());
        assert!(address.starts_with(&folder), "{address} is not in {}", expected.display());
    }
}

/// Scenario: `run` with a `[listen]` that requires a token, which is not in Locust's environment.
/// Guarantees: Locust under `run` gets the token, and ltel's pid; another client without it is refused.
#[apply(e2e)]
fn run_with_a_token() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let toml = config(&scene, "", "").replace("[listen]", "[listen]\ntoken = \"secret\"");
    let mut command = scene.run(&toml, LOCUST);
    command.env("LTEL_TOKEN", "another");
    let mut run = scene.start("run", command);
    in_mid_run(&scene);
    assert!(Client::try_unix(&scene.socket(), Encoding::MessagePack, "stranger").is_none());
    run.signal(Signal::TERM);
    assert_eq!(run.wait(SLOW), Exit::Code(0));
    is_exact(&scene);

    let mut parent = scene.start("parent", scene.ltel(["run", "--", "sh", "-c", "echo $LTEL_PARENT_PID > parent"]));
    assert_eq!(parent.wait(SOON), Exit::Code(0));
    assert_eq!(fs::read_to_string(scene.path("parent")).unwrap().trim(), parent.pid().to_string());
}

/// `ltel-cli run` with an option of its own, not yet started.
fn run(scene: &Scene, option: Option<&str>, program: &str, args: &[&str]) -> Command {
    let mut command = scene.ltel(["run"]);
    command.args(option).args(["--", program]).args(args);
    command
}

/// Waits until the run has gone on for a while.
fn in_mid_run(scene: &Scene) {
    until("a run with a hundred requests", SLOW, || {
        let lines = scene.lines_so_far();
        lines.stats("current").any(|line| line.count("num_requests") > 100).then_some(())
    });
}

fn is_exact(scene: &Scene) {
    let lines = scene.lines();
    lines.check_figures(&scene.figures());
    let report = lines.report();
    check_account(report);
    assert_eq!(report.telemetry["complete"], true, "{report:?}");
    assert_eq!((report.count("sent"), report.count("dropped")), (scene.figures().total().requests, 0));
}

/// Whether a process is left of the group whose leader's pid is in the file `group`.
fn has_members(scene: &Scene) -> bool {
    let leader = fs::read_to_string(scene.path("group")).unwrap().trim().parse().ok();
    test_kill_process_group(leader.and_then(Pid::from_raw).unwrap()).is_ok()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
