//! `ltel-cli --config F`: serves run after run, until a signal stops it.

use std::sync::Arc;
use std::time::Duration;

use humantime::format_duration;
use ltel_core::registry::Registry;
use tokio::time::timeout;

use super::{Failure, arrival, load_again, load_config, say_origin};
use crate::cli::args::ServeArgs;
use crate::cli::signals::{EndRequest, Signals};
use crate::cli::{losses, table};
use crate::config::BackendConfig;
use crate::deliver::Delivered;
use crate::deliver::json::stdout;
use crate::ingest::Listeners;
use crate::pipeline::{Ended, Pipeline};

/// A job whose test never comes must be noticed.
const LATE: Duration = Duration::from_secs(30);

const LATE_BECAUSE: &str = "does it load the plugin, and is LTEL_ADDRESS set?";

/// Fails if telemetry was lost; and, after its only run, if a threshold is broken.
pub(crate) async fn serve(args: &ServeArgs, registry: &Registry) -> Result<(), Failure> {
    let config = load_config(&args.config, Vec::new(), registry)?;
    say_origin(&args.config);
    let once = args.once || config.exit_after_run;
    let (grace, start_timeout) = (config.grace, config.start_timeout);
    let mut signals = Signals::catch().map_err(|error| Failure::failed(format!("signals: {error}")))?;
    let listeners = Listeners::bind(&config.listen).await.map_err(|error| Failure::failed(error.to_string()))?;
    let mut pipeline = Pipeline::start(config, listeners, Arc::default()).map_err(Failure::failed)?;
    let (again, types) = (args.config.clone(), registry.clone());
    pipeline.reload_at(signals.reopens(), Some(move || load_again(&again, Vec::new(), &types)));
    let (mut no_run, mut reader_gone) = (None, false);
    tokio::select! {
        request = signals.next() => drain(&pipeline, request, &mut signals, grace).await,
        () = stdout::wait_until_closed() => reader_gone = true,
        () = pipeline.failed() => {}
        () = over(&pipeline, grace), if once => {}
        why = arrival::never_begins(pipeline.status.clone(), start_timeout, grace), if once => no_run = Some(why),
        never = arrival::warn_if_late(pipeline.status.clone(), LATE, LATE_BECAUSE), if once => match never {},
    }
    let ended = pipeline.end(signals.interruption()).await;
    table::log(&ended);
    if let Some(why) = no_run {
        return Err(Failure::failed(why));
    }
    let lost = match losses::of(&ended) {
        losses if losses.is_empty() => None,
        // The reader of stdout has what it wanted, as with `| head`. Losses elsewhere count.
        _ if reader_gone && is_only_stdout(&ended) => None,
        losses => Some(format!("telemetry was lost: {}", losses.join("; "))),
    };
    match (ended.verdict.broken().filter(|_| once), lost) {
        (None, None) => Ok(()),
        (None, Some(lost)) => Err(Failure::failed(lost)),
        (Some(broken), None) => Err(Failure::broken(broken)),
        (Some(broken), Some(lost)) => Err(Failure::broken(format!("{broken}; {lost}"))),
    }
}

/// Whether nothing failed, except that lines were not written to stdout and runs were cut short for that.
fn is_only_stdout(ended: &Ended) -> bool {
    let is_well =
        |(config, delivered): &(BackendConfig, Delivered)| config.backend.writes_to_stdout() || !delivered.is_lossy();
    ended.failures.is_empty() && ended.backends.iter().all(is_well)
}

/// Waits for the end of all runs, once there has been one; then for clients to leave: a Locust process may still wait for
/// the acknowledgement of its last frame when its run is complete.
async fn over(pipeline: &Pipeline, grace: Duration) {
    let _ = pipeline.status.clone().wait_for(|status| status.finished > 0 && status.active == 0).await;
    pipeline.drained(grace).await;
}

/// Lets connected clients finish their runs: when a pod is deleted, Locust gets the signal at the same moment.
async fn drain(pipeline: &Pipeline, request: EndRequest, signals: &mut Signals, grace: Duration) {
    pipeline.close();
    let name = request.name();
    let runs = match pipeline.status.borrow().active {
        0 => return tracing::info!("{name}: exiting, no run is active"),
        1 => "the active run".to_owned(),
        more => format!("the {more} active runs"),
    };
    let most = format_duration(grace);
    tracing::info!("{name}: waiting at most {most} (`grace`) for {runs} to complete; another signal ends the wait");
    tokio::select! {
        // Clients may stay connected when all runs are complete, as an idle web UI does: no reason to warn.
        drained = timeout(grace, pipeline.drained(grace)) => if drained.is_err() && pipeline.status.borrow().active > 0 {
            tracing::warn!("{runs} did not complete within {most} (`grace`): not waiting any longer");
        },
        () = signals.interruption() => {}
    }
}
