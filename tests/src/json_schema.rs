//! Validates TOML files by a JSON Schema, with validators that are not ltel's: Python's `jsonschema`, and taplo, which editors use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::setup::json_schema_venv;

/// The mistakes in each of the files.
pub fn schema_mistakes(schema: &Path, files: &[PathBuf]) -> BTreeMap<PathBuf, Vec<String>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/receivers/json_schema.py");
    let mut python = Command::new(json_schema_venv().join("python"));
    let output = python.arg(script).arg(schema).args(files).output().expect("Python");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("a list of mistakes for each file")
}

/// What taplo says about a file, without a schema but the one that the file names.
pub fn taplo_lint(file: &Path) -> Output {
    let mut taplo = Command::new(json_schema_venv().join("taplo"));
    // It reads a `.taplo.toml` of the current folder.
    let folder = file.parent().expect("a file in a folder");
    taplo.current_dir(folder).args(["--colors", "never", "lint"]).arg(file).output().expect("taplo")
}
