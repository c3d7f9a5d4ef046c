//! Mistakes that only the compiler can see are reported at the user's tokens, and ours among them in our words. rustc's own
//! words change with the toolchain, so a case says no more than a part of each message: `//~ part` on the line of the error.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

#[test]
fn errors_of_types_are_at_the_users_tokens() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = project(here);
    let mut wrong = Vec::new();
    let found = errors(&project);
    for case in cases(here) {
        let name = case.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&case).unwrap();
        let found = found.get(&name).map_or(&[][..], Vec::as_slice);
        let expected: Vec<(u64, &str)> =
            (1..).zip(text.lines()).filter_map(|(n, line)| Some((n, line.split_once("//~ ")?.1))).collect();
        for (line, part) in &expected {
            if !found.iter().any(|(at, message)| at == line && message.contains(part)) {
                wrong.push(format!("{name}:{line}: no error says `{part}`"));
            }
        }
        for (at, message) in found.iter().filter(|(at, _)| !expected.iter().any(|(line, _)| line == at)) {
            wrong.push(format!("{name}:{at}: not expected: {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn cases(here: &Path) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> =
        fs::read_dir(here.join("tests/bounds")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// A package with one binary per case.
fn project(here: &Path) -> PathBuf {
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bounds");
    let bin = project.join("src/bin");
    let _ = fs::remove_dir_all(&bin);
    fs::create_dir_all(&bin).unwrap();
    for case in cases(here) {
        fs::copy(&case, bin.join(case.file_name().unwrap())).unwrap();
    }
    let core = here.join("../ltel-core");
    let manifest = format!(
        "[package]\nname = \"bounds\"\nedition = \"2024\"\n\n[dependencies]\nltel-core = {{ path = \"{}\" }}\n\n[workspace]\n",
        core.display()
    );
    fs::write(project.join("Cargo.toml"), manifest).unwrap();
    // The versions of the workspace: nothing is to be fetched.
    fs::copy(here.join("../Cargo.lock"), project.join("Cargo.lock")).unwrap();
    project
}

/// The errors of each binary: line and message with its labels.
fn errors(project: &Path) -> BTreeMap<String, Vec<(u64, String)>> {
    let output = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["check", "--offline", "--quiet", "--keep-going", "--bins", "--message-format=json"])
        .current_dir(project)
        .env("CARGO_TARGET_DIR", project.join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let mut errors: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let message = &line["message"];
        if line["reason"] != "compiler-message" || message["level"] != "error" {
            continue;
        }
        let Some(at) =
            message["spans"].as_array().and_then(|spans| spans.iter().find(|span| span["is_primary"] == true))
        else {
            continue;
        };
        let name = line["target"]["name"].as_str().unwrap().to_owned();
        let text = format!("{} ({})", message["message"].as_str().unwrap(), at["label"].as_str().unwrap_or_default());
        errors.entry(name).or_default().push((at["line_start"].as_u64().unwrap(), text));
    }
    assert!(!errors.is_empty(), "cargo found nothing: {}", String::from_utf8_lossy(&output.stderr));
    errors
}
