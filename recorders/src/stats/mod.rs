//! `stats`: Locust's own statistics table, as records: per interval the total, at the end the total and every
//! endpoint and error.
//!
//! Hand-written rather than derived: it emits a table at each interval and at the end, computed from everything that it
//! has seen.

mod table;
mod endpoint;
mod times;
mod lately;
mod errors;
mod source_clock;
mod resets;
mod recent;
mod interval;
mod quantiles;
mod records;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ltel_core::Timestamp;
use ltel_core::event;
use ltel_core::figures::{EndpointFigures, Stage, TestInfo};
use ltel_core::prelude::*;
use ltel_core::recorder::{OptionsCheck, RunMemory};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

use crate::chronicle::Chronicle;
use endpoint::{EndpointName, EndpointNames};
use interval::{Interval, IntervalFigures};
use quantiles::{Quantiles, RESPONSE_TIME};
use recent::Recent;
use records::{describe_endpoint, describe_error, describe_interval};
use resets::{Place, Resets};
use source_clock::SourceClocks;
use table::Table;

/// The name of all records of this recorder.
pub const NAME: &str = "locust.tl.request.metric.stats";

// Locust's name of the total.
const TOTAL: &str = "Aggregated";

// Method and name of all endpoints beyond the series limit.
const OTHERS: [&str; 2] = ["", "other endpoints"];

/// Requests, failures, rates and percentiles, in total and by endpoint.
#[derive(Debug)]
pub struct Stats {
    memory: Arc<RunMemory>,
    table: Table,
    names: EndpointNames,
    clocks: SourceClocks,
    resets: Resets,
    recent: Recent,
    // Absent where no records are wished.
    interval: Option<Interval>,
    quantiles: Quantiles,
    begun: Option<f64>,
    users: UserCount,
    test: TestInfo,
    /// If figures are asked for.
    chronicle: Option<Box<Chronicle>>,
}

/// Running users, by the source that reports them: one source, except in runs without a master.
#[derive(Debug, Default)]
struct UserCount {
    now: BTreeMap<u32, u64>,
    // At the end of a test the users have stopped: the count before that matters.
    before_stop: BTreeMap<u32, u64>,
}

/// Options of [`Stats`].
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Which percentiles of the response times to report, in percent.
    #[serde(default = "default_percentiles", deserialize_with = "within_percent")]
    #[schemars(inner(range(min = 0.0, max = 100.0)))]
    pub percentiles: Vec<f64>,
    /// The limit of distinct errors. Beyond it they are counted as one.
    #[serde(default = "default_error_limit")]
    pub error_limit: usize,
    /// When each endpoint has a line of its own.
    #[serde(default)]
    pub endpoints: EndpointLines,
    /// Which quantiles of the response times of each interval to show as gauges, from 0 to 1.
    #[serde(default, deserialize_with = "quantiles::read")]
    #[schemars(inner(range(min = 0.0, max = 1.0)))]
    pub quantiles: Vec<f64>,
    /// Whether the rules of `[[names]]` rename and drop requests for it too. Without this, it agrees with Locust's own statistics.
    #[serde(default)]
    pub names: bool,
    /// Whether anyone takes its records. It is not in the configuration: ltel adds a `stats` where only the figures of runs are wished.
    #[serde(skip, default = "yes")]
    pub records: bool,
}

const fn yes() -> bool {
    true
}

impl Options {
    /// For figures of runs alone, without records and gauges.
    #[must_use]
    pub fn for_figures() -> Self {
        Self { records: false, ..Self::default() }
    }
}

/// When `stats` has a line for each endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "lowercase")]
pub enum EndpointLines {
    /// At the end.
    #[default]
    Final,
    /// At the end, and after each interval in which it had a request.
    Interval,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            percentiles: default_percentiles(),
            error_limit: default_error_limit(),
            endpoints: EndpointLines::default(),
            quantiles: Vec::new(),
            names: false,
            records: true,
        }
    }
}

fn default_percentiles() -> Vec<f64> {
    vec![50.0, 90.0, 95.0, 99.0, 99.9]
}

const fn default_error_limit() -> usize {
    1_000
}

fn within_percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let percentiles = Vec::<f64>::deserialize(deserializer)?;
    if let Some(wrong) = percentiles.iter().find(|p| !(0.0..=100.0).contains(*p)) {
        return Err(D::Error::custom(format!(
            "percentiles must be between 0 and 100, such as `[50, 95, 99.9]`; got {wrong}"
        )));
    }
    Ok(percentiles)
}

impl Recorder for Stats {
    type Options = Options;

    const SPEC: &'static Spec = &Spec {
        name: "stats",
        description: "Requests, failures, rates and percentiles: the total each interval, at the end every endpoint and error.",
        scope: crate::SCOPE,
        events: &[EventKind::Request],
        per: Per::Run,
        labels: &["method", "endpoint"],
        instruments: &[RESPONSE_TIME],
        records: &[RecordSpec {
            name: NAME,
            description: "Locust's statistics; `stats_type` is current, interval, final or endpoint.",
            fields: &[
                "stats_type",
                "status",
                "user_count",
                "method",
                "name",
                "num_requests",
                "num_failures",
                "min_response_time",
                "max_response_time",
                "current_rps",
                "current_fail_per_sec",
                "avg_response_time",
                "median_response_time",
                "total_rps",
                "total_fail_per_sec",
                "avg_content_length",
                "percentile_{p}",
                "interval",
                "interval_requests",
                "interval_failures",
                "interval_rps",
                "interval_fail_per_sec",
                "interval_avg_response_time",
                "interval_max_response_time",
                "interval_percentile_{p}",
                "error",
                "occurrences",
                "first_seen",
                "last_seen",
            ],
        }],
        spans: &[],
        needs: Needs::NONE,
    };

    const SERIES_BYTES: usize = endpoint::BYTES + interval::BYTES;

    const HAS_FIGURES: bool = true;

    const MERGES_EVENTS: bool = true;

    fn check(options: &mut Options, check: &mut OptionsCheck<'_>) {
        if let Some(low) = options.percentiles.iter().find(|percent| (f64::MIN_POSITIVE..1.0).contains(*percent)) {
            check.warn(format!(
                "`percentiles` are of 100, such as 95 for p95: {low} is less than 1, nearly the shortest time"
            ));
        }
    }

    fn keeps_names(options: &Options) -> bool {
        !options.names
    }

    fn for_figures(options: &Options) -> Option<Options> {
        Some(Options {
            percentiles: options.percentiles.clone(),
            error_limit: options.error_limit,
            names: options.names,
            ..Options::for_figures()
        })
    }

    fn has_points(options: &Options) -> bool {
        !options.quantiles.is_empty()
    }

    fn build(options: &Options, instruments: &mut Instruments<'_>) -> Self {
        let quantiles = Quantiles::build(&options.quantiles, instruments);
        let by_endpoint = options.endpoints == EndpointLines::Interval || Self::has_points(options);
        let memory = instruments.memory();
        Self {
            memory: Arc::clone(memory),
            table: Table::new(options.error_limit, Arc::clone(memory)),
            names: EndpointNames::default(),
            clocks: SourceClocks::default(),
            resets: Resets::default(),
            recent: Recent::new(Arc::clone(memory)),
            interval: options.records.then(|| Interval::new(by_endpoint, Arc::clone(memory))),
            quantiles,
            begun: None,
            users: UserCount::default(),
            test: TestInfo::default(),
            chronicle: None,
        }
    }

    #[inline]
    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, Options>) {
        if let Event::Request(request) = event {
            return self.request(request, cx);
        }
        if let Some(chronicle) = &mut self.chronicle {
            chronicle.event(event, cx);
        }
        match event {
            Event::TestStart(start) if cx.speaks_for_run() => {
                let time = self.clocks.corrected(start.time, cx);
                self.begun = Some(self.begun.map_or(time, |begun| begun.min(time)));
                self.test = test_info(start);
            }
            Event::Users(users) if cx.speaks_for_run() => self.users.set(cx, users.total()),
            Event::SpawningComplete(spawned) if cx.speaks_for_run() => self.users.set(cx, spawned.user_count),
            Event::ResetStats(reset) => self.reset(reset, cx),
            Event::ReportToMaster(report) => {
                if let Some(source) = cx.source()
                    && self.recent.reported(source, report.number)
                    && let Some(table) = self.resets.stays(source.index)
                {
                    self.table.add(table);
                }
            }
            _ => {}
        }
    }

    fn tick(&mut self, cx: &mut Context<'_, Options>) {
        let Some(interval) = &mut self.interval else { return };
        let interval = interval.end(cx.elapsed(), &self.names);
        self.tell_interval(&interval, cx);
        self.quantiles.show(&interval, cx);
    }

    fn finish(&mut self, cx: &mut Context<'_, Options>) {
        for table in self.resets.settle() {
            self.table.add(table);
        }
        let Some(interval) = &mut self.interval else { return };
        // The sum of all intervals is the whole test.
        let rest = interval.end(cx.elapsed(), &self.names);
        if rest.total.requests > 0 {
            self.tell_interval(&rest, cx);
            self.quantiles.show(&rest, cx);
        }
        let (window, total) = self.total(cx);
        cx.emit(total_record("final", sum(&self.users.before_stop), &total, cx));
        for endpoint in self.table.endpoints() {
            let record = stats_record("endpoint", cx.now()).field("status", "success");
            cx.emit(describe_endpoint(record, &endpoint.figures(window), &cx.options().percentiles));
        }
        for error in &self.table.errors() {
            cx.emit(describe_error(stats_record("endpoint", cx.now()), error));
        }
    }

    fn keep_figures(&mut self) {
        self.chronicle = Some(Box::new(Chronicle::new(&self.memory)));
    }

    fn figures(&mut self, stage: Stage, cx: &mut Context<'_, Options>) -> Option<RunFigures> {
        let (window, total) = self.total(cx);
        let users = if stage == Stage::Running { &self.users.now } else { &self.users.before_stop };
        let endpoints = self.table.numbered_endpoints();
        let numbers: Vec<_> = endpoints.iter().map(|(number, _)| *number).collect();
        let mut figures = RunFigures {
            time: cx.now(),
            stage,
            test: self.test.clone(),
            begun: Timestamp::from_secs(window.begun),
            duration: window.duration(),
            users: sum(users),
            total,
            endpoints: endpoints.into_iter().map(|(_, endpoint)| endpoint.figures(window)).collect(),
            errors: self.table.errors(),
            ..RunFigures::default()
        };
        if let Some(chronicle) = &mut self.chronicle {
            chronicle.describe(&mut figures, &numbers, cx);
        }
        Some(figures)
    }
}

fn test_info(start: &event::TestStart) -> TestInfo {
    TestInfo {
        host: start.host.clone(),
        users: start.users,
        spawn_rate: start.spawn_rate,
        run_time: start.run_time.and_then(|secs| Duration::try_from_secs_f64(secs).ok()),
        locustfile: start.locustfile.clone(),
        user_classes: start.user_classes.clone(),
        locust_version: start.locust_version.clone(),
    }
}

fn total_record(stats_type: &'static str, users: u64, total: &EndpointFigures, cx: &Context<'_, Options>) -> Record {
    let record = stats_record(stats_type, cx.now()).field("user_count", users);
    describe_endpoint(record, total, &cx.options().percentiles)
}

fn stats_record(stats_type: &'static str, time: Timestamp) -> Record {
    Record::new(RecordKind::Metrics, NAME, time).field("stats_type", stats_type)
}

/// The times that rates are computed over, in seconds since the epoch by clocks that do not jump.
#[derive(Clone, Copy, Debug)]
struct Window {
    begun: f64,
    last: f64,
}

impl UserCount {
    fn set(&mut self, cx: &Context<'_, Options>, count: u64) {
        let source = cx.source().map_or(u32::MAX, |source| source.index);
        self.now.insert(source, count);
        if count > 0 {
            self.before_stop.insert(source, count);
        }
    }
}

impl Window {
    /// Zero before the first request.
    fn duration(self) -> Duration {
        Duration::try_from_secs_f64(self.last - self.begun).unwrap_or_default()
    }
}

// Clients may report any numbers.
fn sum(users: &BTreeMap<u32, u64>) -> u64 {
    users.values().copied().fold(0, u64::saturating_add)
}

impl Stats {
    #[inline]
    fn request(&mut self, request: &Request<'_>, cx: &mut Context<'_, Options>) {
        let series = cx.series([Label::Str(&request.method), Label::Str(&request.name)]);
        let (number, overflow) = (series.number(), series.is_overflow());
        let name = self.names.get_or_add(number, || {
            let [method, name] = if overflow { OTHERS } else { [&*request.method, &*request.name] };
            EndpointName::new(method, name)
        });
        let at = self.clocks.corrected(request.reported_at, cx);
        if let Some(chronicle) = &mut self.chronicle {
            chronicle.request(number, request, at, cx);
        }
        let worker = cx.source().filter(|source| !source.source.coordinates());
        if let Some(interval) = &mut self.interval {
            interval.record(number, request);
        }
        if worker.is_some_and(|worker| !self.recent.keep(worker, number, request, at)) {
            return;
        }
        let table = match worker {
            Some(worker) if !self.resets.none() => {
                match self.resets.place(worker.index, cx.options().error_limit, &self.memory) {
                    Place::Main => &mut self.table,
                    Place::Aside(table) => table,
                }
            }
            _ => &mut self.table,
        };
        table.record(number, name, request, at);
    }

    /// Emits the total as it stands, with the figures of an interval, and the endpoints that had requests in it if they are wished.
    fn tell_interval(&self, interval: &IntervalFigures, cx: &mut Context<'_, Options>) {
        let (_, total) = self.total(cx);
        let percentiles = &cx.options().percentiles;
        let record = total_record("current", sum(&self.users.now), &total, cx);
        cx.emit(describe_interval(record, &interval.total, interval.duration, percentiles));
        if cx.options().endpoints == EndpointLines::Interval {
            for endpoint in interval.endpoints_by_name() {
                // A type of its own: dashboards add up or pick from the lines of the types that they know.
                let record = stats_record("interval", cx.now())
                    .field("method", &*endpoint.method)
                    .field("name", &*endpoint.name);
                cx.emit(describe_interval(record, endpoint, interval.duration, percentiles));
            }
        }
    }

    fn reset(&mut self, reset: &event::ResetStats, cx: &Context<'_, Options>) {
        let worker = cx.source().filter(|source| !source.source.coordinates());
        // Without a master, the first worker to reset takes its place.
        if worker.is_none_or(|worker| !cx.run().coordinated && self.resets.leads(worker.index)) {
            let limit = cx.options().error_limit;
            self.table = Table::new(limit, Arc::clone(&self.memory));
            let begun = self.clocks.corrected(reset.time, cx);
            self.begun = Some(begun);
            if let Some(chronicle) = &mut self.chronicle {
                chronicle.reset(begun, cx);
            }
            let early = self.resets.master();
            if worker.is_none() {
                self.recent.carry_over(reset, &self.names, &mut self.table, &mut self.resets, limit);
            }
            for (worker, table) in early {
                if !self.recent.has_carried_over(reset, worker) {
                    self.table.add(table);
                }
            }
        }
        if let Some(worker) = worker {
            self.resets.worker(worker.index);
            self.recent.forget(worker.index);
        }
    }

    /// The total of all endpoints, and the time that rates are computed over.
    fn total(&self, cx: &Context<'_, Options>) -> (Window, EndpointFigures) {
        let mut total = self.table.total();
        for table in self.resets.aside() {
            total.add(&table.total());
        }
        // Without a `test_start`, ltel was started in mid-run and may have received earlier requests.
        let begun = self.begun.or(cx.run().started).unwrap_or_else(|| cx.run().begun.wall.as_secs());
        let window = Window { begun, last: total.last };
        (window, total.figures(window))
    }
}
