//! Probes, as Kubernetes and the like send them, to the binary as people run it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use ltel_core::wire::Encoding;
use ltel_tests::{Client, Exit, SLOW, SOON, Scene, Turn, config, free_port, get, request, row, until};
use rustix::process::Signal;

fn health(port: u16) -> String {
    format!("[health]\nlisten = '127.0.0.1:{port}'\n")
}

/// Status and body of `/healthz` and `/readyz`; absent while nothing listens.
fn probed(port: u16) -> Option<[(u16, String); 2]> {
    let ask = |path| get(port, path).ok().map(|answer| (answer.status, answer.body));
    Some([ask("/healthz")?, ask("/readyz")?])
}

/// The two statuses.
fn statuses(port: u16) -> [u16; 2] {
    probed(port).expect("answers").map(|(status, _)| status)
}

/// Scenario: a serving ltel is asked from its start to its end; SIGTERM comes while a run is active, whose client takes its time.
/// Guarantees: both probes answer 200 as soon as it listens; from SIGTERM on it works and is not ready, until the client has delivered, and ltel
/// ends well. Other paths and methods are refused; each answer is one line.
#[apply(e2e)]
fn from_the_start_to_the_end() {
    let (scene, port) = (Scene::new(), free_port());
    let mut ltel = scene.serve(&config(&scene, "", &health(port)), &[]);
    let [healthy, ready] = probed(port).expect("answers");
    assert_eq!((healthy, ready), ((200, "ok\n".to_owned()), (200, "ready\n".to_owned())));
    for (method, path, status) in [
        ("HEAD", "/healthz", 200),
        ("HEAD", "/readyz", 200),
        ("GET", "/readyz?verbose=1", 200),
        ("POST", "/healthz", 405),
        ("GET", "/", 404),
        ("GET", "/metrics", 404),
    ] {
        let answer = request(port, method, path, "").expect("an answer");
        assert_eq!(answer.status, status, "{method} {path}");
        let lines = usize::from(method != "HEAD");
        assert_eq!(answer.body.matches('\n').count(), lines, "{method} {path}: {}", answer.body);
    }

    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "one");
    client.start("one");
    client.requests(vec![row("/", 10.0, false)]);
    ltel.says("run one of testplan", SOON);
    ltel.signal(Signal::TERM);
    ltel.says("waiting at most 10s", SOON);
    assert_eq!(statuses(port), [200, 503]);
    client.finish();
    assert_eq!(ltel.wait(SLOW), Exit::Code(0), "{}", ltel.stderr());
    assert_eq!(scene.lines().report().count("recorded"), 1);
}

/// Scenario: `ltel-cli run` with probes; SIGTERM while Locust runs. Guarantees: it is ready while Locust runs, and healthy but not ready while
/// Locust ends.
#[apply(e2e)]
fn under_run() {
    let _turn = Turn::shared();
    let (scene, port) = (Scene::new(), free_port());
    let locust = ["--headless", "-f", "lingering.py", "-u1", "--stop-timeout=3"];
    let mut run = scene.start("run", scene.run(&config(&scene, "", &health(port)), locust));
    // Once its user is there, it has something to wait for at its end.
    let requests = || scene.lines_so_far().named("locust.tl.request.metric.requests").next().map(|_| ());
    until("a request", SLOW, requests);
    assert_eq!(statuses(port), [200, 200]);
    run.signal(Signal::TERM);
    run.says("passing SIGTERM on to Locust", SOON);
    // Its user goes on for the three seconds that it is given.
    assert_eq!(statuses(port), [200, 503]);
    assert_eq!(run.wait(SLOW), Exit::Code(0), "{}", run.stderr());
}

/// Scenario: a backend panics, and so does a recorder. Guarantees: of the backend `/healthz` tells, in words without what its panic said;
/// Locust can still connect. A recorder that is out of one run is no failure of the process.
#[apply(e2e)]
fn a_part_that_panics() {
    let (scene, port) = (Scene::new(), free_port());
    let names =
        format!("[backends.names]\npath = '{}'\npanics_at = \"ltel.run.report\"\n", scene.path("names.txt").display());
    let file = scene.write("telemetry.toml", &config(&scene, "", &(health(port) + &names)));
    let mut program = scene.program(env!("CARGO_BIN_EXE_ltel-backend").as_ref());
    program.args([Path::new("--config"), &file]);
    let mut ltel = scene.start("ltel", program);
    ltel.says("listening on", SOON);
    assert_eq!(statuses(port), [200, 200]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "one");
    client.start("one");
    client.requests(vec![row("/", 10.0, false)]);
    client.finish();
    ltel.says("backend `names` panicked", SOON);
    let failed = until("a failure", SOON, || {
        let [healthy, ready] = probed(port)?;
        assert_eq!(ready.0, 200);
        (healthy.0 == 503).then_some(healthy.1)
    });
    assert_eq!(failed, "failed: a part of ltel panicked, see its log\n");
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(1));
}

/// Scenario: clients that send nothing, or half a request, hold every place; probes come all the same. Guarantees: each is answered.
#[apply(e2e)]
fn slow_clients_are_in_no_ones_way() {
    let (scene, port) = (Scene::new(), free_port());
    let mut ltel = scene.serve(&config(&scene, "", &health(port)), &[]);
    let mut slow: Vec<_> = (0..200)
        .map(|n| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
            if n % 2 == 0 {
                stream.write_all(b"GET /healthz HTTP/1.1\r\nX-Slow: ").expect("half a request");
            }
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(statuses(port), [200, 200]);
    }
    // The first ones made room for others.
    let mut rest = Vec::new();
    let closed = slow[0].read_to_end(&mut rest);
    assert!(closed.is_err() || rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    drop(slow);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
}

/// Scenario: the address is taken; the file has another address at SIGHUP. Guarantees: ltel does not start without its probes; a change is said
/// to need a restart, and the old address goes on.
#[apply(e2e)]
fn a_port_that_is_taken_and_one_that_changes() {
    let (scene, port) = (Scene::new(), free_port());
    let text = config(&scene, "", &health(port));
    let mut first = scene.serve(&text, &[]);
    let second = Scene::new();
    let mut taken = second.start("ltel", second.server(&config(&second, "", &health(port)), &[]));
    assert_eq!(taken.wait(SOON), Exit::Code(1));
    let said = format!("[health]: cannot listen on `127.0.0.1:{port}`: ");
    assert!(taken.stderr().contains(&said), "{}", taken.stderr());

    scene.write("telemetry.toml", &text.replace(&health(port), &health(free_port())));
    first.signal(Signal::HUP);
    first.says("SIGHUP: [health] has changed, which takes effect when ltel-cli is started again", SOON);
    first.says("SIGHUP: the next run begins with the configuration as it is now", SOON);
    assert_eq!(statuses(port), [200, 200]);
    first.signal(Signal::TERM);
    assert_eq!(first.wait(SOON), Exit::Code(0));
}
