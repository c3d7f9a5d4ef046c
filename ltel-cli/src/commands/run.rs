//! `ltel-cli run -- locust ...`: a test with telemetry, the locustfile unchanged.

use ltel_core::registry::Registry;

use super::{Failure, load_config, locust};
use crate::args::RunArgs;
use crate::listen::Listeners;
use crate::pipeline::Pipeline;
use crate::signals::Signals;
use crate::{print, table};

/// Ends with Locust's exit code.
pub(crate) async fn run(args: &RunArgs, registry: &Registry) -> Result<u8, Failure> {
    let mut config = load_config(&args.config, registry)?;
    let grace = config.grace;
    let socket = locust::PrivateSocket::create()?;
    let address = format!("unix:{}", socket.path().display());
    let mut signals = Signals::catch().map_err(|error| Failure::failed(format!("signals: {error}")))?;
    let mut listeners =
        Listeners::private(&socket.path(), &config.listen).map_err(|e| Failure::failed(e.to_string()))?;
    if config.listen_is_stated {
        listeners.add(&config.listen).await.map_err(|error| Failure::failed(error.to_string()))?;
    }
    locust::add_summary(&mut config);
    let mut child = locust::spawn(&args.command, &address, &config, locust::Output::Through)?;
    let pipeline = match Pipeline::start(config, listeners) {
        Ok(pipeline) => pipeline,
        Err(error) => {
            let _ = child.kill().await;
            return Err(Failure::failed(error));
        }
    };
    let mut status = pipeline.status.clone();
    let exit = locust::wait(&mut child, &mut signals).await?;
    locust::drain(&mut status, &mut signals, grace).await;
    let ended = locust::end(pipeline, &mut signals).await?;
    print::stderr(&table::render(&ended));
    Ok(locust::exit_code(exit))
}
