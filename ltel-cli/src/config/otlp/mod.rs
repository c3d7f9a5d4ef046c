//! The options of an OTLP backend. What the file leaves open is filled from the environment (`OTEL_*`).

mod signal;
mod endpoint;
mod headers;
mod tls;
mod resource;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;
use serde::Deserialize;
use serde_aux::serde_introspection::serde_introspect;
use toml::Spanned;

use super::error::{ConfigError, did_you_mean};
use super::section::{Section, list};
use super::{Environment, OtlpConfig, Signal};
pub(super) use resource::{RawAttribute, resource};
use signal::{RawSignal, tls_in_the_clear, variable_error};

#[derive(Deserialize)]
struct Raw {
    signals: Option<Spanned<Vec<Spanned<String>>>>,
    resource: Option<BTreeMap<String, RawAttribute>>,
    histograms: Option<RawHistograms>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawHistograms {
    Explicit,
    Exponential,
}

pub(super) struct Context<'a> {
    pub(super) env: &'a Environment,
    /// Whether this is the file's only OTLP backend: then the environment's headers can mean no other.
    pub(super) only_otlp: bool,
}

/// A backend's options, and what the environment says of its common ones.
pub(super) struct Settings {
    pub(super) config: OtlpConfig,
    pub(super) interval: Option<Duration>,
    pub(super) temporality: Option<Temporality>,
}

pub(super) fn read(
    section: Section<'_>,
    also: &[&str],
    context: &Context<'_>,
    errors: &mut Vec<ConfigError>,
) -> Option<Settings> {
    // What stands in one place and concerns three signals is said once.
    let mut found = Vec::new();
    let settings = read_all(section, also, context, &mut found);
    for error in found {
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
    settings
}

fn read_all(
    mut section: Section<'_>,
    also: &[&str],
    context: &Context<'_>,
    errors: &mut Vec<ConfigError>,
) -> Option<Settings> {
    let header = section.header.clone();
    let own = Signal::ALL.map(|signal| {
        let section = section.take_section(signal.as_str(), errors)?;
        let (title, header) = (section.title.clone(), section.header.clone());
        Some(Own { title, header, raw: section.read(&[], errors).unwrap_or_default() })
    });
    let shared = section.take_common::<RawSignal>(errors)?;
    let tables = Signal::ALL.map(Signal::as_str);
    let also: Vec<_> = [also, serde_introspect::<RawSignal>(), &tables].concat();
    let raw = section.read::<Raw>(&also, errors)?;

    let sent = signals(raw.signals.as_ref(), errors);
    let mut whole = sent.is_ok();
    let is_off = |signal| context.env.is_disabled() || (raw.signals.is_none() && context.env.exports_no(signal));
    let (off, sent): (Vec<_>, Vec<_>) =
        sent.unwrap_or_else(|known| known).into_iter().partition(|&signal| is_off(signal));
    let nothing = RawSignal::default();
    let mut resolve = |signal: Signal, own: Option<&Own>| {
        if sent.contains(&signal) {
            let own = own.map_or(&nothing, |own| &own.raw);
            let config = signal::resolve(signal, own, &shared, context, &header, errors);
            whole &= config.is_some();
            return config;
        }
        if let Some(Own { title, header, .. }) = own.filter(|_| !off.contains(&signal)) {
            let error = ConfigError::new(format!("`signals` leaves out what {title} is for"), header.clone());
            errors.push(error.help(format!("add \"{}\" to `signals`, or leave out the table", signal.as_str())));
        }
        None
    };
    let [metrics, traces, logs] = [0, 1, 2].map(|index| resolve(Signal::ALL[index], own[index].as_ref()));
    if let Some(tls) = &shared.tls {
        // One signal in the clear beside an encrypted one is somebody's choice; all of them are a mistake.
        let users = own.iter().zip([&metrics, &traces, &logs]);
        let users = users.filter(|(own, _)| own.as_ref().is_none_or(|own| own.raw.tls.is_none()));
        let endpoints: Vec<_> =
            users.filter_map(|(_, config)| config.as_ref().map(|config| &config.endpoint)).collect();
        if let [first, ..] = endpoints[..]
            && endpoints.iter().all(|endpoint| endpoint.scheme_str() == Some("http"))
        {
            errors.push(tls_in_the_clear(tls, first));
        }
    }
    let common = common(raw.histograms, context.env, &header, errors);
    let attributes = context.env.resource_attributes().unwrap_or_else(|why| {
        errors.push(variable_error(why, &header));
        Vec::new()
    });
    let resource = resource(attributes, raw.resource.unwrap_or_default(), context.env);
    let config = OtlpConfig { metrics, traces, logs, off, resource, exponential: common.exponential };
    // A signal that is missing by mistake is not one that the file leaves out.
    whole.then_some(Settings { config, interval: common.interval, temporality: common.temporality })
}

/// A signal's own table.
struct Own {
    title: String,
    header: Range<usize>,
    raw: RawSignal,
}

/// The signals that a backend is sent; those that are right, if some are wrong.
fn signals(
    stated: Option<&Spanned<Vec<Spanned<String>>>>,
    errors: &mut Vec<ConfigError>,
) -> Result<Vec<Signal>, Vec<Signal>> {
    let Some(stated) = stated else { return Ok(Signal::ALL.to_vec()) };
    let before = errors.len();
    if stated.get_ref().is_empty() {
        errors.push(
            ConfigError::new("a backend takes at least one signal", stated.span())
                .help("leave out `signals`, and it takes all; or leave out the backend"),
        );
    }
    let names = || Signal::ALL.into_iter().map(Signal::as_str);
    let mut signals = Vec::new();
    for name in stated.get_ref() {
        match Signal::ALL.into_iter().find(|signal| signal.as_str() == name.get_ref()) {
            Some(signal) => signals.push(signal),
            None => {
                let error = ConfigError::new(format!("there is no signal `{}`", name.get_ref()), name.span());
                errors.push(match did_you_mean(name.get_ref(), names()) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help(format!("the signals are {}", list(names()))),
                });
            }
        }
    }
    if errors.len() == before { Ok(signals) } else { Err(signals) }
}

/// What concerns metrics, wherever they are sent.
struct Common {
    interval: Option<Duration>,
    temporality: Option<Temporality>,
    exponential: bool,
}

fn common(
    histograms: Option<RawHistograms>,
    env: &Environment,
    header: &Range<usize>,
    errors: &mut Vec<ConfigError>,
) -> Common {
    let mut wrong = |message: String| errors.push(variable_error(message, header));
    let mut interval = None;
    let name = "OTEL_METRIC_EXPORT_INTERVAL";
    if let Some(text) = env.get(name) {
        match text.parse() {
            Ok(ms) if ms > 0 => interval = Some(Duration::from_millis(ms)),
            _ => wrong(format!("{name}: `{text}` is not a number of milliseconds")),
        }
    }
    let mut temporality = None;
    let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    if let Some(text) = env.get(name) {
        match text.to_lowercase().as_str() {
            "cumulative" => temporality = Some(Temporality::Cumulative),
            "delta" => temporality = Some(Temporality::Delta),
            "lowmemory" => temporality = Some(Temporality::LowMemory),
            _ => wrong(format!("{name}: `{text}` is not `cumulative`, `delta` or `lowmemory`")),
        }
    }
    let mut exponential = histograms == Some(RawHistograms::Exponential);
    let name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    if let (None, Some(text)) = (histograms, env.get(name)) {
        match text.to_lowercase().as_str() {
            "explicit_bucket_histogram" => {}
            "base2_exponential_bucket_histogram" => exponential = true,
            _ => wrong(format!(
                "{name}: `{text}` is not `explicit_bucket_histogram` or `base2_exponential_bucket_histogram`"
            )),
        }
    }
    Common { interval, temporality, exponential }
}
