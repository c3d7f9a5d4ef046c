//! Runs during which ltel is killed, or the clock is set.

use ltel_core::event::Request;
use ltel_core::wire::{Done, Encoding, Hello, Message, Rows};
use ltel_tests::{Client, Exit, SLOW, SOON, Scene, Turn, check_account, config, hello, row};
use rustix::process::Signal;

const START: f64 = 1_700_000_000.0;

fn reported(at: f64) -> Request<'static> {
    Request { start_time: at, reported_at: at, ..row("some", 0.0, false) }
}

/// Scenario: ltel is killed in mid-run and started again; the client comes back with what was not acknowledged, of the second
/// half of its run of a hundred seconds, in which it has made ten requests a second.
/// Guarantees: the second half does not look like a whole run: its final figures, its report and stderr say that it is not
/// complete, and why; its rate is computed from the test's start.
#[apply(e2e)]
fn killed_in_mid_run() {
    let scene = Scene::new();
    let serve = || scene.serve(&config(&scene, "", ""), &["--once"]);
    let mut first = serve();
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests((0..500).map(|n| reported(START + f64::from(n) / 10.0)).collect());
    client.acknowledged();
    first.signal(Signal::KILL);
    assert_eq!(first.wait(SOON), Exit::Signal(Signal::KILL.as_raw()));
    let mut second = serve();
    let back = Hello { run_id: Some("run".to_owned()), started: Some(START), ..hello("client") };
    let mut client = Client::saying(&scene.socket(), back).on_from(2);
    let rows: Vec<_> = (500..=1_000).map(|n| reported(START + f64::from(n) / 10.0)).collect();
    for rows in rows.chunks(10) {
        let time = rows.last().map(|row| row.reported_at);
        client.send(Message::Requests(Rows { rows: rows.to_vec(), time, ..Rows::default() }));
    }
    client.send(Message::Done(Done { sent: Some(1_001), ..Done::default() }));
    client.acknowledged();
    drop(client);
    assert_eq!(second.wait(SOON), Exit::Code(1));
    let lines = scene.lines();
    let last = lines.final_record();
    assert_eq!((last.count("num_requests"), &last.telemetry["complete"]), (501, &false.into()));
    // 501 requests in 100 seconds.
    assert!((last.number("total_rps") - 5.0).abs() < 0.1, "{last:?}");
    let report = lines.report();
    check_account(report);
    assert_eq!((report.count("sent"), report.count("recorded")), (1_001, 501), "{report:?}");
    assert_eq!(report.telemetry["complete"], false);
    assert!(second.stderr().contains("run run incomplete: 501 requests recorded"), "{}", second.stderr());
}

/// Scenario: requests of a run, and its end, wait while ltel is restarted, and the next run of the same process has begun when
/// the connection is there again; its `hello` names the run of its first frame.
/// Guarantees: each run has its own requests.
#[apply(e2e)]
fn requests_that_waited_while_the_next_run_began() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &[]);
    let back = Hello { run_id: Some("x".to_owned()), started: Some(START), ..hello("client") };
    let mut client = Client::saying(&scene.socket(), back).on_from(7);
    client.requests(vec![row("some", 1.0, false); 5]);
    client.send(Message::Done(Done { run_id: Some("x".to_owned()), sent: Some(9), ..Done::default() }));
    client.start("y");
    client.requests(vec![row("some", 1.0, false); 2]);
    client.send(Message::Done(Done { run_id: Some("y".to_owned()), sent: Some(2), ..Done::default() }));
    client.acknowledged();
    scene.reported(2);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(1));
    let lines = scene.lines();
    for (run, sent, recorded) in [("x", 9, 5), ("y", 2, 2)] {
        let of_run = lines.of_run(run);
        let report = of_run.report();
        check_account(report);
        assert_eq!((report.count("sent"), report.count("recorded")), (sent, recorded), "{report:?}");
        assert_eq!(report.telemetry["complete"], sent == recorded);
    }
}

/// Scenario: the wall clock of the Locust process is set by an hour, in either direction, in the middle of the test.
/// Guarantees: rates are those of the time that has passed; the figures are those of all requests.
#[apply(e2e)]
fn a_clock_that_is_set_in_mid_run() {
    let _turn = Turn::shared();
    for hours in ["1", "-1"] {
        let scene = Scene::new();
        let jump = "\nimport gevent\n\n_time = time.time\n\n\ndef _jump():\n    time.time = lambda: _time() + \
                    3600 * float(os.environ[\"JUMP\"])\n\n\n@events.test_start.add_listener\ndef _later(**_kwargs):\n    \
                    gevent.spawn_later(2, _jump)\n";
        let counting = std::fs::read_to_string(scene.path("counting.py")).unwrap();
        scene.write("counting.py", &format!("{counting}{jump}"));
        let locust = ["--headless", "-f", "counting.py", "-u3", "-r3", "-t4s", "--only-summary"];
        let mut command = scene.run(&config(&scene, "", ""), locust);
        // Locust's own run time is of the wall clock where it can be set: it ends by a signal.
        command.env("JUMP", hours);
        let mut run = scene.start("run", command);
        assert_eq!(run.wait(SLOW), Exit::Code(0), "{}", run.stderr());
        let lines = scene.lines();
        let last = lines.final_record();
        let expected = last.number("num_requests") / 4.0;
        let rate = last.number("total_rps");
        assert!(rate > expected / 2.0 && rate < expected * 2.0, "{hours} h: {rate} for {expected}");
        assert_eq!(lines.report().telemetry["complete"], true, "{:?}", lines.report());
    }
}
