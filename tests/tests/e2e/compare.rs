//! `ltel-cli compare`, on reports of real tests.

use std::process::Output;

use ltel_tests::{Scene, Target, Turn, locust_venv};
use serde_json::Value;

/// A test of some seconds against a target whose answers take about so long, and its report.
pub(crate) fn measured(scene: &Scene, target: &Target, report: &str, ms: &str) {
    let locust = locust_venv().join("locust");
    let mut command = scene.ltel(["run", "--report", report, "--"]);
    command.arg(locust).args(["-f", "paced.py", "--headless", "-H", &target.url()]);
    command.args(["-u20", "-r20", "-t10s", "--only-summary"]).env("MS", ms);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn compared(scene: &Scene, args: &[&str]) -> Output {
    scene.ltel(["compare"].iter().chain(args)).output().unwrap()
}

fn verdict(output: &Output, quantity: &str) -> String {
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    document["endpoints"][0]["quantities"][quantity]["runs"][0]["verdict"].as_str().unwrap().to_owned()
}

/// Scenario: real Locust measures a target three times; the third time it answers in half as much time again, so that
/// what else the machine does within ten seconds decides nothing.
/// Guarantees: the same target is not called slower, and the limit of 10 % holds; the slower one is surely slower, and breaks a limit
/// of 5 %, with exit code 99 and a line that says so; the page is written.
#[apply(e2e)]
fn a_slower_target_is_found() {
    // What others do on this machine would be measured too.
    let _turn = Turn::alone();
    let (scene, target) = (Scene::new(), Target::start());
    for (report, ms) in [("main.json", "100"), ("same.json", "100"), ("slow.json", "150")] {
        measured(&scene, &target, report, ms);
    }
    let json = ["--format", "json"];
    let same = compared(&scene, &[&["main.json", "same.json", "--fail-above", "10%"][..], &json].concat());
    assert_eq!(same.status.code(), Some(0), "{}", String::from_utf8_lossy(&same.stdout));
    assert!(["p50", "p95", "p99"].iter().all(|of| !verdict(&same, of).starts_with("surely")));

    let limits = ["main.json", "slow.json", "--fail-above", "5%", "--html", "page.html"];
    let slow = compared(&scene, &[&limits[..], &json].concat());
    assert_eq!(slow.status.code(), Some(99), "{}", String::from_utf8_lossy(&slow.stdout));
    // Ten seconds have too few requests for more than the median.
    assert_eq!(verdict(&slow, "p50"), "surely_worse");
    let said = String::from_utf8_lossy(&slow.stderr);
    assert!(said.contains("surely worse by more than 5 %: slow.json: p50 of GET /wait: "), "{said}");
    let page = std::fs::read_to_string(scene.path("page.html")).unwrap();
    assert!(page.contains("surely slower") && page.contains("GET /wait"));

    // The page takes no report's place, whatever its path is called.
    let before = std::fs::read(scene.path("slow.json")).unwrap();
    let refused = compared(&scene, &["main.json", "slow.json", "--html", "./slow.json"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("--html: `slow.json` is one of the reports to compare"), "{said}");
    assert_eq!(std::fs::read(scene.path("slow.json")).unwrap(), before);

    let text = compared(&scene, &["main.json", "same.json", "slow.json"]);
    assert!(text.status.success() && text.stderr.is_empty());
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80) && !text.contains('\u{1b}'), "{text}");
}

/// Scenario: files that are missing, no JSON, no report, of another schema, and options that are wrong.
/// Guarantees: exit code 2, and a message that names the file and what would be right; nothing on stdout.
#[apply(e2e)]
fn what_cannot_be_compared_is_said() {
    let scene = Scene::new();
    scene.write("text.json", "no JSON");
    scene.write("other.json", "{\"schema\": \"k6/1\"}");
    scene.write("newer.json", "{\"schema\": \"ltel.report/9\"}");
    for (args, said) in [
        (&["missing.json", "text.json"][..], &["cannot read `missing.json`", "No such file"][..]),
        (&["text.json", "text.json"], &["`text.json`: not JSON", "--report FILE.json"]),
        (&["other.json", "text.json"], &["`other.json`: not a report of ltel"]),
        (&["newer.json", "text.json"], &["`newer.json`: its schema is `ltel.report/9`", "`ltel.report/1`"]),
        (&["text.json"], &["2 values required"]),
        (&["a", "b", "--fail-above", "10"], &["give percent, such as `10%`"]),
        (&["a", "b", "--min-change=-1%"], &["from 0 to 1000"]),
    ] {
        let output = compared(&scene, args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}: {stderr}");
        assert!(said.iter().all(|said| stderr.contains(said)), "{args:?}: {stderr}");
    }
}
