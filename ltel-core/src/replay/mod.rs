//! Replays events through a recorder and shows its output, for tests: no sockets, no wall clock, no hash order. The
//! output is a text ([`ReplayOutput`]'s `Display`) and a `Serialize`, so it suits `insta`'s `assert_snapshot!`,
//! `assert_json_snapshot!` and `assert_yaml_snapshot!`.
//!
//! ```
//! use ltel_core::prelude::*;
//! use ltel_core::replay::{Replay, request};
//!
//! /// Checkout traffic.
//! #[derive(Recorder)]
//! #[recorder(on = Request, labels(method))]
//! struct Checkout {
//!     /// Requests that raised.
//!     #[counter(when = |r| r.error.is_some())]
//!     failures: Counter,
//! }
//!
//! let out = Replay::of::<Checkout>()
//!     .event(request("POST", "/checkout/pay").took_ms(612.0).raised("Timeout"))
//!     .event(request("POST", "/checkout/pay").took_ms(40.0))
//!     .finish();
//! assert_eq!(out.to_string(), "\
//! checkout.failures (counter, 1)
//!   method=POST source_id=local  1
//! ");
//! ```

mod builders;
mod event;
mod output;
mod display;
mod spec;
mod stage;
mod withheld;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use serde::Deserialize;
use serde::de::Error as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::backend::ConfigError;
use crate::clock::{Now, Timestamp};
use crate::declared::Declared;
use crate::figures::RunFigures;
use crate::meter::{Meter, MeterSettings, meter};
use crate::name::begins_metric_names;
use crate::names::Rules;
use crate::options::Keys;
use crate::recorder::{
    Common, CommonKeys, Emitted, Factory, Needs, OptionsCheck, Recorder, RecorderFactory, SeriesLimits,
};
use crate::runs::RunInfo;
use crate::source::{Source, SourceKind};

use self::stage::Stage;
use self::withheld::Withheld;

pub use self::builders::{
    cpu_warning, custom, log, measurement, report_to_master, request, reset_stats, spawning_complete, task, test_start,
    test_stop, usage, user_error, users, workers,
};
pub use self::event::{OwnedEvent, ReplayEvent};
pub use self::output::{PointOut, RecordOut, ReplayOutput, SpanOut};
pub use self::spec::{SpecSnapshot, spec};

/// When a replay begins: 2026-01-01T00:00:00Z. Its output shows times as seconds from here.
pub const BEGIN: Timestamp = Timestamp::from_nanos(1_767_225_600_000_000_000);

const DEFAULT_SERIES_LIMIT: usize = 2_000;

/// The only process of its test: the default source of all events.
#[must_use]
pub fn local() -> Source {
    Source { kind: SourceKind::Local, id: "local".to_owned(), host: "host".to_owned(), pid: 1, worker_index: None }
}

/// The master of a distributed test.
#[must_use]
pub fn master() -> Source {
    Source { kind: SourceKind::Master, id: "master".to_owned(), host: "host".to_owned(), pid: 1, worker_index: None }
}

/// A worker of a distributed test, by its number from 0.
#[must_use]
pub fn worker(index: u32) -> Source {
    Source {
        kind: SourceKind::Worker,
        id: format!("host_{index}"),
        host: "host".to_owned(),
        pid: 100 + index,
        worker_index: Some(index),
    }
}

/// The keys that the tables of all recorders can have.
const COMMON: [&str; 2] = ["when", "labels"];

/// A recorder and the events to replay. They run when you call [`Replay::finish`].
#[derive(Debug)]
pub struct Replay {
    configure: fn(&str) -> Result<Box<dyn RecorderFactory>, toml::de::Error>,
    every: Option<Duration>,
    name: String,
    options: String,
    rules: Rules,
    run: RunInfo,
    series_limit: usize,
    also_needed: Needs,
    source: Source,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Event(Box<ReplayEvent>, Source),
    Advance(Duration),
    Gone(Source),
}

impl Replay {
    /// Creates a replay of a recorder type with its default options, in a table with the type's name.
    #[must_use]
    pub fn of<R: Recorder>() -> Self {
        Self {
            configure: |options| {
                // As for the configuration: errors of the text with their line, and errors of the type of the options.
                let (common, table) = common_keys(options)?;
                let mut read = match &table {
                    Some(rest) => R::Options::deserialize(ValueDeserializer::from(rest.clone()))
                        .map_err(|error| placed(&error, options))?,
                    None => R::Options::deserialize(toml::Deserializer::parse(options)?)?,
                };
                let keys = Keys::of::<R::Options>();
                let all = DeTable::parse(options)?;
                let own = keys.unknown(all.get_ref());
                if let Some(key) = own.iter().find(|key| table.is_none() || !COMMON.contains(&key.as_str())) {
                    return Err(toml::de::Error::unknown_field(key, keys.listed().unwrap_or_default()));
                }
                let mut check = OptionsCheck::new(options);
                R::check(&mut read, &mut check);
                let mut factory = Factory::<R>::new(read);
                factory.set_common(Common::new(&common, factory.subject(), &mut check));
                match &*check.into_errors() {
                    [] => Ok(Box::new(factory)),
                    errors => Err(toml::de::Error::custom(shown(errors, options))),
                }
            },
            every: R::EVERY,
            name: R::SPEC.name.to_owned(),
            options: String::new(),
            rules: Rules::default(),
            run: RunInfo {
                run_id: "replay".to_owned(),
                testplan: "replay".to_owned(),
                begun: Now { wall: BEGIN, steady: Duration::ZERO },
                ..RunInfo::default()
            },
            series_limit: DEFAULT_SERIES_LIMIT,
            also_needed: Needs::NONE,
            source: local(),
            steps: Vec::new(),
        }
    }

    /// Creates a replay of a recorder that is declared in TOML ([`Declared`]): the content of its table of the configuration.
    ///
    /// ```
    /// use ltel_core::replay::{Replay, request};
    ///
    /// let out = Replay::declared("on = 'request'\nmetrics.failures = { counter = true, when = 'error != null' }")
    ///     .named("checkout")
    ///     .event(request("GET", "/").failed("HTTPError", "503"))
    ///     .finish();
    /// assert_eq!(out.value("checkout.failures", &[]), 1.0);
    /// ```
    #[must_use]
    pub fn declared(toml: &str) -> Self {
        Self::of::<Declared>().options(toml)
    }

    /// Sets the recorder's options, as they are written in its table of the configuration, with its `when` and `labels`.
    #[must_use]
    pub fn options(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.options);
        self
    }

    /// Sets rules for the names of requests, as they are written in the configuration. A recorder that keeps Locust's own names
    /// ([`Recorder::keeps_names`]) does not see them.
    ///
    /// ```
    /// # use ltel_core::prelude::*;
    /// use ltel_core::replay::{Replay, request};
    ///
    /// # /// Traffic.
    /// # #[derive(Recorder)]
    /// # #[recorder(on = Request, labels(endpoint = name))]
    /// # struct Traffic {
    /// #     /// Requests.
    /// #     #[counter]
    /// #     requests: Counter,
    /// # }
    /// let out = Replay::of::<Traffic>()
    ///     .names(r#"
    ///         [[names]]
    ///         match   = '^/product/\d+$'
    ///         replace = "/product/{id}"
    ///     "#)
    ///     .event(request("GET", "/product/1"))
    ///     .event(request("GET", "/product/2"))
    ///     .finish();
    /// assert_eq!(out.value("traffic.requests", &[("endpoint", "/product/{id}")]), 2.0);
    /// ```
    ///
    /// # Panics
    /// If a rule is wrong.
    #[must_use]
    #[track_caller]
    pub fn names(mut self, toml: &str) -> Self {
        self.rules = match Rules::read(toml) {
            Ok(rules) => rules,
            Err(errors) => panic!("invalid rules for names: {}", shown(&errors, toml)),
        };
        self
    }

    /// Sets the name of its table, if it differs from the type: `[recorders.slow_checkout]`.
    ///
    /// # Panics
    /// If metrics cannot be named after it: OpenTelemetry would silently drop them.
    #[must_use]
    #[track_caller]
    pub fn named(mut self, name: &str) -> Self {
        assert!(begins_metric_names(name), "`{name}` is not a valid recorder name: metrics cannot be named after it");
        name.clone_into(&mut self.name);
        self
    }

    /// Sets the interval of its ticks, such as `"3s"`. There are no ticks without this or the recorder's own `every`.
    ///
    /// # Panics
    /// If this is not a duration, or zero.
    #[must_use]
    #[track_caller]
    pub fn interval(mut self, interval: &str) -> Self {
        let interval = duration(interval);
        assert!(!interval.is_zero(), "an interval cannot be zero");
        self.every = Some(interval);
        self
    }

    /// Sets the number of series beyond which new ones share the overflow series; 2,000 by default.
    #[must_use]
    pub const fn series_limit(mut self, limit: usize) -> Self {
        self.series_limit = limit;
        self
    }

    /// Sets the run's id and test plan; both are `replay` by default.
    #[must_use]
    pub fn run(mut self, run_id: &str, testplan: &str) -> Self {
        run_id.clone_into(&mut self.run.run_id);
        testplan.clone_into(&mut self.run.testplan);
        self
    }

    /// Adds a label of `[labels]`: a constant on everything that the recorder emits.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        let more = KeyValue::new(name.to_owned(), Arc::<str>::from(value));
        self.run.labels = self.run.labels.iter().cloned().chain([more]).collect();
        self
    }

    /// Adds needs of other recorders in the configuration, which Locust then sends: for a recorder that uses data if it is
    /// there, but does not ask for it.
    #[must_use]
    pub const fn also_needed(mut self, needs: Needs) -> Self {
        self.also_needed = needs;
        self
    }

    /// The run has no master, as if the master ran without the plugin: its workers report for it
    /// ([`RunInfo::coordinated`]).
    #[must_use]
    pub const fn without_master(mut self) -> Self {
        self.run.coordinated = false;
        self
    }

    /// Sets the Locust process of the events from here on. One event can name its own ([`ReplayEvent::from`]).
    ///
    /// ```
    /// # use ltel_core::prelude::*;
    /// use ltel_core::replay::{Replay, master, request, users, worker};
    ///
    /// # /// Traffic.
    /// # #[derive(Recorder)]
    /// # #[recorder(on = Request)]
    /// # struct Traffic {
    /// #     /// Requests.
    /// #     #[counter]
    /// #     requests: Counter,
    /// # }
    /// let out = Replay::of::<Traffic>()
    ///     .source(worker(0))
    ///     .event(request("GET", "/"))
    ///     .event(request("GET", "/").from(worker(1)))
    ///     .finish();
    /// assert_eq!(out.value("traffic.requests", &[("source_id", "worker-1")]), 1.0);
    /// ```
    #[must_use]
    pub fn source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// Adds an event that happens now.
    #[must_use]
    pub fn event<E: Into<OwnedEvent>>(mut self, event: ReplayEvent<E>) -> Self {
        let event = event.erased();
        let source = event.source().unwrap_or(&self.source).clone();
        self.steps.push(Step::Event(Box::new(event), source));
        self
    }

    /// Adds events that happen now.
    #[must_use]
    pub fn events<E: Into<OwnedEvent>>(self, events: impl IntoIterator<Item = ReplayEvent<E>>) -> Self {
        events.into_iter().fold(self, Self::event)
    }

    /// Advances the time, such as by `"10s"`. The recorder ticks at the end of each interval.
    ///
    /// # Panics
    /// If this is not a duration.
    #[must_use]
    #[track_caller]
    pub fn advance(mut self, time: &str) -> Self {
        self.steps.push(Step::Advance(duration(time)));
        self
    }

    /// A Locust process disconnects: its gauges end.
    #[must_use]
    pub fn gone(mut self, source: Source) -> Self {
        self.steps.push(Step::Gone(source));
        self
    }

    /// Builds the recorder, replays everything, completes the run and returns the output.
    ///
    /// The recorder gets only what Locust would send with the recorder's needs
    /// ([`Recorder::needs`]). The output lists what was withheld.
    ///
    /// # Panics
    /// If the recorder rejects its options, which [`Replay::try_finish`] returns as an error; and if it builds or emits what
    /// its spec does not list ([`crate::recorder::SpecMismatch`]).
    #[must_use]
    #[track_caller]
    pub fn finish(self) -> ReplayOutput {
        let name = self.name.clone();
        match self.try_finish() {
            Ok(output) => output,
            Err(error) => panic!("invalid options of `{name}`: {error}"),
        }
    }

    /// Like [`Replay::finish`], but returns an error if the options are wrong.
    ///
    /// # Panics
    /// If the recorder builds or emits what its spec does not list ([`crate::recorder::SpecMismatch`]).
    #[track_caller]
    pub fn try_finish(mut self) -> Result<ReplayOutput, toml::de::Error> {
        let factory = (self.configure)(&self.options)?;
        let settings = MeterSettings::new(Resource::builder_empty().build(), Temporality::Cumulative);
        let spec = factory.spec();
        let (meter, collector) = meter(&settings, spec.scope, self.series_limit);
        let mut stage = self.stage(&*factory, &[meter], self.also_needed);
        stage.play(self.steps);
        stage.finish(spec);
        Ok(stage.output(&collector))
    }

    /// Replays everything, completes the run and returns its final figures ([`Recorder::figures`]). As where figures are shown,
    /// the processes report their usage.
    ///
    /// # Panics
    /// If the recorder has no figures, rejects its options, or emits what its spec does not list.
    #[must_use]
    #[track_caller]
    pub fn figures(mut self) -> RunFigures {
        let factory = match (self.configure)(&self.options) {
            Ok(factory) => factory,
            Err(error) => panic!("invalid options of `{}`: {error}", self.name),
        };
        let needs = Needs { usage: true, ..self.also_needed };
        let (mut stage, spec) = (self.stage(&*factory, &[], needs), factory.spec());
        stage.recorder.keep_figures();
        stage.play(self.steps);
        stage.finish(spec);
        match stage.figures() {
            Some(figures) => figures,
            None => panic!("the recorder `{}` has no figures", spec.name),
        }
    }

    fn stage(&mut self, factory: &dyn RecorderFactory, meters: &[Meter], also_needed: Needs) -> Stage {
        let limits = SeriesLimits::of_count(self.series_limit);
        Stage {
            recorder: factory.build(&self.name, Arc::new(self.run.clone()), meters, limits),
            now: BEGIN,
            every: self.every,
            sources: Vec::new(),
            withheld: Withheld::new([factory.needs(), also_needed]),
            rules: if factory.keeps_names() { Rules::default() } else { std::mem::take(&mut self.rules) },
            out: Emitted::default(),
        }
    }
}

/// Mistakes in the options, a line each.
fn shown(errors: &[ConfigError], options: &str) -> String {
    let line = |error: &ConfigError| options.bytes().take(error.span.start).filter(|byte| *byte == b'\n').count() + 1;
    let shown = errors.iter().map(|error| {
        let help = error.help.as_ref().map_or(String::new(), |help| format!("; {help}"));
        format!("line {}: {}{help}", line(error), error.message)
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// The keys that all recorders have, and the rest of the table, if there are any.
fn common_keys(options: &str) -> Result<(CommonKeys, Option<Spanned<DeValue<'_>>>), toml::de::Error> {
    let table = DeTable::parse(options)?;
    let span = table.span();
    let (common, rest) =
        table.into_inner().into_iter().partition::<DeTable<'_>, _>(|(key, _)| COMMON.contains(&key.get_ref().as_ref()));
    if common.is_empty() {
        return Ok((CommonKeys::default(), None));
    }
    let value = |table| Spanned::new(span.clone(), DeValue::Table(table));
    let keys =
        CommonKeys::deserialize(ValueDeserializer::from(value(common))).map_err(|error| placed(&error, options))?;
    Ok((keys, Some(value(rest))))
}

/// An error of a part of the options, with its place in them.
fn placed(error: &toml::de::Error, options: &str) -> toml::de::Error {
    let error = ConfigError::new(error.message(), error.span().unwrap_or_default());
    toml::de::Error::custom(shown(&[error], options))
}

// A duration is parsed as in the configuration.
#[track_caller]
fn duration(text: &str) -> Duration {
    match humantime::parse_duration(text) {
        Ok(duration) => duration,
        Err(error) => panic!("`{text}` is not a duration: write one such as \"10s\": {error}"),
    }
}
