//! `help`: of commands, of the configuration, and the pages.

use ltel_tests::Scene;

fn help(topic: &[&str]) -> (Option<i32>, String, String) {
    let output = Scene::new().ltel([&["help"][..], topic].concat()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Scenario: each kind of topic, and one that is none. Guarantees: its help on stdout; else 2, with what was meant.
#[apply(e2e)]
fn every_topic_has_its_help() {
    for (topic, part) in [
        (&[][..], "ltel-cli help config"),
        (&["run"], "Usage: ltel-cli run"),
        (&["config"], "[backends.otlp]"),
        (&["config", "backends.otlp"], "max_request_bytes: a size"),
        (&["config", "[recorders.spans]"], "ratio: a number from 0 to 1; default: 1"),
        (&["config", "listen"], "max_frame_bytes"),
        (&["environment"], "OTEL_SDK_DISABLED"),
        (&["help"], "Usage: ltel-cli help"),
    ] {
        let (code, stdout, stderr) = help(topic);
        assert!(code == Some(0) && stdout.contains(part) && stderr.is_empty(), "{topic:?}: {stdout}{stderr}");
    }
    let (_, overview, _) = help(&[]);
    let pages: Vec<_> = overview.lines().filter_map(|line| line.trim().strip_prefix("ltel-cli help ")).collect();
    assert!(pages.len() > 10, "{overview}");
    for page in pages.iter().filter_map(|line| line.split_whitespace().next()).filter(|page| *page != "COMMAND") {
        assert_eq!(help(&[page]).0, Some(0), "{page}");
    }
    for (topic, meant) in [
        (&["environmen"][..], "there is no help for `environmen`; did you mean `environment`? `"),
        (&["rum"], "`run`"),
        (&["nothing-like-it"], "there is no help for `nothing-like-it`; `"),
        (&["config", "nothing"], "backends.otlp"),
        (&["config", "listen", "tcp"], "`tcp` is one word too many"),
        (&["names", "extra"], "`extra` is one word too many"),
        (&["run", "extra"], "there is no help for `extra`"),
    ] {
        let (code, stdout, stderr) = help(topic);
        assert!(code == Some(2) && stdout.is_empty() && stderr.contains(meant), "{topic:?}: {stderr}");
    }
}
