//! Backends whose targets fail: receivers that hang or are not OTLP receivers, files that are gone, pipes that nothing
//! reads, scrapers that say nothing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use ltel_core::clock::Clock;
use ltel_core::wire::Encoding;
use ltel_tests::{
    Client, Exit, Lines, MOST_MEMORY, SLOW, SOON, Scene, Turn, config, free_port, get, otlp_backend, peak_mib,
    prometheus_backend, row, traced,
};
use rustix::process::Signal;

/// What ltel may have at default settings, in MiB.
const WALL: u64 = MOST_MEMORY >> 10;

/// A receiver that accepts connections, as the kernel does by itself, and never answers.
fn hanging() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, otlp_backend("hanging", "grpc", port))
}

/// Scenario: a receiver hangs, and ltel gets 200 MiB of spans for it, which `queue` would let in.
/// Guarantees: no more of them wait than `queue_bytes` says; what found no room is dropped and told; the other backend is whole.
#[apply(e2e)]
fn spans_for_a_receiver_that_hangs() {
    let _turn = Turn::alone();
    let scene = Scene::new();
    let (_receiver, backend) = hanging();
    let options = "queue = 1000000\nqueue_bytes = \"16MiB\"\n[recorders.spans]\n";
    let mut ltel = scene.serve(&config(&scene, "", &format!("{backend}{options}")), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    let url = format!("http://127.0.0.1/{}", "x".repeat(4_000));
    for frame in 0..40 {
        client.requests((1..=1_000).map(|n| traced(frame * 1_000 + n, &url)).collect());
        client.acknowledged();
    }
    let peak = peak_mib(&ltel);
    assert!(peak < 128, "{peak} MiB");
    client.finish();
    scene.reported(1);
    ltel.says("backend `hanging` is too slow: its queue is full, spans are dropped", SOON);
    // It waits for the backend already, and a signal ends that.
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SLOW), Exit::Code(1), "{}", ltel.stderr());
    assert_eq!(scene.lines().final_record().count("num_requests"), 40_000);
}

/// Scenario: 200 runs end while a receiver hangs.
/// Guarantees: memory stays below its bound, and final points that were given up are told as lost.
#[apply(e2e)]
fn runs_that_end_while_a_receiver_hangs() {
    let _turn = Turn::alone();
    let scene = Scene::new();
    let (_receiver, backend) = hanging();
    let mut ltel = scene.serve(&config(&scene, "", &format!("{backend}queue_bytes = \"4MiB\"\n")), &[]);
    let names: Vec<_> = (0..100).map(|n| format!("/endpoint/{n}")).collect();
    for run in 0..200 {
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, &format!("client-{run}"));
        client.start(&format!("run-{run}"));
        client.requests(names.iter().map(|name| row(name, 5.0, false)).collect());
        client.finish();
    }
    ltel.says("its queue has no room for the final points of run ", SLOW);
    let peak = peak_mib(&ltel);
    assert!(peak < WALL, "{peak} MiB");
    ltel.signal(Signal::TERM);
    ltel.says("another signal ends the wait", SLOW);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SLOW), Exit::Code(1), "{}", ltel.stderr());
    assert!(ltel.stderr().contains("backend `hanging`: did not finish"), "{}", ltel.stderr());
}

/// Scenario: more connections to the page of Prometheus than there may be, none of which says anything.
/// Guarantees: a scrape is answered at once.
#[apply(e2e)]
fn idle_connections_block_no_scrape() {
    let (scene, port) = (Scene::new(), free_port());
    let mut ltel = scene.serve(&config(&scene, "", &prometheus_backend(port, "")), &[]);
    let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let begun = Clock::System.now();
    for _ in 0..3 {
        assert_eq!(get(port, "/metrics").unwrap().status, 200);
    }
    let took = Clock::System.now().since(begun);
    assert!(took < Duration::from_secs(3), "{took:?}");
    // The last of them go by themselves.
    let mut last = idle.last().unwrap();
    last.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = Vec::new();
    let _ = last.read_to_end(&mut answer);
    assert!(Clock::System.now().since(begun) < Duration::from_secs(15), "it was closed");
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0), "{}", ltel.stderr());
}

/// Scenario: the JSON backend's file is a named pipe that nothing reads; later something does.
/// Guarantees: ltel starts, says so, and delivers what waited to the reader; without one it ends when it is told to, and says
/// what is lost.
#[apply(e2e)]
fn a_named_pipe() {
    for is_read in [true, false] {
        let scene = Scene::new();
        let path = scene.path("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        let pipe = format!("[backends.pipe]\ntype = \"json\"\noutput = '{}'\n", path.display());
        let mut ltel = scene.serve(&config(&scene, "", &pipe), &[]);
        ltel.says("backend `pipe`: nothing reads the named pipe", SOON);
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
        client.start("run");
        client.requests(vec![row("/a", 5.0, false); 10]);
        let reader = is_read.then(|| std::thread::spawn(move || std::fs::read_to_string(path).unwrap()));
        client.finish();
        scene.reported(1);
        if let Some(reader) = reader {
            ltel.signal(Signal::TERM);
            assert_eq!(ltel.wait(SOON), Exit::Code(0), "{}", ltel.stderr());
            let lines = Lines::parse(&reader.join().unwrap());
            assert_eq!(lines.final_record().count("num_requests"), 10);
        } else {
            ltel.signal(Signal::TERM);
            assert_eq!(ltel.wait(SOON), Exit::Code(1), "{}", ltel.stderr());
            assert!(ltel.stderr().contains("nothing reads the named pipe"), "{}", ltel.stderr());
        }
    }
}

/// Scenario: what answers at the URL of an OTLP receiver is a web server, which has a page for everybody.
/// Guarantees: nothing counts as delivered; the message says what came and what may be wrong.
#[apply(e2e)]
fn a_page_in_the_place_of_a_receiver() {
    let scene = Scene::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut bytes = [0; 4_096];
            // The head, and then as much as it says.
            let whole = |request: &[u8]| {
                let text = String::from_utf8_lossy(request).to_lowercase();
                let end = text.find("\r\n\r\n")? + 4;
                let length = text.split("content-length: ").nth(1)?.split("\r\n").next()?.parse::<usize>().ok()?;
                (request.len() >= end + length).then_some(())
            };
            while whole(&request).is_none() {
                match stream.read(&mut bytes) {
                    Ok(count) if count > 0 => request.extend(&bytes[..count]),
                    _ => break,
                }
            }
            let page = "<html><h1>Log in</h1></html>";
            let length = page.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
        }
    });
    let mut ltel = scene.serve(&config(&scene, "", &otlp_backend("page", "http/protobuf", port)), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests(vec![row("/a", 5.0, false); 10]);
    client.finish();
    assert_eq!(ltel.wait(SLOW), Exit::Code(1), "{}", ltel.stderr());
    let said = ltel.stderr();
    for told in [
        "failed: the answer is not OTLP: status 200, text/html, 28 bytes; check the URL: a proxy or a login page",
        "backend `page`: final figures NOT delivered",
    ] {
        assert!(said.contains(told), "{told} in\n{said}");
    }
}
