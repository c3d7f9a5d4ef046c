//! `ltel-cli check`: what a configuration would run.

mod json;
mod print;
mod secrets;

use std::fmt::Write as _;

use comfy_table::Table;
use ltel_core::expression::Written;
use ltel_core::recorder::field_of;
use ltel_core::registry::Registry;
use ltel_core::text::printable;
use toml::Spanned;

use super::{Failure, parse_config, read_config};
use crate::cli::args::{CheckArgs, CheckFormat};
use crate::cli::log;
use crate::cli::print as output;
use crate::cli::table::plain;
use crate::config::{self, Config, Environment};
use print::Printed;

/// Returns the exit code.
pub(crate) fn check(args: &CheckArgs, registry: &Registry) -> Result<u8, Failure> {
    if args.format == CheckFormat::Json {
        let (file, text) = match read_config(&args.config) {
            Ok(read) => read,
            Err(failure) => return told(&json::unread(&args.config, &failure), failure.code),
        };
        let checked =
            config::load_with(&file, &text, registry, &Environment::of_process(), &args.config.stated(Vec::new()));
        let code = if checked.is_ok() { 0 } else { 2 };
        return told(&json::document(&args.config, &file, checked.as_ref()), code);
    }
    let (file, text) = read_config(&args.config)?;
    let config = parse_config(&args.config, (&file, &text), Vec::new(), registry)?;
    for warning in &config.warnings {
        if log::is_json() {
            tracing::warn!("{warning}");
        } else {
            output::stderr(&format!("warning: {warning}\n"));
        }
    }
    if args.print {
        let env = config::followed(&Environment::of_process(), registry);
        let origin = args.config.origin();
        let printed = Printed { text: &text, config: &config, registry, env: &env, origin: &origin };
        return told(&printed.to_toml(&file), 0);
    }
    let origin = match &args.config.config {
        Some(file) if args.config.is_from_environment => {
            format!("file      {}{}\n", file.display(), args.config.origin())
        }
        _ => String::new(),
    };
    // For scripts: the exit code says it.
    told(&if log::is_quiet() { String::new() } else { origin + &describe(&config) }, 0)
}

fn told(text: &str, code: u8) -> Result<u8, Failure> {
    output::stdout(text).map(|()| code).map_err(|error| Failure::failed(error.to_string()))
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
    if let Some(health) = config.health {
        let _ = writeln!(out, "health    http://{health}/healthz, http://{health}/readyz");
    }
    if !config.labels.is_empty() {
        let labels = config.labels.iter().map(|label| format!("{} = {}", label.key, field_of(&label.value)));
        let _ = writeln!(out, "labels    {}", labels.collect::<Vec<_>>().join(", "));
    }
    // Thresholds need neither recorders nor backends.
    for table in [names(config), recorders, common_keys(config), backends] {
        if !table.is_empty() {
            let _ = writeln!(out, "\n{table}");
        }
    }
    out + &thresholds(config)
}

/// The rules of `[[names]]`.
fn names(config: &Config) -> Table {
    let mut table = plain(&["names that match", "method", "become"]);
    let shown = |text: &Option<Spanned<String>>| {
        text.as_ref().map_or("any".to_owned(), |text| printable(text.get_ref()).to_string())
    };
    for rule in config.names.written() {
        let action = match &rule.replace {
            Some(to) => printable(to.get_ref()).to_string(),
            None if is_true(rule.drop.as_ref()) => "(dropped)".to_owned(),
            None => "(cut before ? or #, then the rules below)".to_owned(),
        };
        table.add_row([shown(&rule.pattern), shown(&rule.method), action]);
    }
    table
}

/// The keys `when` and `labels` of recorders that have some.
fn common_keys(config: &Config) -> Table {
    let mut table = plain(&["recorder", "sees when", "labels"]);
    for recorder in &config.recorders {
        let common = recorder.factory.common();
        let labels = common.labels().map(|(name, written)| match written {
            Written::Expression(text) => format!("{name} = {}", printable(&text)),
            Written::Constant(value) => format!("{name} = {{ value = {value} }}"),
        });
        let labels = labels.collect::<Vec<_>>().join(", ");
        if common.when().is_some() || !labels.is_empty() {
            let when = common.when().map(|when| printable(when).to_string()).unwrap_or_default();
            table.add_row([&recorder.name, &when, &labels]);
        }
    }
    table
}

fn is_true(key: Option<&Spanned<bool>>) -> bool {
    key.is_some_and(|key| *key.get_ref())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::ConfigArg;

    /// Guarantees: everything that changes what a run emits is shown, for people and for machines.
    #[test]
    fn labels_names_and_conditions() {
        let text = r#"
            [labels]
            region = "eu"
            [[names]]
            cut_query = true
            [[names]]
            match = '^/product/\d+$'
            replace = "/product/{id}"
            [[names]]
            method = "GET|HEAD"
            match = '^/health$'
            drop = true
            [recorders.requests]
            [recorders.cart]
            type = "requests"
            when = 'name.startsWith("/cart")'
            labels = { tenant = "context.tenant", color = { value = "green" } }
            [backends.json]
        "#;
        let registry = crate::with_backends(ltel_recorders::registry());
        let config = config::load("telemetry.toml", text, &registry, &Environment::default()).expect("valid");
        let shown = describe(&config);
        let (_, shown) = shown.split_once('\n').expect("the address is above");
        insta::assert_snapshot!("text", shown);
        let document: serde_json::Value =
            serde_json::from_str(&json::document(&ConfigArg::default(), "telemetry.toml", Ok(&config))).expect("JSON");
        let of = |key: &str| document["configuration"][key].clone();
        insta::assert_snapshot!("json", format!("{:#}\n{:#}\n{:#}", of("labels"), of("names"), of("recorders")));
    }
}
