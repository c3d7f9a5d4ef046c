//! `ltel-cli run -- locust ...`: a test with telemetry, without changes to the locustfile.

use ltel_core::registry::Registry;

use super::private_socket::PrivateSocket;
use super::{Failure, load_config, locust};
use crate::cli::args::RunArgs;
use crate::cli::signals::Signals;
use crate::cli::{losses, print, table};

/// Exits with 99 if a threshold is broken, else with Locust's exit code. If that is 0: with 1 if a part of ltel failed, or,
/// with `--strict`, if telemetry was lost.
pub(crate) async fn run(args: &RunArgs, registry: &Registry) -> Result<u8, Failure> {
    let config = load_config(&args.config, registry)?;
    let (grace, has_thresholds) = (config.grace, !config.thresholds.list.is_empty());
    let socket = PrivateSocket::create()?;
    let mut signals = Signals::catch().map_err(|error| Failure::failed(format!("signals: {error}")))?;
    let (mut locust, pipeline) = locust::start(config, &socket, &args.command, locust::LocustOutput::Through).await?;
    pipeline.reopen_at(signals.reopens());
    let exit = locust.wait(&pipeline, &mut signals).await?;
    locust.drain(exit, &pipeline, &mut signals, grace).await;
    let ended = pipeline.end(signals.interruption()).await;
    let code = locust::exit_code(exit);
    print::stderr(&table::render(&ended));
    print::stderr(&locust::no_run(&ended, code).unwrap_or_default());
    let losses = losses::of_test(&ended);
    let lost = if args.strict && !losses.is_empty() {
        Some(format!("--strict: telemetry was lost: {}", losses.join("; ")))
    } else {
        // Whether loss is a failure is for `--strict` to decide. A broken part of ltel always is.
        (!ended.failures.is_empty()).then(|| ended.failures.join("; "))
    };
    // A test that should have been judged and was not must not pass.
    let unjudged = has_thresholds && !ended.verdict.has_judged() && code == 0 && ended.failures.is_empty();
    let unjudged = unjudged.then(|| "no test was recorded, so no threshold was judged".to_owned());
    match (ended.verdict.broken().or(unjudged), lost) {
        (None, None) => Ok(code),
        (None, Some(lost)) => Err(Failure { code: code.max(1), message: lost }),
        (Some(broken), None) => Err(Failure::broken(broken)),
        (Some(broken), Some(lost)) => Err(Failure::broken(format!("{broken}; {lost}"))),
    }
}
