//! Memory is bounded by configuration, whatever clients send.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use ltel_core::event::{RequestError, TestStart};
use ltel_core::wire::{Encoding, Message};
use ltel_tests::{
    Client, Exit, MOST_MEMORY, Process, SLOW, SOON, Scene, Turn, config, need_file, peak_mib, row, until,
};
use rustix::process::Signal;

/// What ltel may have at default settings, in MiB.
const WALL: u64 = MOST_MEMORY >> 10;

/// Writes as much as ltel takes.
fn pour(streams: &mut [(UnixStream, usize)], bytes: &[u8]) {
    let mut idle = 0;
    while idle < 50 {
        let mut written = 0;
        for (stream, at) in &mut *streams {
            match stream.write(&bytes[*at..]) {
                Ok(count) => {
                    *at += count;
                    written += count;
                }
                Err(error) => assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::BrokenPipe), "{error}"),
            }
        }
        if written > 0 {
            idle = 0;
        } else {
            idle += 1;
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn connect(path: &Path, count: usize, first: &[u8]) -> Vec<(UnixStream, usize)> {
    let connect = |_| {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.write_all(first).unwrap();
        stream.set_nonblocking(true).unwrap();
        (stream, 0)
    };
    (0..count).map(connect).collect()
}

#[allow(clippy::print_stderr)] // what a failing test shows
fn wall(ltel: &Process, what: &str) {
    let peak = peak_mib(ltel);
    eprintln!("{what}: {peak} MiB");
    assert!(peak < WALL, "{what}: {peak} MiB");
}

/// Sends 900,000 rows in a frame, number 1,000 of its client.
fn many_rows(mut client: Client) -> Client {
    // Eight bytes each: [0, "", "", 0, 0, 0, nil].
    let rows = b"\x97\0\xa0\xa0\0\0\0\xc0".repeat(900_000);
    let head = b"\x83\xa4type\xa8requests\xa3seq\xcd\x03\xe8\xa4rows\xdd\0\x0d\xbb\xa0";
    let length = u32::try_from(head.len() + rows.len()).unwrap();
    client.raw(&[&length.to_be_bytes()[..], head, &rows].concat()).unwrap();
    client.count_as_sent(900_000);
    let mut client = client.on_from(1_000);
    client.acknowledged();
    client
}

/// Scenario: `ulimit -v` leaves ltel 200 MB of addresses, most of which no memory is behind; a client sends a frame that is as
/// large as one may be.
/// Guarantees: ltel starts, and records all of it.
#[apply(e2e)]
fn with_few_addresses() {
    need_file("/proc/self/status", "Linux, whose `ulimit -v` is a limit");
    let scene = Scene::new();
    let file = scene.write("telemetry.toml", &config(&scene, "", ""));
    let ltel = scene.ltel(["--config".as_ref(), file.as_os_str(), "--once".as_ref()]);
    let mut shell = scene.program(Path::new("/bin/sh"));
    shell.args(["-c", "ulimit -v 200000 && exec \"$@\"", "sh"]).arg(ltel.get_program()).args(ltel.get_args());
    // glibc reserves 64 MB of addresses for each thread that allocates beside others: how many do is chance.
    shell.env("MALLOC_ARENA_MAX", "1");
    let mut ltel = scene.start("ltel", shell);
    ltel.says("listening on", SOON);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    many_rows(client).finish();
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));
    assert_eq!(scene.lines().final_record().count("num_requests"), 900_000);
}

/// Scenario: at default settings, one after another: 400 connections that send a large first frame and do not end it; 300
/// clients that do so after their hello; ids, names and errors of a megabyte each; a frame of 900,000 rows, each with a span.
/// Beside them, a good client.
/// Guarantees: all of it together takes less than 256 MiB; the good client's figures are exact, and no row is lost.
#[apply(e2e)]
fn what_clients_send_is_bounded() {
    let _turn = Turn::alone();
    let scene = Scene::new();
    let more = "[recorders.failures]\n[recorders.spans]\n[backends.spans]\ntype = \"json\"\noutput = \"/dev/null\"\nspans = true";
    let mut ltel = scene.serve(&config(&scene, "", more), &[]);
    let socket = scene.socket();
    let first = [&65_000_u32.to_be_bytes()[..], &vec![0x91; 64_000]].concat();

    let mut unwelcome = connect(&socket, 400, &[]);
    pour(&mut unwelcome, &first);
    wall(&ltel, "first frames that do not end");
    drop(unwelcome);

    let hello = b"{\"type\":\"hello\",\"protocol\":1}\n";
    let mut slow = connect(&socket, 300, hello);
    // A line that does not end.
    let line = vec![b' '; 7 << 20];
    pour(&mut slow, &line);
    wall(&ltel, "frames that do not end");

    // While those hold the room for large frames, small ones pass.
    let mut good = Client::unix(&socket, Encoding::MessagePack, "good");
    good.start("good");
    good.requests((0..100).map(|n| row("good", f64::from(n), false)).collect());
    good.acknowledged();
    drop(slow);

    let long = "x".repeat(1_000_000);
    let mut bad = Client::unix(&socket, Encoding::MessagePack, "bad");
    bad.start("bad");
    for n in 0..40 {
        let names: Vec<_> = (0..7).map(|m| format!("{long}{n}-{m}")).collect();
        bad.requests(names.iter().map(|name| row(name, 1.0, false)).collect());
        let failed = |text: &String| {
            let error = RequestError { class: "E".into(), text: text.clone().into() };
            ltel_core::event::Request { error: Some(error), ..row("failed", 1.0, true) }
        };
        bad.requests(names.iter().map(failed).collect());
    }
    bad.acknowledged();
    wall(&ltel, "long names and errors");
    for n in 0..20 {
        let mut client = Client::unix(&socket, Encoding::MessagePack, &format!("ids {n}"));
        let name = |what| Some(format!("{n} {what} {long}{long}"));
        let start =
            TestStart { run_id: name("run"), testplan: name("plan"), host: name("host"), ..TestStart::default() };
        client.send(Message::from(start));
        client.acknowledged();
    }
    wall(&ltel, "long ids");

    let bad = many_rows(bad);
    wall(&ltel, "many rows in one frame");

    good.finish();
    bad.finish();
    let lines = until("two reports", SLOW, || {
        let lines = scene.lines_so_far();
        let is_there = |id: &str| lines.reports().iter().any(|report| report.is("run_id", id));
        (is_there("good") && is_there("bad")).then_some(lines)
    });
    assert_eq!(lines.of_run("good").final_record().count("num_requests"), 100);
    assert_eq!(lines.of_run("bad").final_record().count("num_requests"), 900_000 + 40 * 14);
    wall(&ltel, "the end");
    ltel.signal(Signal::TERM);
    assert!(matches!(ltel.wait(SLOW), Exit::Code(_)));
    let said = ltel.stderr();
    for kind in ["text cut: requests.name", "text cut: requests.error", "text cut: test_start.run_id"] {
        assert!(said.contains(kind), "{kind}: {said}");
    }
    assert!(said.lines().all(|line| line.len() < 20_000), "a long line in the log");
}
