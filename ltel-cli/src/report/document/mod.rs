//! The JSON document of a run: everything that its figures hold, for programs of others, for ltel's own page, and for ltel to read
//! again. README.md in the folder above describes it for people.
//!
//! Fields may be added at any time. What changes the meaning of a field, or takes one away, changes the number in [`SCHEMA`].

mod time;
mod endpoint;
mod histogram;
mod timeline;
mod account;
#[cfg(test)]
mod tests;

use ltel_core::figures::{self, RunFigures, Stage};
use ltel_core::recorder::field_of;
use ltel_core::runs::RunInfo;
use ltel_core::thresholds::{self, Unit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

pub(crate) use account::{Account, Generator, SourceAccount};
pub(crate) use endpoint::Endpoint;
pub(crate) use time::Time;
pub(crate) use timeline::Timeline;

/// The schema of documents that this version writes.
pub(crate) const SCHEMA: &str = "ltel.report/1";

const SCHEMA_NAME: &str = "ltel.report/";
const SCHEMA_VERSION: &str = "1";

/// The figures of a run at one moment. Response times are in milliseconds; what is not known is `null`, never 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Document {
    /// [`SCHEMA`].
    pub(crate) schema: String,
    /// The version of the ltel that wrote it.
    pub(crate) ltel: String,
    /// The run.
    pub(crate) run: Run,
    /// What the test is, as Locust said at its start.
    pub(crate) test: Test,
    /// When the figures were taken.
    pub(crate) time: Time,
    /// Whether these are the final figures of the run.
    #[serde(rename = "final")]
    pub(crate) is_final: bool,
    /// Whether every request of the run is in the figures; `null` while it is active.
    pub(crate) complete: Option<bool>,
    /// Whether each threshold holds; `null` if there is none.
    pub(crate) passed: Option<bool>,
    /// When the time began that rates are computed over.
    pub(crate) begun: Time,
    /// From then until the last request was reported.
    pub(crate) duration_seconds: f64,
    /// How many users run, or ran when the test was stopped.
    pub(crate) users: u64,
    /// Each threshold, in the order of the configuration.
    pub(crate) thresholds: Vec<Threshold>,
    /// All endpoints together.
    pub(crate) total: Endpoint,
    /// Each endpoint, by name and then by method.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Each distinct error of requests, by endpoint and then by text.
    pub(crate) errors: Vec<RequestError>,
    /// Each distinct exception of user code outside requests, the most frequent first.
    pub(crate) exceptions: Vec<Exception>,
    /// The time that the points of endpoints and generators lie on.
    pub(crate) timeline: Timeline,
    /// The Locust processes.
    pub(crate) generators: Vec<Generator>,
    /// What happened to the run, in order of time.
    pub(crate) annotations: Vec<Annotation>,
    /// What happened to each request that Locust counted.
    pub(crate) account: Account,
    /// How the histograms of endpoints are written.
    pub(crate) histogram_format: HistogramFormat,
}

/// The identity of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// One per run.
    #[allow(clippy::struct_field_names)] // as everywhere in ltel's telemetry
    pub(crate) run_id: String,
    /// The name of the test plan.
    pub(crate) testplan: String,
    /// When ltel first heard of it.
    pub(crate) begun: Time,
    /// When its test started, by the clock of the process that said so.
    pub(crate) started: Option<Time>,
    /// `[labels]` of the configuration.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) labels: Map<String, Value>,
}

/// What Locust said of a test at its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Test {
    /// The host under test.
    pub(crate) host: Option<String>,
    /// Users to spawn.
    pub(crate) users: Option<u64>,
    /// Users spawned per second.
    pub(crate) spawn_rate: Option<f64>,
    /// How long the test is to run.
    pub(crate) run_time_seconds: Option<f64>,
    /// The locustfile's name without its folder and `.py`.
    pub(crate) locustfile: Option<String>,
    /// Names of the user classes.
    pub(crate) user_classes: Vec<String>,
    /// Locust's version.
    pub(crate) locust_version: Option<String>,
}

/// The judgement on a threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Threshold {
    /// `all`, or a pattern of endpoints.
    pub(crate) target: String,
    /// The check, such as `p95 < 500ms`.
    pub(crate) check: String,
    /// The figure that was compared, with its unit, for people.
    pub(crate) actual: Option<String>,
    /// Whether it holds.
    pub(crate) passed: bool,
    /// Why it was judged so, where the figure does not say.
    pub(crate) reason: Option<String>,
    /// Whether it has stopped the test.
    pub(crate) aborted: bool,
    /// All of it in a sentence, for people.
    pub(crate) sentence: String,
    /// What was compared, such as `p95`.
    pub(crate) quantity: String,
    /// The operator, such as `<`.
    pub(crate) operator: String,
    /// The figure as a number, in `unit`.
    pub(crate) actual_value: Option<f64>,
    /// What it was compared with, in `unit`.
    pub(crate) limit_value: Option<f64>,
    /// The unit of both numbers, in UCUM.
    pub(crate) unit: String,
    /// The endpoint that the figure is of: the worst one that the pattern matches; `null` for `all`.
    pub(crate) endpoint: Option<String>,
}

/// A distinct error of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RequestError {
    /// The endpoint's method.
    pub(crate) method: String,
    /// The endpoint's name.
    pub(crate) name: String,
    /// The error's text, as Locust shows it.
    pub(crate) error: String,
    /// How often it occurred.
    pub(crate) occurrences: u64,
    /// When it occurred first.
    pub(crate) first: Time,
    /// When it occurred last.
    pub(crate) last: Time,
}

/// A distinct exception of user code, outside any request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exception {
    /// The user's class.
    pub(crate) user: String,
    /// The exception, as `Class: text`.
    pub(crate) error: String,
    /// Python's traceback, of its first occurrence.
    pub(crate) traceback: String,
    /// How often it occurred.
    pub(crate) occurrences: u64,
    /// When it occurred first.
    pub(crate) first: Time,
    /// When it occurred last.
    pub(crate) last: Time,
}

/// Something that happened to a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Annotation {
    /// When.
    pub(crate) time: Time,
    /// What: `start`, `spawning_complete`, `stop`, `cpu_warning`, `worker_joined`, `worker_left`, `reset_stats`, `abort`.
    pub(crate) kind: String,
    /// The label of the Locust process that it concerns.
    pub(crate) source: Option<String>,
    /// More about it; may be empty.
    pub(crate) text: String,
}

/// How histograms are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HistogramFormat {
    /// The encoding.
    pub(crate) encoding: String,
    /// The unit of their values.
    pub(crate) unit: String,
    /// How exact values are.
    pub(crate) significant_digits: u8,
}

impl Default for HistogramFormat {
    fn default() -> Self {
        Self {
            encoding: "HdrHistogram V2, compressed, base64".to_owned(),
            unit: "microseconds".to_owned(),
            significant_digits: histogram::SIGNIFICANT_DIGITS,
        }
    }
}

/// Why a text is not a document that this version can read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ReadError {
    /// It is not JSON.
    #[error("not JSON: {0}")]
    Json(serde_json::Error),
    /// It is JSON, but not a report.
    #[error("not a report of ltel: it has no `schema` that begins with `{SCHEMA_NAME}`")]
    NotReport,
    /// It has another schema.
    #[error("its schema is `{0}`, but this version of ltel reads `{SCHEMA}`")]
    Version(String),
    /// It is a report, but a field is missing or wrong.
    #[error("a damaged report: {0}")]
    Damaged(serde_json::Error),
}

impl Document {
    /// The document of a run: everything.
    pub(crate) fn of(run: &RunInfo, figures: &RunFigures) -> Self {
        let mut document = Self::without_histograms(run, figures);
        let ends = std::iter::once((&mut document.total, &figures.total));
        for (to, from) in ends.chain(document.endpoints.iter_mut().zip(&figures.endpoints)) {
            to.histogram = Some(from.histogram.clone());
        }
        document
    }

    /// The document of a run for a page, which cannot read the endpoints' histograms: they are most of its bytes.
    pub(crate) fn without_histograms(run: &RunInfo, figures: &RunFigures) -> Self {
        let complete = match figures.stage {
            Stage::Running => None,
            Stage::Final { complete } => Some(complete),
        };
        let thresholds: Vec<_> = figures.thresholds.iter().map(Threshold::of).collect();
        Self {
            schema: SCHEMA.to_owned(),
            ltel: env!("CARGO_PKG_VERSION").to_owned(),
            run: Run::of(run),
            test: Test::of(&figures.test),
            time: figures.time.into(),
            is_final: figures.is_final(),
            complete,
            passed: (!thresholds.is_empty()).then(|| thresholds.iter().all(|threshold| threshold.passed)),
            begun: figures.begun.into(),
            duration_seconds: figures.duration.as_secs_f64(),
            users: figures.users,
            thresholds,
            total: Endpoint::of(&figures.total),
            endpoints: figures.endpoints.iter().map(Endpoint::of).collect(),
            errors: figures.errors.iter().map(RequestError::of).collect(),
            exceptions: figures.exceptions.iter().map(Exception::of).collect(),
            timeline: Timeline::of(&figures.timeline),
            generators: Generator::all(figures),
            annotations: figures.annotations.iter().map(Annotation::of).collect(),
            account: Account::of(figures),
            histogram_format: HistogramFormat::default(),
        }
    }

    /// Its figures of endpoints, for comparisons: counts, rates and response times.
    pub(crate) fn compared_figures(&self) -> RunFigures {
        RunFigures {
            stage: Stage::Final { complete: self.complete.unwrap_or_default() },
            total: self.total.compared_figures(),
            endpoints: self.endpoints.iter().map(Endpoint::compared_figures).collect(),
            ..RunFigures::default()
        }
    }

    /// Reads a document.
    pub(crate) fn read(text: &str) -> Result<Self, ReadError> {
        #[derive(Deserialize)]
        struct Head {
            schema: Option<String>,
        }
        // A file that an editor of another system has saved may begin with this mark.
        let text = text.trim_start_matches('\u{feff}');
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
            return Err(ReadError::Json(error));
        }
        let schema = serde_json::from_str::<Head>(text).ok().and_then(|head| head.schema);
        let version =
            schema.as_deref().and_then(|schema| schema.strip_prefix(SCHEMA_NAME)).ok_or(ReadError::NotReport)?;
        // A minor version may follow one day: such a document has more fields.
        if version.split('.').next() != Some(SCHEMA_VERSION) {
            return Err(ReadError::Version(schema.unwrap_or_default()));
        }
        serde_json::from_str(text).map_err(ReadError::Damaged)
    }

    /// As JSON for a page, which cannot read the endpoints' histograms.
    pub(crate) fn to_json_without_histograms(&self) -> String {
        let mut document = self.clone();
        for endpoint in std::iter::once(&mut document.total).chain(&mut document.endpoints) {
            endpoint.histogram = None;
        }
        document.to_json()
    }

    /// As JSON, on one line.
    pub(crate) fn to_json(&self) -> String {
        // It has neither maps with odd keys nor anything else that cannot be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Run {
    /// Its labels as texts.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, String)> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.labels.iter().map(move |(name, value)| (name.as_str(), text(value)))
    }

    fn of(run: &RunInfo) -> Self {
        Self {
            run_id: run.run_id.clone(),
            testplan: run.testplan.clone(),
            begun: run.begun.wall.into(),
            started: run.started.map(|seconds| ltel_core::Timestamp::from_secs(seconds).into()),
            labels: run.labels.iter().map(|label| (label.key.to_string(), field_of(&label.value))).collect(),
        }
    }
}

impl Test {
    fn of(test: &figures::TestInfo) -> Self {
        Self {
            host: test.host.clone(),
            users: test.users,
            spawn_rate: test.spawn_rate,
            run_time_seconds: test.run_time.map(|time| time.as_secs_f64()),
            locustfile: test.locustfile.clone(),
            user_classes: test.user_classes.clone(),
            locust_version: test.locust_version.clone(),
        }
    }
}

impl Threshold {
    /// The limit with its unit, for people, where the check does not state it itself: it depends on a baseline.
    pub(crate) fn baseline_limit(&self) -> Option<String> {
        let unit = Unit::ALL.into_iter().find(|unit| unit.as_str() == self.unit)?;
        self.limit_value.filter(|_| self.check.contains("baseline")).map(|limit| unit.shown(limit))
    }

    fn of(judgement: &thresholds::Judgement) -> Self {
        Self {
            target: judgement.target.clone(),
            check: judgement.check.clone(),
            actual: judgement.actual.clone(),
            passed: judgement.passed,
            reason: judgement.reason.clone(),
            aborted: judgement.aborted,
            sentence: judgement.sentence(),
            quantity: judgement.quantity.clone(),
            operator: judgement.operator.clone(),
            actual_value: judgement.actual_value,
            limit_value: judgement.limit_value,
            unit: judgement.unit.as_str().to_owned(),
            endpoint: judgement.endpoint.clone(),
        }
    }
}

impl RequestError {
    fn of(error: &figures::ErrorFigures) -> Self {
        Self {
            method: error.method.clone(),
            name: error.name.clone(),
            error: error.error.clone(),
            occurrences: error.occurrences,
            first: error.first.into(),
            last: error.last.into(),
        }
    }
}

impl Exception {
    fn of(exception: &figures::ExceptionFigures) -> Self {
        Self {
            user: exception.user.clone(),
            error: exception.error.clone(),
            traceback: exception.traceback.clone(),
            occurrences: exception.occurrences,
            first: exception.first.into(),
            last: exception.last.into(),
        }
    }
}

impl Annotation {
    fn of(annotation: &figures::Annotation) -> Self {
        Self {
            time: annotation.time.into(),
            kind: annotation.kind.as_str().to_owned(),
            source: annotation.source.clone(),
            text: annotation.text.clone(),
        }
    }
}
