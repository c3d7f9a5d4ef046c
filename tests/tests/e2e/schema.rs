//! `ltel-cli schema`: the JSON Schema of the configuration file, judged by validators that are not ltel's.

use std::fs;
use std::path::{Path, PathBuf};

use ltel_cli::config::Environment;
use ltel_tests::{Scene, schema_mistakes, taplo_lint};
use serde_json::Value;

/// Mistakes that no schema can find: about two keys together, other files, the place that an address has, and the meaning of texts, such
/// as expressions and regular expressions. A new case of the kind is listed here.
const BEYOND_A_SCHEMA: [&str; 39] = [
    "declared_escapes",
    "declared_event_fields",
    "declared_functions",
    "declared_habits",
    "declared_metric_names",
    "declared_no_backend_takes_records",
    "declared_not_a_condition",
    "declared_not_a_number",
    "declared_nothing",
    "declared_syntax",
    "declared_type_mixed",
    "declared_units",
    "declared_units_of_fields",
    "declared_unknown_field",
    "endpoint_with_a_user",
    "endpoints",
    "health_address",
    "health_taken",
    "json_output",
    "limits_too_small",
    "listen",
    "listen_open",
    "listen_tls",
    "names",
    "names_actions",
    "names_groups",
    "names_regex",
    "names_unreachable",
    "names_without_effect",
    "nobody_takes_it",
    "otlp_tls",
    "thresholds_baseline",
    "thresholds_baseline_unused",
    "thresholds_without_baseline",
    "traps_outputs",
    "traps_variables",
    "unknown_backend",
    "variables_in_env",
    "variables_in_expressions",
];

/// Writes the schema of the binary under test, as a person would.
fn schema(scene: &Scene) -> PathBuf {
    let output = scene.ltel(["schema"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    scene.write("ltel.schema.json", &String::from_utf8(output.stdout).unwrap())
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    files.sort();
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// The blocks of TOML in the README.
fn readme(scene: &Scene) -> Vec<PathBuf> {
    let text = include_str!("../../../README.md");
    let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.enumerate().map(|(n, block)| scene.write(&format!("readme-{n}.toml"), block)).collect()
}

/// Scenario: the README's examples, the configuration without a file, and files with each key in all its forms.
/// Guarantees: ltel reads them (those with their files and secrets), and the schema finds no mistake in them.
#[apply(e2e)]
fn what_is_right_is_right_by_the_schema() {
    let scene = Scene::new();
    let schema = schema(&scene);
    let registry = ltel_cli::with_backends(ltel_recorders::registry());
    let mut files = cases("config_good");
    assert!(files.len() > 1);
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        if let Err(errors) = ltel_cli::config::load(&stem(file), &text, &registry, &Environment::default()) {
            panic!("{errors}");
        }
    }
    let readme = readme(&scene);
    assert!(readme.len() > 1);
    files.extend(readme);
    files.push(scene.write("default.toml", ltel_cli::config::DEFAULT));
    for (file, mistakes) in schema_mistakes(&schema, &files) {
        assert!(mistakes.is_empty(), "{}: {mistakes:#?}", file.display());
    }
}

/// Scenario: every file of the golden mistakes.
/// Guarantees: the schema refuses each of them, except those whose mistake no schema can find; and these it does not refuse.
#[apply(e2e)]
fn what_is_wrong_is_wrong_by_the_schema() {
    let scene = Scene::new();
    let found = schema_mistakes(&schema(&scene), &cases("config"));
    let accepted: Vec<_> = found.iter().filter(|(_, found)| found.is_empty()).map(|(file, _)| stem(file)).collect();
    assert_eq!(accepted, BEYOND_A_SCHEMA);
}

/// Scenario: a file whose first line names the schema, in taplo, which editors use; right, and then with mistakes.
/// Guarantees: no complaint; then each mistake at its line.
#[apply(e2e)]
fn an_editor_finds_mistakes_by_the_schema() {
    let scene = Scene::new();
    schema(&scene);
    let right = include_str!("../../cases/config_good/forms.toml");
    let file = scene.write("telemetry.toml", right);
    let output = taplo_lint(&file);
    assert!(output.status.success(), "{output:?}");
    for (from, to, line) in [
        ("endpoints = \"interval\"", "endpoints = \"always\"", "endpoints = \"always\""),
        ("buckets = \"fine\"", "bucket = \"fine\"", "bucket"),
        ("type = \"http\"", "type = \"https\"", "type = \"https\""),
        ("level = \"error\"", "level = 3", "level = 3"),
        ("timeout = \"1s\"", "timeout = \"1\"", "timeout = \"1\""),
        ("ratio = 1\n", "ratio = 2\n", "ratio = 2"),
    ] {
        assert!(right.contains(from), "{from}");
        let file = scene.write("telemetry.toml", &right.replace(from, to));
        let output = taplo_lint(&file);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(line), "{to}: {said}");
    }
}

/// Scenario: a program with a backend of its own.
/// Guarantees: its schema has that backend, with the keys, the descriptions and what is required of its options.
#[apply(e2e)]
fn types_of_ones_own_are_in_the_schema() {
    let scene = Scene::new();
    let output = scene.program(env!("CARGO_BIN_EXE_ltel-backend").as_ref()).arg("schema").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = &schema["$defs"]["backend.names"];
    assert_eq!(names["properties"]["path"]["description"], "The file.");
    assert_eq!(names["required"], serde_json::json!(["path"]));
    assert_eq!(names["properties"]["queue"]["default"], 10_000);
    let types = schema["$defs"]["backend"]["properties"]["type"]["enum"].as_array().unwrap();
    assert!(types.contains(&"names".into()) && types.contains(&"otlp".into()), "{types:?}");
}
