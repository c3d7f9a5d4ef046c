//! What people type: where options stand, where the configuration comes from, and what is said of mistakes.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use ltel_core::wire::Encoding;
use ltel_tests::{Client, Exit, SOON, Scene, config};
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
            let expected: String = own.join("|") + "|";
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
        (&["run", "locust -f x.py"], 127, "without quotes around it: `ltel-cli run locust -f x.py`".to_owned()),
        (&["run", "-u"], 2, of_locust("-u")),
        (&["run", "--processes", "4", "locust"], 2, of_locust("--processes")),
        (&["run", "--html", "x.html", "locust"], 2, of_locust("--html")),
        (
            &["run", "--", "-f", "x.py"],
            127,
            "`-f` was not found: write `locust` before it: `ltel-cli run locust -f".to_owned(),
        ),
        (&["run", ""], 127, "the command is empty: write the Locust command: `ltel-cli run locust".to_owned()),
        (&["run", "no-such-tool"], 127, "`no-such-tool` was not found: no folder of PATH has such".to_owned()),
        (&["run", "bin/locust"], 127, "`bin/locust` was not found: install Locust".to_owned()),
        (&["run", "--prometheus", "http://localhost:9464/metrics", "locust"], 2, "write no URL, but an IP".to_owned()),
        (&["run", "--page", "http://localhost:4329", "locust"], 2, "write no URL, but an IP".to_owned()),
        (&["run", "--prometheus", "localhost", "locust"], 2, "write an IP address and a port".to_owned()),
        (&["run", "--page", "localhost:port", "locust"], 2, "write an IP address and a port".to_owned()),
        (&["run", "--page", "localhost:0", "no-such-tool"], 127, "`no-such-tool` was not found".to_owned()),
        (&["--otlp", "http://x", "run", "true"], 2, "behind `run`: `ltel-cli run --otlp ... locust ...`".to_owned()),
        (&["--strict", "run", "true"], 2, "`--strict` belongs behind `run`: `ltel-cli run --strict".to_owned()),
        (&["--page", "demo"], 2, "`--page` belongs behind `demo`: `ltel-cli demo --page ...`".to_owned()),
        (&["--junit=x.xml", "run", "true"], 2, "`--junit` belongs behind `run`".to_owned()),
        (&["--json", "x"], 2, "`--json` is an option of `demo` and `run`: `ltel-cli run --json ... locust".to_owned()),
        (&["check", "--prometheus"], 2, "is an option of `demo` and `run`; `check` has none of that name".to_owned()),
        (&["--print", "check"], 2, "`--print` belongs behind `check`: `ltel-cli check --print ...`".to_owned()),
        (&["check", "a.toml", "b.toml"], 2, "tip: one configuration at a time".to_owned()),
        (&["--", "locust", "-f", "x.py"], 2, "Locust is run with `run`: `ltel-cli run locust ...`".to_owned()),
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

/// Scenario: an option of `run` behind Locust's command, which does not know it. Guarantees: Locust's exit code, and a line that says
/// where it belongs.
#[apply(e2e)]
fn options_behind_the_command() {
    let scene = Scene::new();
    for (script, told) in [("exit 2", true), ("exit 1", false)] {
        let script = scene.write("say.sh", script);
        let output =
            scene.ltel(["run", "sh"]).arg(script).args(["-t", "5s", "--strict", "--report=a.html"]).output().unwrap();
        let says = text(&output.stderr)
            .contains("ltel: --strict, --report=a.html stood behind `sh`, which got it: options of ltel-cli come before the command");
        assert_eq!(says, told, "{output:?}");
    }
}

/// Scenario: an option that is nearly one of `run`. Guarantees: the tip says which, and nothing of Locust.
#[apply(e2e)]
fn a_slip_has_one_tip() {
    let scene = Scene::new();
    for (slip, meant) in [("--pag", "--page"), ("--stric", "--strict"), ("--promtheus", "--prometheus")] {
        let output = scene.ltel(["run", slip, "locust"]).output().unwrap();
        let said = text(&output.stderr);
        assert!(said.contains(&format!("a similar argument exists: '{meant}'")), "{said}");
        assert_eq!(said.matches("tip:").count(), 1, "{said}");
    }
}

/// Scenario: a configuration of ltel behind `locust`, which has a `--config` of its own; with one before it, or from the environment too; and
/// files of Locust. Guarantees: an error before the start, unless ltel was given one by an option; a file of Locust is Locust's.
#[apply(e2e)]
fn a_configuration_behind_the_command() {
    let scene = Scene::new();
    scene.write("telemetry.toml", VALID);
    scene.write("broken.toml", "grase = \n[backends.json]\n");
    scene.write("locust.conf", "headless = true\n");
    scene.write("pyproject.toml", "[tool.locust]\nusers = 5\n");
    let script = scene.write("say.sh", "touch started\n");
    let script = script.to_str().unwrap();
    let run = |before: &[&str], behind: &[&str], variable: Option<&str>| {
        let _ = std::fs::remove_file(scene.path("started"));
        let mut command = scene.ltel([&["run"], before, &["sh", script], behind].concat());
        let output = command.envs(variable.map(|file| ("LTEL_CONFIG", file))).output().unwrap();
        assert_eq!(scene.path("started").exists(), output.status.code() != Some(2), "{output:?}");
        (output.status.code(), text(&output.stderr))
    };
    for (behind, variable) in [
        (&["--config", "telemetry.toml"][..], None),
        (&["-t", "5s", "--config=telemetry.toml"], None),
        (&["--config", "broken.toml"], None),
        (&["--config", "telemetry.toml"], Some("telemetry.toml")),
    ] {
        let (code, said) = run(&[], behind, variable);
        assert_eq!(code, Some(2), "{behind:?}: {said}");
        assert!(said.contains("write `ltel-cli run --config ") && said.contains(".toml sh ...`"), "{said}");
    }
    for (before, behind) in [
        (&["-c", "telemetry.toml"][..], &["--config", "telemetry.toml"][..]),
        (&[], &["--config", "locust.conf"]),
        (&[], &["--config=pyproject.toml"]),
        (&[], &["--config", "none.toml"]),
        (&[], &["telemetry.toml"]),
    ] {
        let (code, said) = run(before, behind, None);
        assert_eq!(code, Some(0), "{behind:?}: {said}");
    }
    for (behind, told) in [(&["--json", "x.jsonl"][..], true), (&["--json=x.json"], true), (&["--json", "-t"], false)] {
        let (code, said) = run(&[], behind, None);
        assert_eq!((code, said.contains("Locust's own `--json` takes no file")), (Some(0), told), "{said}");
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
    let printed = checked(&["check", "--print"], Some("telemetry.toml"));
    assert!(printed.starts_with("# All of telemetry.toml (from LTEL_CONFIG). "), "{printed}");
    assert!(checked(&["check", "--print", "telemetry.toml"], None).starts_with("# All of telemetry.toml. "));
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

/// Scenario: ltel serves with a configuration of the environment. Guarantees: it says so.
#[apply(e2e)]
fn serving_says_that_its_configuration_is_the_environments() {
    let scene = Scene::new();
    scene.write("telemetry.toml", &config(&scene, "", ""));
    let mut command = scene.ltel(["--once"]);
    command.env("LTEL_CONFIG", "telemetry.toml");
    let mut ltel = scene.start("ltel", command);
    ltel.says("INFO configuration telemetry.toml (from LTEL_CONFIG)", SOON);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
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

/// Scenario: `check --print` of a file with a secret, with a label and a variable beside it; then `check` of what was printed.
/// Guarantees: it is valid; what is not of the file says where it comes from; the secret is not shown.
#[apply(e2e)]
fn the_whole_configuration_is_printed() {
    let scene = Scene::new();
    let file = "[labels]\nregion = \"eu\"\n[recorders.stats]\n[backends.otlp]\nendpoint = \"http://127.0.0.1:4318\"\n\
                headers = { api-key = \"hidden\" }\n[backends.page]\ntoken = { env = \"TOKEN\" }\n";
    scene.write("telemetry.toml", file);
    let print = |file: &str, label: &[&str]| {
        let mut command = scene.ltel([&["check", file, "--print"], label].concat());
        let command = command.env("OTEL_METRIC_EXPORT_INTERVAL", "7000").env("TOKEN", "hidden");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        text(&output.stdout)
    };
    let printed = print("telemetry.toml", &["--label", "build=7"]);
    for line in [
        "build = \"7\"  # --label\n",
        "region = \"eu\"\n",
        "interval = \"7s\"  # OTEL_METRIC_EXPORT_INTERVAL\n",
        "grace = \"10s\"  # default\n",
        "token = { env = \"TOKEN\" }\n",
        "headers = { api-key = \"***\" }\n",
    ] {
        assert!(printed.contains(line), "{line} is not in:\n{printed}");
    }
    assert!(!printed.contains("hidden"), "{printed}");
    scene.write("printed.toml", &printed);
    let values = |text: &str| {
        let lines = text.lines().map(|line| line.split("  # ").next().unwrap().to_owned());
        let mut lines: Vec<_> = lines.filter(|line| !line.starts_with('#')).collect();
        lines.sort();
        lines
    };
    assert_eq!(values(&print("printed.toml", &[])), values(&printed));
}
