//! `ltel-cli run -- locust ...`: a test with telemetry, the locustfile unchanged.

use ltel_core::registry::Registry;

use super::{Failure, load_config, locust};
use crate::args::RunArgs;
use crate::signals::Signals;
use crate::{print, table};

/// Ends with Locust's exit code.
pub(crate) async fn run(args: &RunArgs, registry: &Registry) -> Result<u8, Failure> {
    let config = load_config(&args.config, registry)?;
    let grace = config.grace;
    let socket = locust::PrivateSocket::create()?;
    let mut signals = Signals::catch().map_err(|error| Failure::failed(format!("signals: {error}")))?;
    let (mut child, pipeline) = locust::start(config, &socket, &args.command, locust::Output::Through).await?;
    let mut status = pipeline.status.clone();
    let exit = locust::wait(&mut child, &mut signals).await?;
    locust::drain(&mut status, &mut signals, grace).await;
    let ended = pipeline.end(signals.interruption()).await;
    print::stderr(&table::render(&ended));
    Ok(locust::exit_code(exit))
}
