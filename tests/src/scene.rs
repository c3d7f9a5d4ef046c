//! A test's own folder, and the commands that run in it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::figures::Figures;
use crate::lines::Lines;
use crate::process::{Process, detached};
use crate::setup::{locust_venv, ltel_binary};
use crate::wait::{SLOW, SOON, until};

const LOCUSTFILES: [(&str, &str); 15] = [
    ("witness.py", include_str!("../locustfiles/witness.py")),
    ("patient.py", include_str!("../locustfiles/patient.py")),
    ("declared.py", include_str!("../locustfiles/declared.py")),
    ("everything.py", include_str!("../locustfiles/everything.py")),
    ("ticking.py", include_str!("../locustfiles/ticking.py")),
    ("counting.py", include_str!("../locustfiles/counting.py")),
    ("tracing.py", include_str!("../locustfiles/tracing.py")),
    ("lingering.py", include_str!("../locustfiles/lingering.py")),
    ("quantiles.py", include_str!("../locustfiles/quantiles.py")),
    ("paced.py", include_str!("../locustfiles/paced.py")),
    ("naming.py", include_str!("../locustfiles/naming.py")),
    ("both_clients.py", include_str!("../locustfiles/both_clients.py")),
    ("measuring.py", include_str!("../locustfiles/measuring.py")),
    ("catalog.py", include_str!("../locustfiles/catalog.py")),
    ("sample.py", include_str!("../locustfiles/sample.py")),
];

/// A folder that is gone after the test, with the files of one test: locustfile, configuration, output.
#[derive(Debug)]
pub struct Scene {
    folder: TempDir,
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

impl Scene {
    /// One with the locustfiles in it.
    pub fn new() -> Self {
        let scene = Self { folder: tempfile::Builder::new().prefix("ltel-").tempdir().expect("a temporary folder") };
        for (name, text) in LOCUSTFILES {
            scene.write(name, text);
        }
        scene
    }

    /// A file of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file in the test's folder");
        path
    }

    /// Locust, not yet started, without the plugin.
    pub fn locust<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(&locust_venv().join("locust"));
        command.args(args);
        command
    }

    /// The same with the plugin, whose receiver is at `address`.
    pub fn locust_to<S: AsRef<OsStr>>(&self, address: &str, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.locust(args);
        let plugin = plugin_path();
        let path = env::join_paths([plugin.join("ltel_locust/autoload"), plugin.to_owned()]).expect("a path");
        command.env("PYTHONPATH", path).env("LTEL_ADDRESS", address);
        command
    }

    /// The binary under test, not yet started.
    pub fn ltel<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(&ltel_binary());
        // Its name among the tests' binaries is another one.
        command.arg0("ltel-cli").args(args);
        command
    }

    /// `ltel-cli run --config telemetry.toml -- locust ...`, not yet started; the configuration is written.
    pub fn run<S: AsRef<OsStr>>(&self, config: &str, locust: impl IntoIterator<Item = S>) -> Command {
        let config = self.write("telemetry.toml", config);
        let mut command = self.ltel([OsStr::new("run"), "--config".as_ref(), config.as_ref(), "--".as_ref()]);
        command.arg(locust_venv().join("locust")).args(locust);
        command
    }

    /// The same with another program in Locust's place.
    pub fn run_program<S: AsRef<OsStr>>(&self, config: &str, program: impl IntoIterator<Item = S>) -> Command {
        let config = self.write("telemetry.toml", config);
        let mut command = self.ltel([OsStr::new("run"), "--config".as_ref(), config.as_ref(), "--".as_ref()]);
        command.args(program);
        command
    }

    /// Starts a command; its output goes to files of this name.
    pub fn start(&self, name: &str, command: Command) -> Process {
        Process::start(name, command, self.folder.path(), false)
    }

    /// Starts a command whose standard output is a pipe of the test's own.
    pub fn start_piped(&self, name: &str, mut command: Command) -> Process {
        command.stdout(Stdio::piped());
        Process::start(name, command, self.folder.path(), true)
    }

    /// `ltel-cli --config telemetry.toml` with more arguments, not yet started; the configuration is written.
    pub fn server(&self, config: &str, args: &[&str]) -> Command {
        let config = self.write("telemetry.toml", config);
        let mut command = self.ltel([OsStr::new("--config"), config.as_ref()]);
        command.args(args);
        command
    }

    /// Starts it, and waits until it listens.
    pub fn serve(&self, config: &str, args: &[&str]) -> Process {
        let mut process = self.start("ltel", self.server(config, args));
        process.says("listening on", SOON);
        process
    }

    /// The address of the Unix socket that [`config`] gives this scene.
    pub fn address(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// The path of that socket.
    pub fn socket(&self) -> PathBuf {
        self.path("ltel.sock")
    }

    /// The JSON lines, once ltel has ended: every line is checked, the last one too.
    pub fn lines(&self) -> Lines {
        Lines::read(&self.path("telemetry.ndjson"))
    }

    /// The JSON lines so far.
    pub fn lines_so_far(&self) -> Lines {
        Lines::so_far(&self.path("telemetry.ndjson"))
    }

    /// Waits for the report of the `n`th run, from 1, and gives the lines until then.
    pub fn reported(&self, n: usize) -> Lines {
        until(&format!("the report of run {n}"), SLOW, || {
            let lines = self.lines_so_far();
            (lines.reports().len() >= n).then_some(lines)
        })
    }

    /// What the witnesses in all Locust processes counted.
    pub fn witnessed(&self) -> Figures {
        Figures::of_witnesses(self.folder.path())
    }

    /// Locust's own figures, from `--json-file figures`.
    pub fn figures(&self) -> Figures {
        Figures::of_locust(&self.path("figures.json"))
    }

    /// Another program, not yet started.
    pub fn program(&self, program: &Path) -> Command {
        self.command(program)
    }

    // Nothing of the developer's environment may change what a test sees.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.folder.path())
            .env("LANG", "C.UTF-8")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("WITNESS", self.folder.path())
            // A machine that stands still for a while costs no figures.
            .env("LTEL_DRAIN_TIMEOUT", "60")
            .current_dir(self.folder.path());
        detached(&mut command);
        command
    }
}

/// A configuration for this scene: its socket, all built-in recorders, JSON lines into `telemetry.ndjson` each second.
/// `top` holds keys of the file itself, `more` further tables.
pub fn config(scene: &Scene, top: &str, more: &str) -> String {
    let (socket, lines) = (scene.socket(), scene.path("telemetry.ndjson"));
    format!(
        "{top}\n[listen]\nunix = '{}'\n[backends.file]\ntype = \"json\"\noutput = '{}'\ninterval = \"1s\"\n\
         [recorders.lifecycle]\n[recorders.stats]\n[recorders.requests]\n[recorders.users]\n[recorders.system]\n{more}\n",
        socket.display(),
        lines.display()
    )
}

/// The folder that holds the plugin, as `ltel-cli plugin-path` says.
pub fn plugin_path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let output = Command::new(ltel_binary()).arg("plugin-path").output().expect("the binary under test");
        assert!(output.status.success(), "`plugin-path` failed");
        PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim_end())
    })
}
