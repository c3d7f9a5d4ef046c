//! Masters and workers in practice: without the plugin, stopped, with a duplicate id, reset from the web UI, orphaned.

use std::process::Command;

use ltel_tests::{
    Exit, Figures, Process, SLOW, SOON, Scene, Turn, check_account, config, free_port, get, need_file, post, until,
};
use rustix::process::{Pid, Signal, test_kill_process};

/// A master and its workers, each a process of its own.
struct Distributed {
    scene: Scene,
    port: String,
}

impl Distributed {
    fn new() -> Self {
        Self { scene: Scene::new(), port: free_port().to_string() }
    }

    fn serve(&self, top: &str, args: &[&str]) -> Process {
        self.scene.serve(&config(&self.scene, top, ""), args)
    }

    /// Locust with the plugin, or without.
    fn locust(&self, name: &str, with_plugin: bool, args: &[&str]) -> Process {
        let address = self.scene.address();
        let mut command: Command =
            if with_plugin { self.scene.locust_to(&address, args) } else { self.scene.locust(args) };
        command.args(["-f", "counting.py"]);
        self.scene.start(name, command)
    }

    fn master(&self, with_plugin: bool, more: &[&str]) -> Process {
        let bind = format!("--master-bind-port={}", self.port);
        let fixed = ["--master", "--master-bind-host=127.0.0.1", &bind];
        self.locust("master", with_plugin, &[&fixed[..], more].concat())
    }

    fn worker(&self, name: &str, with_plugin: bool) -> Process {
        let args = ["--worker", "--master-host=127.0.0.1", "--master-port", &self.port];
        self.locust(name, with_plugin, &args)
    }
}

const HEADLESS: [&str; 7] =
    ["--headless", "-u4", "-r4", "--only-summary", "--expect-workers=2", "--json-file", "figures"];

/// Scenario: a master and one of its workers have the plugin, the other worker does not.
/// Guarantees: that is said while the test runs, in words of its cause; the report names it, and the rest is recorded.
#[apply(e2e)]
fn a_worker_without_the_plugin() {
    let _turn = Turn::shared();
    let test = Distributed::new();
    let mut ltel = test.serve("grace = \"2s\"", &["--once"]);
    let mut master = test.master(true, &[&HEADLESS[..], &["-t8s"]].concat());
    let (_one, _two) = (test.worker("one", true), test.worker("two", false));
    ltel.says("never reached ltel, so its requests are missing: check that it loads the plugin", SLOW);
    assert_eq!(master.exit(), None, "said while the test runs");
    assert_eq!(master.wait(SLOW), Exit::Code(0));
    assert_eq!(ltel.wait(SLOW), Exit::Code(1));
    let lines = test.scene.lines();
    let report = lines.report();
    assert_eq!(report.telemetry["complete"], false);
    assert_eq!(report.telemetry["missing"].as_array().unwrap().len(), 1, "{report:?}");
    assert!(report.count("recorded") > 10);
}

/// Scenario: the workers have the plugin, their master does not; the test is shorter than the grace period, or longer.
/// Guarantees: their requests are a run all the same, to the last one, users included; and it is said what is missing.
#[apply(e2e)]
fn a_master_without_the_plugin() {
    let _turn = Turn::shared();
    for (grace, time) in [("2s", "-t6s"), ("5s", "-t2s")] {
        let test = Distributed::new();
        let mut ltel = test.serve(&format!("grace = \"{grace}\""), &["--once"]);
        let mut master = test.master(false, &[&HEADLESS[..], &[time]].concat());
        let mut workers = [test.worker("one", true), test.worker("two", true)];
        assert_eq!(master.wait(SLOW), Exit::Code(0));
        for worker in &mut workers {
            assert_eq!(worker.wait(SLOW), Exit::Code(0));
        }
        assert_eq!(ltel.wait(SLOW), Exit::Code(0));
        assert!(ltel.stderr().contains("its master never reached ltel"), "{}", ltel.stderr());
        let lines = test.scene.lines();
        let report = lines.report();
        check_account(report);
        assert_eq!(report.telemetry["complete"], true, "{report:?}");
        lines.check_figures(&test.scene.witnessed());
        let users = lines.latest("locust.tl.user.metric.count");
        assert!(users.keys().all(|labels| labels["source"] == "WorkerRunner"), "{users:?}");
    }
}

/// Scenario: a worker is stopped for good (SIGSTOP), and its master ends the test without it.
/// Guarantees: the run ends a grace period after its master, and names the worker.
#[apply(e2e)]
fn a_worker_that_is_stopped() {
    let _turn = Turn::shared();
    let test = Distributed::new();
    let mut ltel = test.serve("grace = \"4s\"", &["--once"]);
    let mut master = test.master(true, &[&HEADLESS[..], &["-t8s"]].concat());
    let (_one, two) = (test.worker("one", true), test.worker("two", true));
    until("requests of both", SLOW, || {
        let lines = test.scene.lines_so_far();
        (lines.stats("current").any(|line| line.count("num_requests") > 20)).then_some(())
    });
    two.signal(Signal::STOP);
    assert!(matches!(master.wait(SLOW), Exit::Code(_)));
    assert_eq!(ltel.wait(SOON), Exit::Code(1));
    let lines = test.scene.lines();
    let report = lines.report();
    check_account(report);
    assert_eq!(report.telemetry["complete"], false);
    let missing = report.telemetry["missing"].as_array().unwrap();
    assert_eq!(missing.len(), 1, "{report:?}");
    assert!(missing[0].as_str().unwrap().starts_with("worker-"));
    two.signal(Signal::KILL);
}

/// Scenario: a worker is stopped (SIGSTOP), its master is killed, the other worker ends; when the run is over, the stopped one
/// goes on (SIGCONT).
/// Guarantees: the run ends though the worker is still connected, and names both; what the worker says then is counted as late.
#[apply(e2e)]
fn a_worker_that_goes_on_after_its_run() {
    let _turn = Turn::shared();
    let test = Distributed::new();
    let mut ltel = test.serve("grace = \"2s\"", &[]);
    let master = test.master(true, &[&HEADLESS[..], &["-t80s"]].concat());
    let (mut one, two) = (test.worker("one", true), test.worker("two", true));
    until("requests of both", SLOW, || {
        let lines = test.scene.lines_so_far();
        (lines.stats("current").any(|line| line.count("num_requests") > 20)).then_some(())
    });
    two.signal(Signal::STOP);
    master.signal(Signal::KILL);
    one.signal(Signal::TERM);
    assert!(matches!(one.wait(SLOW), Exit::Code(_)));
    let lines = test.scene.reported(1);
    let report = lines.report();
    assert_eq!(report.telemetry["missing"].as_array().unwrap().len(), 2, "{report:?}");
    two.signal(Signal::CONT);
    ltel.says("requests after the end of their run", SOON);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(1));
    assert_eq!(test.scene.lines().reports().len(), 1);
}

/// Scenario: two tests at the same time with one `LTEL_RUN_ID`.
/// Guarantees: each is a run of its own, exact; and it is said.
#[apply(e2e)]
fn two_tests_with_one_id() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &[]);
    let address = scene.address();
    let start = |name: &str| {
        let args = ["--headless", "-f", "counting.py", "-u2", "-r2", "-t4s", "--only-summary", "--json-file", name];
        let mut locust = scene.locust_to(&address, args);
        locust.env("LTEL_RUN_ID", "nightly");
        scene.start(name, locust)
    };
    let mut tests = [start("one"), start("two")];
    for test in &mut tests {
        assert_eq!(test.wait(SLOW), Exit::Code(0));
    }
    let lines = scene.reported(2);
    ltel.says("two tests use the run id nightly at the same time: this one is reported as nightly-2", SOON);
    let own = ["one.json", "two.json"].map(|name| Figures::of_locust(&scene.path(name)).total().requests);
    let mut told: Vec<_> = lines.reports().iter().map(|r| (r.text("run_id").to_owned(), r.count("recorded"))).collect();
    told.sort();
    assert_eq!(told.iter().map(|(id, _)| &**id).collect::<Vec<_>>(), ["nightly", "nightly-2"]);
    let (mut own, mut recorded) = (own.to_vec(), told.iter().map(|(_, n)| *n).collect::<Vec<_>>());
    own.sort_unstable();
    recorded.sort_unstable();
    assert_eq!(recorded, own);
}

/// Scenario: statistics are reset from the web UI while two workers are at work, at any moment between their reports.
/// Guarantees: final figures are Locust's own, which hold what the workers had not yet reported.
#[apply(e2e)]
fn a_reset_from_the_web_ui() {
    let _turn = Turn::shared();
    let test = Distributed::new();
    let web = free_port();
    let mut ltel = test.serve("", &["--once"]);
    let master = test.master(true, &["--web-host=127.0.0.1", &format!("--web-port={web}")]);
    let _workers = [test.worker("one", true), test.worker("two", true)];
    until("the workers", SLOW, || master.stderr().contains("2 workers connected").then_some(()));
    assert_eq!(post(web, "/swarm", "user_count=4&spawn_rate=4").unwrap().status, 200);
    let recorded = || {
        let lines = test.scene.lines_so_far();
        lines.stats("current").last().map_or(0, |line| line.count("num_requests"))
    };
    until("requests", SLOW, || (recorded() > 150).then_some(()));
    until("a report of the workers", SLOW, || (requests(web) > 50).then_some(()));
    for _ in 0..2 {
        assert_eq!(post(web, "/stats/reset", "").unwrap().status, 200);
        until("the workers' next reports", SLOW, || (requests(web) > 20).then_some(()));
    }
    assert_eq!(post(web, "/stop", "").unwrap().status, 200);
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));
    let lines = test.scene.lines();
    let ours: u64 = lines
        .stats("endpoint")
        .filter(|line| line.is("status", "success"))
        .map(|line| line.count("num_requests"))
        .sum();
    // Workers tell their master the last of a run up to three seconds after its end.
    until(&format!("Locust's figures to be {ours}, they are {}", requests(web)), SOON, || {
        (requests(web) == ours).then_some(())
    });
    assert_eq!(lines.final_record().count("num_requests"), ours);
    assert!(ours < lines.report().count("recorded"), "the reset took something away");
    master.signal(Signal::TERM);
}

/// Scenario: `--reset-stats` with two workers that have all their users at different times, so that one may report to the master
/// after its own reset and before the master's.
/// Guarantees: final figures are Locust's own.
#[apply(e2e)]
fn a_reset_of_a_master_and_its_workers() {
    let _turn = Turn::shared();
    for _ in 0..3 {
        let test = Distributed::new();
        let mut ltel = test.serve("", &["--once"]);
        let args =
            ["--headless", "--expect-workers=2", "-u9", "-r1", "-t14s", "--reset-stats", "--json-file", "figures"];
        let mut master = test.master(true, &args);
        let workers = ["one", "two"].map(|name| {
            let args = ["--worker", "--master-host=127.0.0.1", "--master-port", &test.port, "--reset-stats"];
            test.locust(name, true, &args)
        });
        assert_eq!(master.wait(SLOW), Exit::Code(0));
        assert_eq!(ltel.wait(SLOW), Exit::Code(0));
        drop(workers);
        let (lines, locust) = (test.scene.lines(), test.scene.figures());
        let (ours, all) = (lines.final_record().count("num_requests"), lines.report().count("recorded"));
        assert!(ours < all, "the reset took something away");
        // Locust's master waits for its workers' last reports for a limited time.
        if locust.total().requests >= ours {
            return lines.check_figures(&locust);
        }
    }
    panic!("Locust's own figures were never whole");
}

/// Requests in the statistics that Locust's web UI shows.
fn requests(web: u16) -> u64 {
    let csv = get(web, "/stats/requests/csv").unwrap().body;
    let total = csv.lines().find(|line| line.contains("Aggregated")).map(ToOwned::to_owned);
    total.and_then(|line| line.split(',').nth(2)?.parse().ok()).unwrap_or(0)
}

/// Scenario: `ltel-cli run` of a Locust with two processes is killed (SIGKILL), behind a shell too.
/// Guarantees: every Locust process ends, and nothing is left of the socket and its folder.
#[apply(e2e)]
fn ltel_is_killed() {
    let _turn = Turn::shared();
    for shell in [false, true] {
        let scene = Scene::new();
        let port = free_port();
        let locust = ltel_tests::locust_venv().join("locust").display().to_string();
        let mut command = vec![locust, "--headless".to_owned(), "-fcounting.py".to_owned(), "-u4".to_owned()];
        command.extend(["-t300s".to_owned(), "--processes=2".to_owned()]);
        command.extend([format!("--master-bind-port={port}"), format!("--master-port={port}")]);
        if shell {
            command.splice(0..0, ["sh", "-c", "\"$@\"; true", "sh"].map(str::to_owned));
        }
        let mut run = scene.start("run", scene.run_program(&config(&scene, "", ""), command));
        until("requests", SLOW, || {
            scene.lines_so_far().stats("current").any(|line| line.count("num_requests") > 20).then_some(())
        });
        let descendants = descendants(run.pid());
        assert!(descendants.len() >= 3, "{descendants:?}");
        let address = plugin_address(*descendants.last().unwrap());
        assert!(address.exists());
        run.signal(Signal::KILL);
        assert_eq!(run.wait(SOON), Exit::Signal(9));
        until("the end of all processes", SLOW, || {
            let alive = descendants.iter().filter(|pid| is_alive(**pid)).count();
            (alive == 0).then_some(())
        });
        assert!(!address.parent().unwrap().exists(), "{}", address.display());
    }
}

/// The processes that a process has begun, and those that these have begun.
fn descendants(pid: u32) -> Vec<u32> {
    need_file("/proc/thread-self/children", "Linux");
    let children = |pid: u32| -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
    };
    let mut all = children(pid);
    let mut next = 0;
    while next < all.len() {
        all.extend(children(all[next]));
        next += 1;
    }
    all
}

fn is_alive(pid: u32) -> bool {
    // A zombie that its parent has not waited for has ended.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().split_whitespace().next().unwrap_or("X");
    !matches!(state, "X" | "Z")
        && Pid::from_raw(i32::try_from(pid).unwrap()).is_some_and(|p| test_kill_process(p).is_ok())
}

/// The socket that the plugin in this process has for its address.
fn plugin_address(pid: u32) -> std::path::PathBuf {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let text = String::from_utf8_lossy(&environment).into_owned();
    let address = text.split('\0').find_map(|variable| variable.strip_prefix("LTEL_ADDRESS=unix:")).unwrap();
    address.into()
}
