//! Backends of the command line, with and without a file.

use std::path::Path;
use std::process::Command;

use ltel_core::wire::Encoding;
use ltel_tests::{Client, Exit, Lines, Process, SLOW, SOON, Scene, free_port, get, row, until};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs `run` with these options, and a command that sends one run of the test's own to its socket.
pub(crate) fn one_test(scene: &Scene, options: &[&str], ltel: impl FnOnce(&mut Command)) -> Process {
    let mut command = scene.ltel(
        [
            &["run"],
            options,
            &["sh", "-c", "echo \"$LTEL_ADDRESS\" > address; while [ ! -e over ]; do sleep 0.05; done"],
        ]
        .concat(),
    );
    ltel(&mut command);
    let _ = std::fs::remove_file(scene.path("address"));
    let _ = std::fs::remove_file(scene.path("over"));
    let process = scene.start("run", command);
    let address = until("the address", SOON, || {
        let address = std::fs::read_to_string(scene.path("address")).ok()?;
        Some(address.trim().strip_prefix("unix:")?.to_owned())
    });
    let mut client = Client::unix(Path::new(&address), Encoding::MessagePack, "client");
    client.start("run");
    client.requests((0..10).map(|n| row("/a", f64::from(n), n == 0)).collect());
    client.acknowledged();
    client.finish();
    process
}

pub(crate) fn is_over(scene: &Scene, mut process: Process) -> Process {
    scene.write("over", "");
    assert_eq!(process.wait(SLOW), Exit::Code(0), "{}", process.stderr());
    process
}

/// Scenario: `run` without a file, and `--json`, `--prometheus`, `--otlp`, `--junit` and `--report`.
/// Guarantees: telemetry is where the options say, and nowhere else; stderr says where; one that takes only metrics says so.
#[apply(e2e)]
fn backends_without_a_file() {
    let scene = Scene::new();
    let port = free_port();
    let listen = format!(":{port}");
    let options = ["--json", "out.jsonl", "--prometheus", &listen, "--junit", "junit", "--report", "report.json"];
    let process = one_test(&scene, &options, |_| {});
    until("the figures", SLOW, || {
        let page = get(port, "/metrics").ok()?;
        page.body.contains("locust_tl_request_metric_success").then_some(())
    });
    let process = is_over(&scene, process);
    assert_eq!(process.stdout(), "");
    let said = process.stderr();
    let places = format!("Telemetry: --json out.jsonl; --prometheus http://127.0.0.1:{port}/metrics\n");
    assert!(said.contains(&places), "{said}");
    assert!(!said.contains("go nowhere") && !scene.path(".local/state/ltel").exists(), "{said}");
    assert_eq!(Lines::read(&scene.path("out.jsonl")).final_record().count("num_requests"), 10);
    assert!(std::fs::read_to_string(scene.path("junit")).unwrap().contains("<testsuites"));
    assert!(scene.path("report.json").exists());

    let process = one_test(&scene, &["--json", "-"], |_| {});
    let process = is_over(&scene, process);
    assert_eq!(Lines::parse(&process.stdout()).final_record().count("num_requests"), 10);

    let process = one_test(&scene, &["--prometheus", "127.0.0.1:0"], |_| {});
    let process = is_over(&scene, process);
    let said = process.stderr();
    assert!(said.contains("go nowhere: Prometheus takes metrics only") && !said.contains("127.0.0.1:0"), "{said}");
    assert!(said.contains("Telemetry: --prometheus http://127.0.0.1/metrics at a free port\n"), "{said}");
    assert!(said.contains("metrics are at http://127.0.0.1:"), "{said}");
    assert_eq!(process.stdout(), "");
}

/// Scenario: the same options beside a file. Guarantees: both have everything; what clashes with the file is told.
#[apply(e2e)]
fn backends_beside_a_file() {
    let scene = Scene::new();
    scene.write("telemetry.toml", "[recorders.stats]\n[backends.file]\ntype = \"json\"\noutput = \"file.jsonl\"\n");
    let process = is_over(&scene, one_test(&scene, &["-c", "telemetry.toml", "--json", "option.jsonl"], |_| {}));
    for name in ["file.jsonl", "option.jsonl"] {
        assert_eq!(Lines::read(&scene.path(name)).final_record().count("num_requests"), 10, "{name}");
    }
    assert!(process.stderr().contains("--json"), "the account has it: {}", process.stderr());
    scene.write("named.toml", "[recorders.stats]\n[backends.--json]\ntype = \"json\"\noutput = \"x.jsonl\"\n");
    scene.write("stdout.toml", "[recorders.stats]\n[backends.json]\n");
    scene.write("only.toml", "[recorders.stats]\n");
    for (options, told) in [
        (
            &["-c", "telemetry.toml", "--json", "file.jsonl"][..],
            "--json: another backend already writes to `file.jsonl`",
        ),
        (&["-c", "named.toml", "--json", "y.jsonl"], "[backends.--json] has the name of a backend of the command line"),
        (&["--json", "none/x.jsonl"], "--json: `none/x.jsonl` is in a folder that does not exist"),
        (&["--otlp", "127.0.0.1:4317"], "--otlp: `127.0.0.1:4317` is not a URL"),
        (&["--otlp", "http://localhost", "--otlp-protocol", "http"], "invalid value 'http'"),
        (&["--otlp-protocol", "grpc"], "--otlp <URL>"),
        (&["--page", "9464x", "x"], "`9464x` was not found"),
        (&["--prometheus", "host:9464", "x"], "write an IP address and a port"),
        (&["--junit", "none/junit.xml"], "--junit: `none/junit.xml` is in a folder that does not exist"),
        (&["--junit", "a.xml", "--report", "a.xml"], "--junit: `a.xml` is given twice"),
        (&["--summary", "json", "--json", "-"], "the summary and the backend `--json` would both go to stdout"),
        (&["--json", "a", "--json", "b"], "cannot be used multiple times"),
        (&["--page", ":9464", "--prometheus"], "--prometheus and --page would both listen on 127.0.0.1:9464"),
    ] {
        let output = scene.ltel([&["run"], options, &["true"]].concat()).output().unwrap();
        assert!(text(&output.stderr).contains(told), "{options:?}: {}", text(&output.stderr));
        assert!(matches!(output.status.code(), Some(2 | 127)), "{options:?}: {output:?}");
    }
    // With an option, the file needs no backend.
    let output = scene.ltel(["run", "-c", "only.toml", "--json", "z.jsonl", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = scene.ltel(["run", "-c", "stdout.toml", "--json", "-", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// Scenario: an OTLP receiver of gRPC and one of HTTP, by their ports. Guarantees: `--otlp` speaks what each understands, as `demo` does.
#[apply(e2e)]
fn otlp_by_its_port() {
    let scene = Scene::new();
    for (url, to) in [
        ("http://127.0.0.1:4317", "http://127.0.0.1:4317/ (grpc)"),
        ("http://127.0.0.1:4318", "http/protobuf"),
        ("http://127.0.0.1:9", "http/protobuf"),
    ] {
        let output = scene.ltel(["run", "--otlp", url, "true"]).output().unwrap();
        assert!(text(&output.stderr).contains(to), "{url}: {output:?}");
        assert_eq!(text(&output.stdout), "");
    }
}

/// Scenario: two parts of ltel that would listen at one address, one of them of the command line, or both.
/// Guarantees: an error that names both as they were written.
#[apply(e2e)]
fn one_address_for_two() {
    let scene = Scene::new();
    let file = |name: &str, text: &str| scene.write(name, &format!("[recorders.requests]\n{text}"));
    file("prometheus.toml", "[backends.metrics]\ntype = 'prometheus'\nlisten = '127.0.0.1:9464'\n");
    file("health.toml", "[health]\nlisten = '127.0.0.1:9464'\n[backends.json]\n");
    for (options, said) in [
        (
            &["--prometheus", ":9464", "--page", ":9464"][..],
            "--prometheus and --page would both listen on 127.0.0.1:9464",
        ),
        (
            &["-c", "prometheus.toml", "--page", ":9464"],
            "[backends.metrics] and --page would both listen on 127.0.0.1:9464",
        ),
        (&["-c", "health.toml", "--prometheus"], "--prometheus already listens on `127.0.0.1:9464`"),
        (&["-c", "health.toml", "--page", ":9464"], "[health] and --page would both listen on 127.0.0.1:9464"),
        (&["--json", "a.json", "--report", "a.json"], "--report: another backend already writes to `a.json`"),
    ] {
        let output = scene.ltel([&["run"], options, &["true"]].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }
}
