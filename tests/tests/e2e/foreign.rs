//! How other programs parse ltel's JSON lines.

use std::fs;

use ltel_core::wire::Encoding;
use ltel_tests::{Client, Exit, SLOW, SOON, Scene, Turn, config, program, row, until};
use serde_json::Value;

/// Scenario: JSON lines of a run with odd names, read by rsyslog's imfile, parsed by its mmjsonparse and written out
/// again from the parsed fields.
/// Guarantees: every line comes out with the same fields and values.
#[apply(e2e)]
fn rsyslog_reads_every_line() {
    let _turn = Turn::shared();
    let rsyslogd = program("rsyslogd");
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    let names = [
        "plain",
        "",
        "quo\"te and back\\slash",
        "new\nline\ttab",
        "emoji 🚀 ü",
        "\u{2028}",
        "@cee: {\"a\": 1}",
        "\u{1b}[31m",
    ];
    client.requests(names.iter().map(|name| row(name, 12.345, name.len() % 2 == 0)).collect());
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    let text = fs::read_to_string(scene.path("telemetry.ndjson")).unwrap();
    let written: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(written.len() > 2 * names.len(), "{}", written.len());

    let [lines, fields, folder] = ["telemetry.ndjson", "parsed", ""].map(|name| scene.path(name).display().to_string());
    let rules = scene.write(
        "rsyslog.conf",
        &format!(
            "global(workDirectory=\"{folder}\" maxMessageSize=\"64k\")\n\
             module(load=\"imfile\")\nmodule(load=\"mmjsonparse\")\n\
             template(name=\"fields\" type=\"string\" string=\"%parsesuccess% %$!%\\n\")\n\
             ruleset(name=\"lines\") {{\n  action(type=\"mmjsonparse\" cookie=\"\")\n\
             \x20 action(type=\"omfile\" file=\"{fields}\" template=\"fields\")\n}}\n\
             input(type=\"imfile\" file=\"{lines}\" tag=\"ltel\" ruleset=\"lines\" addMetadata=\"off\")\n"
        ),
    );
    let mut command = scene.program(&rsyslogd);
    command.arg("-n").arg("-f").arg(rules).arg("-i").arg(scene.path("rsyslog.pid"));
    let mut rsyslog = scene.start("rsyslog", command);
    let parsed = until("rsyslog's output", SLOW, || {
        assert_eq!(rsyslog.exit(), None, "rsyslog ended:\n{}", rsyslog.stderr());
        let parsed = fs::read_to_string(scene.path("parsed")).unwrap_or_default();
        (parsed.ends_with('\n') && parsed.lines().count() >= written.len()).then_some(parsed)
    });
    for (expected, line) in written.iter().zip(parsed.lines()) {
        let (success, fields) = line.split_once(' ').unwrap();
        assert_eq!(success, "OK", "{line}");
        assert_eq!(&serde_json::from_str::<Value>(fields).unwrap(), expected);
    }
}
