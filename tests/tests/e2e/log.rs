//! What is said on stderr, how much of it, and how.

use ltel_tests::Scene;

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
    let output = scene.ltel(["-qv", "check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
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
    assert!(said.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{said}");
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
}
