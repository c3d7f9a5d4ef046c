//! Which run a client's requests are in, whatever the order in which masters and workers come, go and come back.

use ltel_core::event::{ReportToMaster, TestStart};
use ltel_core::source::SourceKind::{Master, Worker};
use ltel_core::wire::{Done, Encoding, Hello, Message};
use ltel_tests::{Client, Exit, Process, SOON, Scene, check_account, config, hello, hello_of, row, until};
use rustix::process::Signal;

fn serve(scene: &Scene, grace: &str, args: &[&str]) -> Process {
    scene.serve(&config(scene, &format!("grace = \"{grace}\""), ""), args)
}

fn begin(client: &mut Client, run_id: Option<&str>, coordinator: Option<&str>) {
    let (run_id, coordinator) = (run_id.map(str::to_owned), coordinator.map(str::to_owned));
    client.send(Message::from(TestStart { run_id, coordinator, ..TestStart::default() }));
}

fn requests(client: &mut Client, count: usize) {
    client.requests(vec![row("some", 1.0, false); count]);
}

fn done(client: &mut Client, run_id: Option<&str>, sent: u64) {
    client.send(Message::Done(Done { run_id: run_id.map(str::to_owned), sent: Some(sent), ..Done::default() }));
}

/// Ends ltel and checks each run: how its id begins, requests recorded, sources missing.
fn check(scene: &Scene, ltel: &mut Process, expected: &[(&str, u64, &[&str])]) {
    scene.reported(expected.len());
    ltel.signal(Signal::TERM);
    check_ended(scene, ltel, expected);
}

fn check_ended(scene: &Scene, ltel: &mut Process, expected: &[(&str, u64, &[&str])]) {
    let any_missing = expected.iter().any(|(_, _, missing)| !missing.is_empty());
    assert_eq!(ltel.wait(SOON), Exit::Code(i32::from(any_missing)));
    let lines = scene.lines();
    let reports = lines.reports();
    assert_eq!(reports.len(), expected.len(), "{reports:?}");
    let totals = lines.stats("final").map(|line| line.count("num_requests"));
    assert_eq!(totals.collect::<Vec<_>>(), expected.iter().map(|(_, recorded, _)| *recorded).collect::<Vec<_>>());
    for (report, (run_id, recorded, missing)) in reports.iter().zip(expected) {
        check_account(report);
        assert_eq!((report.count("recorded"), report.count("sent")), (*recorded, *recorded), "{report:?}");
        assert_eq!(report.telemetry["missing"], serde_json::json!(missing), "{report:?}");
        assert_eq!(report.telemetry["complete"], missing.is_empty(), "{report:?}");
        assert!(report.text("run_id").starts_with(run_id), "{run_id}: {report:?}");
    }
}

/// Scenario: a worker begins, reports and is gone; its master comes after that.
/// Guarantees: what the worker had sent is in the master's run, which does not wait for the worker any longer.
#[apply(e2e)]
fn a_worker_that_is_gone_before_its_master_comes() {
    let scene = Scene::new();
    let mut ltel = serve(&scene, "3s", &["--once"]);
    let mut worker = Client::saying(&scene.socket(), hello_of(Worker, "w"));
    begin(&mut worker, None, None);
    requests(&mut worker, 5);
    worker.acknowledged();
    drop(worker);
    let mut master = Client::saying(&scene.socket(), hello_of(Master, "m"));
    begin(&mut master, Some("x"), None);
    done(&mut master, Some("x"), 0);
    master.acknowledged();
    check_ended(&scene, &mut ltel, &[("x", 5, &["worker-w"])]);
}

/// Scenario: a connection breaks; when it is there again, its client is in the next run, and has frames of both left. ltel has
/// had some of the first run's frames, or none (it was started late).
/// Guarantees: each run has its own requests.
#[apply(e2e)]
fn a_connection_that_comes_back_in_the_next_run() {
    for early in [true, false] {
        let scene = Scene::new();
        let mut ltel = serve(&scene, "3s", &[]);
        let mut seq = 0;
        if early {
            let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
            client.start("x");
            client.acknowledged();
            seq = 1;
        }
        let next = Hello { run_id: Some("y".to_owned()), ..hello("client") };
        let mut client = Client::saying(&scene.socket(), next).on_from(seq);
        if !early {
            client.start("x");
        }
        requests(&mut client, 5);
        done(&mut client, Some("x"), 5);
        client.start("y");
        requests(&mut client, 2);
        done(&mut client, Some("y"), 2);
        client.acknowledged();
        check(&scene, &mut ltel, &[("x", 5, &[]), ("y", 2, &[])]);
    }
}

/// Scenario: ltel is started in the middle of a run; the first that its client says is no beginning.
/// Guarantees: the run is the one that `hello` names.
#[apply(e2e)]
fn a_run_that_began_before_ltel() {
    let scene = Scene::new();
    let mut ltel = serve(&scene, "3s", &["--once"]);
    let mut client = Client::saying(&scene.socket(), Hello { run_id: Some("x".to_owned()), ..hello("client") });
    requests(&mut client, 5);
    done(&mut client, Some("x"), 5);
    client.acknowledged();
    check_ended(&scene, &mut ltel, &[("x", 5, &[])]);
}

/// Scenario: two workers whose master does not have the plugin are in two tests, with `LTEL_RUN_ID` and without; the second
/// begins before the first is given up for masterless, or after that, or when it is over.
/// Guarantees: each test is a run of its own, complete, in which workers say what a master would.
#[apply(e2e)]
fn two_tests_without_a_master() {
    for run_id in [None, Some("nightly")] {
        for pause in ["", "begins", "complete"] {
            let scene = Scene::new();
            let mut ltel = serve(&scene, "1s", &[]);
            let mut workers = ["a", "b"].map(|id| Client::saying(&scene.socket(), hello_of(Worker, id)));
            for turn in 1..=2 {
                for worker in &mut workers {
                    begin(worker, run_id, None);
                    worker.requests(vec![row("some", 1.0, false); 2 * turn]);
                }
                for worker in &mut workers {
                    if pause == "begins" {
                        until("the run", SOON, || {
                            (ltel.stderr().matches("its master never reached ltel").count() == turn).then_some(())
                        });
                    }
                    done(worker, run_id, 2 * turn as u64);
                    worker.acknowledged();
                }
                if pause == "complete" {
                    scene.reported(turn);
                }
            }
            let id = run_id.unwrap_or_default();
            check(&scene, &mut ltel, &[(id, 4, &[]), (id, 8, &[])]);
            let lines = scene.lines();
            let starts = lines.named("locust.tl.event.test.start");
            assert_eq!(starts.filter(|line| line.is("source", "WorkerRunner")).count(), 4, "{run_id:?} {pause}");
        }
    }
}

/// Scenario: a third worker takes part in the second test of two without a master, while the first is not over.
/// Guarantees: its requests are in the second.
#[apply(e2e)]
fn a_worker_that_is_new_in_the_second_test() {
    for run_id in [None, Some("nightly")] {
        let scene = Scene::new();
        let mut ltel = serve(&scene, "2s", &[]);
        let mut old = Client::saying(&scene.socket(), hello_of(Worker, "old"));
        begin(&mut old, run_id, None);
        requests(&mut old, 1);
        ltel.says("its master never reached ltel", SOON);
        done(&mut old, run_id, 1);
        begin(&mut old, run_id, None);
        old.acknowledged();
        let mut new = Client::saying(&scene.socket(), hello_of(Worker, "new"));
        begin(&mut new, run_id, None);
        for worker in [&mut old, &mut new] {
            requests(worker, 2);
            done(worker, run_id, 2);
            worker.acknowledged();
        }
        let run_id = run_id.unwrap_or_default();
        check(&scene, &mut ltel, &[(run_id, 1, &[]), (run_id, 4, &[])]);
    }
}

/// Scenario: a worker names its master, which never connects.
/// Guarantees: a warning while the test runs, and the report names the master.
#[apply(e2e)]
fn a_master_that_never_reaches_ltel() {
    let scene = Scene::new();
    let mut ltel = serve(&scene, "1s", &["--once"]);
    let mut worker = Client::saying(&scene.socket(), hello_of(Worker, "w"));
    begin(&mut worker, Some("x"), Some("m"));
    requests(&mut worker, 5);
    ltel.says("run x: its master never reached ltel", SOON);
    done(&mut worker, Some("x"), 5);
    worker.acknowledged();
    check_ended(&scene, &mut ltel, &[("x", 5, &["master"])]);
}

/// Scenario: `--once`; a run ends while a worker waits for a master that does not have the plugin.
/// Guarantees: the worker's test is a run too, and is waited for.
#[apply(e2e)]
fn once_while_a_worker_waits_for_its_master() {
    for run_id in [None, Some("x")] {
        let scene = Scene::new();
        let mut ltel = serve(&scene, "1s", &["--once"]);
        let mut local = Client::unix(&scene.socket(), Encoding::MessagePack, "local");
        local.start("x");
        requests(&mut local, 5);
        local.acknowledged();
        // It is not in the run of a local runner, whatever it calls itself.
        let mut worker = Client::saying(&scene.socket(), hello_of(Worker, "w"));
        begin(&mut worker, run_id, None);
        requests(&mut worker, 2);
        worker.acknowledged();
        local.finish();
        scene.reported(1);
        done(&mut worker, run_id, 2);
        worker.acknowledged();
        check_ended(&scene, &mut ltel, &[("x", 5, &[]), ("", 2, &[])]);
    }
}

/// Scenario: a worker that does not know its run reports while there are two of them; one ends.
/// Guarantees: what is held of it is in the other, before what it reports then.
#[apply(e2e)]
fn what_is_held_comes_first() {
    let scene = Scene::new();
    let mut ltel = serve(&scene, "5s", &[]);
    let mut masters = ["x", "y"].map(|id| {
        let mut master = Client::saying(&scene.socket(), hello_of(Master, id));
        begin(&mut master, Some(id), None);
        master.acknowledged();
        master
    });
    let mut worker = Client::saying(&scene.socket(), hello_of(Worker, "w"));
    begin(&mut worker, None, None);
    requests(&mut worker, 5);
    worker.acknowledged();
    done(&mut masters[1], Some("y"), 0);
    scene.reported(1);
    requests(&mut worker, 2);
    done(&mut worker, None, 7);
    worker.acknowledged();
    done(&mut masters[0], Some("x"), 0);
    check(&scene, &mut ltel, &[("y", 0, &[]), ("x", 7, &[])]);
}

/// Scenario: ltel ends while it holds requests of a client that has begun no test.
/// Guarantees: they are reported.
#[apply(e2e)]
fn held_requests_at_the_end() {
    let scene = Scene::new();
    let mut ltel = serve(&scene, "1h", &[]);
    let mut worker = Client::saying(&scene.socket(), hello_of(Worker, "w"));
    requests(&mut worker, 5);
    worker.acknowledged();
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(1));
    let said = "5 requests dropped of sources that belong to no run (worker-w: 5)";
    assert!(ltel.stderr().contains(said), "{}", ltel.stderr());
}

/// Scenario: `--once`; a worker has something to say when its run is complete, as its last report to its master.
/// Guarantees: it is answered, and ltel ends with its clients; or a grace period after the run, if they stay.
#[apply(e2e)]
fn once_with_a_word_after_the_end() {
    for stays in [false, true] {
        let scene = Scene::new();
        let mut ltel = serve(&scene, if stays { "1s" } else { "1h" }, &["--once"]);
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
        client.start("x");
        done(&mut client, Some("x"), 0);
        scene.reported(1);
        client.send(Message::from(ReportToMaster { number: 1, ..ReportToMaster::default() }));
        client.acknowledged();
        let stayed = stays.then_some(client);
        check_ended(&scene, &mut ltel, &[("x", 0, &[])]);
        drop(stayed);
    }
}

/// Scenario: SIGTERM; the run ends within the grace period, and its client stays connected.
/// Guarantees: ltel does not warn that the run did not complete.
#[apply(e2e)]
fn a_client_that_stays() {
    let scene = Scene::new();
    let mut ltel = serve(&scene, "2s", &[]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("x");
    client.acknowledged();
    ltel.signal(Signal::TERM);
    ltel.says("for the active run to complete", SOON);
    done(&mut client, None, 0);
    client.acknowledged();
    check_ended(&scene, &mut ltel, &[("x", 0, &[])]);
    assert!(!ltel.stderr().contains("not waiting"), "{}", ltel.stderr());
}
