//! Reads YAML, and judges files of tools by the tools' own schemas, with programs of Python packages.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::setup::yaml_venv;

/// The documents of a YAML file.
pub fn yaml_documents(file: &Path) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/receivers/yaml_to_json.py");
    let output = Command::new(yaml_venv().join("python")).arg(script).arg(file).output().expect("Python");
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a list of documents")
}

/// What `kubernetes-validate` says of a manifest, for this version of Kubernetes.
pub fn kubernetes_lint(file: &Path, version: &str) -> Output {
    let mut lint = Command::new(yaml_venv().join("kubernetes-validate"));
    lint.args(["--strict", "--no-warn", "-k", version]).arg(file).output().expect("kubernetes-validate")
}

/// What `check-jsonschema` says of a file by a schema that it brings, such as `compose-spec`.
pub fn schema_lint(file: &Path, schema: &str) -> Output {
    let mut lint = Command::new(yaml_venv().join("check-jsonschema"));
    lint.arg("--builtin-schema").arg(format!("vendor.{schema}")).arg(file).output().expect("check-jsonschema")
}

/// What `hadolint` says of a Containerfile.
pub fn container_lint(file: &Path) -> Output {
    Command::new(yaml_venv().join("hadolint")).arg("--no-color").arg(file).output().expect("hadolint")
}
