//! `[recorders]`: the options that all recorders share. Each type reads its own options.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use ltel_core::backend::{ConfigError, Environment};
use ltel_core::expression::{Entries, Written};
use ltel_core::name::begins_metric_names;
use ltel_core::options::Keys;
use ltel_core::recorder::{Common, CommonKeys, OptionsCheck, RecorderFactory, Spec, taken_by};
use ltel_core::registry::Registry;
use ltel_core::schemars::{self, JsonSchema};
use serde::Deserialize;
use toml::Spanned;

use super::environment;
use super::kind::schema_of;
use super::labels::PlacedLabel;
use super::names::{did_you_mean, list};
use super::section::Section;
use super::values::Interval;

/// One recorder to run.
#[derive(Debug)]
pub struct RecorderConfig {
    /// Its table's name.
    pub name: String,
    /// Its spec: what it emits.
    pub spec: &'static Spec,
    /// Builds it for each run.
    pub factory: Box<dyn RecorderFactory>,
    /// The backends of its output: indices of `Config::backends`.
    pub backends: Vec<usize>,
    /// Its interval; if absent, each backend's.
    pub interval: Option<Duration>,
    /// The most series that it may have.
    pub series_limit: usize,
}

/// The SDK reserves memory for as many, for each instrument and backend.
const MOST_SERIES: usize = 1_000_000;

/// The keys of all recorders.
#[derive(Deserialize, JsonSchema)]
pub(super) struct RawRecorder {
    /// The type of the recorder; default: the name of its table.
    #[serde(rename = "type")]
    #[schemars(with = "Option<String>")]
    kind: Option<Spanned<String>>,
    /// The backends that get its output, by the names of their tables; default: all.
    #[schemars(with = "Option<Vec<String>>")]
    backends: Option<Vec<Spanned<String>>>,
    /// The length of its intervals; default: that of each backend.
    interval: Option<Interval>,
    /// How many series it may have. More are merged into one, and counted.
    #[schemars(with = "Option<usize>", range(min = 1, max = MOST_SERIES), extend("default" = 2000))]
    series_limit: Option<Spanned<usize>>,
    /// Which events it sees: a condition in CEL over their fields. Events without all the fields that it names are seen.
    #[schemars(with = "Option<String>")]
    when: Option<Spanned<String>>,
    /// More labels on everything that it emits: each an expression in CEL, or a constant as `{ value = "blue" }`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Written>")]
    labels: Entries<Written>,
}

/// The inputs for reading the recorders, and where errors go.
pub(super) struct Recorders<'a> {
    /// The file's text.
    pub(super) text: &'a str,
    pub(super) registry: &'a Registry,
    pub(super) env: &'a Environment,
    /// `[labels]`.
    pub(super) labels: &'a [PlacedLabel],
    pub(super) errors: &'a mut Vec<ConfigError>,
    pub(super) warnings: &'a mut Vec<String>,
}

impl Recorders<'_> {
    /// The valid recorders, each with its place in the file. `backends` are the names of all backends.
    pub(super) fn read(&mut self, section: Section<'_>, backends: &[String]) -> Vec<(RecorderConfig, Range<usize>)> {
        let sections = section.into_sections(self.errors).into_iter();
        let read = sections.filter_map(|(name, section)| {
            let header = section.header.clone();
            Some((self.recorder(name, section, backends)?, header))
        });
        read.collect()
    }

    fn recorder(&mut self, name: String, mut section: Section<'_>, all: &[String]) -> Option<RecorderConfig> {
        let header = section.header.clone();
        let common = section.take_common::<RawRecorder>(self.errors)?;
        let (type_name, span) = match &common.kind {
            Some(kind) => (kind.get_ref().as_str(), kind.span()),
            None => (name.as_str(), header.clone()),
        };
        let known = || self.registry.types().map(|t| t.spec.name);
        let Some(recorder) = self.registry.get(type_name) else {
            let error = ConfigError::new(format!("unknown recorder `{type_name}`"), span);
            self.errors.push(match did_you_mean(type_name, known()) {
                Some(near) => error.help(format!("did you mean `{near}`? Recorders: {}", list(known()))),
                None => error.help(format!(
                    "recorders: {}; to use one twice, give the second table another name and a `type`; your own are known to \
                     your own program: `cargo run -- check`",
                    list(known())
                )),
            });
            return None;
        };
        let backends = match common.backends {
            None => (0..all.len()).collect(),
            Some(names) => {
                let before = self.errors.len();
                let routes = self.routes(&names, all);
                // An unknown name may be a typing error for any backend.
                if self.errors.len() == before { routes } else { (0..all.len()).collect() }
            }
        };
        if let Some(limit) = &common.series_limit {
            let message = match *limit.get_ref() {
                0 => Some("a recorder needs at least one series".to_owned()),
                limit if limit > MOST_SERIES => Some(format!("a recorder may have {MOST_SERIES} series at most")),
                _ => None,
            };
            self.errors.extend(message.map(|message| ConfigError::new(message, limit.span())));
        }
        let also = Keys::of::<RawRecorder>().listed().unwrap_or_default();
        // Matched by option name and emitted signals: recorders do not read the environment.
        let has_ratio =
            !recorder.spec.spans.is_empty() && recorder.options.listed().is_some_and(|keys| keys.contains(&"ratio"));
        let sampled = environment::sampled(self.env).filter(|_| has_ratio).map(|ratio| format!("{ratio:?}"));
        let section = match &sampled {
            Some(ratio) => section.filled("ratio", ratio),
            None => section,
        };
        let (mut wrong, before) = (Vec::new(), self.errors.len());
        let schema = || schema_of(|generator| recorder.schema(generator));
        let factory = section.read_with(recorder.options, also, &schema, self.errors, |options| {
            let mut check = OptionsCheck::new(self.text).in_table(header.clone());
            let factory = recorder.configure(options, &mut check);
            let warnings = check.take_warnings().into_iter();
            self.warnings.extend(warnings.map(|warning| format!("[recorders.{name}]: {warning}")));
            wrong = check.into_errors();
            factory
        });
        // What lacks a key that was wrong has been told already.
        let told = &self.errors[before..];
        let encloses = |error: &ConfigError, other: &ConfigError| {
            error.span.start <= other.span.start && other.span.end <= error.span.end
        };
        wrong.retain(|error| told.is_empty() || error.span != header && !told.iter().any(|told| encloses(error, told)));
        self.errors.append(&mut wrong);
        let spec = factory.as_ref().map_or(recorder.spec, |factory| factory.spec());
        let names_metrics = spec.instruments.iter().any(|instrument| instrument.name.is_none());
        if names_metrics && !begins_metric_names(&name) {
            self.errors.push(
                ConfigError::new(format!("`{name}` is not a valid name: metrics' names begin with it"), header.clone())
                    .help(
                        "begin with a letter, then use letters, digits, `_`, `-`, `.` and `/`, such as `slow_checkout`",
                    ),
            );
        }
        let mut factory = factory?;
        let mut check = OptionsCheck::new(self.text);
        let keys = CommonKeys { when: common.when, labels: common.labels };
        factory.set_common(Common::new(&keys, factory.subject(), &mut check));
        self.errors.append(&mut check.into_errors());
        for PlacedLabel { label, place, shown } in self.labels {
            if let Some(taken) = taken_by(label.key.as_str(), factory.subject(), factory.spec()) {
                let message = format!("{shown} is taken: {taken}");
                self.errors.push(ConfigError::new(message, place.clone()).help("give it another name"));
            }
            if let Some((own, _)) = keys.labels.iter().find(|(own, _)| own.get_ref() == label.key.as_str()) {
                let message = format!("the label `{}` is on all recorders already: {shown}", own.get_ref());
                self.errors.push(ConfigError::new(message, own.span()).help("give it another name"));
            }
        }
        Some(RecorderConfig {
            name,
            spec,
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
            let error = ConfigError::new(format!("unknown backend `{}`", name.get_ref()), name.span());
            self.errors.push(match did_you_mean(name.get_ref(), all.iter().map(String::as_str)) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help(format!("backends: {}", list(all.iter().map(String::as_str)))),
            });
        }
        routes.sort_unstable();
        routes.dedup();
        routes
    }
}
