//! `[backends]`: the options that all backends share. Each type reads and checks its own options.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use ltel_core::backend::{AnyBackend, Check, Claims, ConfigError, Environment, Signal, Takes};
use ltel_core::options::Keys;
use ltel_core::registry::Registry;
use ltel_core::schema;
use ltel_core::schemars::{self, JsonSchema};
use opentelemetry_sdk::metrics::Temporality;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use super::kind::schema_of;
use super::names::{did_you_mean, list};
use super::section::Section;
use super::stated::{NO_PLACE, StatedBackend};
use super::values::{Interval, Size};

/// One backend to run.
#[derive(Clone, Debug)]
pub struct BackendConfig {
    /// Its table's name.
    pub name: String,
    /// How often its points are collected.
    pub interval: Duration,
    /// Whether points count from the run's beginning or from the last collection.
    pub temporality: Temporality,
    /// How much may wait for it.
    pub queue: QueueLimits,
    /// Whether it takes the metrics of ltel itself, `ltel.*`.
    pub internal_metrics: bool,
    /// Its type and options.
    pub backend: Arc<dyn AnyBackend>,
    /// What its table says, with the files of certificates and secrets that it names; absent if it is of no file. Two that are equal are one
    /// and the same backend.
    pub table: Option<String>,
    /// The addresses and files that it uses.
    pub claims: Claims,
}

impl BackendConfig {
    /// A backend that a program adds itself, with default settings.
    pub fn new(name: impl Into<String>, backend: impl AnyBackend) -> Self {
        let defaults = backend.defaults();
        Self {
            name: name.into(),
            interval: defaults.interval,
            temporality: defaults.temporality,
            queue: QueueLimits::default(),
            internal_metrics: defaults.own_metrics,
            backend: Arc::new(backend),
            table: None,
            claims: Claims::default(),
        }
    }

    /// As people write it: `[backends.collector]`, or the option that it is of.
    pub(crate) fn title(&self) -> String {
        match self.name.strip_prefix("--") {
            Some(_) => self.name.clone(),
            None if self.table.is_none() => format!("--{}", self.name),
            None => format!("[backends.{}]", self.name),
        }
    }

    /// The addresses and files that it uses.
    #[must_use]
    pub(crate) fn claiming(self, claims: Claims) -> Self {
        Self { claims, ..self }
    }

    /// Whether it delivers telemetry, and not only figures to be shown.
    pub fn delivers(&self) -> bool {
        Signal::ALL.iter().any(|&signal| self.backend.takes(signal) != Takes::No)
    }
}

/// How much of each signal may wait for a backend. Items beyond that are dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// The number of records, or of spans.
    pub items: usize,
    /// Their estimated bytes in memory.
    pub bytes: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { items: 10_000, bytes: 32 << 20 }
    }
}

/// The keys of all backends.
#[derive(Deserialize, JsonSchema)]
pub(super) struct RawBackend {
    /// The type of the backend; default: the name of its table.
    #[serde(rename = "type")]
    #[schemars(with = "Option<String>")]
    kind: Option<Spanned<String>>,
    /// How often metrics are collected; default: what the type says, mostly 3s.
    interval: Option<Interval>,
    /// Whether points count from the beginning of the run, or from the last collection.
    #[schemars(with = "Option<RawTemporality>")]
    temporality: Option<Spanned<RawTemporality>>,
    /// How many records, and how many spans, may wait. More are dropped and counted.
    #[schemars(with = "Option<NonZeroUsize>", extend("default" = 10000))]
    queue: Option<Spanned<NonZeroUsize>>,
    /// Memory for waiting records, spans and last points of runs, each.
    #[schemars(with = "Option<schema::Bytes>", extend("default" = "32MiB"))]
    queue_bytes: Option<Spanned<Size>>,
    /// Whether it takes the metrics of ltel itself, `ltel.*`; default: true, for `json` false.
    internal_metrics: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "lowercase")]
enum RawTemporality {
    Cumulative,
    Delta,
}

impl From<RawTemporality> for Temporality {
    fn from(raw: RawTemporality) -> Self {
        match raw {
            RawTemporality::Cumulative => Self::Cumulative,
            RawTemporality::Delta => Self::Delta,
        }
    }
}

/// The inputs for reading the backends, and where errors go.
pub(super) struct Backends<'a> {
    pub(super) registry: &'a Registry,
    pub(super) env: &'a Environment,
    pub(super) claims: &'a mut Claims,
    pub(super) errors: &'a mut Vec<ConfigError>,
    pub(super) warnings: &'a mut Vec<String>,
}

impl Backends<'_> {
    /// The names of all backends, including invalid ones; and the valid backends.
    pub(super) fn read(
        &mut self,
        section: Option<Section<'_>>,
        stated: &[StatedBackend],
    ) -> (Vec<String>, Vec<BackendConfig>) {
        let sections = section.map(|section| section.into_sections(self.errors)).unwrap_or_default();
        let types = sections.iter().map(|(name, section)| type_name(name, section));
        let types: Vec<_> = types.chain(stated.iter().map(|of| of.kind.to_owned())).collect();
        let names = sections.iter().map(|(name, _)| name.clone());
        let names: Vec<_> = names.chain(stated.iter().map(|of| of.option.to_owned())).collect();
        let only_one = |of: &str| types.iter().filter(|other| *other == of).count() == 1;
        let mut backends = Vec::new();
        for ((name, section), of) in sections.into_iter().zip(&types) {
            if stated.iter().any(|stated| stated.option == name) {
                let message = format!("[backends.{name}] has the name of a backend of the command line");
                let help = format!("give its table another name, and keep `type = \"{of}\"` in it");
                self.errors.push(ConfigError::new(message, section.header.clone()).help(help));
            }
            backends.extend(self.backend(name, section, only_one(of)));
        }
        for of in stated {
            let before = self.errors.len();
            backends.extend(self.stated(of, only_one(of.kind)));
            let errors = self.errors.split_off(before);
            self.errors.extend(errors.into_iter().map(|error| of.place(error)));
        }
        (names, backends)
    }

    fn stated(&mut self, of: &StatedBackend, only_one: bool) -> Option<BackendConfig> {
        let table = match DeTable::parse(&of.table) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                self.errors.push(ConfigError::new(error.message(), NO_PLACE));
                return None;
            }
        };
        let kind = format!("{:?}", of.kind);
        let section = Section::new(of.option, NO_PLACE, table).filled("type", &kind);
        self.backend(of.option.to_owned(), section, only_one)
    }

    fn backend(&mut self, name: String, mut section: Section<'_>, only_one: bool) -> Option<BackendConfig> {
        let place = section.place();
        let (table, before) = (format!("{only_one} {}", section.fingerprint()), self.claims.clone());
        let common = section.take_common::<RawBackend>(self.errors)?;
        let (type_name, span) = match &common.kind {
            Some(kind) => (kind.get_ref().as_str(), kind.span()),
            None => (name.as_str(), place.header.clone()),
        };
        let Some(type_) = self.registry.backend_type(type_name) else {
            let error = match &common.kind {
                Some(_) => ConfigError::new(format!("unknown backend type `{type_name}`"), span),
                None => ConfigError::new(format!("[backends.{name}] has no `type`"), span),
            };
            let known = || self.registry.backend_types().map(|type_| type_.spec.name);
            self.errors.push(match did_you_mean(type_name, known()) {
                Some(known) => error.help(format!("did you mean `{known}`?")),
                None => error.help(format!("backend types: {}", list(known()))),
            });
            return None;
        };
        if let Some(bytes) = common.queue_bytes.as_ref().filter(|bytes| bytes.get_ref().as_u64() == 0) {
            self.errors.push(
                ConfigError::new("`queue_bytes` is 0, so every item would be dropped", bytes.span())
                    .help("write a size such as \"32MiB\""),
            );
        }
        let also = Keys::of::<RawBackend>().listed().unwrap_or_default();
        let unchecked = section.read_with(
            type_.options,
            also,
            &|| schema_of(|generator| type_.schema(generator)),
            self.errors,
            |options| type_.read(options),
        )?;
        let temporality = common.temporality.map(|stated| Spanned::new(stated.span(), (*stated.get_ref()).into()));
        let backend = unchecked.check(&mut Check {
            env: self.env,
            place: &place,
            temporality: temporality.as_ref(),
            internal_metrics: common.internal_metrics,
            only_one,
            claims: self.claims,
            errors: self.errors,
            warnings: self.warnings,
        })?;
        let (defaults, limits) = (backend.defaults(), QueueLimits::default());
        Some(BackendConfig {
            name,
            interval: common.interval.map_or(defaults.interval, |interval| interval.0),
            temporality: temporality.map_or(defaults.temporality, Spanned::into_inner),
            queue: QueueLimits {
                items: common.queue.map_or(limits.items, |items| items.into_inner().get()),
                bytes: common.queue_bytes.map_or(limits.bytes, |bytes| bytes.get_ref().as_usize()),
            },
            internal_metrics: common.internal_metrics.unwrap_or(defaults.own_metrics),
            backend,
            table: Some(table),
            claims: self.claims.since(&before),
        })
    }
}

/// A table's `type`; by default its name.
fn type_name(name: &str, section: &Section<'_>) -> String {
    let stated = section.clone().take("type");
    stated.and_then(|kind| kind.get_ref().as_str().map(ToOwned::to_owned)).unwrap_or_else(|| name.to_owned())
}
