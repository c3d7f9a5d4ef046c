//! `ltel-cli check`: what a configuration would run.

use comfy_table::Table;
use std::fmt::Write as _;

use ltel_core::registry::Registry;
use ltel_core::text::printable;

use super::{Failure, load_config};
use crate::cli::args::CheckArgs;
use crate::cli::print;
use crate::cli::table::plain;
use crate::config::Config;

pub(crate) fn check(args: &CheckArgs, registry: &Registry) -> Result<(), Failure> {
    let config = load_config(&args.config, registry)?;
    for warning in &config.warnings {
        print::stderr(&format!("warning: {warning}\n"));
    }
    print::stdout(&describe(&config)).map_err(|error| Failure::failed(error.to_string()))
}

fn describe(config: &Config) -> String {
    let listen = &config.listen;
    let unix = listen.unix.iter().map(|socket| format!("unix:{}", socket.path.display()));
    let scheme = if listen.tls.is_some() { "tls" } else { "tcp" };
    let addresses: Vec<_> = unix.chain(listen.tcp.iter().map(|tcp| format!("{scheme}://{tcp}"))).collect();
    let mut recorders = plain(&["recorder", "type", "interval", "to"]);
    for recorder in &config.recorders {
        let interval =
            recorder.interval.map_or("the backend's".to_owned(), |i| humantime::format_duration(i).to_string());
        let backends: Vec<_> = recorder.backends.iter().map(|&index| config.backends[index].name.as_str()).collect();
        recorders.add_row([&recorder.name, recorder.spec.name, &interval, &backends.join(", ")]);
    }
    let mut backends: Table = plain(&["backend", "type", "interval", "to"]);
    for backend in &config.backends {
        let (spec, to) = (backend.backend.spec(), backend.backend.destination());
        let interval = || humantime::format_duration(backend.interval).to_string();
        let interval = spec.pace.map_or_else(interval, ToOwned::to_owned);
        backends.add_row([backend.name.as_str(), spec.name, &interval, &to]);
    }
    let listen = addresses.join(", ");
    let mut out = format!("listen    {listen}\n");
    // Thresholds need neither recorders nor backends.
    for table in [recorders, backends] {
        if !table.is_empty() {
            let _ = writeln!(out, "\n{table}");
        }
    }
    out + &thresholds(config)
}

fn thresholds(config: &Config) -> String {
    if config.thresholds.list.is_empty() {
        return String::new();
    }
    let mut table = plain(&["threshold of", "check", "stops the test"]);
    for threshold in &config.thresholds.list {
        let stops = match threshold.abort_after {
            None => "no".to_owned(),
            Some(after) if after.is_zero() => "yes".to_owned(),
            Some(after) => format!("after {}", humantime::format_duration(after)),
        };
        let (target, check) = (threshold.target.to_string(), threshold.check.to_string());
        table.add_row([printable(&target).to_string(), check, stops]);
    }
    let baseline = config.thresholds.baseline.as_ref();
    let baseline = baseline.map(|baseline| format!("\nbaseline  {}\n", baseline.path.display())).unwrap_or_default();
    format!("\n{table}\n{baseline}")
}
