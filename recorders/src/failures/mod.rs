//! `failures`: what fails in a test, as records: each distinct failure when it is first seen, then how often it
//! occurs.

mod tally;

use std::num::NonZeroUsize;

use ltel_core::Timestamp;
use ltel_core::event::UserError;
use ltel_core::prelude::*;
use serde::Deserialize;

use crate::semconv;
use tally::{Counted, Report, Tally};

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

/// Each distinct failure of requests and each exception of users when it is first seen, then its counts.
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
#[derive(Debug, Recorder)]
#[recorder(per = run, options = Options, scope = crate::SCOPE)]
pub struct Failures {
    /// A failure of requests; `report` is first, interval or final.
    #[record(
        name = REQUEST,
        on(Request, each = |request, _, cx| cx.state.request(request)),
        on(Tick, each = |_, _, cx| cx.state.requests.changed()),
        on(Finish, each = |_, _, cx| cx.state.requests.all()),
        severity = |failure| failure.severity(),
        body = |failure| body(&failure.texts[..2], failure.texts[3]),
        fields(
            report = |failure| failure.report,
            method = |failure| failure.texts[0],
            name = |failure| failure.texts[1],
            error_type = |failure| failure.texts[2],
            error = |failure| failure.texts[3],
            status_code = |failure| failure.status_code,
            occurrences = |failure| failure.occurrences,
            new = |failure| failure.new,
            first_seen = |failure| failure.first_seen,
            last_seen = |failure| failure.last_seen,
        ),
    )]
    requests: Records,

    /// An exception in user code, outside any request; `report` is first, interval or final.
    #[record(
        name = USER,
        on(UserError, each = |error, _, cx| cx.state.user_error(error)),
        on(Tick, each = |_, _, cx| cx.state.users.changed()),
        on(Finish, each = |_, _, cx| cx.state.users.all()),
        severity = |failure| failure.severity(),
        body = |failure| body(&failure.texts[..1], failure.texts[1]),
        fields(
            report = |failure| failure.report,
            user = |failure| failure.texts[0],
            error = |failure| failure.texts[1],
            // At an interval without: the first record has it, and it is long.
            traceback = |failure| (failure.report != Report::Interval).then_some(failure.texts[2]),
            occurrences = |failure| failure.occurrences,
            new = |failure| failure.new,
            first_seen = |failure| failure.first_seen,
            last_seen = |failure| failure.last_seen,
        ),
    )]
    users: Records,

    #[state(init = |options| Seen::new(options.limit.get()))]
    seen: Seen,
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

/// What has failed.
#[derive(Debug)]
struct Seen {
    requests: Tally<4>,
    users: Tally<3>,
}

impl Seen {
    fn new(limit: usize) -> Self {
        Self { requests: Tally::new(limit, ["", "", "", OTHER]), users: Tally::new(limit, ["", OTHER, ""]) }
    }

    #[inline]
    fn request(&mut self, request: &Request<'_>) -> Option<Counted<'_, 4>> {
        let error = request.error.as_ref()?;
        let texts = [&*request.method, &*request.name, &*error.class, &*error.text].map(|text| head(text, TEXT));
        self.requests.add(texts, Timestamp::from_secs(request.reported_at), semconv::status_code(request))
    }

    fn user_error(&mut self, error: &UserError) -> Option<Counted<'_, 3>> {
        // The frame that raised is the last one of a traceback.
        let texts = [head(&error.user, TEXT), head(&error.error, TEXT), tail(&error.traceback, TRACEBACK)];
        self.users.add(texts, Timestamp::from_secs(error.time), None)
    }
}

/// `GET /cart: 503`. What stands for all beyond the limit has only an error.
fn body(what: &[&str], error: &str) -> String {
    format!("{}: {error}", what.join(" ")).trim_start_matches([' ', ':']).to_owned()
}

/// The beginning of a text, with a maximum of bytes.
fn head(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// The end of a text, with a maximum of bytes.
fn tail(text: &str, limit: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(limit))..]
}
