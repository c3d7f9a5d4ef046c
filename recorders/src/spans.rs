//! `spans`: a client span per request, for every client, and a span per execution of a task. The system under test can
//! join the traces, so that each slow request is found in both.
//!
//! Hand-written rather than derived: the derive makes no spans.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use ltel_core::Timestamp;
use ltel_core::event::{RequestError, Task};
use ltel_core::prelude::*;
use ltel_core::schema;
use ltel_core::trace;
use ltel_core::wire::TraceFeatures;
use opentelemetry::trace::{Event as SpanEvent, SpanKind, Status};
use opentelemetry::{InstrumentationScope, KeyValue, StringValue, Value};
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
#[derive(Debug)]
pub struct Spans {
    scope: InstrumentationScope,
    servers: Servers,
    ids: Ids,
    // Attribute values that all spans of a run and source share, by the index of the source.
    run: Option<(StringValue, StringValue)>,
    sources: Vec<Option<(StringValue, StringValue)>>,
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
        Self {
            scope: InstrumentationScope::builder(crate::SCOPE).with_version(env!("CARGO_PKG_VERSION")).build(),
            servers: Servers::default(),
            ids: Ids::default(),
            run: None,
            sources: Vec::new(),
        }
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
                let span = self.request(request, &context, cx);
                cx.emit_span(span);
            }
            Event::Task(task) => {
                if let Some(context) = &task.trace {
                    let span = self.task(task, context, cx);
                    cx.emit_span(span);
                }
            }
            _ => {}
        }
    }
}

impl Spans {
    fn request(&mut self, request: &Request<'_>, context: &TraceContext, cx: &Context<'_, Options>) -> SpanData {
        let times = (Timestamp::from_secs(request.start_time), Timestamp::from_secs(request.end_time()));
        // By the conventions a span is named by method and template; other requests are named in the same way.
        let shown = semconv::without_secrets(&request.name);
        let name = format!("{} {shown}", request.method).into();
        let mut span = trace::span(context, SpanKind::Client, name, times, &self.scope);
        let attributes = &mut span.attributes;
        attributes.reserve_exact(20);
        if semconv::is_http(request) {
            let method = semconv::http_method(&request.method);
            attributes.push(KeyValue::new(HTTP_REQUEST_METHOD, method));
            if method != request.method {
                attributes.push(text(HTTP_REQUEST_METHOD_ORIGINAL, &request.method));
                span.name = format!("HTTP {shown}").into();
            }
            attributes.push(text(URL_TEMPLATE, &shown));
            if let Some(url) = semconv::url(request) {
                attributes.push(KeyValue::new(URL_FULL, semconv::without_secrets(url).into_owned()));
                if let Some(server) = self.servers.of(url) {
                    attributes.push(text(SERVER_ADDRESS, &server.address));
                    attributes.push(KeyValue::new(SERVER_PORT, i64::from(server.port)));
                }
            }
            if let Some(status) = semconv::status_code(request) {
                attributes.push(KeyValue::new(HTTP_RESPONSE_STATUS_CODE, i64::from(status)));
            }
        }
        attributes.push(text(REQUEST_TYPE, &request.method));
        attributes.push(text(REQUEST_NAME, &shown));
        let length = i64::try_from(request.response_length).unwrap_or(i64::MAX);
        attributes.push(KeyValue::new(RESPONSE_LENGTH, length));
        if let Some(user_class) = request.user_class() {
            attributes.push(text(USER_CLASS, user_class));
        }
        self.context(attributes, cx);
        if let Some(error) = &request.error {
            let kind = semconv::error_type(request).unwrap_or(&error.class).to_owned();
            fail(&mut span, error, kind);
        }
        span
    }

    fn task(&mut self, task: &Task<'_>, context: &TraceContext, cx: &Context<'_, Options>) -> SpanData {
        let times = (Timestamp::from_secs(task.start_time), Timestamp::from_secs(task.end_time()));
        let name = task.name.clone().into_owned().into();
        let mut span = trace::span(context, SpanKind::Internal, name, times, &self.scope);
        span.attributes.push(text(TASK_NAME, &task.name));
        span.attributes.push(text(USER_CLASS, &task.user_class));
        self.context(&mut span.attributes, cx);
        if let Some(error) = &task.error {
            fail(&mut span, error, error.class.clone().into_owned());
        }
        span
    }

    /// Run and source; all spans share their texts.
    fn context(&mut self, attributes: &mut Vec<KeyValue>, cx: &Context<'_, Options>) {
        let shared = |text: &str| StringValue::from(Arc::<str>::from(text));
        let (run_id, testplan) = self.run.get_or_insert_with(|| (shared(&cx.run().run_id), shared(&cx.run().testplan)));
        attributes.push(KeyValue::new(RUN_ID, run_id.clone()));
        attributes.push(KeyValue::new(TESTPLAN, testplan.clone()));
        if let Some(source) = cx.source() {
            let index = source.index as usize;
            if self.sources.len() <= index {
                self.sources.resize(index + 1, None);
            }
            let (kind, id) =
                self.sources[index].get_or_insert_with(|| (shared(source.source.runner()), shared(&source.label)));
            attributes.push(KeyValue::new(SOURCE, kind.clone()));
            attributes.push(KeyValue::new(SOURCE_ID, id.clone()));
        }
    }
}

fn text(name: &'static str, value: &str) -> KeyValue {
    KeyValue::new(name, value.to_owned())
}

/// Marks a span as failed, with the exception as a span event.
fn fail(span: &mut SpanData, error: &RequestError<'_>, error_type: String) {
    // The description must not repeat the status code.
    let description = if error_type.starts_with(|c: char| c.is_ascii_digit()) { "" } else { &*error.text };
    span.status = Status::error(description.to_owned());
    span.attributes.push(KeyValue::new(ERROR_TYPE, Value::from(error_type)));
    let exception = vec![text(EXCEPTION_TYPE, &error.class), text(EXCEPTION_MESSAGE, &error.text)];
    span.events.events.push(SpanEvent::new("exception", span.end_time, exception, 0));
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
