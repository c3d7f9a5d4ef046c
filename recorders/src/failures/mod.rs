//! `failures`: what fails in a test, as structured events: each distinct failure when it is first seen, then how often it
//! occurs.
//!
//! Hand-written rather than derived: at each interval and at the end it emits a table of everything that it has seen.

mod tally;

use std::num::NonZeroUsize;

use ltel_core::Timestamp;
use ltel_core::event::UserError;
use ltel_core::prelude::*;
use serde::Deserialize;

use crate::semconv;
use tally::{Counted, Tally};

/// The name of the records of failed requests.
pub const REQUEST: &str = "locust.tl.event.failure";

/// The name of the records of exceptions in user code.
pub const USER: &str = "locust.tl.event.user.error";

/// Longest text of a failure in bytes; failures that differ only beyond it are one. Bounded: an error may hold a whole page.
const TEXT: usize = 1_024;

/// Longest traceback in bytes.
const TRACEBACK: usize = 8_192;

/// The error text that stands for all failures beyond the limit.
const OTHER: &str = "other failures";

/// The distinct failures of requests, and the exceptions of users.
///
/// A failure of requests is identified by method, name, class and text of the error; an exception of users by their
/// class, the error and the traceback. The same failure in several processes is one. For each there is
///
/// - at once, a record of severity error: `report` is `first`. It carries the trace of its request, or of the task that the
///   exception ended, if there is one
/// - at each interval in which it occurred again, one of severity info: `report` is `interval`
/// - at the end of the run, another: `report` is `final`
///
/// `occurrences` counts from the beginning of the test, `new` since the previous record of this failure: the sum of `new`
/// over all records, and that of `occurrences` over the final ones, is the number of failures. `--reset-stats` changes
/// nothing here: this is a log of what happened, and not Locust's table.
///
/// Error texts may contain ids or times, so that each is distinct: beyond [`Options::limit`], failures are counted as one.
#[derive(Debug)]
pub struct Failures {
    requests: Tally<4>,
    users: Tally<3>,
}

/// Options of [`Failures`].
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The limit of distinct failures of requests, and of exceptions of users. Beyond it they are counted
    /// as one.
    #[serde(default = "default_limit")]
    pub limit: NonZeroUsize,
}

impl Default for Options {
    fn default() -> Self {
        Self { limit: default_limit() }
    }
}

const fn default_limit() -> NonZeroUsize {
    match NonZeroUsize::new(1_000) {
        Some(limit) => limit,
        None => NonZeroUsize::MIN,
    }
}

impl Recorder for Failures {
    type Options = Options;

    const SPEC: &'static Spec = &Spec {
        name: "failures",
        description: "Each distinct failure of requests and each exception of users when it is first seen, then its counts.",
        scope: crate::SCOPE,
        events: &[EventKind::Request, EventKind::UserError],
        per: Per::Run,
        labels: &[],
        instruments: &[],
        records: &[
            RecordSpec {
                name: REQUEST,
                description: "A failure of requests; `report` is first, interval or final.",
                fields: &[
                    "report",
                    "method",
                    "name",
                    "error_type",
                    "error",
                    "status_code",
                    "occurrences",
                    "new",
                    "first_seen",
                    "last_seen",
                ],
            },
            RecordSpec {
                name: USER,
                description: "An exception in user code, outside any request; `report` is first, interval or final.",
                fields: &["report", "user", "error", "traceback", "occurrences", "new", "first_seen", "last_seen"],
            },
        ],
        spans: &[],
        needs: Needs::NONE,
    };

    const MERGES_EVENTS: bool = true;

    fn build(options: &Options, _: &mut Instruments<'_>) -> Self {
        Self { requests: Tally::new(options.limit.get()), users: Tally::new(options.limit.get()) }
    }

    #[inline]
    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, Options>) {
        match event {
            Event::Request(request) if request.error.is_some() => self.request(request, cx),
            Event::UserError(error) => self.user_error(error, cx),
            _ => {}
        }
    }

    fn tick(&mut self, cx: &mut Context<'_, Options>) {
        for failure in self.requests.changed() {
            cx.emit(of_requests(&failure, figures(REQUEST, "interval", cx)));
        }
        for failure in self.users.changed() {
            // Without the traceback: the first record has it, and it is long.
            cx.emit(of_users(&failure, figures(USER, "interval", cx)));
        }
    }

    fn finish(&mut self, cx: &mut Context<'_, Options>) {
        for failure in self.requests.all() {
            cx.emit(of_requests(&failure, figures(REQUEST, "final", cx)));
        }
        for failure in self.users.all() {
            cx.emit(with_traceback(&failure, of_users(&failure, figures(USER, "final", cx))));
        }
    }
}

impl Failures {
    fn request(&mut self, request: &Request<'_>, cx: &mut Context<'_, Options>) {
        let Some(error) = &request.error else { return };
        let texts = [&*request.method, &*request.name, &*error.class, &*error.text].map(|text| head(text, TEXT));
        let at = Timestamp::from_secs(request.reported_at);
        if let Some(first) = self.requests.add(texts, at, semconv::status_code(request)) {
            cx.emit(of_requests(&first, news(REQUEST, at)));
        }
    }

    fn user_error(&mut self, error: &UserError, cx: &mut Context<'_, Options>) {
        // The frame that raised is the last one of a traceback.
        let texts = [head(&error.user, TEXT), head(&error.error, TEXT), tail(&error.traceback, TRACEBACK)];
        let at = Timestamp::from_secs(error.time);
        if let Some(first) = self.users.add(texts, at, None) {
            cx.emit(with_traceback(&first, of_users(&first, news(USER, at))));
        }
    }
}

fn news(name: &'static str, at: Timestamp) -> Record {
    Record::new(RecordKind::Event, name, at).severity(Severity::Error).field("report", "first")
}

fn figures(name: &'static str, report: &'static str, cx: &Context<'_, Options>) -> Record {
    Record::new(RecordKind::Event, name, cx.now()).field("report", report)
}

fn of_requests(failure: &Counted<'_, 4>, record: Record) -> Record {
    let [method, name, error_type, error] = failure.texts.unwrap_or(["", "", "", OTHER]);
    let record =
        record.field("method", method).field("name", name).field("error_type", error_type).field("error", error);
    let record = match failure.status_code {
        Some(code) => record.field("status_code", code),
        None => record,
    };
    let body = format!("{method} {name}: {error}");
    // The entry beyond the limit has neither.
    failure.describe(record.body(body.trim_start_matches([' ', ':'])))
}

fn of_users(failure: &Counted<'_, 3>, record: Record) -> Record {
    let [user, error, _] = failure.texts.unwrap_or(["", OTHER, ""]);
    let body = format!("{user}: {error}");
    failure.describe(record.body(body.trim_start_matches([' ', ':'])).field("user", user).field("error", error))
}

fn with_traceback(failure: &Counted<'_, 3>, record: Record) -> Record {
    let [_, _, traceback] = failure.texts.unwrap_or_default();
    record.field("traceback", traceback)
}

/// The beginning of a text, with a maximum of bytes.
fn head(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// The end of a text, with a maximum of bytes.
fn tail(text: &str, limit: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(limit))..]
}
