//! What the tests install for themselves, once: virtual environments under the target directory, Debian packages.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target directory that this test was built into.
pub fn target_dir() -> PathBuf {
    // <target>/<profile>/deps/<test>
    let test = env::current_exe().expect("the path of this test");
    test.ancestors().nth(3).expect("a target directory").to_owned()
}

/// The binary under test.
pub(crate) fn ltel_binary() -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    test.ancestors().nth(2).expect("a profile's directory").join("ltel-under-test")
}

/// The newest Locust that the tests know.
pub const NEWEST_LOCUST: &str = "2.47.0";

/// The folder of Locust's programs.
pub fn locust_venv() -> PathBuf {
    locust_venv_of(NEWEST_LOCUST)
}

/// The folder of the programs of this version of Locust.
pub fn locust_venv_of(version: &str) -> PathBuf {
    venv(&format!("locust-{version}"), &[&format!("locust=={version}")])
}

/// The folder of a Locust beside OpenTelemetry's SDK, its instrumentation of `requests`, and `opentelemetry-instrument`.
pub fn locust_opentelemetry_venv() -> PathBuf {
    let parts = ["sdk==1.45.2", "instrumentation-requests==0.66b2", "distro==0.66b2"];
    let parts = parts.map(|part| format!("opentelemetry-{part}"));
    let packages: Vec<_> = ["locust==2.47.0"].into_iter().chain(parts.iter().map(String::as_str)).collect();
    venv("locust-2.47.0-opentelemetry-1.45.2", &packages)
}

/// The folder of a Locust with its own OpenTelemetry support.
pub fn locust_otel_venv() -> PathBuf {
    // Its parts in one release: newer ones of some do not go together.
    let parts = ["sdk==1.39.1", "exporter-otlp-proto-grpc==1.39.1", "exporter-otlp-proto-http==1.39.1"]
        .into_iter()
        .chain(["instrumentation-requests==0.60b1", "instrumentation-urllib3==0.60b1"])
        .map(|part| format!("opentelemetry-{part}"));
    let packages: Vec<String> = std::iter::once("locust[otel]==2.47.0".to_owned()).chain(parts).collect();
    venv("locust-otel-2.47.0-1.39.1", &packages.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The folder of a Locust with the plugin locust-telemetry.
pub fn locust_telemetry_venv() -> PathBuf {
    venv("locust-telemetry-2.1.2", &["locust==2.47.0", "locust-telemetry==2.1.2"])
}

/// The folder of the programs of Datadog's test agent.
pub fn test_agent_venv() -> PathBuf {
    venv("ddapm-test-agent-1.69.1", &["ddapm-test-agent==1.69.1"])
}

/// The folder of a Python with OTLP, for the receiver that fails on command.
pub fn fault_receiver_venv() -> PathBuf {
    let packages = ["opentelemetry-proto==1.45.2", "grpcio==1.85.1", "grpcio-status==1.85.1", "protobuf==7.36.2"];
    venv("fault-receiver-1.45.2-1.85.1", &packages)
}

/// The program of Rotel, which its package holds.
pub(crate) fn rotel_program() -> PathBuf {
    let bin = venv("rotel-0.0.1a15", &["rotel==0.0.1a15"]);
    let mut libraries = fs::read_dir(bin.with_file_name("lib")).expect("the environment's libraries").flatten();
    let python = libraries.next().expect("a Python's folder").path();
    python.join("site-packages/rotel/rotel-agent")
}

/// The folder of a Python that has a validator of JSON Schema, and of taplo.
pub(crate) fn json_schema_venv() -> PathBuf {
    venv("json-schema-4.26.0-taplo-0.9.3", &["jsonschema==4.26.0", "taplo==0.9.3"])
}

/// The folder of a Python that has Prometheus' own client library.
pub fn prometheus_client_venv() -> PathBuf {
    venv("prometheus-client-0.26.0", &["prometheus-client==0.26.0"])
}

/// A program of a Debian package, which is installed if it is missing.
pub fn debian_binary(program: &str, package: &str) -> PathBuf {
    let find = || ["/usr/sbin", "/usr/bin"].iter().map(|dir| Path::new(dir).join(program)).find(|path| path.exists());
    let _lock = lock("apt");
    if let Some(path) = find() {
        return path;
    }
    say(&format!("installing Debian's {package}"));
    run(Command::new("apt-get").args(["update", "-qq"]));
    run(Command::new("apt-get")
        .args(["install", "-y", "-qq", "--no-install-recommends", package])
        .env("DEBIAN_FRONTEND", "noninteractive"));
    find().unwrap_or_else(|| panic!("{package} has no {program}"))
}

fn venv(name: &str, packages: &[&str]) -> PathBuf {
    let folder = target_dir().join("venvs").join(name);
    let _lock = lock(name);
    // Written last: a folder without it is what an interrupted attempt left.
    let complete = folder.join("complete");
    if !complete.exists() {
        say(&format!("making the virtual environment {}", folder.display()));
        let _ = fs::remove_dir_all(&folder);
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(packages));
        fs::write(&complete, "").expect("a marker");
    }
    folder.join("bin")
}

// One process at a time makes a thing; the others wait for it.
fn lock(name: &str) -> File {
    let folder = target_dir().join("venvs");
    fs::create_dir_all(&folder).expect("a folder for virtual environments");
    let file = File::create(folder.join(format!("{name}.lock"))).expect("a lock file");
    file.lock().expect("a lock");
    file
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[allow(clippy::print_stderr)] // it takes a while the first time
pub(crate) fn say(what: &str) {
    eprintln!("ltel-tests: {what}");
}
