//! From the file's text to a [`Config`], or to everything that is wrong with it.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use ltel_core::registry::Registry;
use opentelemetry_sdk::metrics::Temporality;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use super::error::{ConfigError, ConfigErrors, did_you_mean};
use super::section::{Section, list};
use super::values::Interval;
use super::{
    BackendConfig, BackendKind, Config, Environment, JsonConfig, JsonOutput, RecorderConfig, Signal, agreement,
    environment, listen, otlp, prometheus, unsupported,
};

const DEFAULT_INTERVAL: Duration = Duration::from_secs(3);

#[derive(Deserialize)]
struct RawTop {
    testplan: Option<String>,
    grace: Option<Interval>,
    #[serde(default)]
    exit_after_run: bool,
    start_timeout: Option<Interval>,
}

#[derive(Deserialize)]
struct RawRecorder {
    #[serde(rename = "type")]
    kind: Option<Spanned<String>>,
    backends: Option<Vec<Spanned<String>>>,
    interval: Option<Interval>,
    series_limit: Option<Spanned<usize>>,
}

#[derive(Deserialize)]
struct RawBackend {
    #[serde(rename = "type")]
    kind: Option<Spanned<String>>,
    interval: Option<Interval>,
    temporality: Option<Spanned<RawTemporality>>,
    queue: Option<Spanned<NonZeroUsize>>,
    internal_metrics: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawTemporality {
    Cumulative,
    Delta,
}

#[derive(Deserialize)]
struct RawJson {
    output: Option<Spanned<String>>,
    max_bytes: Option<ByteSize>,
    keep: Option<u32>,
    #[serde(default)]
    spans: bool,
}

const BACKEND_TYPES: [&str; 3] = ["json", "otlp", "prometheus"];

/// Reads a configuration: `text` is the file's content, `file` its name for messages. On an error, all of them.
pub fn load(file: &str, text: &str, registry: &Registry, env: &Environment) -> Result<Config, ConfigErrors> {
    let fail = |mut errors: Vec<ConfigError>| {
        errors.sort_by_key(|error| error.span.start);
        ConfigErrors { file: file.to_owned(), text: text.to_owned(), errors }
    };
    let (table, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        let errors = syntax.iter().map(|e| ConfigError::new(e.message(), e.span().unwrap_or(0..0)));
        return Err(fail(errors.collect()));
    }
    let (env, unsupported) = unsupported::part(env);
    let mut loader =
        Loader { registry, env: &env, taken: Vec::new(), files: Vec::new(), errors: Vec::new(), warnings: Vec::new() };
    match loader.config(Section::new("", 0..0, table.into_inner())) {
        Some(mut config) if loader.errors.is_empty() => {
            let concern = unsupported.into_iter().filter(|unsupported| (unsupported.concerns)(&config));
            let mut warnings: Vec<_> = concern.map(|unsupported| unsupported.warning).collect();
            warnings.extend(turned_off(&config, &env));
            warnings.append(&mut loader.warnings);
            config.warnings = warnings;
            Ok(config)
        }
        _ => Err(fail(loader.errors)),
    }
}

/// What OTLP backends do not send, as the environment has it.
fn turned_off(config: &Config, env: &Environment) -> Vec<String> {
    let off = |signal| config.backends.iter().any(|backend| backend.kind.is_off(signal));
    let off = Signal::ALL.into_iter().filter(|&signal| off(signal));
    if env.is_disabled() {
        return off
            .take(1)
            .map(|_| "OTEL_SDK_DISABLED: `true`, so backends of type `otlp` send nothing".to_owned())
            .collect();
    }
    off.map(|signal| {
        let (variable, signal) = (environment::exporter(signal), signal.as_str());
        format!("{variable}: `none`, so backends of type `otlp` whose `signals` are open send no {signal}")
    })
    .collect()
}

/// By OpenTelemetry's rules for the names of instruments; the SDK drops others in silence.
fn begins_metric_names(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() < 200
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
}

struct Loader<'a> {
    registry: &'a Registry,
    env: &'a Environment,
    // What listens on TCP so far.
    taken: prometheus::Taken,
    // What is written to so far.
    files: Vec<PathBuf>,
    errors: Vec<ConfigError>,
    warnings: Vec<String>,
}

impl Loader<'_> {
    fn config(&mut self, mut file: Section<'_>) -> Option<Config> {
        let listen = file.take_section("listen", &mut self.errors);
        let listen_is_stated = listen.is_some();
        let recorders = file.take_section("recorders", &mut self.errors);
        let backends = file.take_section("backends", &mut self.errors);
        for (section, table) in [(&recorders, "recorders.stats"), (&backends, "backends.console")] {
            if section.is_none() {
                let what = table.split('.').next().unwrap_or_default();
                self.errors.push(
                    ConfigError::new(format!("no {what} are selected"), 0..0)
                        .help(format!("add at least one, such as `[{table}]`")),
                );
            }
        }
        let top = file.read::<RawTop>(&["listen", "recorders", "backends"], &mut self.errors);
        let listen = match listen {
            Some(section) => listen::read(section, self.env, &mut self.errors),
            None => Some(listen::default(self.env)),
        };
        if let Some(tcp) = listen.as_ref().and_then(|listen| listen.tcp) {
            self.taken.push((tcp, "[listen]".to_owned()));
        }
        let before = self.errors.len();
        let (names, backends) = self.backends(backends?);
        let backends_are_right = self.errors.len() == before;
        let recorders = self.recorders(recorders?, &names);
        let right = backends_are_right.then_some(&*backends);
        let recorders = agreement::check(recorders, right, &mut self.errors, &mut self.warnings);
        let top = top?;
        Some(Config {
            testplan: top.testplan,
            grace: top.grace.map_or(Duration::from_secs(10), |g| g.0),
            exit_after_run: top.exit_after_run,
            start_timeout: top.start_timeout.map_or(Duration::from_mins(5), |t| t.0),
            listen: listen?,
            listen_is_stated,
            recorders,
            backends,
            warnings: Vec::new(),
        })
    }

    // The names of all backends, wrong ones included, and those that are right.
    fn backends(&mut self, section: Section<'_>) -> (Vec<String>, Vec<BackendConfig>) {
        let sections = section.into_sections(&mut self.errors);
        let is_otlp = |(name, section): &(String, Section<'_>)| {
            section.clone().take("type").map_or(name == "otlp", |kind| kind.get_ref().as_str() == Some("otlp"))
        };
        let otlp_backends = sections.iter().filter(|entry| is_otlp(entry)).count();
        let names = sections.iter().map(|(name, _)| name.clone()).collect();
        let backends = sections
            .into_iter()
            .filter_map(|(name, section)| self.backend(name, section, otlp_backends == 1))
            .collect();
        (names, backends)
    }

    fn backend(&mut self, name: String, mut section: Section<'_>, only_otlp: bool) -> Option<BackendConfig> {
        let header = section.header.clone();
        let common = section.take_common::<RawBackend>(&mut self.errors)?;
        let (kind, span) = match &common.kind {
            Some(kind) => (kind.get_ref().as_str(), kind.span()),
            None => (name.as_str(), header.clone()),
        };
        let also = ["type", "interval", "temporality", "queue", "internal_metrics"];
        let mut interval = None;
        let mut temporality = None;
        let kind = match kind {
            "json" => BackendKind::Json(self.json(section, &also)?),
            "otlp" => {
                let context = otlp::Context { env: self.env, only_otlp };
                let settings = otlp::read(section, &also, &context, &mut self.errors)?;
                interval = settings.interval;
                temporality = settings.temporality;
                BackendKind::Otlp(Box::new(settings.config))
            }
            "prometheus" => {
                if let Some(delta) = common.temporality.as_ref().filter(|t| *t.get_ref() == RawTemporality::Delta) {
                    self.errors.push(
                        ConfigError::new("what Prometheus scrapes adds up from a run's beginning", delta.span())
                            .help("leave out `temporality`; differences are for backends of type `otlp` and `json`"),
                    );
                }
                BackendKind::Prometheus(prometheus::read(section, &also, self.env, &mut self.taken, &mut self.errors)?)
            }
            other => {
                let error = match &common.kind {
                    Some(_) => ConfigError::new(format!("unknown backend type `{other}`"), span),
                    None => ConfigError::new(format!("[backends.{name}] has no `type`"), span),
                };
                self.errors.push(match did_you_mean(other, BACKEND_TYPES) {
                    Some(known) => error.help(format!("did you mean `{known}`?")),
                    None => error.help(format!("backend types here: {}", list(BACKEND_TYPES.into_iter()))),
                });
                return None;
            }
        };
        Some(BackendConfig {
            name,
            interval: common.interval.map(|i| i.0).or(interval).unwrap_or(DEFAULT_INTERVAL),
            temporality: match common.temporality.map(Spanned::into_inner) {
                Some(RawTemporality::Delta) => Temporality::Delta,
                Some(RawTemporality::Cumulative) => Temporality::Cumulative,
                None => temporality.unwrap_or(Temporality::Cumulative),
            },
            queue: common.queue.map_or(10_000, |queue| queue.into_inner().get()),
            // Lines are read by people, and paid for by each.
            internal_metrics: common.internal_metrics.unwrap_or(!matches!(kind, BackendKind::Json(_))),
            kind,
        })
    }

    fn json(&mut self, section: Section<'_>, also: &[&str]) -> Option<JsonConfig> {
        let header = section.header.clone();
        let raw = section.read::<RawJson>(also, &mut self.errors)?;
        let Some(output) = raw.output.filter(|output| output.get_ref() != "stdout") else {
            if raw.max_bytes.is_some() || raw.keep.is_some() {
                self.errors.push(
                    ConfigError::new("stdout does not rotate", header)
                        .help("give a file: `output = \"telemetry.jsonl\"`, or leave out `max_bytes` and `keep`"),
                );
            }
            return Some(JsonConfig { output: JsonOutput::Stdout, spans: raw.spans });
        };
        let path = PathBuf::from(output.get_ref());
        if self.files.contains(&path) {
            self.errors.push(
                ConfigError::new(format!("another backend writes to `{}` already", path.display()), output.span())
                    .help("give each a file of its own"),
            );
        }
        self.files.push(path.clone());
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) || path.is_dir() {
            let why = if path.is_dir() { "is a folder" } else { "is in a folder that does not exist" };
            self.errors.push(
                ConfigError::new(format!("`{}` {why}", path.display()), output.span())
                    .help("give a file in an existing folder, or \"stdout\""),
            );
        }
        let max_bytes = raw.max_bytes.map(|size| size.as_u64());
        let output = JsonOutput::File { path, max_bytes, keep: raw.keep.unwrap_or(5) };
        Some(JsonConfig { output, spans: raw.spans })
    }

    fn recorders(&mut self, section: Section<'_>, backends: &[String]) -> Vec<(RecorderConfig, Range<usize>)> {
        section
            .into_sections(&mut self.errors)
            .into_iter()
            .filter_map(|(name, section)| {
                let header = section.header.clone();
                Some((self.recorder(name, section, backends)?, header))
            })
            .collect()
    }

    fn recorder(&mut self, name: String, mut section: Section<'_>, all: &[String]) -> Option<RecorderConfig> {
        let header = section.header.clone();
        let common = section.take_common::<RawRecorder>(&mut self.errors)?;
        let (type_name, span) = match &common.kind {
            Some(kind) => (kind.get_ref().as_str(), kind.span()),
            None => (name.as_str(), header.clone()),
        };
        let known = || self.registry.types().map(|t| t.spec.name);
        let Some(recorder) = self.registry.get(type_name) else {
            let error = ConfigError::new(format!("unknown recorder `{type_name}`"), span);
            self.errors.push(match did_you_mean(type_name, known()) {
                Some(near) => error.help(format!("did you mean `{near}`? Recorders here: {}", list(known()))),
                None => error.help(format!(
                    "recorders here: {}; a second one of the same type takes another name and a `type`",
                    list(known())
                )),
            });
            return None;
        };
        let names_metrics = recorder.spec.instruments.iter().any(|instrument| instrument.name.is_none());
        if names_metrics && !begins_metric_names(&name) {
            self.errors.push(
                ConfigError::new(format!("`{name}` cannot begin the name of a metric"), header.clone())
                    .help("letters first, then letters, digits, `_`, `-`, `.` and `/`: such as `slow_checkout`"),
            );
        }
        let backends = match common.backends {
            None => (0..all.len()).collect(),
            Some(names) => {
                let before = self.errors.len();
                let routes = self.routes(&names, all);
                // A name that is none may have meant any of them.
                if self.errors.len() == before { routes } else { (0..all.len()).collect() }
            }
        };
        if let Some(limit) = common.series_limit.as_ref().filter(|limit| *limit.get_ref() == 0) {
            self.errors.push(ConfigError::new("a recorder needs at least one series", limit.span()));
        }
        let also = ["type", "backends", "interval", "series_limit"];
        // Told by its name and by what the recorder emits: recorders know no environment.
        let has_ratio = !recorder.spec.spans.is_empty() && recorder.options.contains(&"ratio");
        let sampled = self.env.sampled().filter(|_| has_ratio).map(|ratio| format!("{ratio:?}"));
        let section = match &sampled {
            Some(ratio) => section.filled("ratio", ratio),
            None => section,
        };
        let factory =
            section.read_with(recorder.options, &also, &mut self.errors, |options| recorder.configure(options))?;
        Some(RecorderConfig {
            name,
            spec: recorder.spec,
            factory,
            backends,
            interval: common.interval.map(|i| i.0).or(recorder.every),
            series_limit: common.series_limit.map_or(2_000, Spanned::into_inner),
        })
    }

    fn routes(&mut self, names: &[Spanned<String>], all: &[String]) -> Vec<usize> {
        let mut routes = Vec::new();
        for name in names {
            if let Some(index) = all.iter().position(|have| have == name.get_ref()) {
                routes.push(index);
                continue;
            }
            let error = ConfigError::new(format!("there is no backend `{}`", name.get_ref()), name.span());
            self.errors.push(match did_you_mean(name.get_ref(), all.iter().map(String::as_str)) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help(format!("backends here: {}", list(all.iter().map(String::as_str)))),
            });
        }
        routes.sort_unstable();
        routes.dedup();
        routes
    }
}
