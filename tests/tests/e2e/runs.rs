//! One run after another, users who come and go, workers who come late.

use ltel_tests::{Exit, Lines, SLOW, SOON, Scene, TestAgent, Turn, config, free_port, get, post, until};
use rustix::process::Signal;

/// Scenario: two tests one after the other from the web UI of the same Locust process.
/// Guarantees: each run has its own id and its own figures, which are Locust's; nothing of the first is in the
/// second, and no series of the first is exported once the second has begun.
#[apply(e2e)]
fn two_from_the_web_ui() {
    two_runs(&[]);
}

/// Scenario: the same with a master and two workers.
/// Guarantees: the same.
#[apply(e2e)]
fn two_from_the_web_ui_with_workers() {
    let port = free_port();
    two_runs(&["--processes=2", &format!("--master-bind-port={port}"), &format!("--master-port={port}")]);
}

fn two_runs(more: &[&str]) {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let agent = TestAgent::start(&scene);
    let port = free_port();
    let locust = ["-f", "counting.py", "--web-host=127.0.0.1", &format!("--web-port={port}")];
    let mut run = scene.run(&config(&scene, "", &agent.grpc_backend()), locust);
    run.args(more);
    let mut run = scene.start("run", run);
    until("the web UI", SLOW, || get(port, "/stats/requests/csv").ok().filter(|answer| answer.status == 200));
    if !more.is_empty() {
        until("the workers", SLOW, || run.stderr().contains("2 workers connected").then_some(()));
    }

    let mut locust = Vec::new();
    for n in 1..=2 {
        let answer = post(port, "/swarm", "user_count=4&spawn_rate=4").unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        until("a hundred requests", SLOW, || (counts(port, n).iter().sum::<u64>() >= 100).then_some(()));
        assert_eq!(post(port, "/stop", "").unwrap().status, 200);
        let run_id = scene.reported(n).reports()[n - 1].text("run_id").to_owned();
        // Workers tell their master the last of a run up to three seconds after its end.
        let ours = endpoint_counts(&scene.lines_so_far().of_run(&run_id));
        until("Locust's figures to be ltel's", SOON, || (counts(port, n) == ours).then_some(()));
        locust.push(counts(port, n));
        // So that there is something to be seen of a series that does not end.
        until("an export of the run", SOON, || {
            agent.points("grpc").iter().any(|point| point.attribute("run_id") == run_id).then_some(())
        });
    }
    run.signal(Signal::TERM);
    assert_eq!(run.wait(SLOW), Exit::Code(0));

    let lines = scene.lines();
    let ids: Vec<_> = lines.reports().iter().map(|report| report.text("run_id").to_owned()).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    for (n, id) in (1..=2).zip(&ids) {
        let of_run = lines.of_run(id);
        let endpoints = endpoint_counts(&of_run);
        assert_eq!(endpoints, locust[n - 1], "run {n}");
        assert_eq!(of_run.final_record().count("num_requests"), locust[n - 1].iter().sum::<u64>());
        assert_eq!(of_run.report().count("recorded"), locust[n - 1].iter().sum::<u64>());
        let stranger = format!("/run{}", 3 - n);
        let of_other = of_run.0.iter().filter(|line| {
            ["name", "endpoint"].iter().any(|key| {
                line.telemetry.get(*key).and_then(|v| v.as_str()).is_some_and(|name| name.starts_with(&stranger))
            })
        });
        assert_eq!(of_other.count(), 0, "run {n} has figures of {stranger}");
    }

    let points = agent.points("grpc");
    let times = |id: &str| -> Vec<u64> {
        points.iter().filter(|point| point.attribute("run_id") == id).map(|point| point.time).collect()
    };
    let (last_of_first, first_of_second) = (times(&ids[0]).into_iter().max(), times(&ids[1]).into_iter().min());
    assert!(last_of_first.unwrap() < first_of_second.unwrap(), "the first run's series go on in the second");
}

/// Scenario: a second worker joins when the test has been running for a while, and is given users.
/// Guarantees: it takes part under the run's own id, and the figures are those of both workers.
#[apply(e2e)]
fn a_worker_that_joins_late() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "grace = \"20s\"", ""), &["--once"]);
    let port = free_port().to_string();
    let bind = format!("--master-bind-port={port}");
    let master = ["--headless", "--master", "--master-bind-host=127.0.0.1", &bind, "--expect-workers=1"];
    let mut master = scene.locust_to(&scene.address(), master);
    master.args(["-f", "counting.py", "--enable-rebalancing", "-u4", "-r4", "--only-summary", "--json-file=figures"]);
    let mut master = scene.start("master", master);
    let worker = ["--worker", "-f", "counting.py", "--master-host=127.0.0.1", "--master-port", &port];
    let mut first = scene.start("first", scene.locust_to(&scene.address(), worker));
    let recorded = |lines: &Lines| lines.stats("current").last().map_or(0, |line| line.count("num_requests"));
    until("requests", SLOW, || (recorded(&scene.lines_so_far()) > 50).then_some(()));
    let mut second = scene.start("second", scene.locust_to(&scene.address(), worker));
    until("requests of the second worker", SLOW, || {
        let lines = scene.lines_so_far();
        lines.named("locust.tl.request.metric.success").any(|line| line.is("source_id", "worker-1")).then_some(())
    });
    master.signal(Signal::TERM);
    for process in [&mut master, &mut first, &mut second, &mut ltel] {
        assert_eq!(process.wait(SLOW), Exit::Code(0));
    }

    let lines = scene.lines();
    let report = lines.report();
    assert_eq!(report.telemetry["complete"], true, "{report:?}");
    assert_eq!(lines.of_run(report.text("run_id")).0.len(), lines.0.iter().filter(|l| l.has("run_id")).count());
    let sent = |id: &str| {
        let sources = report.telemetry["sources"].as_array().unwrap();
        sources.iter().find(|source| source["source_id"] == id).map(|source| source["sent"].as_u64().unwrap())
    };
    assert!(sent("worker-0") > Some(0) && sent("worker-1") > Some(0), "{report:?}");
    lines.check_figures(&scene.witnessed());
}

/// Scenario: workers whose users may finish what they are at (`--stop-timeout`), which takes longer than the master lives.
/// Guarantees: `ltel-cli run` waits for them, and what they report last is in the figures.
#[apply(e2e)]
fn workers_that_outlive_their_master() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let port = free_port();
    let (bind, connect) = (format!("--master-bind-port={port}"), format!("--master-port={port}"));
    let locust = ["--headless", "-f", "lingering.py", "--processes=2", "-u4", "-r9", "-t5s", "--stop-timeout=10"];
    let mut run = scene.run(&config(&scene, "", ""), locust);
    run.args([bind, connect]);
    let mut run = scene.start("run", run);
    assert_eq!(run.wait(SLOW), Exit::Code(0));
    let (lines, witness) = (scene.lines(), scene.witnessed());
    assert_eq!(witness.by_name()["at last"].requests, 4, "each of the users has finished");
    lines.check_figures(&witness);
    assert_eq!(lines.report().telemetry["complete"], true, "{:?}", lines.report());
}

/// Scenario: two independent Locusts send to the same ltel at the same time.
/// Guarantees: each run has the figures of its own Locust.
#[apply(e2e)]
fn two_at_the_same_time() {
    let _turn = Turn::shared();
    let scenes = [Scene::new(), Scene::new()];
    let mut ltel = scenes[0].serve(&config(&scenes[0], "", ""), &[]);
    let mut locusts = [("first", "3"), ("second", "4")].map(|(run_id, users)| {
        let scene = if run_id == "first" { &scenes[0] } else { &scenes[1] };
        let locust = ["--headless", "-f", "counting.py", "-t3s", "-r9", "-u", users, "--json-file=figures"];
        let mut command = scene.locust_to(&scenes[0].address(), locust);
        command.env("LTEL_RUN_ID", run_id);
        scene.start("locust", command)
    });
    for locust in &mut locusts {
        assert_eq!(locust.wait(SLOW), Exit::Code(0));
    }
    let lines = scenes[0].reported(2);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));
    for (run_id, scene) in ["first", "second"].iter().zip(&scenes) {
        lines.of_run(run_id).check_figures(&scene.figures());
    }
}

/// Scenario: a load shape that adds and removes users, then ends the test by itself.
/// Guarantees: the figures are Locust's, and the users' gauge has followed.
#[apply(e2e)]
fn a_load_shape() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let locust = ["--headless", "-f", "counting.py", "--only-summary", "--json-file=figures"];
    let mut command = scene.run(&config(&scene, "", ""), locust);
    command.env("SHAPED", "1");
    let mut run = scene.start("run", command);
    assert_eq!(run.wait(SLOW), Exit::Code(0));
    let lines = scene.lines();
    lines.check_figures(&scene.figures());
    assert_eq!(lines.report().telemetry["complete"], true);
    let users: Vec<_> = lines.named("locust.tl.user.metric.count").map(|line| line.number("value")).collect();
    assert!(users.contains(&5.0) && users.contains(&1.0), "{users:?}");
}

/// Scenario: `--reset-stats`: Locust sets its statistics back to zero once all users are there.
/// Guarantees: the figures are Locust's own, which count what is reported after that, whenever it was measured.
#[apply(e2e)]
fn a_reset_of_the_statistics() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let locust = ["--headless", "-f", "counting.py", "--reset-stats", "-u6", "-r3", "-t6s", "--json-file=figures"];
    let mut run = scene.start("run", scene.run(&config(&scene, "", ""), locust));
    assert_eq!(run.wait(SLOW), Exit::Code(0));
    let lines = scene.lines();
    let (locust, all) = (scene.figures(), scene.witnessed());
    assert!(locust.total().requests + 50 < all.total().requests, "a reset that takes something away");
    lines.check_figures(&locust);
    // The account is of what was sent, not of what Locust's figures still show.
    assert_eq!(lines.report().count("recorded"), all.total().requests);
}

/// Requests by endpoint, from the web UI: its JSON is cached for seconds, its table is not.
pub(super) fn counts(port: u16, run: usize) -> Vec<u64> {
    let table = get(port, "/stats/requests/csv").unwrap().body;
    let count = |name: &str| {
        let row = table.lines().find(|line| line.split(',').nth(1) == Some(name));
        row.map_or(0, |line| line.split(',').nth(2).unwrap().parse().unwrap())
    };
    [format!("/run{run}"), format!("/run{run}/reported-late")].iter().map(|name| count(name)).collect()
}

pub(super) fn endpoint_counts(lines: &Lines) -> Vec<u64> {
    lines.stats("endpoint").filter(|line| line.is("status", "success")).map(|line| line.count("num_requests")).collect()
}
