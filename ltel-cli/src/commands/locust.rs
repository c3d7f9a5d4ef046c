//! Locust as a child: with the plugin in its way, its signals and its exit code.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use ltel_core::recorder::Factory;
use ltel_recorders::Stats;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use opentelemetry_sdk::metrics::Temporality;
use std::os::unix::process::ExitStatusExt;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::Failure;
use crate::config::{BackendConfig, BackendKind, Config, JsonOutput, RecorderConfig};
use crate::listen::{ListenError, Listeners};
use crate::pipeline::Pipeline;
use crate::python;
use crate::runs::Status;
use crate::signals::Signals;

/// A socket that only this user's processes can reach, in a folder of its own.
#[derive(Debug)]
pub(super) struct PrivateSocket {
    folder: tempfile::TempDir,
}

impl PrivateSocket {
    pub(super) fn create() -> Result<Self, Failure> {
        let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir());
        let parent = runtime_dir.unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::Builder::new().prefix("ltel-").tempdir_in(&parent);
        let folder = folder
            .map_err(|error| Failure::failed(format!("cannot create a folder in `{}`: {error}", parent.display())))?;
        Ok(Self { folder })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("ltel.sock")
    }
}

/// Adds the table at the end to a configuration: a backend that the `stats` recorder feeds.
fn add_summary(config: &mut Config) {
    let index = config.backends.len();
    config.backends.push(BackendConfig {
        name: "summary".to_owned(),
        // Only the final figures: the recorder's own interval stays as it is.
        interval: Duration::MAX,
        temporality: Temporality::Cumulative,
        queue: 100_000,
        internal_metrics: false,
        kind: BackendKind::Summary,
    });
    let name = <Stats as ltel_core::recorder::Recorder>::SPEC.name;
    if let Some(stats) = config.recorders.iter_mut().find(|recorder| recorder.spec.name == name) {
        stats.backends.push(index);
        return;
    }
    config.recorders.push(RecorderConfig {
        name: "summary".to_owned(),
        spec: <Stats as ltel_core::recorder::Recorder>::SPEC,
        factory: Box::new(Factory::<Stats>::new(ltel_recorders::stats::Options::default())),
        backends: vec![index],
        interval: None,
        series_limit: 2_000,
    });
}

/// Where Locust's output goes.
pub(super) enum Output {
    /// Where ltel's own goes; but stdout is for data, if any backend writes there.
    Through,
    /// To a file.
    File(std::fs::File),
}

/// Starts a pipeline that listens on the private socket, and on `[listen]` where the file states it, and a Locust command
/// with the plugin in its way.
pub(super) async fn start(
    mut config: Config,
    socket: &PrivateSocket,
    command: &[OsString],
    output: Output,
) -> Result<(Child, Pipeline), Failure> {
    let failed = |error: ListenError| Failure::failed(error.to_string());
    let mut listeners = Listeners::private(&socket.path(), &config.listen).map_err(failed)?;
    if config.listen_is_stated {
        listeners.add(&config.listen).await.map_err(failed)?;
    }
    add_summary(&mut config);
    let writes_stdout =
        |backend: &BackendConfig| matches!(&backend.kind, BackendKind::Json(json) if json.output == JsonOutput::Stdout);
    let stdout_is_data = config.backends.iter().any(writes_stdout);
    let pipeline = Pipeline::start(config, listeners).map_err(Failure::failed)?;
    let address = format!("unix:{}", socket.path().display());
    Ok((spawn(command, &address, stdout_is_data, output)?, pipeline))
}

fn spawn(command: &[OsString], address: &str, stdout_is_data: bool, output: Output) -> Result<Child, Failure> {
    let [program, args @ ..] = command else { return Err(Failure::usage("no command to run")) };
    let plugin = python::plugin_folder().map_err(Failure::failed)?;
    let mut child = Command::new(program);
    child
        .args(args)
        .env("LTEL_ADDRESS", address)
        .env("PYTHONPATH", python::python_path(&plugin).map_err(Failure::failed)?);
    match output {
        Output::Through if stdout_is_data => {
            child.stdout(Stdio::from(std::io::stderr()));
        }
        Output::Through => {}
        Output::File(file) => {
            let copy = file.try_clone().map_err(|error| Failure::failed(error.to_string()))?;
            child.stdin(Stdio::null()).stdout(file).stderr(copy);
        }
    }
    // At a terminal Ctrl-C reaches Locust as well, which must get it once: there we stay out of it. Elsewhere Locust has a
    // group of its own, so that a signal to ours reaches it once, through us.
    if !std::io::stdin().is_terminal() {
        child.process_group(0);
    }
    child.spawn().map_err(|error| {
        let program = program.to_string_lossy();
        match error.kind() {
            std::io::ErrorKind::NotFound => Failure {
                code: 127,
                message: format!(
                    "`{program}` was not found; is Locust installed and its environment active? (`pip install locust`)"
                ),
            },
            _ => Failure { code: 126, message: format!("cannot run `{program}`: {error}") },
        }
    })
}

/// Waits for Locust's end and passes on signals meanwhile.
pub(super) async fn wait(child: &mut Child, signals: &mut Signals) -> Result<ExitStatus, Failure> {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
    loop {
        tokio::select! {
            status = child.wait() => return status.map_err(|error| Failure::failed(format!("Locust: {error}"))),
            request = signals.next() => {
                if request.from_terminal {
                    continue;
                }
                tracing::info!("{} is passed on to Locust", request.name());
                if let (Some(pid), Ok(signal)) = (pid, Signal::try_from(request.signal)) {
                    // Fails only if Locust has just ended.
                    let _ = kill(pid, signal);
                }
            }
        }
    }
}

/// Waits until every Locust process has delivered what it had: workers can outlive their master.
pub(super) async fn drain(status: &mut watch::Receiver<Status>, signals: &mut Signals, grace: Duration) {
    let over = |status: &Status| status.active == 0;
    if status.borrow().active > 0 {
        tracing::info!("waiting for the last Locust processes to deliver what they have");
    }
    let drained = async {
        let _ = status.wait_for(over).await;
        // Processes that are still connected may have something left for a finished run, but are not waited for for ever.
        let _ =
            tokio::time::timeout(grace, status.wait_for(|status| status.active == 0 && status.connected == 0)).await;
        let _ = status.wait_for(over).await;
    };
    tokio::select! {
        () = drained => {}
        request = signals.next() => tracing::warn!("{}: not waiting any longer", request.name()),
    }
}

/// Locust's exit code, as a shell would give it.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
