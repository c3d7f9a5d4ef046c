//! What is said on stderr, how much of it, and how.

use ltel_tests::{Exit, SOON, Scene, Terminal, free_port};

use crate::stated_backends::{is_over, one_test};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Scenario: `run` with `-q`, `-v`, `-vv`, a log of JSON, and with `RUST_LOG` beside them.
/// Guarantees: `-q` has only warnings and errors, `-v` more; options win over `RUST_LOG`; of JSON each line is an object.
#[apply(e2e)]
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
    scene.write("telemetry.toml", "[recorders.stats]\n[backends.file]\ntype = \"json\"\noutput = \"out.jsonl\"\n");
    for (options, is_said) in [(&[][..], true), (&["-q"], false), (&["--config=telemetry.toml"], false)] {
        let process = one_test(&scene, options, |command| {
            command.env("LTEL_CONFIG", "telemetry.toml");
        });
        let said = is_over(&scene, process).stderr();
        let is_there = said.contains("INFO configuration telemetry.toml (from LTEL_CONFIG)");
        assert_eq!(is_there, is_said, "{options:?}: {said}");
    }
    let output = scene.ltel(["-qv", "check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

/// Scenario: `run` with a receiver that is not there, without a table of the run: with `-q`, `--summary off`, a log of JSON.
/// Guarantees: the loss is said all the same, once, and in a log of JSON as an object; the exit code stays the command's.
#[apply(e2e)]
fn losses_without_a_table() {
    let scene = Scene::new();
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    for options in [&["-q"][..], &["--summary", "off"], &["--summary", "json"], &["--log-format", "json"], &[]] {
        let options = [options, &["--otlp", &nowhere]].concat();
        let process = one_test(&scene, &options, |command| {
            command.env("OTEL_EXPORTER_OTLP_TIMEOUT", "500");
        });
        let said = is_over(&scene, process).stderr();
        assert_eq!(said.matches("final figures NOT delivered").count(), 1, "{options:?}: {said}");
        let line = said.lines().find(|line| line.contains("final figures NOT delivered")).unwrap();
        if options.contains(&"json") && options.contains(&"--log-format") {
            let line: serde_json::Value = serde_json::from_str(line).expect(line);
            assert_eq!(line["level"], "ERROR", "{line}");
        }
        let is_said_alone = line.contains("telemetry was lost: backend `--otlp`: ");
        assert_eq!(is_said_alone, options.len() > 2, "{options:?}: {said}");
    }
}

/// Scenario: mistakes in a configuration, and a command that is none, in a log of JSON, for every command.
/// Guarantees: each mistake is an object with its place; nothing else is on stderr.
#[apply(e2e)]
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
    let lines: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let last = lines.last().expect("a line");
    assert!(last["message"].as_str().unwrap().starts_with("`no-such-command` was not found"), "{said}");
}

/// Scenario: mistakes in a configuration at a terminal and in a pipe, with and without `NO_COLOR` and `CLICOLOR_FORCE`.
/// Guarantees: colors only where they are wanted; `NO_COLOR` is stronger.
#[apply(e2e)]
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
    for (variables, colors) in [(&[][..], true), (&[("NO_COLOR", "1")], false), (&[("NO_COLOR", "")], true)] {
        let mut command = scene.ltel(["check", "bad.toml"]);
        command.envs(variables.iter().copied());
        let mut terminal = Terminal::start(&scene, &command);
        assert_eq!(terminal.wait(SOON), Exit::Code(2));
        let written = terminal.written();
        assert!(written.contains("grase"), "{written:?}");
        assert_eq!(written.contains('\u{1b}'), colors, "{variables:?}: {written:?}");
    }
}

/// Scenario: `new`, and a `demo` that finds no Python, with `-q` and in a log of JSON.
/// Guarantees: `-q` has errors alone; of JSON each line is an object, whose message has its lines.
#[apply(e2e)]
fn commands_that_tell_what_they_do() {
    let scene = Scene::new();
    let run = |args: &[&str], code: i32| {
        let mut command = scene.ltel(args);
        let output = command.env("PATH", "").env("XDG_CACHE_HOME", scene.path("cache")).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        text(&output.stderr)
    };
    let usual = run(&["new", "usual"], 0);
    assert!(usual.starts_with("Created `usual`") && usual.contains("\n  cargo test\n"), "{usual}");
    assert_eq!(run(&["-q", "new", "quiet"], 0), "");
    assert!(scene.path("quiet/Cargo.toml").exists());
    let objects = |said: &str| -> Vec<serde_json::Value> {
        said.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    };
    let told = objects(&run(&["--log-format=json", "new", "json"], 0));
    let message = told[0]["message"].as_str().unwrap();
    assert!(message.starts_with("Created `json`") && message.contains("\n  cargo test\n"), "{told:?}");

    let usual = run(&["demo"], 1);
    assert!(usual.contains("Installing locust==") && usual.contains("  making a virtual environment\n"), "{usual}");
    let quiet = run(&["-q", "demo"], 1);
    assert!(quiet.starts_with("ltel-cli: making a virtual environment failed"), "{quiet}");
    let told = objects(&run(&["--log-format=json", "demo"], 1));
    assert!(told[0]["message"].as_str().unwrap().starts_with("Installing locust=="), "{told:?}");
    let last = told.last().unwrap();
    assert_eq!(last["level"], "ERROR");
    assert!(last["message"].as_str().unwrap().contains("\nThe demo needs Python"), "{told:?}");
}

/// Scenario: a receiver's URL with a key in it, which is not there or is wrong, for `run` and all forms of `check`.
/// Guarantees: the key is on neither stdout nor stderr, with `-vv` too; the rest of the URL is.
#[apply(e2e)]
fn a_key_in_a_url_is_not_shown() {
    let scene = Scene::new();
    let url = format!("http://127.0.0.1:{}/?api_key=S3cret", free_port());
    let process = one_test(&scene, &["-vv", "--otlp", &url], |command| {
        command.env("OTEL_EXPORTER_OTLP_TIMEOUT", "500");
    });
    let process = is_over(&scene, process);
    let said = process.stderr();
    assert!(said.contains("Telemetry: --otlp metrics http://127.0.0.1:") && said.contains("api_key=***"), "{said}");
    assert!(said.contains(" failed: ") && !said.contains("S3cret") && !process.stdout().contains("S3cret"), "{said}");

    for (url, code) in [(&*url, 0), ("https://me:S3cret@h/?token=S3cret", 2)] {
        scene.write("telemetry.toml", &format!("[recorders.stats]\n[backends.otlp]\nendpoint = \"{url}\"\n"));
        let host = if code == 0 { "127.0.0.1" } else { "@h/" };
        for more in [&[][..], &["--format", "json"], &["--print"]] {
            let output = scene.ltel([&["check", "telemetry.toml"], more].concat()).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{output:?}");
            let all = text(&output.stdout) + &text(&output.stderr);
            assert!(all.contains(host) && all.contains("***") && !all.contains("S3cret"), "{all}");
        }
    }
}
