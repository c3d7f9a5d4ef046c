//! `ltel-cli check`: what a configuration would run.

mod json;

use std::fmt::Write as _;

use comfy_table::Table;
use ltel_core::registry::Registry;
use ltel_core::text::printable;

use super::{Failure, load_config, read_config};
use crate::cli::args::{CheckArgs, CheckFormat};
use crate::cli::print;
use crate::cli::table::plain;
use crate::config::{self, Config, Environment};

/// Returns the exit code.
pub(crate) fn check(args: &CheckArgs, registry: &Registry) -> Result<u8, Failure> {
    if args.format == CheckFormat::Json {
        let (file, text) = match read_config(&args.config) {
            Ok(read) => read,
            Err(failure) => return told(&json::unread(&args.config, &failure), failure.code),
        };
        let checked = config::load_with_labels(&file, &text, registry, &Environment::of_process(), &args.config.label);
        let code = if checked.is_ok() { 0 } else { 2 };
        return told(&json::document(&file, checked.as_ref()), code);
    }
    let config = load_config(&args.config, registry)?;
    for warning in &config.warnings {
        print::stderr(&format!("warning: {warning}\n"));
    }
    told(&describe(&config), 0)
}

fn told(text: &str, code: u8) -> Result<u8, Failure> {
    print::stdout(text).map(|()| code).map_err(|error| Failure::failed(error.to_string()))
}

fn describe(config: &Config) -> String {
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
    let listen = addresses(config).join(", ");
    let mut out = format!("listen    {listen}\n");
    // Thresholds need neither recorders nor backends.
    for table in [recorders, backends] {
        if !table.is_empty() {
            let _ = writeln!(out, "\n{table}");
        }
    }
    out + &thresholds(config)
}

fn addresses(config: &Config) -> Vec<String> {
    let listen = &config.listen;
    let unix = listen.unix.iter().map(|socket| format!("unix:{}", socket.path.display()));
    let scheme = if listen.tls.is_some() { "tls" } else { "tcp" };
    unix.chain(listen.tcp.iter().map(|tcp| format!("{scheme}://{tcp}"))).collect()
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
