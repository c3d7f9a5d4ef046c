//! `ltel-cli --config F`: serves run after run, until it is told to stop.

use std::time::Duration;

use ltel_core::registry::Registry;
use tokio::sync::watch;

use super::{Failure, load_config};
use crate::args::ServeArgs;
use crate::listen::Listeners;
use crate::pipeline::Pipeline;
use crate::runs::Status;
use crate::signals::{self, Signals};
use crate::table;

/// A job that waits for a test which never comes is to be found out about.
const LONELY: Duration = Duration::from_secs(30);

pub(crate) async fn serve(args: &ServeArgs, registry: &Registry) -> Result<(), Failure> {
    let config = load_config(&args.config, registry)?;
    let once = args.once || config.exit_after_run;
    let mut signals = Signals::catch().map_err(|error| Failure::failed(format!("signals: {error}")))?;
    let listeners = Listeners::bind(&config.listen).await.map_err(|error| Failure::failed(error.to_string()))?;
    let pipeline = Pipeline::start(config, listeners).map_err(Failure::failed)?;
    let mut status = pipeline.status.clone();
    tokio::select! {
        request = signals.next() => tracing::info!("{}: completing what is open", request.name()),
        () = signals::wait_for_closed_stdout() => {}
        () = tell_if_nobody_comes(pipeline.status.clone()), if once => {}
        _ = status.wait_for(|status| once && status.finished > 0 && status.active == 0) => {}
    }
    let ended = pipeline.end(signals.interruption()).await;
    table::log(&ended);
    if ended.backends.iter().any(|(_, delivered)| delivered.given_up) {
        return Err(Failure::failed("not everything was delivered"));
    }
    Ok(())
}

/// Never ends.
async fn tell_if_nobody_comes(status: watch::Receiver<Status>) {
    tokio::time::sleep(LONELY).await;
    if !status.borrow().met {
        tracing::warn!(
            "no Locust process has come within {} s: does it load the plugin, and know the address (LTEL_ADDRESS)?",
            LONELY.as_secs()
        );
    }
    std::future::pending::<()>().await;
}
