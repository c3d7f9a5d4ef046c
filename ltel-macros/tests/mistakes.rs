//! What a user reads who got something wrong.
//!
//! `ui` holds mistakes that the macro finds, one file per kind; what it says is beside them as a snapshot, and it is ours
//! alone. `bounds` holds mistakes that only the compiler can see, which it must report at the user's tokens. Its words change
//! with the toolchain, so a case says no more than a part of each message: `//~ part` on the line of the error.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

/// An error at a place.
struct Mistake {
    line: u64,
    message: String,
    label: String,
    /// The message with the lines that it is about.
    shown: String,
}

/// Guarantees: every mistake is reported, once and at its token, with what would be right; there are no errors besides.
#[test]
fn mistakes() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let (ours, of_compiler) = (cases(&here.join("ui")), cases(&here.join("bounds")));
    let found = errors(&project(ours.iter().chain(&of_compiler)));
    let mut wrong = Vec::new();
    for case in &of_compiler {
        let found = found.get(name(case)).map_or(&[][..], Vec::as_slice);
        wrong.extend(differences(name(case), &fs::read_to_string(case).unwrap(), found));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for case in &ours {
        let shown = found.get(name(case)).into_iter().flatten().fold(String::new(), |mut all, mistake| {
            let _ = writeln!(all, "{}", mistake.shown.trim_end());
            all
        });
        insta::assert_snapshot!(name(case), shown);
    }
}

fn differences(name: &str, text: &str, found: &[Mistake]) -> Vec<String> {
    let expected: Vec<(u64, &str)> =
        (1..).zip(text.lines()).filter_map(|(n, line)| Some((n, line.split_once("//~ ")?.1))).collect();
    let says = |mistake: &Mistake, part: &str| mistake.message.contains(part) || mistake.label.contains(part);
    let missing = expected.iter().filter(|(line, part)| !found.iter().any(|m| m.line == *line && says(m, part)));
    let missing = missing.map(|(line, part)| format!("{name}:{line}: no error says `{part}`"));
    let more = found.iter().filter(|m| !expected.iter().any(|(line, _)| *line == m.line));
    missing.chain(more.map(|m| format!("{name}:{}: not expected: {}", m.line, m.message))).collect()
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn name(case: &Path) -> &str {
    case.file_stem().unwrap().to_str().unwrap()
}

/// A package with one binary per case.
fn project<'a>(cases: impl Iterator<Item = &'a PathBuf>) -> PathBuf {
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mistakes");
    let bin = project.join("src/bin");
    let _ = fs::remove_dir_all(&bin);
    fs::create_dir_all(&bin).unwrap();
    for case in cases {
        fs::copy(case, bin.join(case.file_name().unwrap())).unwrap();
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = format!(
        "[package]\nname = \"mistakes\"\nedition = \"2024\"\n\n[dependencies]\nltel-core = {{ path = \"{}\" }}\n\n[workspace]\n",
        workspace.join("ltel-core").display()
    );
    fs::write(project.join("Cargo.toml"), manifest).unwrap();
    // The versions of the workspace: nothing is to be fetched.
    fs::copy(workspace.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    project
}

/// The errors of each binary.
fn errors(project: &Path) -> BTreeMap<String, Vec<Mistake>> {
    let output = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["check", "--offline", "--quiet", "--keep-going", "--bins", "--message-format=json"])
        .current_dir(project)
        .env("CARGO_TARGET_DIR", project.join("target"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let mut errors: BTreeMap<String, Vec<Mistake>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let message = &line["message"];
        if line["reason"] != "compiler-message" || message["level"] != "error" {
            continue;
        }
        let spans = message["spans"].as_array().into_iter().flatten();
        let Some(at) = spans.into_iter().find(|span| span["is_primary"] == true) else { continue };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        errors.entry(text(&line["target"]["name"])).or_default().push(Mistake {
            line: at["line_start"].as_u64().unwrap(),
            message: text(&message["message"]),
            label: text(&at["label"]),
            shown: text(&message["rendered"]),
        });
    }
    assert!(!errors.is_empty(), "cargo found nothing: {}", String::from_utf8_lossy(&output.stderr));
    errors
}
