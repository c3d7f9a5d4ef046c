//! Clients of ltel's protocol: frames that arrive count once, and frames that do not arrive are accounted for.

use std::io::Write;
use std::os::unix::net::UnixStream;

use ltel_core::event::{Custom, Measurement};
use ltel_core::wire::{Done, Encoding, Frame, Measurements, Message, Rows};
use ltel_tests::{Client, Exit, SOON, Scene, check_account, config, row};
use rustix::process::Signal;

/// Scenario: a client loses its connection before it hears an acknowledgement, and sends everything again.
/// Guarantees: each request is recorded once.
#[apply(e2e)]
fn frames_that_are_sent_again() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &["--once"]);
    for connection in 1..=3 {
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "same");
        client.start("run");
        for n in 0..10 {
            client.requests(vec![row("some", f64::from(n), false); 10]);
        }
        if connection == 3 {
            client.finish();
        }
    }
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    let lines = scene.lines();
    let report = lines.report();
    assert_eq!((report.count("sent"), report.count("recorded")), (100, 100), "{report:?}");
    assert_eq!(lines.final_record().count("num_requests"), 100);
}

/// Scenario: frames that never arrive: their numbers are missing, and `done` counts their requests.
/// Guarantees: they are dropped as not received.
#[apply(e2e)]
fn frames_that_never_arrive() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "gap");
    client.start("run");
    client.requests(vec![row("some", 1.0, false); 10]);
    client.next_seq();
    client.count_as_sent(7);
    client.requests(vec![row("some", 1.0, false); 10]);
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(1));
    let lines = scene.lines();
    let report = lines.report();
    assert_eq!((report.count("sent"), report.count("recorded")), (27, 20), "{report:?}");
    assert_eq!(report.telemetry["dropped_by_reason"]["not_received"], 7);
    assert_eq!(report.telemetry["complete"], false);
    assert_eq!(lines.final_record().telemetry["complete"], false);
}

/// Scenario: a client disconnects during its run without `done`; the grace period is a second.
/// Guarantees: the run ends after that, and its report names the client.
#[apply(e2e)]
fn a_client_that_goes_without_a_word() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "grace = \"1s\"", ""), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests(vec![row("some", 1.0, false); 10]);
    client.acknowledged();
    drop(client);
    assert_eq!(ltel.wait(SOON), Exit::Code(1));
    let lines = scene.lines();
    let report = lines.report();
    assert_eq!(report.telemetry["missing"], serde_json::json!(["local"]), "{report:?}");
    assert_eq!((report.count("recorded"), lines.final_record().count("num_requests")), (10, 10));
}

/// Scenario: several runs at the same time, in either encoding, their requests interleaved.
/// Guarantees: each has its own figures.
#[apply(e2e)]
fn runs_at_the_same_time() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &[]);
    let ids = ["a", "b", "c", "d"];
    let mut clients: Vec<_> = (0..)
        .zip(ids)
        .map(|(n, id)| {
            let encoding = if n % 2 == 0 { Encoding::MessagePack } else { Encoding::JsonLines };
            let mut client = Client::unix(&scene.socket(), encoding, id);
            client.start(id);
            client
        })
        .collect();
    for _ in 0..20 {
        for (n, client) in (1..).zip(&mut clients) {
            client.requests(vec![row(ids[n - 1], 1.0, n == 1); n]);
        }
    }
    clients.into_iter().for_each(Client::finish);
    scene.reported(4);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    let lines = scene.lines();
    for (n, id) in (1..).zip(ids) {
        let of_run = lines.of_run(id);
        check_account(of_run.report());
        let endpoints: Vec<_> = of_run.stats("endpoint").filter(|line| line.is("status", "success")).collect();
        assert_eq!(endpoints.len(), 1, "{endpoints:?}");
        assert_eq!((endpoints[0].text("name"), endpoints[0].count("num_requests")), (id, 20 * n));
        assert_eq!(of_run.final_record().count("num_failures"), if n == 1 { 20 } else { 0 });
    }
}

/// Scenario: requests and an event of the user's own come after their run is complete, and then a corrected account.
/// Guarantees: they are in no figure of the run; the log counts them; a record tells the run's account as it is then, in which
/// each of them is dropped as late, and what the recorders left out before; ltel ends with 1.
#[apply(e2e)]
fn requests_after_the_end_of_their_run() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", "[recorders.custom]\n"), &[]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "punctual");
    client.start("run");
    client.requests(vec![row("some", 1.0, false); 10]);
    let negative = Measurement { name: "cart.items".into(), value: -1.0, ..Measurement::default() };
    client.send(Message::Measurements(Measurements { values: vec![negative], invalid: 0 }));
    client.send(Message::Done(Done { sent: Some(10), ..Done::default() }));
    scene.reported(1);
    client.requests(vec![row("some", 1.0, false); 5]);
    client.send(Custom { name: "mine".to_owned(), ..Custom::default() }.into());
    client.send(Message::Done(Done { sent: Some(15), ..Done::default() }));
    client.acknowledged();
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(1));
    let lines = scene.lines();
    assert_eq!((lines.report().count("recorded"), lines.final_record().count("num_requests")), (10, 10));
    assert_eq!(lines.report().telemetry["complete"], true);
    let corrections: Vec<_> = lines.named("ltel.run.correction").collect();
    assert_eq!(corrections.len(), 1, "{corrections:?}");
    check_account(corrections[0]);
    assert_eq!((corrections[0].count("sent"), corrections[0].count("recorded")), (15, 10));
    assert_eq!(corrections[0].telemetry["dropped_by_reason"]["late"], 5);
    assert_eq!(corrections[0].count("late_events"), 1);
    assert_eq!(corrections[0].telemetry["complete"], false);
    for report in [lines.report(), corrections[0]] {
        assert_eq!(report.telemetry["values_left_out"], serde_json::json!({"custom": 1}), "{report:?}");
    }
    for said in [
        "requests after the end of their run: 5 of local in run run",
        "run run: more came after its end: 10 requests recorded, 5 dropped (5 late; 1 event after its end)",
        "run run: incomplete, 5 requests dropped (late), 1 event came after its end",
    ] {
        assert!(ltel.stderr().contains(said), "{said} in\n{}", ltel.stderr());
    }
}

/// Scenario: a client says that it is done, and has sent fewer requests than ltel has recorded.
/// Guarantees: the run is reported as incomplete everywhere; its report names the source; the account closes.
#[apply(e2e)]
fn a_source_that_disagrees() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests(vec![row("some", 1.0, false); 10]);
    client.send(Message::Done(Done { sent: Some(5), ..Done::default() }));
    client.acknowledged();
    drop(client);
    assert_eq!(ltel.wait(SOON), Exit::Code(1));
    let lines = scene.lines();
    let report = lines.report();
    check_account(report);
    assert_eq!((report.count("sent"), report.count("recorded")), (10, 10), "{report:?}");
    assert_eq!(report.telemetry["sources"][0]["status"], "disagrees", "{report:?}");
    assert_eq!(report.telemetry["complete"], false);
    assert_eq!(lines.final_record().telemetry["complete"], false);
    let said = "run run incomplete: 10 requests recorded, 0 dropped (sent more than they reported: local)";
    assert!(ltel.stderr().contains(said), "{}", ltel.stderr());
}

/// Scenario: a frame's number is far beyond that of the one before it, as of a client that counts wrongly.
/// Guarantees: it is a fault of that frame, and those that follow in order are recorded.
#[apply(e2e)]
fn a_number_that_cannot_be() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    let rows = Rows { rows: vec![row("lost", 1.0, false)], ..Rows::default() };
    let frame = Frame { seq: Some(u64::MAX), message: Message::Requests(rows) };
    client.raw(&Encoding::MessagePack.encode(&frame).unwrap()).unwrap();
    client.count_as_sent(1);
    client.requests(vec![row("some", 1.0, false); 10]);
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(1));
    let lines = scene.lines();
    let report = lines.report();
    assert_eq!((report.count("sent"), report.count("recorded")), (11, 10), "{report:?}");
    assert!(ltel.stderr().contains("frame with an impossible number"), "{}", ltel.stderr());
}

/// Scenario: a person types JSON: no client id, no numbers, one request at a time, the least of fields.
/// Guarantees: it is a run like any other.
#[apply(e2e)]
fn lines_typed_by_hand() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &["--once"]);
    let mut stream = UnixStream::connect(scene.socket()).unwrap();
    for line in [
        r#"{"type":"hello","protocol":1}"#,
        "",
        r#"{"type":"test_start","run_id":"typed","testplan":"by hand"}"#,
        r#"{"type":"request","start_time":1700000000.5,"request_type":"GET","name":"/a","response_time":12.5}"#,
        r#"{"type":"request","start_time":1700000001,"request_type":"GET","name":"/a","response_time":null,"error":["E","no"]}"#,
        r#"{"type":"test_stop"}"#,
        r#"{"type":"done","sent":2}"#,
    ] {
        writeln!(stream, "{line}").unwrap();
    }
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    let lines = scene.lines();
    assert_eq!(lines.report().text("testplan"), "by hand");
    let total = lines.final_record();
    assert_eq!((total.count("num_requests"), total.count("num_failures")), (2, 1));
    assert!((total.number("avg_response_time") - 12.5).abs() < 0.01);
}

/// Scenario: two tests one after the other say the same run id (`LTEL_RUN_ID` in a pipeline that runs Locust twice).
/// Guarantees: each is a run of its own with its own figures, and ltel says that the id was given twice.
#[apply(e2e)]
fn the_same_run_id_twice() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &[]);
    for (n, requests) in [(1, 10), (2, 3)] {
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, &format!("client-{n}"));
        client.start("build-7");
        client.requests(vec![row("some", 1.0, false); requests]);
        client.finish();
        scene.reported(n);
    }
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    let recorded: Vec<_> = scene.lines().reports().iter().map(|report| report.count("recorded")).collect();
    assert_eq!(recorded, [10, 3]);
    assert!(ltel.stderr().contains("was used by a run that has ended"), "{}", ltel.stderr());
}
