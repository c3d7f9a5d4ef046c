//! `http`: HTTP requests, users and processes by OpenTelemetry's names, so that dashboards and alerts for any
//! HTTP client work for a load test too. Names, units and meanings are those of the semantic conventions, version 1.42.
//!
//! Hand-written rather than derived: its names are the constants of the conventions' crate, and the number of user
//! classes is known only at run time.

use std::collections::HashMap;

use ltel_core::event;
use ltel_core::prelude::*;
use ltel_core::schema;
use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, SERVER_ADDRESS, SERVER_PORT, URL_SCHEME, URL_TEMPLATE,
};
use opentelemetry_semantic_conventions::metric::{
    HTTP_CLIENT_REQUEST_BODY_SIZE, HTTP_CLIENT_REQUEST_DURATION, HTTP_CLIENT_RESPONSE_BODY_SIZE,
    PROCESS_CPU_UTILIZATION, PROCESS_MEMORY_USAGE,
};
use serde::Deserialize;
use serde::de::Deserializer;

use crate::buckets;
use crate::semconv::{self, Server, Servers};

/// The bounds in s that the conventions advise for the duration of HTTP requests.
const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Bounds in bytes, for which the conventions advise none: from a short answer to a download, 128 B to 128 MiB, each four
/// times the one before.
const BYTES: &[f64] = &[
    128.0,
    512.0,
    2_048.0,
    8_192.0,
    32_768.0,
    131_072.0,
    524_288.0,
    2_097_152.0,
    8_388_608.0,
    33_554_432.0,
    134_217_728.0,
];

/// The class of a user, which has no name in the conventions.
const USER_CLASS: &str = "locust.user_class";

const LABELS: &[&str] = &[
    HTTP_REQUEST_METHOD,
    URL_TEMPLATE,
    HTTP_RESPONSE_STATUS_CODE,
    ERROR_TYPE,
    SERVER_ADDRESS,
    SERVER_PORT,
    URL_SCHEME,
    USER_CLASS,
];

const DURATION: InstrumentSpec =
    InstrumentSpec::new("duration", InstrumentKind::Histogram, "s", "Duration of HTTP client requests.")
        .named(HTTP_CLIENT_REQUEST_DURATION)
        .buckets(SECONDS);

const REQUEST_SIZE: InstrumentSpec = InstrumentSpec::new(
    "request_size",
    InstrumentKind::Histogram,
    "By",
    "Size of HTTP client request bodies; needs the option `request_body_size`.",
)
.named(HTTP_CLIENT_REQUEST_BODY_SIZE)
.buckets(BYTES);

const RESPONSE_SIZE: InstrumentSpec = InstrumentSpec::new(
    "response_size",
    InstrumentKind::Histogram,
    "By",
    "Size of HTTP client response bodies, as Locust counts it: after decompression.",
)
.named(HTTP_CLIENT_RESPONSE_BODY_SIZE)
.buckets(BYTES);

// For counts such as users or memory, the conventions use up-down counters. Ours are gauges: a sum lives as long as its
// run, and would include the users and the memory of a worker that has left. Prometheus has one type for both.
const USERS: InstrumentSpec = InstrumentSpec::new(
    "users",
    InstrumentKind::Gauge,
    "{user}",
    "Running users of the run by class; of each worker if no master reports them.",
)
.named("locust.users");

const CPU: InstrumentSpec = InstrumentSpec::new(
    "cpu",
    InstrumentKind::Gauge,
    "1",
    "CPU time of the Locust process by elapsed time; 1 is one CPU, the most that Python code of one process can use.",
)
.named(PROCESS_CPU_UTILIZATION);

const MEMORY: InstrumentSpec =
    InstrumentSpec::new("memory", InstrumentKind::Gauge, "By", "Physical memory that the Locust process uses.")
        .named(PROCESS_MEMORY_USAGE);

/// HTTP requests, users and processes by the names of OpenTelemetry's semantic conventions.
///
/// Only HTTP requests are seen: those with a method of HTTP's, or an `http` URL. Where the conventions leave a choice:
///
/// - `url.template` is Locust's name of the request: a test that names its requests well has few.
/// - `error.type` stands on what Locust counts as a failure, and on nothing else: a 404 that the test accepts has none.
/// - `server.address`, `server.port` and `url.scheme` are those of the host under test ([`event::TestStart::host`]), since
///   the URL of each request would cost Locust about a microsecond more per request. [`Options::request_url`] asks for
///   it: where a test talks to several hosts.
/// - `process.cpu.utilization` divides by one CPU and not by all that the host has: Locust is one Python thread, and at 1
///   it is at its limit however many there are. It has no `cpu.mode`: only the sum of user and system time is known.
#[derive(Debug)]
pub struct Http {
    duration: Histogram,
    request_size: Histogram,
    response_size: Histogram,
    users: Gauge<u64>,
    cpu: Gauge,
    memory: Gauge<u64>,
    host: Option<Server>,
    servers: Servers,
    // By the index of their source.
    user_classes: HashMap<u32, Vec<String>>,
}

/// Options of [`Http`].
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The upper bounds of durations in s, ascending.
    #[serde(default = "seconds", deserialize_with = "in_seconds")]
    #[schemars(with = "schema::Buckets")]
    pub buckets: Vec<f64>,
    /// The upper bounds of sizes in bytes, ascending.
    #[serde(default = "bytes", deserialize_with = "in_bytes")]
    #[schemars(with = "schema::Buckets")]
    pub size_buckets: Vec<f64>,
    /// Have Locust send each request's URL, and take the server from it. Without it, the server is the host under test.
    #[serde(default)]
    pub request_url: bool,
    /// Have Locust send the length of each request's body, for `http.client.request.body.size`. Without it, the length is not known.
    #[serde(default)]
    pub request_body_size: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { buckets: seconds(), size_buckets: bytes(), request_url: false, request_body_size: false }
    }
}

fn seconds() -> Vec<f64> {
    SECONDS.to_vec()
}

fn bytes() -> Vec<f64> {
    BYTES.to_vec()
}

fn in_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    buckets::ascending(deserializer, "`[0.01, 0.05, 0.1, 0.5, 1]` (upper bounds in s)")
}

fn in_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    buckets::ascending(deserializer, "`[1024, 65536, 1048576]` (upper bounds in bytes)")
}

impl Recorder for Http {
    type Options = Options;

    const SPEC: &'static Spec = &Spec {
        name: "http",
        description: "HTTP requests, users and processes by the names of OpenTelemetry's semantic conventions.",
        scope: crate::SCOPE,
        events: &[EventKind::Request, EventKind::Users, EventKind::Usage],
        per: Per::Source,
        labels: LABELS,
        instruments: &[DURATION, REQUEST_SIZE, RESPONSE_SIZE, USERS, CPU, MEMORY],
        records: &[],
        spans: &[],
        needs: Needs { usage: true, ..Needs::NONE },
    };

    fn needs(options: &Options) -> Needs {
        Needs { url: options.request_url, request_length: options.request_body_size, ..Self::SPEC.needs }
    }

    fn build(options: &Options, instruments: &mut Instruments<'_>) -> Self {
        Self {
            duration: instruments.histogram_with(&DURATION, &options.buckets),
            request_size: instruments.histogram_with(&REQUEST_SIZE, &options.size_buckets),
            response_size: instruments.histogram_with(&RESPONSE_SIZE, &options.size_buckets),
            users: instruments.gauge(&USERS),
            cpu: instruments.gauge(&CPU),
            memory: instruments.gauge(&MEMORY),
            host: None,
            servers: Servers::default(),
            user_classes: HashMap::new(),
        }
    }

    #[inline]
    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, Options>) {
        match event {
            Event::Request(request) => self.request(request, cx),
            Event::TestStart(start) => {
                if let Some(host) = start.host.as_deref().and_then(Server::of) {
                    self.host = Some(host);
                }
            }
            // A master's count includes all its workers: adding theirs would count users twice.
            Event::Users(users) if cx.speaks_for_run() => self.users(users, cx),
            Event::Usage(usage) => {
                let series = cx.series([Label::Absent; LABELS.len()]);
                self.cpu.set(series, usage.cpu_percent / 100.0);
                self.memory.set(series, usage.memory_bytes);
            }
            _ => {}
        }
    }
}

impl Http {
    #[inline]
    fn request(&mut self, request: &Request<'_>, cx: &mut Context<'_, Options>) {
        // Another recorder may have asked for the URLs of some requests: that must not change the output of this one.
        let url = if cx.options().request_url { semconv::url(request) } else { semconv::url_in_name(request) };
        if url.is_none() && !semconv::is_http_method(&request.method) {
            return;
        }
        let server = match url {
            Some(url) => self.servers.of(url),
            None => self.host.as_ref(),
        };
        let status = semconv::status_code(request);
        let template = semconv::without_secrets(&request.name);
        let series = cx.series([
            Label::Str(semconv::http_method(&request.method)),
            Label::Str(&template),
            status.as_label(),
            semconv::error_type(request).as_label(),
            server.map(|server| &*server.address).as_label(),
            server.map(|server| server.port).as_label(),
            server.map(|server| server.scheme).as_label(),
            Label::Absent,
        ]);
        if let Some(ms) = request.response_time.ms() {
            self.duration.record(series, ms / 1e3);
        }
        if let Some(length) = request.request_length() {
            self.request_size.record(series, length as f64);
        }
        // Without a response, Locust's length is 0 and means nothing.
        if status.is_some() || request.response_length > 0 {
            self.response_size.record(series, request.response_length as f64);
        }
    }

    fn users(&mut self, users: &event::Users, cx: &mut Context<'_, Options>) {
        let source = cx.source().map_or(u32::MAX, |source| source.index);
        let known = self.user_classes.entry(source).or_default();
        // A class that is no longer named has no users: without a zero, its last count would stay visible for minutes.
        let vanished = known.iter().filter(|class| !users.counts.contains_key(*class)).map(|class| (class, &0));
        for (class, count) in vanished.chain(&users.counts) {
            let mut labels = [Label::Absent; LABELS.len()];
            labels[LABELS.len() - 1] = Label::Str(class);
            self.users.set(cx.series(labels), *count);
        }
        *known = users.counts.keys().cloned().collect();
    }
}
