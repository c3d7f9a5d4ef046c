//! `stats`: Locust's own statistics table, as structured events: per interval the total, at the end the total and every
//! endpoint and error.
//!
//! Hand-written rather than derived: its output is a table at an interval and at the end, computed over everything it has
//! seen, and not instruments that an event writes to.

mod endpoint;
mod errors;

use ltel_core::Timestamp;
use ltel_core::prelude::*;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use endpoint::Endpoint;
use errors::Errors;

/// The name of all records of this recorder.
pub const NAME: &str = "locust.tl.request.metric.stats";

/// Requests, failures, rates and percentiles, in total and by endpoint.
#[derive(Debug)]
pub struct Stats {
    // By the number of their series.
    endpoints: Vec<Option<Endpoint>>,
    errors: Errors,
    begun: Option<f64>,
    // What ended before Locust's own figures went back to zero is not in them.
    reset_at: f64,
    users: UserCount,
}

#[derive(Debug, Default)]
struct UserCount {
    now: u64,
    // At the end of a test the users are gone, and the count that matters is the one before.
    before_stop: u64,
}

/// Options of [`Stats`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Which percentiles of the response times to report, in percent.
    #[serde(default = "default_percentiles", deserialize_with = "within_percent")]
    pub percentiles: Vec<f64>,
    /// How many distinct errors are told apart. Beyond it they are counted as one.
    #[serde(default = "default_error_limit")]
    pub error_limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { percentiles: default_percentiles(), error_limit: default_error_limit() }
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
            "percentiles are between 0 and 100, such as `[50, 95, 99.9]`; got {wrong}"
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
        per: Per::Run,
        labels: &["method", "name"],
        instruments: &[],
        records: &[RecordSpec {
            name: NAME,
            description: "Locust's statistics; `stats_type` is current, final or endpoint.",
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
                "percentile_<p>",
                "error",
                "occurrences",
                "first_seen",
                "last_seen",
            ],
        }],
        needs: Needs::NONE,
    };

    fn build(options: &Options, _: &mut Instruments<'_>) -> Self {
        Self {
            endpoints: Vec::new(),
            errors: Errors::new(options.error_limit),
            begun: None,
            reset_at: f64::NEG_INFINITY,
            users: UserCount::default(),
        }
    }

    #[inline]
    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, Options>) {
        match event {
            Event::Request(request) => self.request(request, cx),
            Event::TestStart(start) if speaks_for_run(cx) => self.begun = Some(start.time),
            Event::Users(users) if speaks_for_run(cx) => self.users.set(users.total()),
            Event::SpawningComplete(spawned) if speaks_for_run(cx) => self.users.set(spawned.user_count),
            // Each worker resets its own figures too, at the master's word.
            Event::ResetStats(reset) if speaks_for_run(cx) => self.reset(reset.time),
            _ => {}
        }
    }

    fn tick(&mut self, cx: &mut Context<'_, Options>) {
        let users = self.users.now;
        self.emit_total("current", users, cx);
    }

    fn finish(&mut self, cx: &mut Context<'_, Options>) {
        self.emit_total("final", self.users.before_stop, cx);
        let window = self.window(&self.total(), cx);
        let mut endpoints: Vec<&Endpoint> = self.endpoints.iter().flatten().collect();
        endpoints.sort_by(|a, b| (&a.name, &a.method).cmp(&(&b.name, &b.method)));
        for endpoint in endpoints {
            let record = stats_record("endpoint", cx).field("status", "success");
            cx.emit(endpoint.describe(record, window, &cx.options().percentiles));
        }
        for record in self.errors.describe(&stats_record("endpoint", cx)) {
            cx.emit(record);
        }
    }
}

/// Whether the event is from the process that speaks for the run: the master, or the only one.
fn speaks_for_run(cx: &Context<'_, Options>) -> bool {
    cx.source().is_none_or(|s| s.source.coordinates())
}

fn stats_record(stats_type: &'static str, cx: &Context<'_, Options>) -> Record {
    Record::new(RecordKind::Metrics, NAME, cx.now()).field("stats_type", stats_type)
}

/// The times that rates are computed over, in seconds since the epoch.
#[derive(Clone, Copy, Debug)]
struct Window {
    begun: f64,
    last: f64,
}

impl UserCount {
    fn set(&mut self, count: u64) {
        self.now = count;
        if count > 0 {
            self.before_stop = count;
        }
    }
}

impl Stats {
    #[inline]
    fn request(&mut self, request: &Request<'_>, cx: &mut Context<'_, Options>) {
        let ended = request.end_time();
        if ended < self.reset_at {
            return;
        }
        let series = cx.series([Label::Str(&request.method), Label::Str(&request.name)]);
        let (number, overflow) = (series.number(), series.is_overflow());
        if self.endpoints.len() <= number {
            self.endpoints.resize_with(number + 1, || None);
        }
        let endpoint = self.endpoints[number].get_or_insert_with(|| {
            if overflow { Endpoint::new("", "other endpoints") } else { Endpoint::new(&request.method, &request.name) }
        });
        endpoint.record(request, ended);
        if let Some(error) = &request.error {
            self.errors.record(&endpoint.method, &endpoint.name, &error.text, Timestamp::from_secs(ended));
        }
    }

    fn reset(&mut self, at: f64) {
        self.endpoints.iter_mut().flatten().for_each(Endpoint::reset);
        self.errors.reset();
        self.begun = Some(at);
        self.reset_at = at;
    }

    fn total(&self) -> Endpoint {
        // Locust's name for it.
        let mut total = Endpoint::new("", "Aggregated");
        self.endpoints.iter().flatten().for_each(|endpoint| total.add(endpoint));
        total
    }

    fn window(&self, total: &Endpoint, cx: &Context<'_, Options>) -> Window {
        Window { begun: self.begun.unwrap_or_else(|| cx.run().begun.as_secs()), last: total.last }
    }

    fn emit_total(&self, stats_type: &'static str, users: u64, cx: &mut Context<'_, Options>) {
        let total = self.total();
        let record = stats_record(stats_type, cx).field("user_count", users);
        let window = self.window(&total, cx);
        cx.emit(total.describe(record, window, &cx.options().percentiles));
    }
}
