//! Runs Locust as a child process: loads the plugin into it, passes on signals, returns its exit code.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use secrecy::ExposeSecret;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until, timeout};

use super::group::Group;
use super::private_socket::PrivateSocket;
use super::{Failure, arrival, group};
use crate::cli::python;
use crate::cli::signals::{EndRequest, Signals};
use crate::cli::terminal::{self, Passing};
use crate::config::{BackendConfig, Config};
use crate::deliver::summary::{Summary, SummaryBackend};
use crate::ingest::{ListenError, Listeners};
use crate::pipeline::{Ended, Pipeline};
use crate::program;

/// If no plugin has connected by now, the command most likely went wrong.
const LATE: Duration = Duration::from_secs(10);

/// Why Locust may run without the plugin, and what to do.
const PLUGIN_MISSED: &str = "the command does not run Locust; or Python runs with -E or -I, or something replaces \
    PYTHONPATH (then add `import ltel_locust` to the locustfile, and install the plugin with pip)";

/// Adds the table at the end to a configuration. It gets the points of declared recorders, of the locustfile's own metrics, and of
/// recorders that do not come with ltel, which it shows.
fn add_summary(config: &mut Config) -> Arc<Summary> {
    let summary = Arc::<Summary>::default();
    // Named as an option, so that a table of the file may have any other name.
    config.backends.push(BackendConfig::new("--summary", SummaryBackend(Arc::clone(&summary))));
    SummaryBackend::route(config);
    summary
}

/// Where Locust's output goes.
pub(super) enum LocustOutput {
    /// To ltel's own stdout and stderr; all to stderr if ltel writes to stdout.
    Through,
    /// To ltel's terminal, above the live line.
    Above(terminal::LocustOutput),
    /// To a file.
    File(std::fs::File),
}

/// Starts a pipeline that listens on the private socket, and on `[listen]` if the file has it; then the Locust command,
/// with the plugin on its path. `stdout_is_data` says whether ltel writes to stdout, even if no backend does.
pub(super) async fn start(
    mut config: Config,
    socket: &PrivateSocket,
    command: &[OsString],
    output: LocustOutput,
    stdout_is_data: bool,
) -> Result<(Locust, Pipeline), Failure> {
    let failed = |error: ListenError| Failure::failed(error.to_string());
    let mut listeners = Listeners::private(&socket.path(), &config.listen).map_err(failed)?;
    if config.listen_is_stated {
        listeners.add(&config.listen).await.map_err(failed)?;
    }
    let summary = add_summary(&mut config);
    let token = config.listen.token.clone();
    let stdout_is_data = stdout_is_data || config.backends.iter().any(|backend| backend.backend.writes_to_stdout());
    let pipeline = Pipeline::start(config, listeners, summary).map_err(Failure::failed)?;
    let mut environment =
        vec![("LTEL_ADDRESS", socket.address()), ("LTEL_PARENT_PID", std::process::id().to_string().into())];
    // Our own child: it gets the token that the listener requires.
    environment.extend(token.map(|token| ("LTEL_TOKEN", token.expose_secret().into())));
    Ok((spawn(command, environment, stdout_is_data, output)?, pipeline))
}

fn spawn(
    command: &[OsString],
    environment: Vec<(&str, OsString)>,
    stdout_is_data: bool,
    output: LocustOutput,
) -> Result<Locust, Failure> {
    let [program, args @ ..] = command else { return Err(Failure::usage("no command to run")) };
    let plugin = python::plugin_folder().map_err(Failure::failed)?;
    let mut child = Command::new(program);
    child.args(args).envs(environment).env("PYTHONPATH", python::python_path(&plugin).map_err(Failure::failed)?);
    let failed = |error: std::io::Error| Failure::failed(error.to_string());
    let mut passing = None;
    match output {
        LocustOutput::Above(terminal) => {
            let (stderr, stdout) = terminal.stdio(stdout_is_data).map_err(failed)?;
            child.stderr(stderr);
            if let Some(stdout) = stdout {
                child.stdout(stdout);
            }
            passing = Some(terminal.begun());
        }
        LocustOutput::Through if stdout_is_data => {
            child.stdout(Stdio::from(std::io::stderr()));
        }
        LocustOutput::Through => {}
        LocustOutput::File(file) => {
            let copy = file.try_clone().map_err(failed)?;
            child.stdin(Stdio::null()).stdout(file).stderr(copy);
        }
    }
    // Locust must get each signal once. At a terminal Ctrl-C reaches Locust directly, so we do not pass it on. Elsewhere
    // Locust has its own process group, so a signal reaches it only through us.
    let leads = !std::io::stdin().is_terminal();
    if leads {
        group::adopt_orphans();
        child.process_group(0);
    }
    tracing::debug!("starting {command:?} with the plugin in {}", plugin.display());
    let child = child.spawn().map_err(|error| not_started(&program.to_string_lossy(), &error))?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
    Ok(Locust { child, pid, group: pid.filter(|_| leads).map(Group::led_by), told: None, passing })
}

/// Why a command cannot be started, and what to write in its place. The codes are a shell's.
fn not_started(command: &str, error: &std::io::Error) -> Failure {
    let instead = instead(command);
    if error.kind() != std::io::ErrorKind::NotFound {
        let instead = instead.map(|instead| format!(": {instead}")).unwrap_or_default();
        return Failure { code: 126, message: format!("cannot run `{command}`: {error}{instead}") };
    }
    let path = Path::new(command);
    let message = match instead {
        Some(instead) if command.trim().is_empty() => format!("the command is empty: {instead}"),
        Some(instead) => format!("`{command}` was not found: {instead}"),
        // As with an environment that was moved.
        None if command.contains('/') && path.exists() => {
            format!("cannot run `{command}`: the interpreter that its first line names was not found")
        }
        None if path.file_name().is_some_and(|name| name == "locust") => {
            format!("`{command}` was not found: install Locust (`pip install locust`), or activate its environment")
        }
        None if command.contains('/') => format!("`{command}` was not found"),
        None => format!("`{command}` was not found: no folder of PATH has such a program"),
    };
    Failure { code: 127, message }
}

/// What to write in place of something that is no program.
fn instead(command: &str) -> Option<String> {
    let ltel = program::name();
    let words = command.split_whitespace().count();
    if words == 0 {
        return Some(format!("write the Locust command: `{ltel} run locust -f locustfile.py ...`"));
    }
    if command.starts_with('-') {
        return Some(format!("write `locust` before it: `{ltel} run locust {command} ...`"));
    }
    if words > 1 {
        return Some(format!("write the command without quotes around it: `{ltel} run {command}`"));
    }
    match Path::new(command).extension()?.to_str()? {
        "py" => Some(format!("write the Locust command: `{ltel} run locust -f {command} ...`")),
        "toml" => Some(format!("a configuration is given as `--config {command}`")),
        _ => None,
    }
}

/// A command that runs Locust.
#[derive(Debug)]
pub(super) struct Locust {
    child: Child,
    pid: Option<Pid>,
    // If it has its own.
    group: Option<Group>,
    // The last signal passed on to it.
    told: Option<Signal>,
    // Its output, if that goes above the live line.
    passing: Option<Passing>,
}

impl Locust {
    /// Waits for its end, and passes on signals meanwhile. Warns if no plugin connects.
    pub(super) async fn wait(&mut self, pipeline: &Pipeline, signals: &mut Signals) -> Result<ExitStatus, Failure> {
        let warning = format!(
            "still waiting. Likely causes: {PLUGIN_MISSED}; or the locustfile loads slowly, which does no harm"
        );
        tokio::select! {
            exit = self.exit(pipeline, signals) => exit,
            never = arrival::warn_if_late(pipeline.status.clone(), LATE, &warning) => match never {},
        }
    }

    async fn exit(&mut self, pipeline: &Pipeline, signals: &mut Signals) -> Result<ExitStatus, Failure> {
        loop {
            tokio::select! {
                status = self.child.wait() => return status.map_err(|error| Failure::failed(format!("Locust: {error}"))),
                request = signals.next() => {
                    pipeline.end_readiness();
                    self.pass_on(request);
                }
            }
        }
    }

    /// Waits until all of its output has been passed on. Call it last.
    pub(super) async fn end_output(&mut self) {
        if let Some(passing) = self.passing.take() {
            passing.end().await;
        }
    }

    fn pass_on(&mut self, request: EndRequest) {
        // The terminal sent it to every process of ltel's group.
        if request.from_terminal && self.group.is_none() {
            return;
        }
        tracing::info!("passing {} on to Locust", request.name());
        if let (Some(pid), Ok(signal)) = (self.pid, Signal::try_from(request.signal)) {
            self.told = Some(signal);
            // Fails only if Locust has just ended.
            let _ = kill(pid, signal);
        }
    }

    /// Waits, after the command's end, until every Locust process has delivered its data: workers can outlive their master.
    /// If a signal asked the command to end, the rest of its group gets that signal too, and is waited for.
    pub(super) async fn drain(&self, exit: ExitStatus, pipeline: &Pipeline, signals: &mut Signals, grace: Duration) {
        if pipeline.status.borrow().active > 0 {
            tracing::info!("waiting for the last Locust processes to deliver their data");
        }
        // A command that the signal killed did not pass it on. One that exited by itself may have done so, and a second
        // signal would disturb its processes.
        let killed = exit.signal().is_some();
        let mut order = self.told.map(|signal| (signal, Instant::now() + if killed { Duration::ZERO } else { grace }));
        loop {
            let over = async { tokio::join!(pipeline.drained(grace), self.leave_nothing(order, grace)) };
            let request = tokio::select! {
                _ = over => return,
                request = signals.next() => request,
            };
            // The first signal goes to the processes of the group, if any are left.
            let told = order.is_some_and(|(_, at)| at <= Instant::now());
            match Signal::try_from(request.signal) {
                Ok(signal) if !told && self.group.is_some_and(|group| !group.is_empty()) => {
                    order = Some((signal, Instant::now()));
                }
                _ => return tracing::warn!("{}: not waiting any longer", request.name()),
            }
        }
    }

    /// Passes a signal to the rest of the group, and waits for its end.
    async fn leave_nothing(&self, order: Option<(Signal, Instant)>, grace: Duration) {
        let (Some(group), Some((signal, at))) = (self.group, order) else { return };
        tokio::select! {
            biased;
            () = group.emptied() => return,
            () = sleep_until(at) => {}
        }
        tracing::info!("passing {signal} on to the processes that the command left behind");
        group.signal(signal);
        if timeout(grace, group.emptied()).await.is_err() {
            tracing::warn!("processes that the command left behind are still running after {signal}");
        }
    }
}

/// Why there is no run to report, if so.
pub(super) fn no_run(ended: &Ended, code: u8) -> Option<String> {
    let why = match (ended.outcome.runs.is_empty(), ended.met, code) {
        (false, ..) => return None,
        (_, true, _) => "Locust connected, but no test was started: there is nothing to report".to_owned(),
        (_, false, 0) => format!("the command ended and no plugin ever connected: {PLUGIN_MISSED}"),
        (_, false, code) => format!("the command ended with exit code {code}, and no plugin ever connected"),
    };
    Some(format!("\nltel: {why}\n"))
}

/// Locust's exit code, as a shell reports it.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
