//! From the file's text to a [`Config`], or to all of its errors.

use std::sync::Arc;
use std::time::Duration;

use ltel_core::backend::{Claims, ConfigError, Environment};
use ltel_core::registry::Registry;
use ltel_core::runs::Limits;
use ltel_core::schemars::{self, JsonSchema};
use serde::Deserialize;
use toml::de::DeTable;

use super::backends::Backends;
use super::error::ConfigErrors;
use super::labels;
use super::recorders::Recorders;
use super::section::Section;
use super::stated::Stated;
use super::values::Interval;
use super::{
    Config, agreement, health, limits, listen, misplaced, name_rules, shared_metrics, syntax, thresholds, unsupported,
};

/// The keys above all tables.
#[derive(Deserialize, JsonSchema)]
pub(super) struct RawTop {
    /// The name of the test plan. Locust's `--testplan` and `LTEL_TESTPLAN` override it; default: the name of the locustfile.
    testplan: Option<String>,
    /// How long a Locust process may be disconnected before its part of a run counts as over.
    #[schemars(extend("default" = "10s"))]
    grace: Option<Interval>,
    /// Whether ltel exits after the first complete run, as with `--once`.
    #[serde(default)]
    exit_after_run: bool,
    /// With `exit_after_run`: how long that run may take to begin. Then ltel exits with code 1.
    #[schemars(extend("default" = "5m"))]
    start_timeout: Option<Interval>,
}

/// The tables of the file.
pub(super) const TABLES: [&str; 8] =
    ["labels", "listen", "health", "limits", "recorders", "backends", "thresholds", "names"];

/// Reads a configuration: `text` is the file's content, `file` its name for messages. Returns all errors at once.
pub fn load(file: &str, text: &str, registry: &Registry, env: &Environment) -> Result<Config, ConfigErrors> {
    load_with(file, text, registry, env, &Stated::default())
}

/// Like [`load`], with what the command line states.
pub fn load_with(
    file: &str,
    text: &str,
    registry: &Registry,
    env: &Environment,
    stated: &Stated,
) -> Result<Config, ConfigErrors> {
    let fail = |mut errors: Vec<ConfigError>| {
        errors.sort_by_key(|error| error.span.start);
        ConfigErrors { file: file.to_owned(), text: text.to_owned(), errors }
    };
    let (table, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        let check = |text: &str| match load_with(file, text, registry, env, stated) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.errors,
        };
        return Err(fail(syntax::errors(text, &check)));
    }
    let (env, unsupported) = unsupported::part(env, registry);
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    let file = Section::new("", 0..0, table.into_inner());
    match read(file, text, registry, (&env, stated), &mut errors, &mut warnings) {
        Some(mut config) if errors.is_empty() => {
            let concern = unsupported.into_iter().filter(|unsupported| unsupported.concerns(&config));
            config.warnings = concern.map(|unsupported| unsupported.warning).chain(warnings).collect();
            Ok(config)
        }
        _ => Err(fail(errors)),
    }
}

fn read(
    mut file: Section<'_>,
    text: &str,
    registry: &Registry,
    (env, stated): (&Environment, &Stated),
    errors: &mut Vec<ConfigError>,
    warnings: &mut Vec<String>,
) -> Option<Config> {
    // What is there in another form or place is not missing.
    let mut meant = misplaced::take(&mut file, registry, errors);
    let listen = file.take_section("listen", errors);
    let listen_is_stated = listen.is_some();
    let health = file.take_section("health", errors);
    let limits = file.take_section("limits", errors);
    let mut selected = |table: &'static str, errors: &mut Vec<ConfigError>| {
        let before = errors.len();
        let section = file.take_section(table, errors);
        meant.extend((errors.len() > before).then_some(table));
        section
    };
    let recorders = selected("recorders", errors);
    let backends = selected("backends", errors).filter(|_| !stated.replaces_backends());
    let labels = file.take_section("labels", errors);
    let labels = labels::read(labels, &stated.labels, env, errors);
    let thresholds = file.take_section("thresholds", errors);
    let names = file.take("names").map(|rules| name_rules::read(rules, text, errors)).unwrap_or_default();
    // Thresholds are a reason to run ltel, too.
    let judges = thresholds.is_some();
    let misspelt = |table: &str| meant.contains(&table) || file.misspells(table, &TABLES);
    let (misspelt_backends, misspelt_recorders) = (misspelt("backends"), misspelt("recorders"));
    let has_backends = backends.is_some() || !stated.backends.is_empty();
    if !has_backends && !judges && !misspelt_backends {
        errors.push(nothing_selected("backends", "backends.json"));
    }
    let top = file.read::<RawTop>(&TABLES, errors);
    let listen = match listen {
        Some(section) => listen::read(section, env, errors),
        None => Some(listen::default(env)),
    };
    let limits = limits.map_or_else(|| Some(Limits::default()), |section| limits::read(section, errors));
    let thresholds = thresholds.map(|section| thresholds::read(section, text, errors, warnings)).unwrap_or_default();
    let mut claims = Claims::default();
    if let Some(tcp) = listen.as_ref().and_then(|listen| listen.tcp) {
        claims.address(tcp, "[listen]");
    }
    if let Some(baseline) = &thresholds.baseline {
        claims.input(&baseline.path, "the baseline of [thresholds]");
    }
    let before = errors.len();
    let (backend_names, backends) =
        Backends { registry, env, claims: &mut claims, errors, warnings }.read(backends, &stated.backends);
    let backends_are_right = errors.len() == before;
    // Behind the backends: where both want one address, the probes' is the one that is free to choose.
    let health = health.and_then(|section| health::read(section, env, &mut claims, errors, warnings));
    let takes_figures = judges || backends.iter().any(|backend| backend.backend.takes_figures());
    if recorders.is_none() && !takes_figures && backends_are_right && !misspelt_recorders && !misspelt_backends {
        errors.push(nothing_selected("recorders", "recorders.stats"));
    }
    let recorders = recorders.map(|section| {
        Recorders { text, registry, env, labels: &labels, errors, warnings }.read(section, &backend_names)
    });
    let right = (backends_are_right && has_backends).then_some(&*backends);
    let recorders = recorders.unwrap_or_default();
    let recorders = match right {
        Some(backends) if stated.replaces_backends() => agreement::with_a_taker(recorders, backends, takes_figures),
        _ => recorders,
    };
    let mut recorders = agreement::check(recorders, right, takes_figures, registry, errors, warnings);
    let metrics = Arc::new(shared_metrics::names(recorders.iter()));
    for recorder in &mut recorders {
        recorder.factory.set_metrics(Arc::clone(&metrics));
    }
    warnings.extend_from_slice(names.warnings());
    warnings.extend(name_rules::warning(&names, &recorders));
    let top = top?;
    Some(Config {
        testplan: top.testplan,
        labels: labels.into_iter().map(|label| label.label).collect(),
        grace: top.grace.map_or(Duration::from_secs(10), |grace| grace.0),
        exit_after_run: top.exit_after_run,
        start_timeout: top.start_timeout.map_or(Duration::from_mins(5), |timeout| timeout.0),
        listen: listen?,
        listen_is_stated,
        health,
        limits: limits?,
        recorders,
        backends,
        names: Arc::new(names),
        thresholds: Arc::new(thresholds),
        claims,
        warnings: Vec::new(),
    })
}

/// The error of a file without recorders or backends. Its example, added to the file, makes it whole.
fn nothing_selected(what: &str, table: &str) -> ConfigError {
    ConfigError::new(format!("the configuration selects no {what}"), 0..0)
        .help(format!("add at least one, such as:\n  [{table}]"))
}
