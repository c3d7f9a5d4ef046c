//! What people type: where options stand, where the configuration comes from, and what is said of mistakes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use ltel_core::wire::Encoding;
use ltel_tests::{Client, Exit, Lines, Process, SLOW, SOON, Scene, config, free_port, get, row, until};
use rustix::process::Signal;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command to its end, with this on its stdin.
fn with_stdin(mut command: Command, stdin: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

const VALID: &str = "[recorders.stats]\n[backends.json]\n";

/// Scenario: `run` with and without `--`, with its options before the command, and options of the command that are names of its own.
/// Guarantees: the first word that is no option begins the command, which gets all that follows as it is.
#[apply(e2e)]
fn the_first_word_begins_the_command() {
    let scene = Scene::new();
    let script = scene.write("say.sh", "printf '%s|' \"$@\" >&2\nexit 7\n");
    let script = script.to_str().unwrap();
    for (options, own) in [
        (&[][..], &["-f", "x.py", "--headless"][..]),
        (&[], &["--config", "x", "--label", "--strict", "-c", "-q", "-v", "--page", "--help", "--version"]),
        (&["--strict"], &["--", "-t", "5m"]),
        (&["--label", "a=b", "--summary=off"], &["--summary", "json"]),
        (&["--page"], &["127.0.0.1:1"]),
        (&["--progress", "off"], &[]),
    ] {
        for dashes in [&[][..], &["--"]] {
            let args = [&["run"], options, dashes, &["sh", script], own].concat();
            let output = scene.ltel(&args).output().unwrap();
            assert_eq!(output.status.code(), Some(7), "{args:?}: {output:?}");
            let expected: String = own.iter().map(|arg| format!("{arg}|")).collect();
            let expected = if own.is_empty() { "|".to_owned() } else { expected };
            assert!(text(&output.stderr).contains(&expected), "{args:?}: {output:?}");
        }
    }
}

/// Scenario: what people mistype. Guarantees: 2, or what a shell says of a program that is none; and a tip that says what to write.
#[apply(e2e)]
fn mistakes() {
    let scene = Scene::new();
    scene.write("locustfile.py", "import locust\n");
    scene.write("telemetry.toml", VALID);
    let of_locust = |option: &str| {
        format!("is `{option}` an option of Locust? Write `locust` before it: `ltel-cli run locust {option} ...`")
    };
    for (args, code, tip) in [
        (&["telemetry.toml"][..], 2, "tip: a configuration is given as `--config telemetry.toml`".to_owned()),
        (&["run", "-f", "locustfile.py"], 2, of_locust("-f")),
        (&["run", "--headless", "-u", "10"], 2, of_locust("--headless")),
        (&["run", "-c", "telemetry.toml", "-t", "5m", "locust"], 2, of_locust("-t")),
        (&["run", "--strict", "--host=http://x"], 2, of_locust("--host")),
        (&["run"], 2, "write the Locust command behind `run`: `ltel-cli run locust -f locustfile.py`".to_owned()),
        (&["run", "--page"], 2, "write the Locust command behind `run`".to_owned()),
        (&["run", "--"], 2, "write the Locust command behind `run`".to_owned()),
        (
            &["run", "locustfile.py"],
            127,
            "write the Locust command: `ltel-cli run locust -f locustfile.py ...`".to_owned(),
        ),
        (
            &["run", "./locustfile.py"],
            126,
            "write the Locust command: `ltel-cli run locust -f ./locustfile.py ...`".to_owned(),
        ),
        (&["run", "telemetry.toml", "locust"], 127, "a configuration is given as `--config telemetry.toml`".to_owned()),
        (&["run", "--page", "127.0.0.1", "locust"], 2, "write an IP address and a port".to_owned()),
        (&["locust", "-f", "x.py"], 2, "Locust is run with `run`: `ltel-cli run locust ...`".to_owned()),
        (&["-f", "x.py"], 2, "which is run with `run`: `ltel-cli run locust -f ...`".to_owned()),
        (&["--config", "a.toml", "check", "b.toml"], 2, "the configuration is given twice".to_owned()),
        (&["--config", "a.toml", "run", "-c", "b.toml", "locust"], 2, "the configuration is given twice".to_owned()),
        (&["check", "--config", "a.toml", "b.toml"], 2, "cannot be used with".to_owned()),
        (&["--config", "a.toml", "schema"], 2, "'--config <FILE>' cannot be used with the command 'schema'".to_owned()),
        (&["--label", "a=b", "demo"], 2, "'--label <KEY=VALUE>' cannot be used with the command 'demo'".to_owned()),
        (&["--once", "run", "locust"], 2, "'--once' cannot be used with the command 'run'".to_owned()),
    ] {
        let output = scene.ltel(args).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        assert!(text(&output.stderr).contains(&tip), "{args:?}: {}", text(&output.stderr));
    }
}

/// Scenario: the configuration before the command, behind it, as an argument, on stdin and from the environment; labels before and
/// behind the command. Guarantees: `check` shows the same of each; an option wins over the environment, where empty is unset, and
/// `check` says that a file is the environment's.
#[apply(e2e)]
fn places_of_a_configuration() {
    let scene = Scene::new();
    scene.write("telemetry.toml", VALID);
    let checked = |args: &[&str], variable: Option<&str>| {
        let mut command = scene.ltel(args);
        command.envs(variable.map(|file| ("LTEL_CONFIG", file)));
        let output = with_stdin(command, VALID);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        text(&output.stdout)
    };
    let expected = checked(&["check", "--config", "telemetry.toml"], None);
    for args in [
        &["check", "telemetry.toml"][..],
        &["--config", "telemetry.toml", "check"],
        &["-c", "-", "check"],
        &["check", "-"],
        &["check", "-c-"],
    ] {
        for variable in [None, Some("no-such-file.toml"), Some("")] {
            assert_eq!(checked(args, variable), expected, "{args:?}");
        }
    }
    let from_environment = checked(&["check"], Some("telemetry.toml"));
    assert_eq!(from_environment, format!("file      telemetry.toml (from LTEL_CONFIG)\n{expected}"));
    let document = checked(&["check", "--format", "json"], Some("telemetry.toml"));
    assert!(document.contains("\"file_from\": \"LTEL_CONFIG\""), "{document}");
    // Empty is unset: the embedded configuration has more recorders.
    assert!(checked(&["check"], Some("")).contains("lifecycle"));
    let labels = checked(&["--label", "a=1", "--label", "b=1", "check", "--label", "b=2", "telemetry.toml"], None);
    assert!(labels.contains("labels    a = \"1\", b = \"2\"\n"), "{labels}");
    for args in [&["recorders", "telemetry.toml"][..], &["-c", "telemetry.toml", "recorders"], &["recorders", "-"]] {
        let listed = checked(args, None);
        assert!(listed.contains("locust.tl.stats") || listed.contains("stats:"), "{listed}");
        assert!(!listed.contains("system"), "{args:?}: {listed}");
    }
    assert!(!checked(&["recorders"], Some("telemetry.toml")).contains("system"));
}

/// Scenario: configurations with mistakes, or none, from the environment and from stdin.
/// Guarantees: the error says where the file came from, and at which line and column of stdin the mistake is.
#[apply(e2e)]
fn errors_say_where_a_configuration_came_from() {
    let scene = Scene::new();
    scene.write("telemetry.toml", "grase = 1\n");
    let mut command = scene.ltel(["check"]);
    let output = command.env("LTEL_CONFIG", "telemetry.toml").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("in telemetry.toml (from LTEL_CONFIG)"), "{output:?}");
    let mut command = scene.ltel(["run", "true"]);
    let output = command.env("LTEL_CONFIG", "none.toml").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        text(&output.stderr).contains("cannot read the configuration `none.toml` (from LTEL_CONFIG)"),
        "{output:?}"
    );
    for args in [&["check", "-"][..], &["-c", "-"], &["run", "-c", "-", "true"], &["recorders", "-"]] {
        let output = with_stdin(scene.ltel(args), "\n  grase = 1\n");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert!(text(&output.stderr).contains("<stdin>:2:3"), "{args:?}: {output:?}");
    }
}

/// Scenario: a serving ltel has its configuration from stdin; SIGHUP. Guarantees: it says that it cannot read it again, and serves on.
#[apply(e2e)]
fn stdin_is_not_read_again() {
    let scene = Scene::new();
    let file = scene.write("given.toml", &config(&scene, "", ""));
    let mut command = scene.ltel(["--config", "-"]);
    command.stdin(std::fs::File::open(file).unwrap());
    let mut ltel = scene.start("ltel", command);
    ltel.says("listening on", SOON);
    ltel.signal(Signal::HUP);
    ltel.says("the configuration was read from stdin, so it cannot be read again", SOON);
    ltel.says("SIGHUP: the configuration stays as it was", SOON);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.finish();
    scene.reported(1);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
}

/// Runs `run` with these options, and a command that sends one run of the test's own to its socket.
fn one_test(scene: &Scene, options: &[&str], ltel: impl FnOnce(&mut Command)) -> Process {
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

fn is_over(scene: &Scene, mut process: Process) -> Process {
    scene.write("over", "");
    assert_eq!(process.wait(SLOW), Exit::Code(0), "{}", process.stderr());
    process
}

/// Scenario: `run` without a file, and `--json`, `--prometheus`, `--otlp`, `--junit` and `--report`.
/// Guarantees: telemetry is where the options say, and nowhere else; stderr says where; one that takes only metrics says so.
#[test]
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
    assert!(said.contains("Telemetry: --json out.jsonl; --prometheus http://127.0.0.1:"), "{said}");
    assert!(!said.contains("go nowhere") && !scene.path(".local/state/ltel").exists(), "{said}");
    assert_eq!(Lines::read(&scene.path("out.jsonl")).final_record().count("num_requests"), 10);
    assert!(std::fs::read_to_string(scene.path("junit")).unwrap().contains("<testsuites"));
    assert!(scene.path("report.json").exists());

    let process = one_test(&scene, &["--json", "-"], |_| {});
    let process = is_over(&scene, process);
    assert_eq!(Lines::parse(&process.stdout()).final_record().count("num_requests"), 10);

    let process = one_test(&scene, &["--prometheus", "127.0.0.1:0"], |_| {});
    let process = is_over(&scene, process);
    assert!(process.stderr().contains("go nowhere: Prometheus takes metrics only"), "{}", process.stderr());
    assert_eq!(process.stdout(), "");
}

/// Scenario: the same options beside a file. Guarantees: both have everything; what clashes with the file is told.
#[test]
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
        (&["--prometheus", "9464x", "x"], "`9464x` was not found"),
        (&["--prometheus", "host:9464", "x"], "write an IP address and a port"),
        (&["--junit", "none/junit.xml"], "--junit: `none/junit.xml` is in a folder that does not exist"),
        (&["--junit", "a.xml", "--report", "a.xml"], "--junit: `a.xml` is given twice"),
        (&["--summary", "json", "--json", "-"], "the summary and the backend `--json` would both go to stdout"),
        (&["--json", "a", "--json", "b"], "cannot be used multiple times"),
        (&["--page", ":9464", "--prometheus"], "--page: "),
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
#[test]
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

/// Scenario: `run` with `-q`, `-v`, `-vv`, a log of JSON, and with RUST_LOG beside them.
/// Guarantees: `-q` has only warnings and errors, `-v` more; options win over RUST_LOG; of JSON each line is an object.
#[test]
fn how_much_is_said() {
    let scene = Scene::new();
    let said = |options: &[&str], rust_log: Option<&str>| {
        let options = [options, &["--json", "out.jsonl"]].concat();
        let process = one_test(&scene, &options, |command| {
            command.envs(rust_log.map(|value| ("RUST_LOG", value)));
        });
        is_over(&scene, process).stderr()
    };
    let usual = said(&[], None);
    assert!(
        usual.contains("Telemetry: --json out.jsonl") && usual.contains("\nRun ") && usual.contains(" INFO "),
        "{usual}"
    );
    assert!(!usual.contains("DEBUG"), "{usual}");
    assert_eq!(said(&["-q"], None), "");
    assert_eq!(said(&["--quiet"], Some("debug")), "");
    assert!(said(&["-q", "--summary", "table"], None).contains("\nRun "));
    let debug = said(&["-v"], Some("error"));
    assert!(debug.contains("DEBUG") && debug.contains("client 1 is connected") && !debug.contains("TRACE"), "{debug}");
    assert!(said(&["-vv"], None).contains("TRACE client 1 has sent a frame of "));
    assert!(!said(&[], Some("error")).contains("INFO"));
    assert!(said(&[], Some("ltel_cli=debug")).contains("DEBUG"));

    let json = said(&["--log-format", "json", "-v"], None);
    let lines: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        assert!(line["time"].as_str().unwrap().ends_with('Z') && line["level"].is_string(), "{line}");
        assert!(!line["message"].as_str().unwrap().is_empty(), "{line}");
    }
    assert!(
        lines.iter().any(|line| line["level"] == "INFO" && line["message"].as_str().unwrap().contains("out.jsonl")),
        "{json}"
    );
    let output = scene.ltel(["-qv", "check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

/// Scenario: mistakes in a configuration, and a command that is none, in a log of JSON, for every command.
/// Guarantees: each mistake is an object with its place; nothing else is on stderr.
#[test]
fn errors_as_json() {
    let scene = Scene::new();
    scene.write("bad.toml", "grase = 1\n[recorders.stat]\n[backends.json]\n");
    for args in [
        &["check", "bad.toml"][..],
        &["-c", "bad.toml"],
        &["run", "-c", "bad.toml", "true"],
        &["recorders", "bad.toml"],
    ] {
        let output = scene.ltel([&["--log-format", "json"], args].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = text(&output.stderr);
        let lines: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        assert_eq!(lines.len(), 3, "{said}");
        assert_eq!(
            (lines[0]["file"].as_str(), lines[0]["line"].as_u64(), lines[0]["column"].as_u64()),
            (Some("bad.toml"), Some(1), Some(1))
        );
        assert_eq!(lines[2]["message"].as_str().unwrap().split(';').next(), Some("2 errors in bad.toml"));
        assert!(lines.iter().all(|line| line["level"] == "ERROR"), "{said}");
    }
    let output = scene.ltel(["run", "--log-format=json", "--json", "x", "no-such-command"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{said}");
}

/// Scenario: mistakes in a configuration at a terminal and in a pipe, with and without NO_COLOR and CLICOLOR_FORCE.
/// Guarantees: colors only where they are wanted; NO_COLOR is stronger.
#[test]
fn colors_of_errors() {
    let scene = Scene::new();
    scene.write("bad.toml", "grase = 1\n");
    for (variables, colors) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&[("NO_COLOR", "")], false),
    ] {
        let mut command = scene.ltel(["check", "bad.toml"]);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.stderr.contains(&0x1b), colors, "{variables:?}: {output:?}");
    }
}
