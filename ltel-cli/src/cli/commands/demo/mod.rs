//! `ltel-cli demo`: real Locust against a small server in this process.

mod target;
mod venv;

use std::sync::Arc;
use std::time::Duration;

use ltel_core::registry::Registry;

use super::private_socket::PrivateSocket;
use super::{Failure, locust, rendered, stated_backends};
use crate::cli::args::DemoArgs;
use crate::cli::private_folder::temporary_folder_in;
use crate::cli::signals::Signals;
use crate::cli::table::Look;
use crate::cli::telemetry_file::TelemetryFile;
use crate::cli::terminal::{Progress, ProgressMode};
use crate::cli::{log, losses, print, table};
use crate::config::{self, Environment, Stated};

const LOCUSTFILE: &str = include_str!("locustfile.py");
const SECONDS: u64 = 10;

pub(crate) async fn demo(args: &DemoArgs, registry: &Registry) -> Result<u8, Failure> {
    let failed = |error: std::io::Error| Failure::failed(error.to_string());
    let mut signals = Signals::catch().map_err(failed)?;
    let venv = tokio::select! {
        venv = venv::locust() => venv.map_err(Failure::failed)?,
        request = signals.next() => return Err(Failure::failed(format!("{} while installing Locust", request.name()))),
    };

    let telemetry = TelemetryFile::create("demo").map_err(Failure::failed)?;
    let stated = Stated { backends: args.backends.telemetry(), ..Stated::default() };
    let text = configuration(telemetry.path());
    let loaded = config::load_with("the demo's configuration", &text, registry, &Environment::of_process(), &stated);
    let mut config = loaded.map_err(|errors| Failure::usage(rendered(&errors, "", "; nothing was started")))?;
    let page = stated_backends::add(&mut config, &args.backends)?;
    let grace = config.grace;

    let socket = PrivateSocket::create()?;
    let folder = temporary_folder_in(&std::env::temp_dir()).map_err(failed)?;
    let locustfile = folder.path().join("demo.py");
    std::fs::write(&locustfile, LOCUSTFILE).map_err(failed)?;
    let log = folder.path().join("locust.log");
    let output = std::fs::File::create(&log).map_err(failed)?;

    let (host, _target) = target::start().await.map_err(failed)?;
    let command: Vec<_> = [venv.join("bin/locust").into_os_string(), "--headless".into(), "--only-summary".into()]
        .into_iter()
        .chain(["-f".into(), locustfile.into_os_string(), "--host".into(), host.into()])
        .chain(["-u", "20", "-r", "20", "-t"].map(Into::into))
        .chain([format!("{SECONDS}s").into(), "--exit-code-on-error".into(), "0".into()])
        .collect();
    print::note(&telemetry.place());
    let (mut locust, mut pipeline) =
        locust::start(config, &socket, &command, locust::LocustOutput::File(output), false).await?;
    if let Some(url) = page.get() {
        print::warning(&format!("ltel: the test is shown at {url}\n"));
    }
    let (summary, status) = (Arc::clone(&pipeline.summary), pipeline.status.clone());
    let mode = if log::is_quiet() || log::is_json() { ProgressMode::Off } else { ProgressMode::Auto };
    let progress = Progress::begin(mode, summary, status, Some(Duration::from_secs(SECONDS)));
    pipeline.reload_at(signals.reopens(), None::<fn() -> Option<crate::config::Config>>);
    let exit = locust.wait(&pipeline, &mut signals).await?;
    progress.wait_for_data(grace);
    locust.drain(exit, &pipeline, &mut signals, grace).await;
    drop(progress);
    let ended = pipeline.end(signals.interruption()).await;
    if !exit.success() {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        return Err(Failure::failed(format!("{said}\nLocust failed ({exit}); its output is above")));
    }
    if !log::is_quiet() && !log::is_json() {
        print::stderr(&table::render(&ended, Look::of_stderr(false)));
    } else {
        losses::say(&ended);
    }
    print::warning(&locust::no_run(&ended, locust::exit_code(exit)).unwrap_or_default());
    print::note(&format!("\n{}", telemetry.place()));
    let failures: Vec<_> = ended.failures.iter().cloned().chain(stated_backends::unwritten(&ended)).collect();
    if !failures.is_empty() {
        return Err(Failure::failed(failures.join("; ")));
    }
    Ok(0)
}

fn configuration(telemetry: &std::path::Path) -> String {
    let output = toml::Value::String(telemetry.to_string_lossy().into_owned());
    format!(
        "testplan = \"demo\"\n[recorders.lifecycle]\n[recorders.stats]\n[recorders.requests]\n[recorders.users]\n\
         [recorders.system]\n[backends.file]\ntype = \"json\"\noutput = {output}\n"
    )
}
