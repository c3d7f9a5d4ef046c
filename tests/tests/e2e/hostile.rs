//! Bad frames and bad clients do not harm other clients.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use ltel_core::event::{Custom, RequestError, SingleEvent};
use ltel_core::source::{Source, SourceKind};
use ltel_core::wire::{Encoding, Hello, Message};
use ltel_tests::{Client, Exit, SLOW, SOON, Scene, Turn, check_account, config, free_port, hello, row, until};

/// Scenario: beside a real Locust run there are 200 idle connections, and clients that send garbage, half a frame,
/// and a frame far over the limit, again and again; another one takes seconds for a good frame.
/// Guarantees: each kind of fault is logged; the figures of the good clients are exact.
#[apply(e2e)]
fn a_good_client_among_bad_ones() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let port = free_port();
    let config = config(&scene, "", "").replace("[listen]", &format!("[listen]\ntcp = \"127.0.0.1:{port}\""));
    let mut ltel = scene.serve(&config, &[]);
    let idle: Vec<_> = (0..100)
        .map(|_| (UnixStream::connect(scene.socket()).unwrap(), TcpStream::connect(("127.0.0.1", port)).unwrap()))
        .collect();

    let locust = ["--headless", "-f", "counting.py", "-u3", "-r3", "-t5s", "--only-summary", "--json-file", "figures"];
    let mut locust = scene.start("locust", scene.locust_to(&scene.address(), locust));
    let socket = scene.socket();
    let slow = thread::spawn(move || slow_but_good(&socket));
    let mut round = 0_u8;
    let exit = until("the end of the run", SLOW, || {
        round = round.wrapping_add(1);
        for bytes in bad_beginnings(round) {
            bad_client(&bytes, UnixStream::connect(scene.socket()).unwrap());
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Write);
        }
        locust.exit()
    });
    assert_eq!(exit, Exit::Code(0));
    slow.join().expect("the slow client");
    let lines = scene.reported(2);
    drop(idle);
    ltel.signal(rustix::process::Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));

    let slow = lines.of_run("slow");
    assert_eq!(slow.final_record().count("num_requests"), 20);
    check_account(slow.report());
    let good = lines.reports().iter().find(|r| !r.is("run_id", "slow")).unwrap().text("run_id").to_owned();
    let good = lines.of_run(&good);
    good.check_figures(&scene.figures());
    let report = good.report();
    assert_eq!((report.count("sent"), report.count("dropped")), (scene.figures().total().requests, 0));
    assert_eq!(report.telemetry["complete"], true);

    let log = ltel.stderr();
    for kind in ["no hello", "truncated frame", "frame refused"] {
        assert!(log.contains(kind), "`{kind}` is not in the log:\n{log}");
    }
    assert!(log.lines().count() < 200, "logged once per kind, not each time:\n{log}");
    assert!(!log.contains("panicked"), "{log}");
}

/// Scenario: between good frames a client sends invalid rows, frames of unknown types, and bytes that are not frames, in
/// either encoding.
/// Guarantees: the connection stays open; invalid rows are counted, and the account adds up.
#[apply(e2e)]
fn bad_frames_of_a_good_client() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &[]);
    let runs = [("lines", Encoding::JsonLines), ("packed", Encoding::MessagePack)];
    for (n, (run_id, encoding)) in (1..).zip(runs) {
        let mut client = Client::unix(&scene.socket(), encoding, run_id);
        client.start(run_id);
        client.requests((0..10).map(|n| row("good", f64::from(n), n == 0)).collect());
        for bad in bad_frames(encoding) {
            client.raw(&bad).unwrap();
        }
        let (rows, bytes) = bad_rows(encoding, client.next_seq());
        client.raw(&bytes).unwrap();
        client.count_as_sent(rows);
        client.requests((0..10).map(|n| row("good", f64::from(n), false)).collect());
        client.finish();
        let lines = scene.reported(n).of_run(run_id);
        let report = lines.report();
        assert_eq!((report.count("recorded"), report.count("dropped")), (20, rows), "{report:?}");
        assert_eq!(report.telemetry["dropped_by_reason"]["invalid"], rows, "{report:?}");
        assert_eq!(lines.final_record().count("num_requests"), 20);
        assert_eq!(lines.final_record().count("num_failures"), 1);
    }
    ltel.signal(rustix::process::Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(1));
}

/// Scenario: a client whose every frame has values of the wrong type in it: fractions of users, a start time that is none,
/// a name that is a number, a status that is text; beside them heartbeats.
/// Guarantees: the valid fields are recorded, and every request counts; invalid fields are logged, once per field.
#[apply(e2e)]
fn wrong_values_of_a_good_client() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &["--once"]);
    let mut stream = UnixStream::connect(scene.socket()).unwrap();
    for line in [
        r#"{"type":"hello","protocol":1.0,"client_id":7,"source":{"kind":"chief","pid":-1},"token":[]}"#,
        r#"{"type":"test_start","run_id":"odd","testplan":["odd"],"locustfile":"odd","users":15.5,"spawn_rate":"fast"}"#,
        r#"{"type":"heartbeat","time":{}}"#,
        r#"{"type":"spawning_complete","user_count":15.5}"#,
        r#"{"type":"users","counts":{"Shopper":15.0,"Thief":null}}"#,
        r#"{"type":"requests","rows":[["now","GET","/",10,10,200,null],[null,"GET",5,10,-1,"200",["E","no"]]]}"#,
        r#"{"type":"requests","rows":[[1e999,"GET","/",30,10,[],true,{"url":5}]]}"#,
        r#"{"type":"requests","rows":[["then","GET","/",20,10,200,null,"extra","more"]]}"#,
        r#"{"type":"test_stop","time":"now"}"#,
        r#"{"type":"done","sent":4.0}"#,
    ] {
        writeln!(stream, "{line}").unwrap();
    }
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    let lines = scene.lines();
    let report = lines.report();
    check_account(report);
    assert_eq!((report.text("run_id"), report.text("testplan")), ("odd", "odd"));
    assert_eq!((report.count("sent"), report.count("recorded")), (4, 4), "{report:?}");
    assert_eq!(report.telemetry["complete"], true, "{report:?}");
    let total = lines.final_record();
    assert_eq!((total.count("num_requests"), total.count("num_failures")), (4, 2));
    assert_eq!((total.count("user_count"), total.number("max_response_time")), (15, 30.0));
    let of = |name: &str| lines.stats("endpoint").find(|line| line.is("name", name)).unwrap().count("num_requests");
    assert_eq!((of("/"), of("5")), (3, 1));
    let log = ltel.stderr();
    for field in [
        "hello.client_id",
        "hello.source.kind",
        "hello.source.pid",
        "hello.token",
        "test_start.testplan",
        "test_start.spawn_rate",
        "users.counts.Thief",
        "requests.start_time",
        "requests.name",
        "requests.response_length",
        "requests.status_code",
        "requests.error",
        "requests.extra",
        "requests.extra.url",
        "test_stop.time",
    ] {
        let told = format!("WARN field not understood: {field}: ");
        assert_eq!(log.matches(&told).count(), 1, "{told} in\n{log}");
    }
    assert!(!log.contains("frame not understood") && !log.contains("heartbeat"), "{log}");
}

/// Scenario: a client's names, ids and errors hold line breaks, escape sequences, C1 controls and marks that turn text around.
/// Guarantees: the log has one line for each event and none that the client wrote, nothing of it commands a terminal; each JSON
/// line stays a line, whatever a reader takes for a line break, and its values are the client's.
#[apply(e2e)]
fn text_that_is_meant_for_terminals() {
    const EVIL: &str =
        "evil\r\n2026-01-01T00:00:00Z ERROR forged\u{1b}]0;title\u{7}\u{9b}31m\u{85}\u{2028}\u{202e}\u{2066}end";
    let scene = Scene::new();
    let config = config(&scene, "", "[recorders.failures]\n");
    let mut ltel = scene.serve(&config, &["--once"]);
    let hello = Hello {
        source: Source { kind: SourceKind::Local, id: EVIL.to_owned(), ..Source::default() },
        testplan: Some(EVIL.to_owned()),
        locustfile: Some(EVIL.to_owned()),
        ..hello(EVIL)
    };
    let mut client = Client::saying(&scene.socket(), hello);
    client.start(EVIL);
    let mut failed = row(EVIL, 1.0, true);
    failed.method = EVIL.into();
    failed.error = Some(RequestError { class: EVIL.into(), text: EVIL.into() });
    client.requests(vec![failed, row("good", 1.0, false)]);
    client.send(Message::Event(SingleEvent::Custom(Custom { name: EVIL.into(), ..Custom::default() })));
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(0));

    let log = ltel.stderr();
    let is_ours = |line: &str| {
        line.starts_with("20") && ["INFO", "WARN"].contains(&line.split_whitespace().nth(1).unwrap_or_default())
    };
    assert!(log.lines().all(is_ours), "{log:?}");
    let commands = |c: char| c != '\n' && c.is_control() || "\u{2028}\u{202e}\u{2066}".contains(c);
    assert!(log.contains("evil") && !log.contains(commands), "{log:?}");

    let written = fs::read_to_string(scene.path("telemetry.ndjson")).unwrap();
    assert!(!written.contains(|c: char| c != '\n' && c.is_control() || c == '\u{2028}'), "{written:?}");
    let lines = scene.lines();
    assert_eq!(lines.final_record().text("run_id"), EVIL);
    assert!(lines.named("locust.tl.event.failure").any(|line| line.text("name") == EVIL));
}

/// Scenario: in the middle of its run a client announces a frame beyond the limit.
/// Guarantees: it receives the reason why its connection ends; what it sent before is recorded.
#[apply(e2e)]
fn a_frame_that_is_too_large() {
    let scene = Scene::new();
    for encoding in [Encoding::MessagePack, Encoding::JsonLines] {
        let config =
            config(&scene, "grace = \"100ms\"", "").replace("[listen]", "[listen]\nmax_frame_bytes = \"4KiB\"");
        let mut ltel = scene.serve(&config, &["--once"]);
        let mut client = Client::unix(&scene.socket(), encoding, "client");
        client.start("run");
        client.requests(vec![row("good", 1.0, false)]);
        client.raw(&[b' '; 5_000]).unwrap();
        let why = client.refusal();
        assert!(why.starts_with("frame refused") && why.contains("4096"), "{why}");
        drop(client);
        assert_eq!(ltel.wait(SOON), Exit::Code(1));
        assert_eq!(scene.lines().report().count("recorded"), 1);
        std::fs::remove_file(scene.path("telemetry.ndjson")).unwrap();
    }
}

/// Scenario: more clients than the configuration allows; before them, idle connections.
/// Guarantees: clients over the limit receive the reason; an idle connection does not take a client's place; when a client
/// leaves, another is served.
#[apply(e2e)]
fn more_connections_than_allowed() {
    let scene = Scene::new();
    let config = config(&scene, "", "").replace("[listen]", "[listen]\nmax_connections = 10");
    let mut ltel = scene.serve(&config, &["--once"]);
    let _idle: Vec<_> = (0..30).map(|_| UnixStream::connect(scene.socket()).unwrap()).collect();
    let clients: Vec<_> =
        (0..10).map(|n| Client::unix(&scene.socket(), Encoding::MessagePack, &format!("client {n}"))).collect();
    let mut refused = UnixStream::connect(scene.socket()).unwrap();
    writeln!(refused, r#"{{"type":"hello","protocol":1}}"#).unwrap();
    let mut why = String::new();
    refused.read_to_string(&mut why).unwrap();
    assert!(why.contains("the limit of `max_connections` is reached"), "{why}");
    drop(clients);
    let mut client = until("a free place", SOON, || Client::try_unix(&scene.socket(), Encoding::MessagePack, "good"));
    client.start("run");
    client.requests(vec![row("good", 1.0, false)]);
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    assert_eq!(scene.lines().report().count("recorded"), 1);
}

fn bad_beginnings(round: u8) -> Vec<Vec<u8>> {
    let garbage: Vec<u8> = (0..=255_u8).map(|n| n.wrapping_mul(167).wrapping_add(round) | 1).collect();
    vec![
        // Announces more than the limit of 8 MiB.
        vec![0x7f, 0xff, 0xff, 0xff, 1, 2, 3],
        // Announces a hundred bytes and sends three.
        vec![0, 0, 0, 100, 1, 2, 3],
        // A whole frame that is invalid.
        [&[0, 0, 1, 0][..], &garbage].concat(),
        garbage,
        b"{\"type\":\"hello\",\"protocol\":1,\"client_id\":".to_vec(),
        b"{\"type\":\"requests\",\"rows\":[]}\n".to_vec(),
        b"{not json}\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ]
}

fn bad_client(bytes: &[u8], mut stream: UnixStream) {
    // ltel may have closed its end by now.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
}

/// A good client over a line that takes a while for each byte.
fn slow_but_good(socket: &std::path::Path) {
    let mut client = Client::unix(socket, Encoding::JsonLines, "slow");
    client.start("slow");
    client.requests((0..19).map(|n| row("slow", f64::from(n), false)).collect());
    let seq = client.next_seq();
    let frame =
        format!("{{\"type\":\"requests\",\"seq\":{seq},\"rows\":[[1700000000.0,\"GET\",\"slow\",1.0,10,200,null]]}}\n");
    for byte in frame.as_bytes() {
        client.raw(&[*byte]).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    client.count_as_sent(1);
    client.finish();
}

/// Frames that say nothing. They have no number: a number that is never processed would be one that is resent.
fn bad_frames(encoding: Encoding) -> Vec<Vec<u8>> {
    match encoding {
        Encoding::JsonLines => ["{not json}\n", "{\"no\":\"type\"}\n", "{\"type\":\"unheard_of\"}\n", "17\n"]
            .iter()
            .map(|line| line.as_bytes().to_vec())
            .collect(),
        Encoding::MessagePack => vec![
            // Nothing; a number; text that is cut off; an array; a map without a type.
            vec![0, 0, 0, 0],
            vec![0, 0, 0, 1, 17],
            vec![0, 0, 0, 2, 0xd9, 200],
            vec![0, 0, 0, 2, 0x91, 1],
            vec![0, 0, 0, 4, 0x81, 0xa1, b'x', 1],
        ],
    }
}

/// A batch in which all rows are invalid.
fn bad_rows(encoding: Encoding, seq: u64) -> (u64, Vec<u8>) {
    match encoding {
        Encoding::JsonLines => {
            let rows = "[[1, 2], \"row\", {}, null]";
            (4, format!("{{\"type\":\"requests\",\"seq\":{seq},\"rows\":{rows}}}\n").into_bytes())
        }
        Encoding::MessagePack => {
            let number = u8::try_from(seq).unwrap();
            // {"type": "requests", "seq": n, "rows": [[1, 2], "row", {}, nil]}
            let mut frame = vec![0x83, 0xa4];
            frame.extend(b"type\xa8requests\xa3seq");
            frame.push(number);
            frame.extend(b"\xa4rows\x94\x92\x01\x02\xa3row\x80\xc0");
            let mut bytes = u32::try_from(frame.len()).unwrap().to_be_bytes().to_vec();
            bytes.append(&mut frame);
            (4, bytes)
        }
    }
}
