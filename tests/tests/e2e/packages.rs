//! The packages of the crates. `.ci/release` builds them; here is what can be told without building.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// In the order in which they are published.
const CRATES: [&str; 4] = ["ltel-macros", "ltel-core", "ltel-recorders", "ltel-cli"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(args).args(["--offline"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What cargo knows of the crates of this repository.
fn crates() -> Vec<Value> {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Guarantees: each crate is published, or says that it is not; what crates.io and docs.rs show of it is there.
#[apply(e2e)]
fn crates_say_what_they_are() {
    let packages = crates();
    let address = &packages.iter().find(|package| package["name"] == CRATES[0]).unwrap()["repository"];
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        if package["publish"].as_array().is_some_and(Vec::is_empty) {
            assert!(!CRATES.contains(&name), "{name} is not published");
            continue;
        }
        assert!(CRATES.contains(&name), "{name} is published: `publish = false`, or a place in the order");
        for key in ["description", "license", "readme", "repository"] {
            assert!(package[key].is_string(), "{name} has no `{key}`");
        }
        for key in ["keywords", "categories"] {
            let words = package[key].as_array().unwrap();
            assert!((1..=5).contains(&words.len()), "{name} has {} {key}", words.len());
        }
        assert!(package["metadata"]["docs"]["rs"].is_object(), "{name} has no metadata for docs.rs");
        assert_eq!(&package["repository"], address, "{name} has an address of its own");
    }
}

/// Guarantees: no crate needs one that is published after it. Cargo leaves out dev-dependencies that have a path only.
#[apply(e2e)]
fn crates_can_be_published_in_their_order() {
    for package in crates() {
        let Some(place) = CRATES.iter().position(|name| package["name"] == *name) else { continue };
        for dependency in package["dependencies"].as_array().unwrap() {
            let is_left_out = dependency["kind"] == "dev" && dependency["req"] == "*";
            if let Some(other) = CRATES.iter().position(|name| dependency["name"] == *name)
                && !is_left_out
            {
                assert!(other < place, "{} is published before {}, which it needs", package["name"], CRATES[other]);
            }
        }
    }
}

/// Guarantees: a package has all files of its crate but those of tests, and the license.
#[apply(e2e)]
fn packages_have_what_they_need() {
    for package in crates() {
        let name = package["name"].as_str().unwrap();
        if !CRATES.contains(&name) {
            continue;
        }
        let listed = cargo(&["package", "--list", "--allow-dirty", "--package", name]);
        let listed: BTreeSet<&str> = listed.lines().collect();
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        let mut files = Vec::new();
        collect(folder, &mut files);
        let names = files.iter().map(|file| file.strip_prefix(folder).unwrap().to_str().unwrap());
        // Of maturin, for the wheel.
        let missing: Vec<_> = names.filter(|name| !listed.contains(name) && *name != "pyproject.toml").collect();
        assert!(missing.is_empty(), "{name} is packaged without {missing:?}: see `include` in its Cargo.toml");
        for file in ["README.md", "LICENSE", "Cargo.lock"] {
            assert!(listed.contains(file), "{name} is packaged without {file}");
        }
        assert_eq!(fs::read(folder.join("LICENSE")).unwrap(), fs::read(root().join("LICENSE")).unwrap(), "{name}");
    }
}

/// The files of a folder, without those of tests and those that are generated.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_left_out = matches!(name, "tests" | "snapshots" | "target") || name.starts_with(['.', '_']);
        let is_generated = path.extension().is_some_and(|end| end == "data" || end == "new");
        if path.is_dir() && !is_left_out && !is_generated {
            collect(&path, files);
        } else if path.is_file() && !name.starts_with('.') && !is_generated {
            files.push(path);
        }
    }
}
