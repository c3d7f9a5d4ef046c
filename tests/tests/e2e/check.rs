//! `ltel-cli check --format json`, for machines.

use ltel_tests::{Scene, config};
use serde_json::{Value, json};

/// The exit code, and the document on standard output. Nothing is on standard error.
fn check(scene: &Scene, text: &str) -> (Option<i32>, Value) {
    let file = scene.write("telemetry.toml", text);
    let output = scene.ltel(["check", "--format", "json", "--config"]).arg(file).output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

/// Scenario: a file with two mistakes, one after letters that take several bytes.
/// Guarantees: exit code 2; each mistake with its begin and end in characters, its message and its help, and nothing else.
#[apply(e2e)]
fn mistakes_at_their_places() {
    let scene = Scene::new();
    let text = "testplan = \"größe\" # é\n[recorders.stats]\n\"größe\" = 1\nintervall = \"3s\"\n[backends.json]\n";
    let (code, document) = check(&scene, text);
    assert_eq!(code, Some(2));
    assert_eq!((&document["version"], &document["valid"]), (&json!(1), &json!(false)));
    assert_eq!(document["configuration"], Value::Null);
    let diagnostics = document["diagnostics"].as_array().unwrap();
    let at = |line: u64, column: u64, end: u64, message: &str| {
        let found = diagnostics.iter().find(|of| of["message"].as_str().unwrap().contains(message)).unwrap();
        assert_eq!(found["severity"], "error");
        assert_eq!(found["file"], document["file"]);
        assert_eq!([&found["line"], &found["column"]], [&json!(line), &json!(column)], "{found}");
        assert_eq!([&found["end_line"], &found["end_column"]], [&json!(line), &json!(end)], "{found}");
        found["help"].as_str().unwrap().to_owned()
    };
    assert!(at(3, 1, 8, "unknown key `größe`").starts_with("the keys here are"));
    assert_eq!(at(4, 1, 10, "unknown key `intervall`"), "did you mean `interval`?");
    assert_eq!(diagnostics.len(), 2, "{diagnostics:?}");
}

/// Scenario: a valid file, with a warning. Guarantees: exit code 0; the warning, and what would run.
#[apply(e2e)]
fn what_would_run() {
    let scene = Scene::new();
    let (code, document) = check(&scene, &config(&scene, "", "[thresholds]\nAggregated = 'p95 < 1s'"));
    assert_eq!((code, &document["valid"]), (Some(0), &json!(true)), "{document}");
    let [warning] = &document["diagnostics"].as_array().unwrap()[..] else { panic!("one warning: {document}") };
    assert_eq!((&warning["severity"], &warning["line"]), (&json!("warning"), &Value::Null));
    let configuration = &document["configuration"];
    assert_eq!(
        configuration["thresholds"],
        json!([{"target": "Aggregated", "check": "p95 < 1s", "abort_after_s": null}])
    );
    assert_eq!(configuration["backends"][0]["type"], "json");
    let stats = configuration["recorders"].as_array().unwrap().iter().find(|of| of["type"] == "stats").unwrap();
    assert_eq!(stats["backends"].as_array().unwrap().len(), 1, "{stats}");
    assert!(!configuration["listen"].as_array().unwrap().is_empty());
}

/// Scenario: a file that is not there. Guarantees: exit code 2, and a document that says so.
#[apply(e2e)]
fn a_file_that_is_not_there() {
    let scene = Scene::new();
    let output = scene.ltel(["check", "--format", "json", "--config", "nowhere.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["diagnostics"][0]["message"].as_str().unwrap().contains("nowhere.toml"), "{document}");
}
