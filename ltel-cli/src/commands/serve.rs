//! `ltel-cli --config F`: serves run after run, until it is told to stop.

use ltel_core::registry::Registry;

use super::{Failure, load_config};
use crate::args::ServeArgs;
use crate::listen::Listeners;
use crate::pipeline::Pipeline;
use crate::signals::{self, Signals};
use crate::table;

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
        _ = status.wait_for(|status| once && status.finished > 0 && status.active == 0) => {}
    }
    let ended = pipeline.end(signals.interruption()).await;
    table::log(&ended);
    if ended.backends.iter().any(|(_, delivered)| delivered.given_up) {
        return Err(Failure::failed("not everything was delivered"));
    }
    Ok(())
}
