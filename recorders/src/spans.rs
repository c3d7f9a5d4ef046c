//! `spans`: a client span per request, for every client, and a span per execution of a task. The system under test can
//! join the traces, so that each slow request is found in both.
//!
//! Hand-written rather than derived: the derive makes no spans.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use ltel_core::Timestamp;
use ltel_core::event::{RequestError, Task};
use ltel_core::prelude::*;
use ltel_core::schema;
use ltel_core::trace::{EncodedAttributes, SpanHead, SpanWriter};
use ltel_core::wire::TraceFeatures;
use opentelemetry::trace::SpanKind;
use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, EXCEPTION_MESSAGE, EXCEPTION_TYPE, HTTP_REQUEST_METHOD, HTTP_REQUEST_METHOD_ORIGINAL,
    HTTP_RESPONSE_STATUS_CODE, SERVER_ADDRESS, SERVER_PORT, URL_FULL, URL_TEMPLATE,
};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::semconv::{self, Servers};

// Attributes of Locust without a name in the semantic conventions.
const REQUEST_TYPE: &str = "locust.request_type";
const REQUEST_NAME: &str = "locust.request_name";
// In bytes, after decompression: the conventions define the size of a body differently.
const RESPONSE_LENGTH: &str = "locust.response_length";
const USER_CLASS: &str = "locust.user_class";
const TASK_NAME: &str = "locust.task_name";
const RUN_ID: &str = "locust.run_id";
const TESTPLAN: &str = "locust.testplan";
const SOURCE: &str = "locust.source";
const SOURCE_ID: &str = "locust.source_id";

/// A span per request and optionally per task, joined by the system under test.
#[derive(Debug, Default)]
pub struct Spans {
    servers: Servers,
    ids: Ids,
    shared: Shared,
}

/// Options of [`Spans`].
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The part of all traces that is sampled, from 0 to 1. Decided in Locust, from the trace's id, as OpenTelemetry's
    /// sampler `TraceIdRatioBased` does.
    #[serde(default = "all", deserialize_with = "part")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ratio: f64,
    /// Whether requests of `HttpUser` and `FastHttpUser` carry a W3C `traceparent`, so that the system under test joins.
    #[serde(default = "yes")]
    pub propagate: bool,
    /// Whether each execution of a task has a span, the parent of its requests.
    #[serde(default)]
    pub tasks: bool,
    /// Which requests have a span even if their trace is not sampled.
    #[serde(default)]
    #[schemars(extend("default" = { "failures": true }))]
    pub keep: Keep,
}

/// Which requests have a span even if their trace is not sampled, with the tasks above them. The system under test is
/// told that the trace is not sampled.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// Those that failed.
    #[serde(default = "yes")]
    pub failures: bool,
    /// Those that took longer.
    #[serde(default, deserialize_with = "duration")]
    #[schemars(with = "Option<schema::Duration>")]
    pub slower_than: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self { ratio: 1.0, propagate: true, tasks: false, keep: Keep::default() }
    }
}

impl Default for Keep {
    fn default() -> Self {
        Self { failures: true, slower_than: None }
    }
}

const fn all() -> f64 {
    1.0
}

const fn yes() -> bool {
    true
}

fn part<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let ratio = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&ratio) {
        Ok(ratio)
    } else {
        Err(D::Error::custom(format!("the ratio must be between 0 (no trace) and 1 (every trace); got {ratio}")))
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map(Some).map_err(|_| {
        D::Error::custom(format!(
            "\"{text}\" is not a duration: write a number and a unit, such as \"500ms\" or \"1s\""
        ))
    })
}

impl Options {
    fn keeps(&self, request: &Request<'_>) -> bool {
        let slow = self.keep.slower_than.is_some_and(|limit| request.response_time > limit.as_secs_f64() * 1e3);
        slow || (self.keep.failures && request.error.is_some())
    }
}

impl Recorder for Spans {
    type Options = Options;

    const SPEC: &'static Spec = &Spec {
        name: "spans",
        description: "A span per request and optionally per task, joined by the system under test (W3C traceparent).",
        scope: crate::SCOPE,
        events: &[EventKind::Request, EventKind::Task],
        per: Per::Source,
        labels: &[],
        instruments: &[],
        records: &[],
        spans: &[
            SpanSpec {
                name: "{method} {name}",
                description: "A request, of kind client; its event `exception` has the error.",
                attributes: &[
                    HTTP_REQUEST_METHOD,
                    HTTP_REQUEST_METHOD_ORIGINAL,
                    URL_TEMPLATE,
                    URL_FULL,
                    SERVER_ADDRESS,
                    SERVER_PORT,
                    HTTP_RESPONSE_STATUS_CODE,
                    ERROR_TYPE,
                    REQUEST_TYPE,
                    REQUEST_NAME,
                    RESPONSE_LENGTH,
                    USER_CLASS,
                    RUN_ID,
                    TESTPLAN,
                    SOURCE,
                    SOURCE_ID,
                ],
            },
            SpanSpec {
                name: "{task}",
                description: "One execution of a task, of kind internal, above its requests (with `tasks = true`).",
                attributes: &[TASK_NAME, USER_CLASS, ERROR_TYPE, RUN_ID, TESTPLAN, SOURCE, SOURCE_ID],
            },
        ],
        // Its needs depend on its options.
        needs: Needs::NONE,
    };

    fn needs(options: &Options) -> Needs {
        let trace = TraceFeatures {
            ratio: options.ratio,
            propagate: options.propagate,
            tasks: options.tasks,
            keep_failures: options.keep.failures,
            keep_slower_than_ms: options.keep.slower_than.map(|limit| limit.as_secs_f64() * 1e3),
        };
        Needs { trace: Some(trace), ..Needs::NONE }
    }

    fn build(_: &Options, _: &mut Instruments<'_>) -> Self {
        Self::default()
    }

    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, Options>) {
        match event {
            Event::Request(request) => {
                let options = cx.options();
                let known = request.trace();
                let sampled = known.is_some_and(|context| context.sampled);
                if !sampled && options.ratio < 1.0 && !options.keeps(request) {
                    return;
                }
                // Without ids it was reported before Locust enabled traces, or by a client without
                // traces. No other system knows it, so the ids can be made here.
                let context = known.unwrap_or_else(|| self.ids.next(cx));
                self.request(request, context, cx);
            }
            Event::Task(task) => {
                if let Some(context) = task.trace {
                    self.task(task, context, cx);
                }
            }
            _ => {}
        }
    }
}

impl Spans {
    fn request(&mut self, request: &Request<'_>, context: TraceContext, cx: &mut Context<'_, Options>) {
        let Self { servers, shared, .. } = self;
        let shared = shared.of(cx);
        let (start, end) = (Timestamp::from_secs(request.start_time), Timestamp::from_secs(request.end_time()));
        let method = &*request.method;
        let known_method = semconv::http_method(method);
        let url = semconv::url(request);
        let is_http = semconv::is_http(request);
        // By the conventions a span is named by method and template; other requests are named in the same way.
        let shown = &*semconv::without_secrets(&request.name);
        let named = if is_http && known_method != method { "HTTP" } else { method };
        let head = SpanHead { context, kind: SpanKind::Client, name: &[named, " ", shown], start, end };
        cx.write_span(&head, |span| {
            if is_http {
                span.attribute(HTTP_REQUEST_METHOD, known_method);
                if known_method != method {
                    span.attribute(HTTP_REQUEST_METHOD_ORIGINAL, method);
                }
                span.attribute(URL_TEMPLATE, shown);
                if let Some(url) = url {
                    span.attribute(URL_FULL, semconv::without_secrets(url));
                    if let Some(server) = servers.of(url) {
                        span.attribute(SERVER_ADDRESS, &*server.address);
                        span.attribute(SERVER_PORT, server.port);
                    }
                }
                span.attribute(HTTP_RESPONSE_STATUS_CODE, semconv::status_code(request));
            }
            span.attribute(REQUEST_TYPE, method);
            span.attribute(REQUEST_NAME, shown);
            span.attribute(RESPONSE_LENGTH, request.response_length);
            span.attribute(USER_CLASS, request.user_class());
            span.attributes(shared);
            if let Some(error) = &request.error {
                fail(span, end, error, semconv::error_type(request).unwrap_or(&error.class));
            }
        });
    }

    fn task(&mut self, task: &Task<'_>, context: TraceContext, cx: &mut Context<'_, Options>) {
        let shared = self.shared.of(cx);
        let (start, end) = (Timestamp::from_secs(task.start_time), Timestamp::from_secs(task.end_time()));
        let head = SpanHead { context, kind: SpanKind::Internal, name: &[&task.name], start, end };
        cx.write_span(&head, |span| {
            span.attribute(TASK_NAME, &task.name);
            span.attribute(USER_CLASS, &task.user_class);
            span.attributes(shared);
            if let Some(error) = &task.error {
                fail(span, end, error, &error.class);
            }
        });
    }
}

/// Marks a span as failed, with the exception as a span event.
fn fail(span: &mut SpanWriter<'_>, end: Timestamp, error: &RequestError<'_>, error_type: &str) {
    // The description must not repeat the status code.
    span.error(if error_type.starts_with(|c: char| c.is_ascii_digit()) { "" } else { &error.text });
    span.attribute(ERROR_TYPE, error_type);
    let (class, text) = (Label::Str(&error.class), Label::Str(&error.text));
    span.event("exception", end, &[(EXCEPTION_TYPE, class), (EXCEPTION_MESSAGE, text)]);
}

/// The attributes that all spans of a run and source share, encoded once.
#[derive(Debug, Default)]
struct Shared {
    without_source: Option<EncodedAttributes>,
    // By the index of the source.
    of_sources: Vec<Option<EncodedAttributes>>,
}

impl Shared {
    fn of(&mut self, cx: &Context<'_, Options>) -> &EncodedAttributes {
        let run = [(RUN_ID, Label::Str(&cx.run().run_id)), (TESTPLAN, Label::Str(&cx.run().testplan))];
        let Some(source) = cx.source() else {
            return self.without_source.get_or_insert_with(|| EncodedAttributes::new(&run));
        };
        let index = source.index as usize;
        if self.of_sources.len() <= index {
            self.of_sources.resize(index + 1, None);
        }
        self.of_sources[index].get_or_insert_with(|| {
            let source = [(SOURCE, source.source.runner()), (SOURCE_ID, &source.label)];
            let source = source.map(|(name, text)| (name, Label::Str(text)));
            EncodedAttributes::new(&[run, source].concat())
        })
    }
}

/// Ids of spans that are not known outside: the same whenever the same events come, and never those of another run.
#[derive(Debug, Default)]
struct Ids(u64);

impl Ids {
    fn next(&mut self, cx: &Context<'_, Options>) -> TraceContext {
        self.0 += 1;
        let part = |which: u8| {
            let mut hasher = DefaultHasher::new();
            (&cx.run().run_id, cx.run().begun.wall.as_nanos(), self.0, which).hash(&mut hasher);
            // An id must not be zero.
            hasher.finish().max(1)
        };
        TraceContext {
            trace_id: ((u128::from(part(0)) << 64) | u128::from(part(1))).into(),
            span_id: part(2).into(),
            parent_span_id: None,
            sampled: true,
        }
    }
}
